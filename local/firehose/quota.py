"""
The Direct PUT quota: token buckets for records, requests and bytes, asked once per call, answered per record.

Laws: a bucket holds one second's worth; what a call may not have is refused record by record with "Slow down.", the rest is taken. A call
for which there is no request left is refused whole.
Refuses to know: HTTP, streams. Clock: refills by the `now_ms` it is told; it never goes back.
Source: Amazon Data Firehose, "Amazon Data Firehose quota"; the per-record answer as reported by clients. Which records of a call are refused
is unspecified: here each is asked in order, so a small one may pass where a large one before it did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIB: Final = 1_048_576
_LARGE_REGIONS: Final = frozenset({"us-east-1", "us-west-2", "eu-west-1"})


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """What one stream may be sent in a second, by PutRecord and PutRecordBatch together."""

    records_per_s: float
    requests_per_s: float
    bytes_per_s: float


def regional_limits(region: str) -> QuotaLimits:
    """AWS's default quota in a region."""
    if region in _LARGE_REGIONS:
        return QuotaLimits(records_per_s=500_000, requests_per_s=2_000, bytes_per_s=5 * _MIB)
    return QuotaLimits(records_per_s=100_000, requests_per_s=1_000, bytes_per_s=_MIB)


class TokenBucket:
    """Tokens that come back at a steady rate, up to one second's worth."""

    __slots__ = ("_held", "_rate_per_s", "_seen_ms")

    def __init__(self, rate_per_s: float, now_ms: int) -> None:
        self._rate_per_s = rate_per_s
        self._held = rate_per_s
        self._seen_ms = now_ms

    def refill(self, now_ms: int) -> None:
        """Put back what the time since the last look has earned."""
        earned = max(0, now_ms - self._seen_ms) / 1000 * self._rate_per_s
        self._held = min(self._rate_per_s, self._held + earned)
        self._seen_ms = max(self._seen_ms, now_ms)

    def has(self, wanted: float) -> bool:
        """Whether so many tokens are there; a record larger than a whole second's worth may go when the bucket is full."""
        return self._held >= min(wanted, self._rate_per_s)

    def take(self, wanted: float) -> None:
        """Take so many tokens. Caller must have asked `has`."""
        self._held -= wanted


class Quota:
    """One stream's three buckets."""

    def __init__(self, limits: QuotaLimits, now_ms: int) -> None:
        self.limits = limits
        self._records = TokenBucket(limits.records_per_s, now_ms)
        self._requests = TokenBucket(limits.requests_per_s, now_ms)
        self._bytes = TokenBucket(limits.bytes_per_s, now_ms)

    def admit(self, lengths: Sequence[int], now_ms: int) -> list[bool] | None:
        """Which records of one call may pass; None if the call itself may not."""
        for bucket in (self._records, self._requests, self._bytes):
            bucket.refill(now_ms)
        if not self._requests.has(1):
            return None
        self._requests.take(1)
        return [self._admit_record(length) for length in lengths]

    def _admit_record(self, length: int) -> bool:
        if not (self._records.has(1) and self._bytes.has(length)):
            return False
        self._records.take(1)
        self._bytes.take(length)
        return True
