"""
What happened, written down twice: in the counters that must add up, and in AWS's metrics.

Laws: each event is entered once, here, by the stage it happened in. Refuses to know: buffers, time of its own.
Source: Amazon Data Firehose, "Monitor Amazon Data Firehose with CloudWatch metrics" (DeliveryToS3.Bytes counts before the transform where
there is one; here it counts the rows' bytes before conversion: known deviation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.firehose.counters import Counters
from local.firehose.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.firehose.effects import Answered, Converted
    from local.firehose.verdicts import Judgement
    from local.firehose.works import Work


class Books:
    """One stream's counters and metrics."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.metrics = Metrics()

    def accepted(self, record: bytes, pieces: Sequence[bytes], *, is_divisible: bool) -> None:
        """One record was taken and divided."""
        counters = self.counters
        counters.records_accepted += 1
        counters.bytes_accepted += len(record)
        counters.lines_accepted += len(pieces)
        # A divided record loses its delimiters, so a single piece as long as the record was not divided.
        if is_divisible and len(pieces) == 1 and len(pieces[0]) == len(record):
            counters.records_undivided += 1

    def came_in(self, records: Sequence[bytes], now_ms: int) -> None:
        """Records of one call were taken."""
        self.metrics.record("IncomingRecords", len(records), now_ms)
        self.metrics.record("IncomingBytes", sum(map(len, records)), now_ms)

    def refused(self, records_count: int, now_ms: int) -> None:
        """Records of one call were refused one by one."""
        self.counters.records_refused += records_count
        self.metrics.record("ThrottledRecords", records_count, now_ms)

    def invoked(self, answered: Answered, now_ms: int) -> None:
        """The transform was called."""
        self.counters.invocations += 1
        self.counters.invocations_failed += answered.error_code is not None
        self.metrics.record("ExecuteProcessing.Duration", answered.duration_ms, now_ms)
        self.metrics.record("ExecuteProcessing.Success", float(answered.error_code is None), now_ms)

    def judged(self, judgement: Judgement, now_ms: int) -> None:
        """A batch has its verdicts; Ok and Dropped both count as success."""
        self.counters.lines_dropped += len(judgement.dropped)
        succeeded = [*(row.line for row in judgement.ok), *judgement.dropped]
        if succeeded:
            self.metrics.record("SucceedProcessing.Records", len(succeeded), now_ms)
            self.metrics.record("SucceedProcessing.Bytes", sum(len(line.body) for line in succeeded), now_ms)

    def set_aside(self, code: str) -> None:
        """One record goes to the error prefix."""
        self.counters.errors_by_code[code] += 1

    def converted(self, work: Work, result: Converted, now_ms: int) -> None:
        """An object was converted, all but its failures."""
        failed = {failure.index for failure in result.failures}
        failed_bytes = sum(len(work.rows[index].body) for index in failed)
        if len(work.rows) > len(failed):
            self.metrics.record("SucceedConversion.Records", len(work.rows) - len(failed), now_ms)
            self.metrics.record("SucceedConversion.Bytes", work.held_bytes - failed_bytes, now_ms)
        if failed:
            self.metrics.record("FailedConversion.Records", len(failed), now_ms)
            self.metrics.record("FailedConversion.Bytes", failed_bytes, now_ms)

    def stored(self, work: Work, now_ms: int) -> None:
        """The store has an object."""
        counters, record = self.counters, self.metrics.record
        if work.kind == "rows":
            counters.lines_delivered += work.lines_count
            counters.rows_delivered += work.rows_count
            counters.objects_delivered += 1
            counters.bytes_delivered += work.held_bytes
            record("DeliveryToS3.Records", work.lines_count, now_ms)
            record("DeliveryToS3.Bytes", work.held_bytes, now_ms)
            record("DeliveryToS3.ObjectCount", 1, now_ms)
        elif work.kind == "errors":
            counters.lines_in_errors += work.lines_count
            counters.error_objects += 1
        else:
            counters.backup_records += work.lines_count
            counters.backup_bytes += work.held_bytes
            counters.backup_objects += 1
            record("BackupToS3.Records", work.lines_count, now_ms)
            record("BackupToS3.Bytes", work.held_bytes, now_ms)
        record("BackupToS3.Success" if work.kind == "backup" else "DeliveryToS3.Success", 1, now_ms)

    def store_failed(self, work: Work, now_ms: int) -> None:
        """The store refused an object."""
        self.counters.store_failures += 1
        self.metrics.record("BackupToS3.Success" if work.kind == "backup" else "DeliveryToS3.Success", 0, now_ms)

    def lost(self, work: Work) -> None:
        """An object was given up after 24 hours."""
        if work.kind == "backup":
            self.counters.backup_records_lost += work.lines_count
        else:
            self.counters.lines_lost += work.lines_count
