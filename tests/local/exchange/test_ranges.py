from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from local.exchange.ranges import IdRanges

PAIRS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def ids_of(pairs: list[tuple[int, int]]) -> set[int]:
    return {one for low, high in pairs for one in range(low, high + 1)}


def test_ids_in_a_row_are_one_range() -> None:
    ids = IdRanges()
    for trade_id in (5, 6, 7, 9, 8):
        ids.add(trade_id)
    assert [(5, 9)] == ids.ranges()


def test_an_empty_range_adds_nothing() -> None:
    assert [] == IdRanges([(5, 4)]).ranges()


@given(PAIRS, PAIRS)
def test_it_is_a_set(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    a, b = IdRanges(left), IdRanges(right)
    assert set(a) == ids_of(left)
    assert len(a) == len(ids_of(left))
    assert set(a - b) == ids_of(left) - ids_of(right)
    assert {one for one in ids_of(left) if 10 <= one <= 20} == set(a.within(10, 20))
    assert set(a | b) == ids_of(left) | ids_of(right)
    assert all((one in a) == (one in ids_of(left)) for one in range(70))


@given(PAIRS)
def test_ranges_are_disjoint_sorted_and_never_adjacent(pairs: list[tuple[int, int]]) -> None:
    ranges = IdRanges(pairs).ranges()
    assert all(low <= high for low, high in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
