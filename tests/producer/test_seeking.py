from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from contract.rules import parse_instant_us
from producer.continuity import Edge
from producer.rest import RestTrade
from producer.seeking import PROBE_TRADES, Found, seek

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DAY_US = parse_instant_us("time", "2026-11-20T00:00:00Z")


def text(second: int) -> str:
    return f"2026-11-20T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


def rest(
    seconds: Mapping[int, int], *, invalid: frozenset[int] = frozenset()
) -> tuple[Callable[[int | None], list[RestTrade]], list[int | None]]:
    """Pages of trades that happened so many seconds into the day; and which were asked for."""
    asked: list[int | None] = []

    def ask(after: int | None) -> list[RestTrade]:
        asked.append(after)
        below = sorted((each for each in seconds if after is None or each < after), reverse=True)[:PROBE_TRADES]
        return [RestTrade(each, text(seconds[each]), b"{}", each not in invalid) for each in below]

    return ask, asked


def test_the_first_trade_at_or_after_an_instant_and_the_one_before_it() -> None:
    ask, _ = rest({5: 10, 6: 20, 9: 20, 10: 30})

    assert Found(Edge(5, text(10)), Edge(6, text(20))) == seek(ask, DAY_US + 20_000_000)
    assert Found(Edge(9, text(20)), Edge(10, text(30))) == seek(ask, DAY_US + 20_000_001)


def test_where_rest_has_nothing_before_or_after_the_edge_is_not_known() -> None:
    ask, _ = rest({5: 10, 6: 20})

    assert Found(None, Edge(5, text(10))) == seek(ask, DAY_US)
    assert Found(Edge(6, text(20)), None) == seek(ask, DAY_US + 21_000_000)
    assert Found(None, None) == seek(rest({})[0], DAY_US)


def test_a_trade_that_is_not_valid_tells_no_time() -> None:
    ask, _ = rest({5: 10, 6: 20, 7: 3, 8: 30}, invalid=frozenset({7}))

    assert Found(Edge(6, text(20)), Edge(8, text(30))) == seek(ask, DAY_US + 25_000_000)


def test_a_billion_ids_take_some_thirty_pages() -> None:
    ask, asked = rest({1_000_000_000 + each: each for each in range(1_000)})

    assert 1_000_000_500 == getattr(seek(ask, DAY_US + 500_000_000).after, "trade_id", None)
    assert len(asked) <= 33


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=40), st.integers(0, 80))
def test_it_finds_what_looking_at_every_trade_would_find(steps: list[tuple[int, int]], at: int) -> None:
    seconds: dict[int, int] = {}
    trade_id = second = 0
    for id_step, second_step in steps:
        trade_id, second = trade_id + id_step, second + second_step
        seconds[trade_id] = second
    found = seek(rest(seconds)[0], DAY_US + at * 1_000_000)

    before = max((each for each in seconds if seconds[each] < at), default=None)
    after = min((each for each in seconds if seconds[each] >= at), default=None)
    assert (before, after) == (
        None if found.before is None else found.before.trade_id,
        None if found.after is None else found.after.trade_id,
    )
