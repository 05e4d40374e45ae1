"""
Which trades may have been in lines that the disk lost: what stands around the damage says it, as exactly as can be known.

Theory of operation. The lines that are left are read once more, in order. Of a product's tickers they tell which ids are there; ids absent
between two of them, in no gap line's range, were in lost lines. Beyond the newest ticker left (or before the oldest) there were at most as many
trades as lines were lost. Fetched trades come newest first between a hole's gap line and its receipt: likewise at most as many on either side.

Laws: pure but for reading segments; every id that a lost line may have carried is named, and of those that it may not have carried at most as
many a product as lines were lost: named too often is healed too often, named too little is silence. What continuity still misses is
named already.
Refuses to know: why the disk lost them, and who testifies.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from producer.continuity import Edge, Hole
from producer.intervals import IntervalSet
from producer.line import receive_us_of
from producer.segment import Entry, scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

# The exchange's clock and ours differ, and a trade takes its time to us: by less than this.
_CLOCKS_DIFFER_US: Final = 600_000_000
_BEYOND: Final = 2**63  # greater than any line's number or trade's id


@dataclass(slots=True)
class Known:
    """
    What is known of a product beside the lines that are left.

    `last` is its newest trade as of now, `last_then` as the damaged session remembered it (with when it happened, in microseconds since the
    epoch); 0 where not known. `missing` are ids that are named as missing already.
    """

    last: int = 0
    last_then: int = 0
    last_then_us: int = 0
    missing: IntervalSet = field(default_factory=IntervalSet)

    def miss(self, trade_ids: IntervalSet) -> None:
        """These are named as missing, too."""
        _add(self.missing, trade_ids)


def find_lost_trades(
    segments: Sequence[Path], lost: IntervalSet, known: Mapping[str, Known], *, began_us: int
) -> list[Hole]:
    """
    The ranges of trade ids that lost lines may have carried, each a hole with reason `journal_damaged`.

    Shapes: `segments` are those of the session that are left, oldest first; `lost` its lines' numbers. Clock: `began_us` is when the session began.
    Caller must: expect that it takes some seconds for each gigabyte.
    """
    around = _Around(lost, began_us)
    for entry in _entries(segments):
        around.take(entry)
    nothing = Known()
    return [
        hole
        for product_id in sorted({*around.sights, *known})
        for hole in around.holes(product_id, known.get(product_id, nothing))
    ]


def _entries(paths: Sequence[Path]) -> Iterator[Entry]:
    for path in paths:
        with suppress(OSError):  # what cannot be read tells nothing: then more is named
            yield from (found for _, found in scan(path) if isinstance(found, Entry))


@dataclass(slots=True)
class _Sight:
    """What the lines that are left say of one product."""

    ids: IntervalSet = field(default_factory=IntervalSet)  # of tickers and of fetched trades
    tickers: IntervalSet = field(default_factory=IntervalSet)
    fetched_ids: IntervalSet = field(default_factory=IntervalSet)
    lowest_n: int = 0  # of the line with the lowest ticker
    highest_n: int = 0
    range_first: int = 0  # where the newest range of tickers begins
    opened: dict[tuple[int, int], list[tuple[int, int]]] = field(
        default_factory=dict
    )  # holes, and which ids they began with
    closed: dict[tuple[int, int], int] = field(
        default_factory=dict
    )  # holes of which only the receipt is left, and its line
    unhealed: IntervalSet = field(default_factory=IntervalSet)  # what receipts name as missing
    times: dict[int, str] = field(default_factory=dict)  # of tickers at the ends of ranges
    between: IntervalSet = field(default_factory=IntervalSet)  # fetched trades that are not there
    beside: list[tuple[int, int]] = field(
        default_factory=list
    )  # a fetched trade, and how many above (or, negative, below) it may be lost
    fetched: int = 0  # the newest line's trade while a hole is being filled; 0 before the first
    fetching_n: int = -1  # the line since which nothing was lost of what is being fetched


class _Around:
    """Lines in order, and what they say about those that are lost."""

    def __init__(self, lost: IntervalSet, began_us: int) -> None:
        self.sights: dict[str, _Sight] = {}
        self._lost = lost
        self._since_us = began_us  # when the newest line before the damage was received

    def take(self, entry: Entry) -> None:
        """One line."""
        assert self._lost.lowest is not None
        if entry.n < self._lost.lowest:
            self._since_us = max(self._since_us, receive_us_of(entry.line))
        line, message = _parse(entry.line)
        product_id = line.get("product_id") or message.get("product_id")
        if not isinstance(product_id, str):
            return
        sight = self.sights.setdefault(product_id, _Sight())
        if line["kind"] == "gap":
            self._take_gap(sight, entry.n, message)
        elif type(trade_id := message.get("trade_id")) is int and trade_id > 0:
            if line["kind"] == "trade":
                self._take_fetched(sight, entry.n, trade_id)
                sight.fetched_ids.add(trade_id, trade_id)
            else:
                _take_ticker(sight, entry.n, trade_id, str(message.get("time", "")))
            sight.ids.add(trade_id, trade_id)

    def _take_gap(self, sight: _Sight, n: int, gap: dict[str, Any]) -> None:
        hole = gap["first_missing_trade_id"], gap["last_missing_trade_id"]
        if None in hole:
            return
        if gap["status"] == "open":  # polling saw what it does not name, where it names any
            sight.opened[hole] = [(first, last) for first, last in gap.get("still_missing", [hole])]
            return
        _add(sight.unhealed, gap.get("still_missing", ()))
        if hole not in sight.opened:
            sight.closed[hole] = n
        if sight.fetched:
            self._end_fetching(sight, n)
        sight.fetched, sight.fetching_n = 0, n

    def _end_fetching(self, sight: _Sight, n: int) -> None:
        sight.beside.append((sight.fetched, -self._count(sight.fetching_n, n)))

    def _take_fetched(self, sight: _Sight, n: int, trade_id: int) -> None:
        count = self._count(sight.fetching_n, n)
        if sight.fetched > trade_id and sight.fetched - trade_id - 1 <= count:
            sight.between.add(trade_id + 1, sight.fetched - 1)
        elif count:
            sight.beside.append((trade_id, count))
            if sight.fetched:
                self._end_fetching(sight, n)
        sight.fetched, sight.fetching_n = trade_id, n

    def _count(self, after_n: int, before_n: int) -> int:
        """How many lines were lost between two."""
        return sum(max(0, min(last, before_n - 1) - max(first, after_n + 1) + 1) for first, last in self._lost)

    def holes(self, product_id: str, known: Known) -> Iterator[Hole]:
        """The ranges of a product that may be lost."""
        sight = self.sights.get(product_id, _Sight())
        elsewhere = IntervalSet([*sight.ids, *sight.unhealed, *known.missing])
        absent = IntervalSet()
        _add(
            absent,
            self._beside_tickers(sight, known, elsewhere) if sight.tickers else self._without_tickers(known, elsewhere),
        )
        _add(absent, self._of_named_holes(sight, elsewhere))
        _add(absent, self._of_other_holes(sight, elsewhere))
        for first, last in elsewhere:
            absent.remove(first, last)
        for first, last in absent:
            yield Hole(
                product_id=product_id,
                first=first,
                last=last,
                before=Edge(first - 1, sight.times.get(first - 1)) if first > 1 else None,
                after=Edge(last + 1, sight.times.get(last + 1)) if last + 1 in sight.ids else None,
                reason="journal_damaged",
                missing=IntervalSet([(first, last)]),
            )

    def _of_named_holes(self, sight: _Sight, elsewhere: IntervalSet) -> Iterator[tuple[int, int]]:
        """What was fetched for holes that a gap line names, and is not there."""
        for ranges in sight.opened.values():
            yield from ranges  # every line since is left, or lost
        for (first, last), n in sight.closed.items():
            highest = _within(sight.fetched_ids, first, last).highest
            count = self._count(-1, n)
            if highest is None:  # the newest come first: those just before the receipt are the oldest
                yield from _cut(_next_to(first - 1, count, elsewhere), first, last)
            else:
                yield first, highest
                yield from _cut(_next_to(highest, count, elsewhere), first, last)

    def _of_other_holes(self, sight: _Sight, elsewhere: IntervalSet) -> Iterator[tuple[int, int]]:
        """What was fetched for holes of which no gap line is left: beside what is left of it."""
        if sight.fetched:  # its receipt is not among the lines left
            self._end_fetching(sight, _BEYOND)
        named = IntervalSet([*sight.opened, *sight.closed])
        for trade_id, count in sight.beside:
            if trade_id not in named:
                yield from _next_to(trade_id, count, elsewhere)
        for first, last in sight.between:
            if first not in named:
                yield first, last

    def _beside_tickers(self, sight: _Sight, known: Known, elsewhere: IntervalSet) -> Iterator[tuple[int, int]]:
        lowest, highest = sight.tickers.lowest, sight.tickers.highest
        assert lowest is not None
        assert highest is not None
        named = [*sight.opened, *sight.closed]
        inside = IntervalSet([(lowest, highest)])
        for first, last in (*sight.tickers, *named):
            inside.remove(first, last)
        yield from inside
        skip = IntervalSet([*elsewhere, *named])
        # A jump's gap line follows its ticker at once: if that is lost, so may be all that was fetched for the hole before the ticker.
        is_jump_lost = sight.lowest_n + 1 in self._lost
        yield from _next_to(lowest, -self._count(-1, _BEYOND if is_jump_lost else sight.lowest_n), skip)
        # Beyond the newest ticker left: the first that followed, and the last that the session counted.
        count = self._count(sight.highest_n, _BEYOND)
        end = known.last_then if known.last_then > highest else known.last
        yield from _cut(_next_to(highest, count, skip), highest + 1, end)
        if end == known.last_then:
            yield from _cut(_next_to(end + 1, -count, skip), highest + 1, end)

    def _without_tickers(self, known: Known, elsewhere: IntervalSet) -> list[tuple[int, int]]:
        """None of its tickers is left: its newest trade may be among the lost, unless it happened before them."""
        last, at_us = (known.last_then, known.last_then_us) if known.last_then else (known.last, 0)
        was_before = at_us and at_us < self._since_us - _CLOCKS_DIFFER_US
        return [] if was_before or not last else _next_to(last + 1, -len(self._lost), elsewhere)


def _parse(text: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line and its message; empty ones where it is none that speaks of a product."""
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, {}
    message = line.get("message")
    return (line, message) if isinstance(message, dict) else ({}, {})


