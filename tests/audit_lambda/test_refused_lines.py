"""Lines that Firehose refused for good: holes, and their trades healed or missing by name; damage only where nobody named them; none counted twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson

from producer.continuity import Continuity
from producer.segment import Entry
from producer.witness import Witness
from tests.audit_lambda.test_bounds import find
from tests.audit_lambda.test_lost_lines import severities
from tests.audit_lambda.whole import BEGIN, FIRST, PRODUCTS, SECOND_BEGINS_S, Producer, at, deliver, session_at, ticker

if TYPE_CHECKING:
    from pathlib import Path

REFUSED_SECONDS = range(100, 110)
VANISHED_SECONDS = range(200, 206)
NOW = BEGIN + timedelta(hours=12)
SECOND = session_at(at(SECOND_BEGINS_S))


def numbers_of(producer: Producer, seconds: range) -> list[int]:
    """The lines that carry these seconds' tickers."""
    wanted = [orjson.loads(ticker(PRODUCTS[each % 3], each)) for each in seconds]
    return [n for n, (_, line) in enumerate(producer.lines) if orjson.loads(line)["message"] in wanted]


def tell(teller: Producer, of: Producer, numbers: list[int]) -> None:
    entries = [Entry(n, of.lines[n][1]) for n in numbers]
    Witness(teller.intake, teller.session).tell_refused(of.session, entries, [], about={}, receive_us=teller.now_us)


def first_session() -> Producer:
    first = Producer(FIRST, Continuity())
    first.open(0)
    for seconds in range(1, 400):
        first.second(seconds, ticker(PRODUCTS[seconds % 3], seconds))
    return first


def heal(producer: Producer) -> None:
    for hole in list(producer.continuity.open_holes()):
        producer.heal(hole, list(range(hole.first, hole.last + 1)))


def store(lake: Path, producer: Producer, lost: list[int], seconds: int) -> None:
    left = [line for n, (_, line) in enumerate(producer.lines) if n not in lost]
    deliver(lake, producer.session, left, at(seconds))


def test_nobody_named_the_trades_so_they_are_damage(tmp_path: Path) -> None:
    first = first_session()
    refused = numbers_of(first, REFUSED_SECONDS)
    first.close(600, refused=len(refused))
    store(tmp_path, first, refused, 600)

    assert {"sessions": {"hole"}, "ledgers": {"hole"}, "trades": {"damage"}, "testimony": {"damage"}} == severities(tmp_path)  # fmt: skip


def test_named_and_healed_they_are_holes_of_their_session_and_no_trade_is_missing(tmp_path: Path) -> None:
    first = first_session()
    refused = numbers_of(first, REFUSED_SECONDS)
    tell(first, first, refused)
    heal(first)
    first.close(600, refused=len(refused))
    store(tmp_path, first, refused, 600)
    findings = find(tmp_path, ["sessions"], now=NOW)

    assert {"sessions": {"hole"}, "ledgers": {"hole"}, "trades": {"healed"}, "testimony": {"hole"}} == severities(tmp_path)  # fmt: skip
    assert {"lines that Firehose refused for good, says a line of testimony"} == {each.what for each in findings}
    assert refused == sorted(n for each in findings for n in range(each.first_id or 0, (each.last_id or 0) + 1))
    assert len(refused) == sum(each.amount for each in findings)


def test_named_and_not_healed_they_are_missing_by_name(tmp_path: Path) -> None:
    first = first_session()
    refused = numbers_of(first, REFUSED_SECONDS)
    tell(first, first, refused)
    first.close(600, refused=len(refused))
    store(tmp_path, first, refused, 600)
    findings = find(tmp_path, ["trades"], now=NOW)

    assert {"trades missing: refused_by_firehose (open)"} == {each.what for each in findings}
    assert len(refused) == sum(each.amount for each in findings)


def test_of_a_session_that_was_killed_the_next_one_says_it(tmp_path: Path) -> None:
    first = first_session()
    refused = numbers_of(first, REFUSED_SECONDS)
    store(tmp_path, first, refused, 600)
    second = Producer(SECOND, Continuity.from_memory(first.continuity.to_memory()))
    second.open(SECOND_BEGINS_S)
    tell(second, first, refused)
    heal(second)
    second.close(SECOND_BEGINS_S + 60)
    store(tmp_path, second, [], SECOND_BEGINS_S + 60)

    assert {"sessions": {"hole", "notice"}, "trades": {"healed"}, "testimony": {"hole"}} == severities(tmp_path)


def test_told_again_in_other_ranges_each_line_counts_once_and_excuses_no_other(tmp_path: Path) -> None:
    first = first_session()
    refused, vanished = numbers_of(first, REFUSED_SECONDS), numbers_of(first, VANISHED_SECONDS)
    tell(first, first, refused)
    heal(first)
    tell(first, first, refused[: len(refused) // 2])
    tell(first, first, refused[1:])
    heal(first)
    first.close(600, refused=len(refused))
    store(tmp_path, first, refused + vanished, 600)
    findings = find(tmp_path, ["sessions"], now=NOW)
    amounts = {
        severity: sum(each.amount for each in findings if each.severity == severity) for severity in ("hole", "damage")
    }

    assert {"hole": len(refused), "damage": len(vanished)} == amounts
    found = severities(tmp_path)
    assert {"damage"} == found["ledgers"]
    assert {"hole", "damage"} == found["testimony"]
    assert {"healed", "damage"} == found["trades"]
