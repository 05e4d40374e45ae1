"""
One delivery stream as a pure machine: records and the time go in, effects come out, their answers go back in.

    accept ─► backup buffer ─────────────────────────────────► Put
       └────► lines ─► stage A ─► Invoke ─► verdicts ─► stage B ─► Convert ─► Put
                                               └─────► error buffers ───────► Put

Laws: no clock, thread, disk or randomness of its own (`now_ms` and a seeded Random are given); whoever drives it performs each effect once
and reports it. The same inputs give the same keys, in the same order.
Refuses to know: HTTP, quotas and faults (the shell asks those before it calls `accept`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from local.firehose.counters import Counters, EngineSnapshot
from local.firehose.deaggregation import deaggregate
from local.firehose.delivery_stage import DeliveryStage, PartitionKeys, line_as_row
from local.firehose.envelopes import EXTRACTION_FAILED, PROCESSING_FAILED, ErrorRecord
from local.firehose.guesses import Guesses
from local.firehose.prefix import partition_keys
from local.firehose.transform_stage import TransformStage
from local.firehose.verdicts import Failed, Line, Transformed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from local.firehose.config import StreamConfig
    from local.firehose.effects import Answered, Convert, Converted, Effect, Put

_SHARD = "shardId-000000000000"
_FIRST_SEQUENCE = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_800  # the shape seen in events
_RECORD_ID_LENGTH = 160
_NO_KEYS = PartitionKeys()


class StreamEngine:
    """One stream. Caller must hold one lock around every call: the machine itself knows no threads."""

    def __init__(self, config: StreamConfig, *, random: Random, guesses: Guesses | None = None) -> None:
        self.config = config
        self._guesses = guesses or Guesses()
        self._counters = Counters()
        self._transform = (
            TransformStage(config, config.transform, guesses=self._guesses, random=random) if config.transform else None
        )
        self._delivery = DeliveryStage(config, guesses=self._guesses, random=random, counters=self._counters)
        wanted = partition_keys(config.target.prefix)
        self._lambda_names = tuple(part.value for part in wanted if part.namespace == "partitionKeyFromLambda")
        self._lines_made = 0
        self._is_flushing = False

    # ------------------------------------------------------------------ in

    def accept(self, records: Sequence[bytes], now_ms: int) -> None:
        """Take records that the shell has answered for: from here on they are delivered, set aside, dropped or counted lost."""
        for record in records:
            self._delivery.add_source(record, now_ms)
            pieces = deaggregate(record, self.config.deaggregation)
            self._counters.records_accepted += 1
            self._counters.bytes_accepted += len(record)
            self._counters.lines_accepted += len(pieces)
            if self.config.deaggregation is not None and len(pieces) == 1 and len(pieces[0]) == len(record) > 0:
                self._counters.records_undivided += 1
            self._take(self._lines(pieces, now_ms), now_ms)

    def refused(self, records_count: int) -> None:
        """Count records that the shell refused one by one."""
        self._counters.records_refused += records_count

    # ------------------------------------------------------------------ out, and back in

    def poll(self, now_ms: int) -> list[Effect]:
        """Everything to do at this instant, in the order to do it."""
        effects: list[Effect] = []
        if self._transform is not None:
            effects += self._transform.poll(now_ms)
        if self._is_flushing and (self._transform is None or self._transform.pending_count() == 0):
            self._delivery.flush()  # only now: rows that still come would each make a small object of their own
        effects += self._delivery.poll(now_ms)
        return effects

    def invoked(self, answered: Answered, now_ms: int) -> None:
        """Take an invocation's outcome."""
        assert self._transform is not None, "only a stream with a transform invokes one"
        self._counters.invocations += 1
        self._counters.invocations_failed += answered.error_code is not None
        verdict = self._transform.invoked(answered, now_ms)
        if verdict is None:
            return
        self._counters.lines_dropped += len(verdict.judgement.dropped)
        for failed in verdict.judgement.failed:
            self._set_aside(failed, PROCESSING_FAILED, verdict.attempts_count, now_ms)
        for row in verdict.judgement.ok:
            self._place(row, now_ms)

    def converted(self, convert: Convert, result: Converted, now_ms: int) -> None:
        """Take a conversion's outcome."""
        self._delivery.converted(convert, result, now_ms)

    def stored(self, put: Put, now_ms: int) -> None:  # noqa: ARG002 -- every report carries its time
        """Take the news that an object is stored."""
        self._delivery.stored(put)

    def store_failed(self, put: Put, now_ms: int) -> None:
        """Take the news that an object was not stored; it is tried again."""
        self._delivery.store_failed(put, now_ms)

    def flush(self) -> None:
        """Treat every buffer and every wait as due from now on."""
        self._is_flushing = True
        if self._transform is not None:
            self._transform.is_flushing = True

    # ------------------------------------------------------------------ asked

    def next_deadline_ms(self) -> int | None:
        """When `poll` will next have something to do; None if nothing waits for the time to pass."""
        deadlines = [self._delivery.next_deadline_ms()]
        if self._transform is not None:
            deadlines.append(self._transform.next_deadline_ms())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def has_work(self) -> bool:
        """Whether anything accepted is still on its way (a flush leaves out what the store kept refusing)."""
        return self._delivery.has_work() or (self._transform is not None and self._transform.pending_count() > 0)

    def snapshot(self, now_ms: int) -> EngineSnapshot:
        """The books, with what is still pending counted anew."""
        transform = self._transform
        oldest = [self._delivery.oldest_arrival_ms(), transform.oldest_arrival_ms() if transform else None]
        oldest_ms = min((arrival for arrival in oldest if arrival is not None), default=now_ms)
        return EngineSnapshot(
            stream=self.config.name,
            at_ms=now_ms,
            **(asdict(self._counters) | {"errors_by_code": dict(self._counters.errors_by_code)}),
            lines_pending=self._delivery.pending_lines_count() + (transform.pending_count() if transform else 0),
            backup_records_pending=self._delivery.pending_backup_count(),
            lag_ms=now_ms - oldest_ms,
            buffers=(*(transform.fills() if transform else ()), *self._delivery.fills()),
        )

    # ------------------------------------------------------------------ within

    def _lines(self, pieces: Sequence[bytes], now_ms: int) -> list[Line]:
        first = _FIRST_SEQUENCE + self._lines_made
        self._lines_made += len(pieces)
        return [
            Line(f"{_SHARD}{first + index}".ljust(_RECORD_ID_LENGTH, "0"), now_ms, piece)
            for index, piece in enumerate(pieces)
        ]

    def _take(self, lines: list[Line], now_ms: int) -> None:
        if self._transform is not None:
            self._transform.add(lines, now_ms)
            return
        for line in lines:
            self._place(line_as_row(line), now_ms)

    def _place(self, row: Transformed, now_ms: int) -> None:
        if not self.config.dynamic_partitioning:
            self._delivery.add_row(row, _NO_KEYS, now_ms)
            return
        found = []
        for name in self._lambda_names:
            value = row.keys.get(name)
            if value is None or value == "":
                failed = Failed(row.line, "DynamicPartitioning.MetadataExtractionFailed", _EMPTY_KEY)
                self._set_aside(failed, EXTRACTION_FAILED, 1, now_ms)
                return
            found.append((name, str(value)))
        keys = PartitionKeys(from_lambda=tuple(found))
        if (
            not self._delivery.is_active(keys)
            and self._delivery.active_partitions_count() >= self._guesses.active_partitions_limit
        ):
            failed = Failed(
                row.line, self._guesses.active_partitions_code, "The limit of active partitions is exceeded."
            )
            self._set_aside(failed, self._guesses.active_partitions_output_type, 1, now_ms)
            return
        self._delivery.add_row(row, keys, now_ms)

    def _set_aside(self, failed: Failed, output_type: str, attempts_count: int, now_ms: int) -> None:
        record = ErrorRecord(
            failed.line, failed.line.body, output_type, failed.code, failed.message, attempts_count, now_ms
        )
        self._delivery.add_error(record, now_ms)


_EMPTY_KEY = "partitionKeys values must not be null or empty"
