"""Lines that a producer's disk lost: a hole once a later session has named them, damage until then."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson

from contract.messages import refusal_of
from producer.continuity import Continuity, Edge, Hole
from producer.intervals import IntervalSet
from producer.line import encode_testimony
from tests.audit_lambda.test_bounds import find
from tests.audit_lambda.whole import (
    BEGIN,
    FIRST,
    PRODUCTS,
    SECOND_BEGINS_S,
    Producer,
    at,
    deliver,
    rest_trade,
    session_at,
    ticker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOST_SECONDS = (100, 101, 102, 118)  # 100 to 102: a line of each product; 118: the last of its minute
CHECKS = ("sessions", "ledgers", "trades", "testimony", "lines")
NOW = BEGIN + timedelta(hours=12)


def lose(lake: Path, *, named: bool) -> set[int]:
    """A session of ten minutes, four of whose lines never came; and the next one, which may say so and heal. The lost numbers."""
    first = Producer(FIRST, Continuity())
    first.open(0)
    for seconds in range(1, 600):
        first.second(seconds, ticker(PRODUCTS[seconds % 3], seconds))
    first.close(600)
    wanted = [orjson.loads(ticker(PRODUCTS[seconds % 3], seconds)) for seconds in LOST_SECONDS]
    parsed = [orjson.loads(line) for _, line in first.lines]
    lost = {each["n"] for each in parsed if each["message"] in wanted}
    deliver(lake, "first", [line for n, (_, line) in enumerate(first.lines) if n not in lost], at(600))
    if named:
        second = Producer(session_at(at(SECOND_BEGINS_S)), Continuity.from_memory(first.continuity.to_memory()))
        second.open(SECOND_BEGINS_S)
        ranges = IntervalSet((n, n) for n in lost).ranges
        told = {"event": "lines_lost", "of_session": FIRST, "lost": ranges, "why": "journal_damaged"}
        second.intake.testify("session", encode_testimony(told), second.now_us)
        for frame in wanted:
            heal(second, frame["product_id"], frame["trade_id"])
        second.close(SECOND_BEGINS_S + 60)
        deliver(lake, "second", [line for _, line in second.lines], at(SECOND_BEGINS_S + 60))
    return lost


def heal(producer: Producer, product_id: str, trade_id: int) -> None:
    missing = IntervalSet([(trade_id, trade_id)])
    hole = Hole(product_id, trade_id, trade_id, Edge(trade_id - 1, None), Edge(trade_id + 1, None), "journal_damaged", missing)  # fmt: skip
    producer.intake.lost(hole, producer.now_us)
    assert refusal_of("trade", rest_trade(product_id, trade_id).raw, told=product_id) is None
    producer.heal(hole, [trade_id])


def severities(lake: Path, checks: Iterable[str] = CHECKS) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in find(lake, checks, now=NOW):
        found.setdefault(finding.check, set()).add(finding.severity)
    return found


def test_named_and_healed_they_are_holes_of_their_session_and_no_trade_is_missing(tmp_path: Path) -> None:
    lost = lose(tmp_path, named=True)
    findings = find(tmp_path, ["sessions"], now=NOW)

    assert {
        "sessions": {"hole"},
        "ledgers": {"hole"},
        "trades": {"healed"},
        "testimony": {"hole"},
    } == severities(tmp_path)
    assert lost == {n for each in findings for n in range(each.first_id or 0, (each.last_id or 0) + 1)}
    assert {"lines lost to damage on the producer's disk, says a line of testimony"} == {each.what for each in findings}  # fmt: skip
    assert len(lost) == sum(each.amount for each in findings)


def test_nobody_named_them_so_they_are_damage(tmp_path: Path) -> None:
    lose(tmp_path, named=False)

    assert {"sessions", "ledgers", "trades", "testimony"} == {
        check for check, found in severities(tmp_path).items() if "damage" in found
    }
