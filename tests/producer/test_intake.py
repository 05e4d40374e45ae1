from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from contract import ROOT
from producer.continuity import Continuity
from producer.exchange import Heartbeat, Other, Unreadable
from producer.intake import Intake
from producer.ledger import Ledger
from producer.line import MAX_FRAME_BYTES
from producer.rest import decode_ticker, decode_trades

if TYPE_CHECKING:
    from collections.abc import Mapping

TODAY = json.loads((ROOT / "examples/frames/ticker.today.pass.json").read_bytes())


class Journal:
    """Takes lines while it has room; remembers them in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, Any]] = []
        self.aside: list[tuple[str, bytes]] = []
        self.room = 10**9

    def write(self, kind: str, source: str, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        assert receive_us
        assert (source in {"exchange_rest", "rest_heal"} or kind == "spot") == (product_id is not None)
        if self.room <= 0:
            return False
        self.room -= 1
        self.lines.append((kind, source, json.loads(message)))
        return True

    def set_aside(self, reason: str, frame: bytes) -> None:
        self.aside.append((reason, frame))

    def of(self, kind: str) -> list[Any]:
        return [message for each, _, message in self.lines if each == kind]


def make(*, simulated: bool = False) -> tuple[Intake, Journal, Ledger]:
    journal, ledger = Journal(), Ledger()
    intake = Intake(
        continuity=Continuity(),
        ledger=ledger,
        write=journal.write,
        set_aside=journal.set_aside,
        simulated=simulated,
    )
    return intake, journal, ledger


def instant(trade_id: int) -> str:
    return f"2026-11-23T02:30:00.{trade_id:06d}Z"


def tick(trade_id: int, product_id: str = "A-B", wrong: Mapping[str, object] = MappingProxyType({})) -> bytes:
    named = {"product_id": product_id, "trade_id": trade_id, "time": instant(trade_id)}
    return json.dumps({**TODAY, **named, **wrong}).encode()


def poll(intake: Intake, trade_id: int, price: str = "1.5") -> bool:
    body = {"trade_id": trade_id, "price": price, "size": "1", "time": instant(trade_id)}
    text = json.dumps(body).encode()
    return intake.take_poll("A-B", decode_ticker(text), text, 1_000)


def feed(intake: Intake, *trade_ids: int) -> None:
    for trade_id in trade_ids:
        intake.take(tick(trade_id), 1_000)


def test_every_ticker_is_a_line_also_one_sent_again() -> None:
    intake, journal, ledger = make()
    feed(intake, 1, 1, 2)

    assert [1, 1, 2] == [message["trade_id"] for message in journal.of("ticker")]
    assert (2, 1) == (ledger.products["A-B"].ticks, ledger.products["A-B"].repeats)
    assert {"exchange_ws"} == {source for _, source, _ in journal.lines}


def test_a_simulated_feed_is_marked() -> None:
    intake, journal, _ = make(simulated=True)
    feed(intake, 1)

    assert [("ticker", "simulated")] == [line[:2] for line in journal.lines]


def test_a_hole_becomes_a_gap_line_behind_the_tick_that_showed_it() -> None:
    intake, journal, ledger = make()
    feed(intake, 1, 5)

    assert ["ticker", "ticker", "gap"] == [kind for kind, _, _ in journal.lines]
    assert {
        "product_id": "A-B",
        "reason": "dropped_by_exchange",
        "status": "open",
        "first_missing_trade_id": 2,
        "last_missing_trade_id": 4,
        "missing": 3,
        "before": {"trade_id": 1, "event_time": instant(1)},
        "after": {"trade_id": 5, "event_time": instant(5)},
    } == journal.of("gap")[0]
    assert (1, 3) == (ledger.products["A-B"].holes, ledger.products["A-B"].missing)


def test_late_trades_close_their_hole_with_a_receipt() -> None:
    intake, journal, ledger = make()
    feed(intake, 1, 4, 3, 2)
    _, receipt = journal.of("gap")

    assert ("healed", 2, []) == (receipt["status"], receipt["fetched"], receipt["still_missing"])
    assert 0 == ledger.products["A-B"].missing
    assert [] == intake.continuity.open_holes()


def test_an_unreadable_frame_is_a_line_and_the_reason_of_the_hole_it_leaves() -> None:
    intake, journal, _ = make()
    feed(intake, 1)
    assert Unreadable("frame_not_json") == intake.take(b'{"type":"ticker","trade', 1_000)
    feed(intake, 3)

    assert ["frame_not_json"] == [message["reason"] for message in journal.of("unreadable")]
    assert ["refused_frame"] == [message["reason"] for message in journal.of("gap")]


def test_a_frame_too_long_is_set_aside_whole() -> None:
    intake, journal, _ = make()
    frame = b'{"x":"' + b"y" * MAX_FRAME_BYTES + b'"}'
    intake.take(frame, 1_000)

    assert [("frame_too_long", frame)] == journal.aside
    assert len(frame) == journal.of("unreadable")[0]["frame_bytes"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "-1.5"},
        {"last_size": "0.-1"},
        {"time": "0001-01-01T00:00:00.000000Z"},
        {"best_ask": "0.01"},
        {"trade_id": "2"},
        {"trade_id": 10**30},
    ],
)
def test_a_ticker_that_the_transform_will_refuse_is_a_line_and_no_trade(wrong: dict[str, object]) -> None:
    intake, journal, ledger = make()
    feed(intake, 1)
    intake.take(tick(1, "C-D"), 1_000)
    intake.take(tick(2, wrong=wrong), 1_000)
    feed(intake, 3)
    intake.take(tick(3, "C-D"), 1_000)

    assert 5 == len(journal.of("ticker"))
    assert [("A-B", "refused_frame", 2, 2), ("C-D", "dropped_by_exchange", 2, 2)] == [
        (gap["product_id"], gap["reason"], gap["first_missing_trade_id"], gap["last_missing_trade_id"])
        for gap in journal.of("gap")
    ]
    assert (2, instant(3)) == (ledger.products["A-B"].ticks, ledger.products["A-B"].event_time)


@pytest.mark.parametrize("product_id", [None, 17, "", "a-b", "NOBODY-KNOWS"])
def test_a_refused_ticker_of_an_unknown_product_is_suspected_of_every_product(product_id: object) -> None:
    intake, journal, _ = make()
    for product in ("A-B", "C-D"):
        intake.take(tick(1, product), 1_000)
    intake.take(tick(2, wrong={"price": "-1.5", "product_id": product_id}), 1_000)
    for product in ("A-B", "C-D"):
        intake.take(tick(3, product), 1_000)

    assert ["refused_frame", "refused_frame"] == [gap["reason"] for gap in journal.of("gap")]


def test_a_refused_ticker_that_comes_well_after_all_leaves_no_hole() -> None:
    intake, journal, _ = make()
    feed(intake, 1)
    intake.take(tick(2, wrong={"price": "-1.5"}), 1_000)
    feed(intake, 2, 3)

    assert [] == journal.of("gap")


def test_a_polled_ticker_that_the_transform_will_refuse_is_one_line_and_no_trade() -> None:
    intake, journal, ledger = make()
    feed(intake, 1)

    assert [False, False, True, False] == [
        poll(intake, 2, "-1.5"),
        poll(intake, 2, "-1.5"),
        poll(intake, 2),
        poll(intake, 2, "-1.5"),
    ]
    assert [TODAY["price"], "-1.5", "1.5"] == [message["price"] for message in journal.of("ticker")]
    assert 2 == ledger.products["A-B"].ticks


def test_a_polled_ticker_that_names_another_product_is_no_trade_of_the_one_asked_for() -> None:
    intake, _, _ = make()
    body = tick(2, "C-D")

    assert not intake.take_poll("A-B", decode_ticker(body), body, 1_000)


def test_a_healed_trade_that_the_transform_will_refuse_is_a_line_and_not_healed() -> None:
    intake, journal, ledger = make()
    body = [
        {"trade_id": trade_id, "price": price, "size": "1", "side": "buy", "time": instant(trade_id)}
        for trade_id, price in ((3, "1.5"), (2, "-1.5"), (1, "1.5"))
    ]

    assert [3, 1] == intake.take_healed("A-B", decode_trades(json.dumps(body).encode()), 1_000)
    assert 3 == len(journal.of("trade"))
    assert 2 == ledger.products["A-B"].healed


def test_what_the_journal_had_no_room_for_is_one_typed_gap_per_product() -> None:
    intake, journal, _ = make()
    for product in ("A-B", "C-D"):
        intake.take(tick(1, product), 1_000)
    journal.room = 0
    for trade_id in (2, 3, 4):
        intake.take(tick(trade_id, "A-B"), 1_000)
        intake.take(tick(trade_id, "C-D"), 1_000)
    journal.room = 100
    for product in ("A-B", "C-D"):
        intake.take(tick(5, product), 1_000)

    assert [("A-B", "journal_full", 2, 4), ("C-D", "journal_full", 2, 4)] == [
        (gap["product_id"], gap["reason"], gap["first_missing_trade_id"], gap["last_missing_trade_id"])
        for gap in journal.of("gap")
    ]


def test_what_there_was_no_room_for_up_to_the_end_is_named_at_the_end() -> None:
    intake, journal, _ = make()
    feed(intake, 1, 2)
    journal.room = 0
    feed(intake, 3, 4, 5)

    intake.name_unjournaled(9)
    assert [] == journal.of("gap")
    journal.room = 100
    intake.write_unwritten()

    (gap,) = journal.of("gap")
    assert ("journal_full", 3, 5) == (gap["reason"], gap["first_missing_trade_id"], gap["last_missing_trade_id"])
    assert [(3, 5)] == [(hole.first, hole.last) for hole in intake.continuity.open_holes()]


def test_what_was_seen_after_there_was_room_again_is_not_named_twice() -> None:
    intake, journal, _ = make()
    feed(intake, 1)
    journal.room = 0
    feed(intake, 2)
    journal.room = 100
    feed(intake, 3)
    intake.name_unjournaled(9)

    assert [2] == [gap["last_missing_trade_id"] for gap in journal.of("gap")]


def test_a_gap_line_without_room_waits_for_the_next_line_that_finds_some() -> None:
    intake, journal, _ = make()
    feed(intake, 1)
    journal.room = 1
    feed(intake, 3)
    assert [] == journal.of("gap")
    journal.room = 100
    feed(intake, 4)

    assert [2] == [gap["first_missing_trade_id"] for gap in journal.of("gap")]


def test_an_interruption_is_the_reason_of_the_hole_found_after_it() -> None:
    intake, journal, _ = make()
    feed(intake, 1)
    intake.continuity.suspect("disconnected")
    feed(intake, 1, 3)

    assert ["disconnected"] == [gap["reason"] for gap in journal.of("gap")]


def test_other_frames_are_counted_and_not_kept() -> None:
    intake, journal, ledger = make()

    assert Heartbeat("A-B", 7) == intake.take(b'{"type":"heartbeat","product_id":"A-B","last_trade_id":7}', 1)
    assert Other("status") == intake.take(b'{"type":"status"}', 1)
    assert [] == journal.lines
    assert {"heartbeat": 1, "status": 1} == ledger.frames


def test_a_peer_cannot_grow_our_memory_by_inventing_types() -> None:
    intake, _, ledger = make()
    for number in range(1_000):
        intake.take(json.dumps({"type": f"new{number}"}).encode(), 1)

    assert len(ledger.frames) <= 40
    assert 1_000 == sum(ledger.frames.values())


SPOT = b'{"data":{"amount":"1.5","base":"A","currency":"B"}}'


def test_a_spot_price_is_a_line_and_no_trade() -> None:
    intake, journal, ledger = make()

    assert intake.take_spot("A-B", SPOT, 1) is None
    assert [("spot", "spot_rest", json.loads(SPOT))] == journal.lines
    assert intake.continuity.last_trade_id("A-B") is None
    assert {} == ledger.products


def test_a_simulated_spot_price_is_marked_and_one_of_another_product_named() -> None:
    intake, journal, _ = make(simulated=True)

    assert "line_invalid" == intake.take_spot("A-C", SPOT, 1)
    assert [("spot", "simulated")] == [line[:2] for line in journal.lines]


def test_a_spot_price_finds_no_room_and_testimony_that_waited_is_written_after_the_next() -> None:
    intake, journal, _ = make()
    journal.room = 0
    intake.testify("coverage", b'{"product_id":"A-B"}', 1)

    assert "journal_full" == intake.take_spot("A-B", SPOT, 1)
    journal.room = 2
    assert intake.take_spot("A-B", SPOT, 1) is None
    assert ["spot", "coverage"] == [kind for kind, _, _ in journal.lines]
