"""
The road's second half: partitions, error records and the source backup fill buffers, become objects, and are stored.

Laws: a partition's clock starts when its first row comes back from the transform; sizes count before compression; an object that cannot be
stored is tried again until its oldest record is 24 hours old, then dropped and counted, never sent to the error prefix.
Refuses to know: the transform, Parquet, disks; it asks for a conversion or a put and is told.
Source: Amazon Data Firehose, "Buffering hints", "Understand data delivery failure handling", "Dynamic partitioning".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local.firehose.buffers import Buffer, BufferFill
from local.firehose.envelopes import CONVERSION_FAILED, ErrorRecord, encode_error
from local.firehose.works import PartitionKeys, Work, WorkMaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from local.firehose.books import Books
    from local.firehose.config import StreamConfig
    from local.firehose.effects import Convert, Converted, Effect, Put
    from local.firehose.guesses import Guesses
    from local.firehose.verdicts import Transformed

RETENTION_MS: Final = 24 * 3_600_000  # Direct PUT records are kept for 24 hours
_FLUSH_TRIES: Final = 3  # a stop does not wait a day for a store that is down


class DeliveryStage:
    """Stage B with its error and backup buffers and the objects on their way to the store."""

    def __init__(self, config: StreamConfig, *, guesses: Guesses, random: Random, books: Books) -> None:
        self._guesses = guesses
        self._random = random
        self._books = books
        self._partitions: dict[PartitionKeys, Buffer[Transformed]] = {}
        self._errors: dict[str, Buffer[bytes]] = {}
        self._backup: Buffer[bytes] | None = None
        self._works: dict[int, Work] = {}
        self._works_made = 0
        self._flush_tries: int | None = None
        self._adopt(config)

    def reconfigure(self, config: StreamConfig, now_ms: int) -> None:
        """Go on under another configuration; what is buffered is sealed under the old one."""
        self._seal(now_ms, everything=True)
        self._adopt(config)

    def _adopt(self, config: StreamConfig) -> None:
        self._config = config
        self._maker = WorkMaker(config, guesses=self._guesses, random=self._random)
        self._backup = Buffer(config.backup.hints) if config.backup is not None else None

    # ------------------------------------------------------------------ in

    def add_source(self, record: bytes, now_ms: int) -> None:
        """Take a source record, verbatim, for the backup."""
        if self._backup is None:
            return
        sealed = self._backup.add(record, entry_bytes=len(record), arrival_ms=now_ms, now_ms=now_ms)
        if sealed is not None:
            self._enqueue(self._maker.backup(sealed, work_id=self._next_id(), now_ms=now_ms))

    def add_row(self, row: Transformed, keys: PartitionKeys, now_ms: int) -> None:
        """Take one transformed record into its partition."""
        buffer = self._partitions.get(keys)
        if buffer is None:
            buffer = self._partitions[keys] = Buffer(self._config.target.hints)
        sealed = buffer.add(row, entry_bytes=len(row.body), arrival_ms=row.line.arrival_ms, now_ms=now_ms)
        if sealed is not None:
            self._enqueue(self._maker.rows(sealed, keys, work_id=self._next_id(), now_ms=now_ms))

    def add_error(self, record: ErrorRecord, now_ms: int) -> None:
        """Take one failed record into the buffer of its kind."""
        self._books.set_aside(record.code)
        encoded = encode_error(record, self._config, self._guesses)
        buffer = self._errors.get(record.output_type)
        if buffer is None:
            buffer = self._errors[record.output_type] = Buffer(self._config.target.hints)
        sealed = buffer.add(encoded, entry_bytes=len(encoded), arrival_ms=record.line.arrival_ms, now_ms=now_ms)
        if sealed is not None:
            self._enqueue(self._maker.errors(sealed, record.output_type, work_id=self._next_id(), now_ms=now_ms))

    def may_open(self, keys: PartitionKeys) -> bool:
        """Whether a row of these keys has a partition, or there is room for one more."""
        if keys in self._partitions:
            return True
        active = set(self._partitions) | {work.partition for work in self._works.values() if work.partition is not None}
        return keys in active or len(active) < self._guesses.active_partitions_limit

    # ------------------------------------------------------------------ out

    def poll(self, now_ms: int) -> Iterator[Effect]:
        """Seal what is due; the conversions and puts to do now, oldest object first."""
        self._seal(now_ms, everything=self._flush_tries is not None)
        for work in self._works.values():
            if (
                work.next_ms is not None
                and not work.is_stuck
                and (self._flush_tries is not None or work.next_ms <= now_ms)
            ):
                work.next_ms = None
                yield work.effect()

    def converted(self, convert: Convert, result: Converted, now_ms: int) -> None:
        """Take a finished conversion: its object goes to the store, its failures to the error prefix."""
        work = self._works[convert.work_id]
        self._books.converted(work, result, now_ms)
        for failure in result.failures:
            row = work.rows[failure.index]
            raw = row.body if self._guesses.conversion_error_raw == "transformed" else row.line.body
            self.add_error(
                ErrorRecord(row.line, raw, CONVERSION_FAILED, failure.code, failure.message, 1, now_ms), now_ms
            )
        work.lines_count -= len(result.failures)
        work.rows_count = result.rows_count
        work.rows, work.conversion = [], None
        work.next_ms = now_ms
        if result.body is None:
            del self._works[work.work_id]
        else:
            work.parts = [result.body]

    def stored(self, put: Put, now_ms: int) -> None:
        """Count an object that the store has."""
        self._books.stored(self._works.pop(put.work_id), now_ms)

    def store_failed(self, put: Put, now_ms: int) -> None:
        """Plan the next try of an object; after 24 hours give it up and count it."""
        work = self._works[put.work_id]
        work.tries_count += 1
        work.next_ms = now_ms + self._backoff_ms(work.tries_count)
        self._books.store_failed(work, now_ms)
        if work.next_ms - work.oldest_arrival_ms > RETENTION_MS:
            self._books.lost(self._works.pop(put.work_id))
        elif self._flush_tries is not None:
            self._flush_tries -= 1
            work.is_stuck = self._flush_tries <= 0

    def flush(self) -> None:
        """From now on everything is due; an object that still fails after a few tries is left where it is, and said."""
        if self._flush_tries is None:
            self._flush_tries = _FLUSH_TRIES

    # ------------------------------------------------------------------ asked

    def next_deadline_ms(self) -> int | None:
        """When `poll` will next have something; None if nothing waits."""
        found = [buffer.due_ms() for _, _, buffer in self._buffers()]
        found += [work.next_ms for work in self._works.values() if not work.is_stuck]
        return min((deadline for deadline in found if deadline is not None), default=None)

    def has_work(self) -> bool:
        """Whether anything is still to be done, leaving out what a flush gave up on."""
        waiting = any(len(buffer) for _, _, buffer in self._buffers())
        return waiting or any(not work.is_stuck for work in self._works.values())

    def pending_lines_count(self) -> int:
        """The lines in partition and error buffers and in objects on their way."""
        waiting = sum(len(buffer) for name, _, buffer in self._buffers() if name != "backup")
        return waiting + sum(work.lines_count for work in self._works.values() if work.kind != "backup")

    def pending_backup_count(self) -> int:
        """The source records that wait for the backup."""
        waiting = len(self._backup) if self._backup is not None else 0
        return waiting + sum(work.lines_count for work in self._works.values() if work.kind == "backup")

    def oldest_arrival_ms(self, *, of_backup: bool = False) -> int | None:
        """The oldest arrival among rows and errors, or source records, that are not stored."""
        found = [buffer.oldest_arrival_ms() for name, _, buffer in self._buffers() if (name == "backup") is of_backup]
        found += [work.oldest_arrival_ms for work in self._works.values() if (work.kind == "backup") is of_backup]
        return min((arrival for arrival in found if arrival is not None), default=None)

    def partitions_count(self) -> int:
        """The partitions that have a buffer now."""
        return len(self._partitions)

    def fills(self) -> Iterator[BufferFill]:
        """How full each buffer is."""
        for name, of, buffer in self._buffers():
            yield buffer.fill(name, of)

    # ------------------------------------------------------------------ within

    def _buffers(self) -> Iterator[tuple[str, str, Buffer[Transformed] | Buffer[bytes]]]:
        for keys, rows in self._partitions.items():
            yield "lake", str(keys), rows
        for output_type, errors in self._errors.items():
            yield "errors", output_type, errors
        if self._backup is not None:
            yield "backup", "", self._backup

    def _seal(self, now_ms: int, *, everything: bool) -> None:
        def is_due(buffer: Buffer[Transformed] | Buffer[bytes]) -> bool:
            due_ms = buffer.due_ms()
            return due_ms is not None and (everything or due_ms <= now_ms)

        for keys in [keys for keys, buffer in self._partitions.items() if is_due(buffer)]:
            sealed = self._partitions.pop(keys).seal()
            self._enqueue(self._maker.rows(sealed, keys, work_id=self._next_id(), now_ms=now_ms))
        for output_type in [output_type for output_type, buffer in self._errors.items() if is_due(buffer)]:
            errors = self._errors.pop(output_type).seal()
            self._enqueue(self._maker.errors(errors, output_type, work_id=self._next_id(), now_ms=now_ms))
        if self._backup is not None and is_due(self._backup):
            self._enqueue(self._maker.backup(self._backup.seal(), work_id=self._next_id(), now_ms=now_ms))

    def _enqueue(self, work: Work) -> None:
        self._works[work.work_id] = work

    def _next_id(self) -> int:
        self._works_made += 1
        return self._works_made

    def _backoff_ms(self, tries: int) -> int:
        exponential = self._guesses.store_backoff_first_ms * (1 << min(tries - 1, 20))
        return round(min(exponential, self._guesses.store_backoff_cap_ms) * self._random.uniform(0.75, 1.25))