def _take_ticker(sight: _Sight, n: int, trade_id: int, event_time: str) -> None:
    highest, lowest = sight.tickers.highest, sight.tickers.lowest
    if highest is None or trade_id > highest:
        if highest is None or trade_id > highest + 1:
            sight.range_first = trade_id
        elif highest != sight.range_first:
            del sight.times[highest]  # no end of a range any more
        sight.highest_n = n
        sight.times[trade_id] = event_time
    if lowest is None or trade_id < lowest:
        sight.lowest_n = n
    sight.tickers.add(trade_id, trade_id)


def _within(ids: IntervalSet, first: int, last: int) -> IntervalSet:
    return IntervalSet(ids.copy().take(first, last))


def _next_to(trade_id: int, count: int, skip: IntervalSet) -> list[tuple[int, int]]:
    """The `count` ids above one (or, where negative, below it) that are not to be skipped."""
    free = IntervalSet([(trade_id + 1, _BEYOND)] if count > 0 else [(1, trade_id - 1)])
    for first, last in skip:
        free.remove(first, last)
    taken, left = [], abs(count)
    ranges = free.ranges
    for first, last in ranges if count > 0 else reversed(ranges):
        here = min(left, last - first + 1)
        taken.append((first, first + here - 1) if count > 0 else (last - here + 1, last))
        left -= here
        if not left:
            break
    return taken


def _cut(ranges: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """What of these ranges lies within first..last."""
    return [(max(a, first), min(b, last)) for a, b in ranges]


def _add(ids: IntervalSet, ranges: Iterable[tuple[int, int]]) -> None:
    for first, last in ranges:
        ids.add(first, last)
