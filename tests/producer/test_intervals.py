from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.intervals import IntervalSet

RANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 12)), max_size=40)


@given(RANGES)
def test_it_holds_what_a_plain_set_would_hold(steps: list[tuple[bool, int, int]]) -> None:
    held, truth = IntervalSet(), set[int]()
    for adding, first, length in steps:
        numbers = set(range(first, first + length))
        if adding:
            held.add(first, first + length - 1)
            truth |= numbers
        else:
            assert len(truth & numbers) == held.remove(first, first + length - 1)
            truth -= numbers

    assert truth == {number for first, last in held for number in range(first, last + 1)}
    assert len(truth) == len(held)
    assert all(number in held for number in truth)
    assert bool(truth) == bool(held)
    assert (min(truth, default=None), max(truth, default=None)) == (held.lowest, held.highest)


@given(RANGES)
def test_its_ranges_are_sorted_and_never_touch(steps: list[tuple[bool, int, int]]) -> None:
    held = IntervalSet()
    for adding, first, length in steps:
        (held.add if adding else held.remove)(first, first + length - 1)
    ranges = list(held)

    assert all(first <= last for first, last in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))


def test_a_copy_is_independent() -> None:
    held = IntervalSet([(1, 5)])
    twin = held.copy()
    twin.add(7, 7)

    assert [(1, 5)] == list(held)
    assert [(1, 5), (7, 7)] == list(twin)
    assert held != twin
    assert "IntervalSet([(1, 5)])" == repr(held)


def test_ranges_of_a_huge_set_need_no_room_for_its_numbers() -> None:
    huge = IntervalSet([(1, 2**62), (2**62 + 5, 2**62 + 6)])

    assert [(1, 2**62), (2**62 + 5, 2**62 + 6)] == huge.ranges
    assert huge == huge.copy()
    assert "IntervalSet([(1, 4611686018427387904), " in repr(huge)
