"""
Sets of whole numbers as inclusive ranges: trade ids still missing, line numbers already settled.

Laws: pure; ranges are sorted, disjoint and never adjacent; memory grows with the number of ranges, not of numbers.
Refuses to know: what the numbers mean.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class IntervalSet:
    """A mutable set of integers, kept as inclusive ranges."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges; `list` of the set itself would make room for as many items as there are numbers."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        """How many numbers, not how many ranges."""
        return sum(last - first + 1 for first, last in self)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self.ranges == other.ranges

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"IntervalSet({self.ranges})"

    def add(self, first: int, last: int) -> None:
        """Add first..last, both included; an empty range (last < first) adds nothing."""
        if last < first:
            return
        low = bisect_left(self._lasts, first - 1)  # the first range that touches or overlaps
        high = bisect_right(self._firsts, last + 1)  # one past the last such range
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> int:
        """Take first..last out; returns how many numbers were in. An empty range takes nothing."""
        return sum(b - a + 1 for a, b in self.take(first, last))

    def take(self, first: int, last: int) -> list[tuple[int, int]]:
        """Take first..last out; returns the ranges that were in."""
        if last < first:
            return []
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return []
        taken = list(zip(self._firsts[low:high], self._lasts[low:high], strict=True))
        left = (taken[0][0], first - 1)
        right = (last + 1, taken[-1][1])
        kept = [(a, b) for a, b in (left, right) if a <= b]
        self._firsts[low:high] = [a for a, _ in kept]
        self._lasts[low:high] = [b for _, b in kept]
        return [(max(a, first), min(b, last)) for a, b in taken]

    @property
    def lowest(self) -> int | None:
        """The smallest number; None if there is none."""
        return self._firsts[0] if self._firsts else None

    @property
    def highest(self) -> int | None:
        """The largest number; None if there is none."""
        return self._lasts[-1] if self._lasts else None

    def copy(self) -> IntervalSet:
        """An independent copy."""
        twin = IntervalSet()
        twin._firsts, twin._lasts = self._firsts.copy(), self._lasts.copy()
        return twin
