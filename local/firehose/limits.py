"""
What one PutRecord or PutRecordBatch may carry, and the sentences AWS refuses it with.

Laws: a call that breaks a limit is refused whole, before any of its records is taken.
Source: Amazon Data Firehose API reference, PutRecordBatch (500 records, 4 MiB) and Record (1,000 KiB before base64); sentences as reported
by clients of the real service (oversize record and too many records: ValidationException; too many bytes: InvalidArgumentException).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.firehose.errors import CallRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.firehose.guesses import Guesses

RECORDS_PER_BATCH = 500
BYTES_PER_BATCH = 4 * 1_048_576
BYTES_PER_RECORD = 1_024_000


def check_record(record: bytes) -> None:
    """Refuse a PutRecord whose record is too long."""
    _refuse_long([("record.data", len(record))])


def check_batch(records: Sequence[bytes], guesses: Guesses) -> None:
    """Refuse a PutRecordBatch that carries too many records, too long a record, or too many bytes."""
    if not 1 <= len(records) <= RECORDS_PER_BATCH:
        bound = f"less than or equal to {RECORDS_PER_BATCH}" if records else "greater than or equal to 1"
        raise CallRefused(
            "ValidationException",
            f"1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length {bound}",
        )
    long = [(f"records.{index}.member.data", len(record)) for index, record in enumerate(records, start=1)]
    _refuse_long(long)
    counted = sum(_counted_bytes(len(record), guesses) for record in records)
    if counted > BYTES_PER_BATCH:
        raise CallRefused("InvalidArgumentException", "Records size exceeds 4 MB limit")


def _counted_bytes(record_bytes: int, guesses: Guesses) -> int:
    return record_bytes if guesses.batch_limit_counts == "raw" else (record_bytes + 2) // 3 * 4


def _refuse_long(named: Sequence[tuple[str, int]]) -> None:
    errors = [
        f"Value 'java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]' at '{name}' failed to satisfy constraint:"
        f" Member must have length less than or equal to {BYTES_PER_RECORD}"
        for name, length in named
        if length > BYTES_PER_RECORD
    ]
    if errors:
        plural = "error" if len(errors) == 1 else "errors"
        raise CallRefused("ValidationException", f"{len(errors)} validation {plural} detected: {'; '.join(errors)}")
