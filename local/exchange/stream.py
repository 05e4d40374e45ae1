"""
A source's ticks against a clock: which tick is due, and what the exchange's own clock says.

Laws: pure; ticks keep their order; a generated market runs from its opening, a recording from `start`. A tick that is
due earlier than the one before it (products interleave slightly backwards) is due at once.
Refuses to know: who listens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.exchange.tick import Source, Tick


class Stream:
    """The ticks still to come."""

    def __init__(self, source: Source, *, speed: float | None, opened_us: int) -> None:
        """Units: `speed` multiplies a recording's pace; None makes everything due at once."""
        self.endless = source.endless
        self._speed = speed
        self._ticks: Iterator[Tick] = source.ticks()
        self._ahead: Tick | None = None
        self._exhausted = False
        self._started_us: int | None = opened_us if source.endless else None
        self._origin_us = 0  # the recording's instant at which it started
        self._latest_us = 0  # the latest due instant so far

    @property
    def has_started(self) -> bool:
        """Whether ticks fall due at all yet."""
        return self._started_us is not None

    @property
    def is_over(self) -> bool:
        """Whether the last tick was taken."""
        return self._exhausted and self._ahead is None

    def start(self, now_us: int) -> None:
        """Let a recording's first tick be due now."""
        self._started_us = now_us
        first = self._peek()
        self._origin_us = first.due_us if first else 0

    def next_due_us(self) -> int:
        """When the next tick is due on the caller's clock; 0, at once, where there is none any more."""
        tick = self._peek()
        return 0 if tick is None else self._due_at(tick)

    def take(self, now_us: int) -> Tick | None:
        """The next tick, if it is due."""
        tick = self._peek()
        if tick is None or self._due_at(tick) > now_us:
            return None
        self._ahead = None
        self._latest_us = max(self._latest_us, tick.due_us)
        return tick

    def market_us(self, now_us: int) -> int:
        """The exchange's clock: the real one, or the replay's place in the recording."""
        if self.endless:
            return now_us
        if self._started_us is None or self._speed is None:
            return self._latest_us or now_us
        return self._origin_us + int((now_us - self._started_us) * self._speed)

    def _due_at(self, tick: Tick) -> int:
        if self.endless:
            return tick.due_us
        if self._speed is None:
            return 0
        assert self._started_us is not None  # nothing is taken from a recording before it started
        return self._started_us + math.ceil((tick.due_us - self._origin_us) / self._speed)

    def _peek(self) -> Tick | None:
        if self._ahead is None and not self._exhausted:
            self._ahead = next(self._ticks, None)
            self._exhausted = self._ahead is None
        return self._ahead
