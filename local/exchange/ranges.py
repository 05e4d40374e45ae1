"""
A set of trade ids, kept as ranges: a day of a busy product is one pair of numbers.

Laws: ranges are disjoint, sorted and never adjacent; adding the next id costs O(1).
Refuses to know: products, and why an id is in a set.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class IdRanges:
    """A mutable set of ids as inclusive ranges."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in ranges:
            self.add_range(low, high)

    def add(self, trade_id: int) -> None:
        """Put one id in."""
        if self._highs and trade_id == self._highs[-1] + 1:
            self._highs[-1] = trade_id
        else:
            self.add_range(trade_id, trade_id)

    def add_range(self, low: int, high: int) -> None:
        """Put `low` to `high`, both included, in; nothing where high < low."""
        if high < low:
            return
        first = bisect_right(self._highs, low - 2)  # the first range that touches or follows low
        last = bisect_right(self._lows, high + 1)  # one past the last range that touches or precedes high
        if first < last:
            low, high = min(low, self._lows[first]), max(high, self._highs[last - 1])
        self._lows[first:last] = [low]
        self._highs[first:last] = [high]

    def remove_range(self, low: int, high: int) -> None:
        """Take `low` to `high`, both included, out."""
        kept = [*self._cut(self.ranges(), low, high)]
        self._lows, self._highs = [a for a, _ in kept], [b for _, b in kept]

    @staticmethod
    def _cut(ranges: Iterable[tuple[int, int]], low: int, high: int) -> Iterator[tuple[int, int]]:
        for a, b in ranges:
            if b < low or a > high:
                yield a, b
                continue
            if a < low:
                yield a, low - 1
            if b > high:
                yield high + 1, b

    def ranges(self) -> list[tuple[int, int]]:
        """Every range, rising."""
        return list(zip(self._lows, self._highs, strict=True))

    def within(self, low: int, high: int) -> IdRanges:
        """The ids from `low` to `high`, both included."""
        return IdRanges((max(low, a), min(high, b)) for a, b in self.ranges() if a <= high and b >= low)

    def copy(self) -> IdRanges:
        """Another set with the same ids."""
        twin = IdRanges()
        twin._lows, twin._highs = self._lows[:], self._highs[:]
        return twin

    def __sub__(self, other: IdRanges) -> IdRanges:
        left = self.copy()
        for low, high in other.ranges():
            left.remove_range(low, high)
        return left

    def __or__(self, other: IdRanges) -> IdRanges:
        both = self.copy()
        for low, high in other.ranges():
            both.add_range(low, high)
        return both

    def __contains__(self, trade_id: int) -> bool:
        at = bisect_right(self._lows, trade_id) - 1
        return at >= 0 and trade_id <= self._highs[at]

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges():
            yield from range(low, high + 1)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdRanges) and self.ranges() == other.ranges()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"IdRanges({self.ranges()})"
