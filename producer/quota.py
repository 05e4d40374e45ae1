"""
How much of a stream's quota is used, second by second. CloudWatch shows minutes; a burst of one second can be throttled unseen.

Laws: pure; what is sent counts, whether it is accepted or not; a second is one of the clock given.
Refuses to know: what is done about it (pacing follows Firehose's answers, which are the truth; the quota is raised without notice).
Source: Amazon Data Firehose, "Amazon Data Firehose quota": Direct PUT.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What was sent within one second. Units: records are Firehose's (our packs), bytes before base64."""

    records: int = 0
    requests: int = 0
    sent_bytes: int = 0


class QuotaMeter:
    """The busiest second since it was last asked, and since the start."""

    def __init__(self) -> None:
        self.peak = Use()
        self._second = 0
        self._current = Use()
        self._recent = Use()

    def note(self, records: int, sent_bytes: int, now: float) -> None:
        """One call goes out. Clock: any, in seconds."""
        second = int(now)
        if second != self._second:
            self._second, self._current = second, Use()
        held = self._current
        self._current = Use(held.records + records, held.requests + 1, held.sent_bytes + sent_bytes)
        self._recent = _most(self._recent, self._current)
        self.peak = _most(self.peak, self._current)

    def take_recent(self) -> Use:
        """The most of each within one second since this was last asked."""
        recent, self._recent = self._recent, Use()
        return recent


def _most(one: Use, other: Use) -> Use:
    return Use(
        max(one.records, other.records),
        max(one.requests, other.requests),
        max(one.sent_bytes, other.sent_bytes),
    )
