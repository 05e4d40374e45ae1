"""
What was fetched from REST lately, by product: so that trades still on their way to the lake are not fetched again.

A trade that Firehose accepted is seen in the lake up to a quarter of an hour later, and one in a journal whenever it is delivered. Until
then only this says that it is there.

Laws: pure; what is older than an hour is forgotten, for then the lake knows, or the trade is lost and wants fetching again.
Refuses to know: holes, lakes, journals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from producer.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producer.segment import Entry

# Firehose buffers for 900 s at most (Amazon Data Firehose, buffering hints); the rest is for its retries and ours.
ON_THE_WAY_US: Final = 3_600_000_000


class Fetched:
    """Ranges of trade ids. Clock: ours, in microseconds since the epoch."""

    def __init__(self) -> None:
        self._now: dict[str, IntervalSet] = {}
        self._earlier: list[tuple[int, str, IntervalSet]] = []

    def add(self, product_id: str, trade_id: int) -> None:
        """This trade was fetched, and its line written."""
        self._now.setdefault(product_id, IntervalSet()).add(trade_id, trade_id)

    def remove(self, product_id: str, trade_ids: IntervalSet) -> None:
        """The lines of these will not come."""
        ours = [ids for name, ids in [*self._now.items(), *(each[1:] for each in self._earlier)] if name == product_id]
        for first, last in trade_ids:
            for ids in ours:
                ids.remove(first, last)

    def ranges(self, product_id: str) -> IntervalSet:
        """Everything fetched of a product, now and in sessions not long ago."""
        found = self._now.get(product_id, IntervalSet()).copy()
        for _, name, ids in self._earlier:
            for first, last in ids if name == product_id else ():
                found.add(first, last)
        return found

    def to_memory(self, at_us: int) -> list[list[Any]]:
        """What has to survive a restart, as JSON values: when, which product, which ranges."""
        batches = [*self._earlier, *((at_us, product_id, ids) for product_id, ids in self._now.items())]
        return [[at, product_id, [list(each) for each in ids]] for at, product_id, ids in batches]

    @classmethod
    def inherit(cls, memory: dict[str, Any], since: Iterable[Entry], *, now_us: int) -> Fetched:
        """
        What earlier sessions fetched in the last hour.

        Shapes: `memory` is what a checkpoint remembers, `since` the lines written after it, in order.
        """
        fetched = cls()
        for at_us, product_id, ranges in memory.get("fetched", ()):
            if now_us - at_us < ON_THE_WAY_US:
                fetched._earlier.append((at_us, product_id, IntervalSet((first, last) for first, last in ranges)))
        since_then: dict[str, IntervalSet] = {}
        for entry in since:
            product_id, trade_id = _fetched_in(entry.line)
            if product_id:
                since_then.setdefault(product_id, IntervalSet()).add(trade_id, trade_id)
        fetched._earlier += [(now_us, product_id, ids) for product_id, ids in since_then.items()]
        return fetched


def _fetched_in(line: bytes) -> tuple[str, int]:
    """Product and id of a fetched trade's line; an empty product for any other line."""
    if b'"kind":"trade"' not in line:
        return "", 0
    try:
        parsed = orjson.loads(line)
        product_id, trade_id = parsed["product_id"], parsed["message"]["trade_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", 0
    good = isinstance(product_id, str) and type(trade_id) is int and trade_id > 0
    return (product_id, trade_id) if good else ("", 0)
