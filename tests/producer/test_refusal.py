"""What stood in refused lines: exactly the trades of valid lines, the testimony to say again, and every number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from producer.continuity import Edge
from producer.intervals import IntervalSet
from producer.line import LineEncoder
from producer.refusal import REFUSED, holes_of, read_refused, times_of
from producer.segment import Entry
from tests.audit_lambda.whole import rest_trade, ticker, trade_id

if TYPE_CHECKING:
    from contract.messages import Kind

SESSION, OTHER = "01JDB3M7Q8RSTVWXYZ01234567", "01JDB3M7Q8RSTVWXYZ01234566"
SAID_US = 1_795_401_019_123_456


def entry(n: int, kind: Kind, message: bytes | dict[str, Any], product_id: str | None = None) -> Entry:
    body = message if isinstance(message, bytes) else orjson.dumps(message)
    line = LineEncoder(SESSION).encode(
        n=n, kind=kind, source="simulated", receive_us=SAID_US, message=body, product_id=product_id
    )
    return Entry(n, line)


def test_the_trades_are_those_of_valid_lines_and_no_others() -> None:
    fetched = rest_trade("BBB-USD", 5_007)
    entries = [
        entry(3, "ticker", ticker("AAA-USD", 30)),
        entry(4, "ticker", ticker("AAA-USD", 33)),
        entry(5, "ticker", ticker("AAA-USD", 36, price="-1")),  # the transform refuses it: it is a hole already
        entry(6, "trade", fetched.raw, "BBB-USD"),
        entry(7, "spot", b'{"data":{"amount":"1","base":"AAA","currency":"USD"}}', "AAA-USD"),
        Entry(8, b"garbage"),
        Entry(9, b"[1]"),
        entry(10, "ticker", b'{"product_id":1,"trade_id":"x"}'),
    ]
    refused = read_refused(SESSION, entries, own=True)

    first = trade_id("AAA-USD", 30)
    assert {"AAA-USD": IntervalSet([(first, first + 1)]), "BBB-USD": IntervalSet([(5_007, 5_007)])} == refused.trades
    assert {(SESSION, REFUSED): IntervalSet([(3, 10)])} == refused.lost
    assert [] == refused.again


def test_testimony_is_said_again_with_its_own_bytes_and_time() -> None:
    gap, coverage = {"product_id": "AAA-USD", "reason": "stalled"}, {"product_id": "AAA-USD", "ticks": 3}
    entries = [entry(3, "gap", gap), entry(4, "coverage", coverage), entry(5, "session", {"event": "opened"})]

    said_gap, said_coverage = ("gap", orjson.dumps(gap), SAID_US), ("coverage", orjson.dumps(coverage), SAID_US)
    assert [said_gap, said_coverage] == read_refused(SESSION, entries, own=True).again
    assert [said_gap] == read_refused(SESSION, entries, own=False).again


def test_numbers_that_a_refused_line_named_are_named_again() -> None:
    told = {"event": "lines_lost", "lost": [[1, 2], [7, 7]]}
    entries = [
        entry(3, "session", {**told, "of_session": SESSION, "why": REFUSED}),
        entry(4, "session", {**told, "of_session": OTHER, "why": "journal_damaged"}),
    ]

    assert {
        (SESSION, REFUSED): IntervalSet([(1, 4), (7, 7)]),
        (OTHER, "journal_damaged"): IntervalSet([(1, 2), (7, 7)]),
    } == read_refused(SESSION, entries, own=True).lost


def test_a_hole_is_a_run_of_trades_with_the_edges_that_are_known() -> None:
    line = entry(0, "ticker", ticker("AAA-USD", 30)).line
    last = trade_id("AAA-USD", 30)
    ids = IntervalSet([(last + 1, last + 2), (last + 9, last + 9)])
    first, second = holes_of("AAA-USD", ids, newest=last + 9, beside=times_of([line, b"{}"]))

    assert (last + 1, last + 2, 2, REFUSED) == (first.first, first.last, first.expected, first.reason)
    assert (Edge(last, time_of(30)), Edge(last + 3, None)) == (first.before, first.after)
    assert (Edge(last + 8, None), None) == (second.before, second.after)
    assert [None] == [hole.before for hole in holes_of("AAA-USD", IntervalSet([(1, 1)]), newest=None, beside={})]


def time_of(seconds: int) -> str:
    text: str = orjson.loads(ticker("AAA-USD", seconds))["time"]
    return text


@given(seconds=st.lists(st.integers(0, 600), unique=True, max_size=40))
def test_every_trade_is_in_exactly_one_hole(seconds: list[int]) -> None:
    entries = [entry(n, "ticker", ticker("AAA-USD", at * 3)) for n, at in enumerate(seconds)]
    trades = read_refused(SESSION, entries, own=True).trades.get("AAA-USD", IntervalSet())
    holes = list(holes_of("AAA-USD", trades, newest=None, beside={}))

    named = [each for hole in holes for each in range(hole.first, hole.last + 1)]
    assert sorted(trade_id("AAA-USD", at * 3) for at in seconds) == sorted(named)
