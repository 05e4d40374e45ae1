"""
The stream's metrics by the names CloudWatch has for them, a minute at a time, in memory.

Laws: only AWS's own names and units; a minute's statistics are what GetMetricStatistics would sum up. There is no metric of failed
processing, because AWS has none: compare IncomingRecords with SucceedProcessing.Records, or count error objects.
Refuses to know: alarms, networks. Clock: a value belongs to the minute of the `now_ms` it came with.
Source: Amazon Data Firehose, "Monitor Amazon Data Firehose with CloudWatch metrics".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MINUTE_MS: Final = 60_000
_MINUTES_KEPT: Final = 1_440  # a day; CloudWatch keeps minutes for 15 days

UNITS: Final[Mapping[str, str]] = {
    "ActivePartitionsLimit": "Count",
    "BackupToS3.Bytes": "Bytes",
    "BackupToS3.DataFreshness": "Seconds",
    "BackupToS3.Records": "Count",
    "BackupToS3.Success": "Count",
    "BytesPerSecondLimit": "Bytes/Second",
    "DeliveryToS3.Bytes": "Bytes",
    "DeliveryToS3.DataFreshness": "Seconds",
    "DeliveryToS3.ObjectCount": "Count",
    "DeliveryToS3.Records": "Count",
    "DeliveryToS3.Success": "Count",
    "ExecuteProcessing.Duration": "Milliseconds",
    "ExecuteProcessing.Success": "Count",
    "FailedConversion.Bytes": "Bytes",
    "FailedConversion.Records": "Count",
    "IncomingBytes": "Bytes",
    "IncomingPutRequests": "Count",
    "IncomingRecords": "Count",
    "JQProcessing.Duration": "Milliseconds",
    "PartitionCount": "Count",
    "PartitionCountExceeded": "Count",
    "PutRecord.Bytes": "Bytes",
    "PutRecord.Requests": "Count",
    "PutRecordBatch.Bytes": "Bytes",
    "PutRecordBatch.Records": "Count",
    "PutRecordBatch.Requests": "Count",
    "PutRequestsPerSecondLimit": "Count",
    "RecordsPerSecondLimit": "Count",
    "SucceedConversion.Bytes": "Bytes",
    "SucceedConversion.Records": "Count",
    "SucceedProcessing.Bytes": "Bytes",
    "SucceedProcessing.Records": "Count",
    "ThrottledRecords": "Count",
}


@dataclass(frozen=True, slots=True)
class Statistics:
    """One metric in one minute. Units: UNITS[name]."""

    minute_ms: int
    total: float
    samples_count: int
    minimum: float
    maximum: float


class Metrics:
    """What one stream would have sent to CloudWatch."""

    def __init__(self) -> None:
        self._minutes: dict[str, dict[int, Statistics]] = {}

    def record(self, name: str, amount: float, now_ms: int) -> None:
        """Add one sample. Caller must use a name that AWS has."""
        assert name in UNITS, f"{name} is no metric of AWS/Firehose"
        minute_ms = now_ms - now_ms % MINUTE_MS
        minutes = self._minutes.setdefault(name, {})
        known = minutes.get(minute_ms)
        if known is None:
            minutes[minute_ms] = Statistics(minute_ms, amount, 1, amount, amount)
            if len(minutes) > _MINUTES_KEPT:
                del minutes[next(iter(minutes))]
            return
        minutes[minute_ms] = Statistics(
            minute_ms,
            known.total + amount,
            known.samples_count + 1,
            min(known.minimum, amount),
            max(known.maximum, amount),
        )

    def statistics(self, name: str) -> tuple[Statistics, ...]:
        """One metric's minutes, oldest first."""
        return tuple(self._minutes.get(name, {}).values())

    def total(self, name: str) -> float:
        """One metric's sum over all minutes."""
        return sum(minute.total for minute in self.statistics(name))

    def names(self) -> Iterator[str]:
        """The metrics that have samples."""
        yield from sorted(self._minutes)
