from __future__ import annotations

import json
from typing import Any

from producer.continuity import Continuity, Jump
from producer.inherit import inherit_continuity
from producer.segment import Entry


def entry(kind: str, message: dict[str, Any], **envelope: Any) -> Entry:
    return Entry(0, json.dumps({"v": 1, "kind": kind, **envelope, "message": message}).encode())


def tick(trade_id: Any) -> Entry:
    return entry("ticker", {"type": "ticker", "product_id": "A-B", "trade_id": trade_id, "time": "t"})


def memory(*trade_ids: int) -> dict[str, Any]:
    continuity = Continuity()
    for trade_id in trade_ids:
        continuity.observe("A-B", trade_id, "t")
    return {"continuity": continuity.to_memory()}


def next_hole(continuity: Continuity, trade_id: int) -> tuple[str, list[tuple[int, int]]]:
    step = continuity.observe("A-B", trade_id, "t")
    assert isinstance(step, Jump)
    return step.hole.reason, list(step.hole.missing)


def test_what_the_checkpoint_knew_is_known_and_the_gap_since_is_the_process_being_down() -> None:
    assert ("process_down", [(4, 6)]) == next_hole(inherit_continuity(memory(1, 2, 3), []), 7)


def test_lines_written_after_the_checkpoint_are_no_hole() -> None:
    assert ("process_down", [(6, 6)]) == next_hole(inherit_continuity(memory(3), [tick(4), tick(5)]), 7)


def test_a_hole_found_after_the_checkpoint_is_open_again() -> None:
    (hole,) = inherit_continuity(memory(3), [tick(7)]).open_holes()

    assert [(4, 6)] == list(hole.missing)


def test_healed_trades_are_not_fetched_twice_and_a_receipt_closes_its_hole() -> None:
    gap = {"product_id": "A-B", "first_missing_trade_id": 4, "last_missing_trade_id": 6, "status": "open"}
    lines = [tick(7), entry("gap", gap), entry("trade", {"trade_id": 5, "time": "t"}, product_id="A-B")]
    (hole,) = inherit_continuity(memory(3), lines).open_holes()
    assert [(4, 4), (6, 6)] == list(hole.missing)

    assert [] == inherit_continuity(memory(3), [*lines, entry("gap", {**gap, "status": "unhealed"})]).open_holes()


def test_a_hole_that_a_heartbeat_told_of_is_known() -> None:
    gap = {"product_id": "A-B", "first_missing_trade_id": 4, "last_missing_trade_id": 6, "status": "open"}
    (hole,) = inherit_continuity(memory(3), [entry("gap", gap)]).open_holes()

    assert [(4, 6)] == list(hole.missing)


def test_a_polled_ticker_stays_polled() -> None:
    polled = entry("ticker", {"trade_id": 6, "time": "t"}, product_id="A-B")

    assert ("process_down", [(4, 5), (7, 8)]) == next_hole(inherit_continuity(memory(3), [polled]), 9)


def test_lines_that_say_nothing_usable_are_passed_over() -> None:
    odd = [
        Entry(0, b"not json"),
        Entry(0, b"[1]"),
        tick("5"),
        tick(-5),
        entry("trade", {"trade_id": 5}),
        entry("unreadable", {"reason": "frame_not_json"}),
        entry("gap", {"status": "open"}),
        Entry(0, b'{"kind":"ticker","message":7}'),
    ]

    assert ("process_down", [(4, 6)]) == next_hole(inherit_continuity(memory(3), odd), 7)


def test_a_fetched_trade_is_never_taken_for_the_newest() -> None:
    fetched = entry("trade", {"trade_id": 5, "time": "t"}, product_id="A-B")

    assert inherit_continuity({}, [fetched]).last_trade_id("A-B") is None


def numbered(*entries: Entry, without: int | None = None) -> list[Entry]:
    return [Entry(n, each.line) for n, each in enumerate(entries) if n != without]


def test_a_hole_without_a_gap_line_is_to_be_named_and_one_with_is_not() -> None:
    gap = {"product_id": "A-B", "first_missing_trade_id": 4, "last_missing_trade_id": 6, "status": "open"}
    killed_in_between = inherit_continuity(memory(3), numbered(tick(7)))
    named = inherit_continuity(memory(3), numbered(tick(7), entry("gap", gap), tick(8)))

    assert [("dropped_by_exchange", 4, 6)] == [
        (each.reason, each.first, each.last) for each in killed_in_between.unnamed
    ]
    assert [] == named.unnamed


def test_a_hole_that_was_remembered_was_named_before() -> None:
    known = Continuity.from_memory(memory(3)["continuity"])
    known.observe("A-B", 7, "t")

    assert [] == inherit_continuity({"continuity": known.to_memory()}, numbered(tick(8))).unnamed


def test_trades_of_lines_that_the_disk_lost_are_a_hole_by_that_name() -> None:
    lines = numbered(tick(4), tick(5), tick(6), without=1)
    (hole,) = inherit_continuity(memory(3), lines).unnamed

    assert ("journal_damaged", [(5, 5)]) == (hole.reason, hole.missing.ranges)
