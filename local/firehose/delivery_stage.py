"""
The road's second half: partitions, error records and the source backup fill buffers, become objects, and are stored.

Laws: a partition's clock starts when its first row comes back from the transform; sizes count before compression; an object that cannot be
stored is tried again until its oldest record is 24 hours old, then dropped and counted, never sent to the error prefix.
Refuses to know: the transform, Parquet, disks; it asks for a conversion or a put and is told.
Source: Amazon Data Firehose, "Buffering hints", "Understand data delivery failure handling", "Dynamic partitioning".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from local.firehose.buffers import Buffer, BufferFill, Sealed
from local.firehose.config import S3Target, StreamConfig
from local.firehose.effects import Convert, Converted, Effect, Put
from local.firehose.envelopes import CONVERSION_FAILED, ErrorRecord, encode_error
from local.firehose.naming import content_encoding, extension_for, object_name
from local.firehose.prefix import Occasion, error_prefix, evaluate_prefix, object_prefix
from local.firehose.verdicts import Line, Transformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from local.firehose.counters import Counters
    from local.firehose.guesses import Guesses

RETENTION_MS = 24 * 3_600_000  # Direct PUT records are kept for 24 hours
_FLUSH_TRIES = 3  # a stop does not wait a day for a store that is down


class PartitionKeys(NamedTuple):
    """What makes one partition: the values its prefix asks for, from the Lambda and from the query."""

    from_lambda: tuple[tuple[str, str], ...] = ()
    from_query: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Work:
    """One object on its way. `next_ms` is None while the shell holds it; `is_stuck` after a flush gave up on it."""

    work_id: int
    kind: Literal["rows", "errors", "backup"]
    target: S3Target
    key: str
    parts: list[bytes]
    rows: list[Transformed]
    lines_count: int
    rows_count: int
    held_bytes: int
    oldest_arrival_ms: int
    next_ms: int | None
    needs_conversion: bool
    partition: PartitionKeys
    tries_count: int = 0
    is_stuck: bool = False


class DeliveryStage:
    """Stage B with its error and backup buffers and the objects on their way to the store."""

    def __init__(self, config: StreamConfig, *, guesses: Guesses, random: Random, counters: Counters) -> None:
        self._config = config
        self._guesses = guesses
        self._random = random
        self._counters = counters
        self._partitions: dict[PartitionKeys, Buffer[Transformed]] = {}
        self._errors: dict[str, Buffer[bytes]] = {}
        self._backup: Buffer[bytes] | None = Buffer(config.backup.hints) if config.backup else None
        self._works: dict[int, _Work] = {}
        self._works_made = 0
        self._flush_tries: int | None = None

    # ------------------------------------------------------------------ in

    def add_source(self, record: bytes, now_ms: int) -> None:
        """Take a source record, verbatim, for the backup."""
        if self._backup is None:
            return
        sealed = self._backup.add(record, entry_bytes=len(record), arrival_ms=now_ms, now_ms=now_ms)
        if sealed is not None:
            self._make_backup(sealed, now_ms)

    def add_row(self, row: Transformed, keys: PartitionKeys, now_ms: int) -> None:
        """Take one transformed record into its partition."""
        buffer = self._partitions.get(keys)
        if buffer is None:
            buffer = self._partitions[keys] = Buffer(self._config.target.hints)
        sealed = buffer.add(row, entry_bytes=len(row.body), arrival_ms=row.line.arrival_ms, now_ms=now_ms)
        if sealed is not None:
            self._make_rows(sealed, keys, now_ms)

    def add_error(self, record: ErrorRecord, now_ms: int) -> None:
        """Take one failed record into the buffer of its kind."""
        self._counters.errors_by_code[record.code] += 1
        encoded = encode_error(record, self._config, self._guesses)
        buffer = self._errors.get(record.output_type)
        if buffer is None:
            buffer = self._errors[record.output_type] = Buffer(self._config.target.hints)
        sealed = buffer.add(encoded, entry_bytes=len(encoded), arrival_ms=record.line.arrival_ms, now_ms=now_ms)
        if sealed is not None:
            self._make_errors(sealed, record.output_type, now_ms)

    def is_active(self, keys: PartitionKeys) -> bool:
        """Whether a partition already has a buffer."""
        return keys in self._partitions

    def active_partitions_count(self) -> int:
        """The partitions with rows in a buffer or on their way."""
        return len(set(self._partitions) | {work.partition for work in self._works.values() if work.kind == "rows"})

    # ------------------------------------------------------------------ out

    def poll(self, now_ms: int) -> Iterator[Effect]:
        """Seal what is due; the conversions and puts to do now, oldest object first."""
        self._seal_due(now_ms)
        for work in self._works.values():
            if (
                work.next_ms is not None
                and not work.is_stuck
                and (self._flush_tries is not None or work.next_ms <= now_ms)
            ):
                work.next_ms = None
                yield self._effect(work)

    def converted(self, convert: Convert, result: Converted, now_ms: int) -> None:
        """Take a finished conversion: its object goes to the store, its failures to the error prefix."""
        work = self._works[convert.work_id]
        for failure in result.failures:
            row = work.rows[failure.index]
            raw = row.body if self._guesses.conversion_error_raw == "transformed" else row.line.body
            record = ErrorRecord(row.line, raw, CONVERSION_FAILED, failure.code, failure.message, 1, now_ms)
            self.add_error(record, now_ms)
        work.lines_count -= len(result.failures)
        work.rows_count = result.rows_count
        work.rows = []
        work.needs_conversion = False
        work.next_ms = now_ms
        if result.body is None:
            del self._works[work.work_id]
        else:
            work.parts = [result.body]

    def stored(self, put: Put) -> None:
        """Count an object that the store has."""
        work = self._works.pop(put.work_id)
        counters = self._counters
        if work.kind == "rows":
            counters.lines_delivered += work.lines_count
            counters.rows_delivered += work.rows_count
            counters.objects_delivered += 1
            counters.bytes_delivered += work.held_bytes
        elif work.kind == "errors":
            counters.lines_in_errors += work.lines_count
            counters.error_objects += 1
        else:
            counters.backup_records += work.lines_count
            counters.backup_bytes += work.held_bytes
            counters.backup_objects += 1

    def store_failed(self, put: Put, now_ms: int) -> None:
        """Plan the next try of an object; after 24 hours give it up and count it."""
        work = self._works[put.work_id]
        work.tries_count += 1
        self._counters.store_failures += 1
        work.next_ms = now_ms + self._backoff_ms(work.tries_count)
        if work.next_ms - work.oldest_arrival_ms > RETENTION_MS:
            del self._works[put.work_id]
            if work.kind == "backup":
                self._counters.backup_records_lost += work.lines_count
            else:
                self._counters.lines_lost += work.lines_count
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
        return any(len(buffer) for _, _, buffer in self._buffers()) or any(
            not work.is_stuck for work in self._works.values()
        )

    def pending_lines_count(self) -> int:
        """The lines in partition and error buffers and in objects on their way."""
        waiting = sum(len(buffer) for name, _, buffer in self._buffers() if name != "backup")
        return waiting + sum(work.lines_count for work in self._works.values() if work.kind != "backup")

    def pending_backup_count(self) -> int:
        """The source records that wait for the backup."""
        waiting = len(self._backup) if self._backup is not None else 0
        return waiting + sum(work.lines_count for work in self._works.values() if work.kind == "backup")

    def oldest_arrival_ms(self) -> int | None:
        """The oldest arrival among rows and errors that are not stored."""
        found = [buffer.oldest_arrival_ms() for name, _, buffer in self._buffers() if name != "backup"]
        found += [work.oldest_arrival_ms for work in self._works.values() if work.kind != "backup"]
        return min((arrival for arrival in found if arrival is not None), default=None)

    def fills(self) -> Iterator[BufferFill]:
        """How full each buffer is."""
        for name, of, buffer in self._buffers():
            yield buffer.fill(name, of)

    # ------------------------------------------------------------------ within

    def _buffers(self) -> Iterator[tuple[str, str, Buffer[Transformed] | Buffer[bytes]]]:
        for keys, rows in self._partitions.items():
            yield "lake", "/".join(value for _, value in keys.from_lambda + keys.from_query), rows
        for output_type, errors in self._errors.items():
            yield "errors", output_type, errors
        if self._backup is not None:
            yield "backup", "", self._backup

    def _seal_due(self, now_ms: int) -> None:
        def is_due(buffer: Buffer[Transformed] | Buffer[bytes]) -> bool:
            due_ms = buffer.due_ms()
            return due_ms is not None and (self._flush_tries is not None or due_ms <= now_ms)

        for keys in [keys for keys, buffer in self._partitions.items() if is_due(buffer)]:
            self._make_rows(self._partitions.pop(keys).seal(), keys, now_ms)
        for output_type in [output_type for output_type, buffer in self._errors.items() if is_due(buffer)]:
            self._make_errors(self._errors.pop(output_type).seal(), output_type, now_ms)
        if self._backup is not None and is_due(self._backup):
            self._make_backup(self._backup.seal(), now_ms)

    def _effect(self, work: _Work) -> Effect:
        if work.needs_conversion:
            assert self._config.conversion is not None, "only a stream with conversion has work that needs it"
            return Convert(work.work_id, [row.body for row in work.rows], self._config.conversion)
        converted_to = self._converted_to() if work.kind == "rows" else None
        compression = work.target.compression if converted_to is None else "UNCOMPRESSED"
        return Put(
            work_id=work.work_id,
            kind=work.kind,
            bucket=work.target.bucket,
            key=work.key,
            parts=work.parts,
            compression=compression,
            content_encoding=content_encoding(compression=compression, converted_to=converted_to),
        )

    def _make_rows(self, sealed: Sealed[Transformed], keys: PartitionKeys, now_ms: int) -> None:
        target = self._config.target
        prefix = object_prefix(target.prefix, unless=self._guesses.default_prefix_unless)
        needs_conversion = self._config.conversion is not None
        self._make(
            "rows",
            target,
            sealed.oldest_arrival_ms,
            prefix=prefix,
            parts=[] if needs_conversion else self._delimited(sealed.entries),
            rows=sealed.entries if needs_conversion else [],
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            now_ms=now_ms,
            partition=keys,
        )

    def _make_errors(self, sealed: Sealed[bytes], output_type: str, now_ms: int) -> None:
        target = self._config.target
        prefix = error_prefix(target.error_prefix, target.prefix)
        self._make(
            "errors",
            self._error_target(),
            sealed.oldest_arrival_ms,
            prefix=prefix,
            parts=sealed.entries,
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            now_ms=now_ms,
            output_type=output_type,
        )

    def _make_backup(self, sealed: Sealed[bytes], now_ms: int) -> None:
        assert self._config.backup is not None, "only a stream with a backup seals one"
        self._make(
            "backup",
            self._config.backup,
            sealed.oldest_arrival_ms,
            prefix=object_prefix(self._config.backup.prefix, unless=self._guesses.default_prefix_unless),
            parts=sealed.entries,
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            now_ms=now_ms,
        )

    def _make(
        self,
        kind: Literal["rows", "errors", "backup"],
        target: S3Target,
        oldest_arrival_ms: int,
        *,
        prefix: str,
        parts: list[bytes],
        lines_count: int,
        held_bytes: int,
        now_ms: int,
        rows: list[Transformed] | None = None,
        partition: PartitionKeys = PartitionKeys(),  # noqa: B008 -- an immutable tuple
        output_type: str = "",
    ) -> None:
        occasion = Occasion(
            arrival_ms=oldest_arrival_ms,
            time_zone=self._config.target.time_zone if kind != "backup" else target.time_zone,
            error_output_type=output_type,
            lambda_keys=dict(partition.from_lambda),
            query_keys=dict(partition.from_query),
        )
        converted_to = self._converted_to() if kind == "rows" else None
        name = object_name(
            stream=self._config.name,
            version=self._config.version,
            arrival_ms=oldest_arrival_ms,
            time_zone=occasion.time_zone,
            extension=extension_for(compression=target.compression, given=target.extension, converted_to=converted_to),
            random=self._random,
        )
        self._works_made += 1
        self._works[self._works_made] = _Work(
            work_id=self._works_made,
            kind=kind,
            target=target,
            key=evaluate_prefix(prefix, occasion, self._random) + name,
            parts=parts,
            rows=rows or [],
            lines_count=lines_count,
            rows_count=lines_count,
            held_bytes=held_bytes,
            oldest_arrival_ms=oldest_arrival_ms,
            next_ms=now_ms,
            needs_conversion=bool(rows),
            partition=partition,
        )

    def _error_target(self) -> S3Target:
        target = self._config.target
        gzipped = self._guesses.gzip_error_objects and target.compression == "GZIP"
        return S3Target(
            bucket=target.bucket,
            prefix="",
            error_prefix=target.error_prefix,
            hints=target.hints,
            compression="GZIP" if gzipped else "UNCOMPRESSED",
        )

    def _converted_to(self) -> str | None:
        return self._config.conversion.serializer if self._config.conversion is not None else None

    def _delimited(self, rows: list[Transformed]) -> list[bytes]:
        delimiter = self._config.append_delimiter
        if delimiter is None:
            return [row.body for row in rows]
        parts = [part for row in rows for part in (row.body, delimiter)]
        return parts if self._guesses.trailing_delimiter else parts[:-1]

    def _backoff_ms(self, tries: int) -> int:
        exponential = self._guesses.store_backoff_first_ms * (1 << min(tries - 1, 20))
        return round(min(exponential, self._guesses.store_backoff_cap_ms) * self._random.uniform(0.75, 1.25))


def keys_from(values: Mapping[str, str], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The named values as a partition's part of its identity."""
    return tuple((name, values[name]) for name in names)


def line_as_row(line: Line) -> Transformed:
    """A record of a stream without a transform: delivered as it came."""
    return Transformed(line, line.body, {})
