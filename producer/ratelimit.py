"""
A token bucket: how soon the next request, connection or message may go.

Coinbase fills its buckets lazily, and so do we, smaller than theirs: what its documentation allows is for all programs behind
one address.

Laws: pure; no span of T seconds takes more than burst + rate x T; a wait that is obeyed ends, it never has to be asked for again
and again; a clock that stands still or steps back fills nothing.
Refuses to know: what is limited, and who sleeps.
Source: docs.cdp.coinbase.com, Exchange, rate limits of REST and of the WebSocket feed.
"""

from __future__ import annotations

from typing import Final

# Rounding of a clock of a year's seconds, times 100 tokens a second. Without it, a wait obeyed to the letter could find 0.9999999 of a token.
_ROUNDING: Final = 1e-6


class Bucket:
    """Tokens up to `burst`, filled at `rate_per_s`. Clock: monotonic seconds."""

    __slots__ = ("_at", "_burst", "_level", "_rate_per_s")

    def __init__(self, *, rate_per_s: float, burst: float) -> None:
        if rate_per_s <= 0 or burst < 1:
            raise ValueError("a bucket that never holds a token lets nothing through")
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._level = float(burst)
        self._at: float | None = None

    @property
    def level(self) -> float:
        """Tokens that were left at the last `take`."""
        return max(0.0, self._level)

    def take(self, now: float) -> float:
        """Take a token: 0.0 if there was one; else nothing is taken, and this many seconds later there will be one."""
        self._fill(now)
        if self._level >= 1 - _ROUNDING:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._rate_per_s

    def drain(self, now: float) -> None:
        """The other side says that its bucket is empty (429): so is ours."""
        self._fill(now)
        self._level = min(self._level, 0.0)

    def _fill(self, now: float) -> None:
        if self._at is None:
            self._at = now
        elif now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate_per_s)
            self._at = now
