"""
One minute of the exchange's clock: what each product showed in it, and who watched when, until it is one line per product.

Laws: pure; milliseconds since the minute began; silence is measured only where somebody watched; `whole` is 60,000 ms watched, nothing less.
Refuses to know: which minute an event belongs to and when a minute is over (coverage.py).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import sub
from typing import TYPE_CHECKING, Any, Final

from producer.line import encode_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from producer.line import Source

MINUTE_MS: Final = 60_000
# The exchange opened in 2014; "0001-01-01T00:00:00.000000Z" was seen in its feed.
_FIRST_MS: Final = int(datetime(2014, 1, 1, tzinfo=UTC).timestamp()) * 1000
_END_MS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")

Testimony = dict[str, Any]  # contract/testimony/coverage.v1.schema.json


def decode_event_ms(event_time: str) -> int | None:
    """
    Milliseconds since the epoch; None where the text is no instant, or none that an exchange's clock can show.

    Shapes: RFC 3339 in UTC; REST drops trailing zeros of the fraction.
    """
    if not _INSTANT.fullmatch(event_time):
        return None
    try:
        second = int(datetime.fromisoformat(event_time[:19] + "+00:00").timestamp())
    except ValueError:
        return None
    at_ms = second * 1000 + int((event_time[20:-1] + "000")[:3])
    return at_ms if _FIRST_MS <= at_ms < _END_MS else None


@dataclass(slots=True)
class Tally:
    """One product in one minute. Units: milliseconds since the minute began."""

    ticks_ms: list[int] = field(default_factory=list)
    trade_ids: list[int] = field(default_factory=list)
    heartbeats: int = 0
    spans: list[tuple[Source, int, int]] = field(default_factory=list)
    open_ms: int = 0  # where the span begins that is not closed yet

    def close(self, source: Source, at_ms: int) -> None:
        """The span that is open was `source`'s and ends here."""
        if at_ms > self.open_ms:
            self.spans.append((source, self.open_ms, at_ms))

    def to_message(self, product_id: str, minute: str) -> Testimony | None:
        """The finished line; None if nobody watched and nothing came."""
        if not self.spans and not self.ticks_ms:
            return None
        watched_ms: dict[str, int] = {}
        for source, from_ms, to_ms in self.spans:
            watched_ms[source] = watched_ms.get(source, 0) + to_ms - from_ms
        return {
            "product_id": product_id,
            "minute": minute,
            "ticks": len(self.ticks_ms),
            "first_trade_id": min(self.trade_ids, default=None),
            "last_trade_id": max(self.trade_ids, default=None),
            "longest_silence_ms": _longest_silence_ms(self.spans, sorted(self.ticks_ms)),
            "watched_ms": watched_ms,
            "heartbeats": self.heartbeats,
            "whole": sum(watched_ms.values()) == MINUTE_MS,
        }


def _longest_silence_ms(spans: Sequence[tuple[Source, int, int]], ticks_ms: Sequence[int]) -> int:
    """The longest stretch that was watched and had no tick. Shapes: both in order."""
    joined: list[tuple[int, int]] = []
    for _, from_ms, to_ms in spans:
        if joined and joined[-1][1] == from_ms:  # another source took over at once: the silence goes on
            joined[-1] = (joined[-1][0], to_ms)
        else:
            joined.append((from_ms, to_ms))
    longest = 0
    for from_ms, to_ms in joined:
        inside = ticks_ms[bisect_left(ticks_ms, from_ms) : bisect_right(ticks_ms, to_ms)]
        longest = max(longest, *map(sub, (*inside, to_ms), (from_ms, *inside)))
    return longest


class Minute:
    """One minute of the exchange's clock, number since the epoch."""

    __slots__ = ("number", "prefix", "tallies")

    def __init__(self, number: int, products: Iterable[str]) -> None:
        self.number = number
        self.prefix = encode_instant(number * MINUTE_MS * 1000)[:17]  # "2025-11-24T15:08:"
        self.tallies = {product_id: Tally() for product_id in products}
