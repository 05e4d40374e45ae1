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
from typing import TYPE_CHECKING, Final

from local.firehose.books import Books
from local.firehose.counters import EngineSnapshot
from local.firehose.deaggregation import deaggregate
from local.firehose.delivery_stage import DeliveryStage
from local.firehose.envelopes import EXTRACTION_FAILED, PROCESSING_FAILED, ErrorRecord
from local.firehose.extraction import extract_keys, parse_query
from local.firehose.guesses import Guesses
from local.firehose.prefix import partition_keys
from local.firehose.transform_stage import TransformStage
from local.firehose.verdicts import Failed, Line, Transformed
from local.firehose.works import PartitionKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from local.firehose.buffers import BufferFill
    from local.firehose.config import StreamConfig
    from local.firehose.effects import Answered, Convert, Converted, Effect, Put
    from local.firehose.metrics import Metrics

_SHARD: Final = "shardId-000000000000"
_FIRST_SEQUENCE: Final = (
    4_959_033_827_149_025_660_855_969_253_836_157_109_592_157_598_913  # 49 digits, as seen in events
)
_RECORD_ID_LENGTH: Final = 160
_NO_KEYS: Final = PartitionKeys()
_EMPTY_KEY: Final = ("DynamicPartitioning.MetadataExtractionFailed", "partitionKeys values must not be null or empty")


class StreamEngine:
    """One stream. Caller must hold one lock around every call: the machine itself knows no threads."""

    def __init__(self, config: StreamConfig, *, random: Random, guesses: Guesses | None = None) -> None:
        self._guesses = guesses or Guesses()
        self._random = random
        self._books = Books()
        self._transform: TransformStage | None = None
        self._delivery = DeliveryStage(config, guesses=self._guesses, random=random, books=self._books)
        self._lines_made = 0
        self._is_flushing = False
        self._freshness_minute = -1
        self._adopt(config, 0)

    @property
    def metrics(self) -> Metrics:
        """What the stream would have sent to CloudWatch; the shell enters the calls themselves."""
        return self._books.metrics

    def reconfigure(self, config: StreamConfig, now_ms: int) -> None:
        """Go on under another configuration; what is buffered keeps the one it came under, as far as its objects' keys go."""
        self._delivery.reconfigure(config, now_ms)
        self._adopt(config, now_ms)

    # ------------------------------------------------------------------ in

    def accept(self, records: Sequence[bytes], now_ms: int) -> None:
        """Take records that the shell has answered for: from here on they are delivered, set aside, dropped or counted lost."""
        how = self.config.deaggregation
        self._books.came_in(records, now_ms)
        for record in records:
            self._delivery.add_source(record, now_ms)
            pieces = deaggregate(record, how)
            self._books.accepted(record, pieces, is_divisible=how is not None)
            self._take(self._lines(pieces, now_ms), now_ms)

    def refused(self, records_count: int, now_ms: int) -> None:
        """Count records that the shell refused one by one."""
        self._books.refused(records_count, now_ms)

    # ------------------------------------------------------------------ out, and back in

    def poll(self, now_ms: int) -> list[Effect]:
        """Everything to do at this instant, in the order to do it."""
        self._note_freshness(now_ms)
        effects: list[Effect] = []
        if self._transform is not None:
            effects += self._transform.poll(now_ms)
        if self._is_flushing and self._waiting_count() == 0:
            self._delivery.flush()  # only now: rows that still come would each make a small object of their own
        effects += self._delivery.poll(now_ms)
        return effects

    def invoked(self, answered: Answered, now_ms: int) -> None:
        """Take an invocation's outcome."""
        assert self._transform is not None, "only a stream with a transform invokes one"
        self._books.invoked(answered, now_ms)
        verdict = self._transform.invoked(answered, now_ms)
        if verdict is None:
            return
        self._books.judged(verdict.judgement, now_ms)
        for failed in verdict.judgement.failed:
            self._set_aside(failed, PROCESSING_FAILED, verdict.attempts_count, now_ms)
        for row in verdict.judgement.ok:
            self._place(row, now_ms)

    def converted(self, convert: Convert, result: Converted, now_ms: int) -> None:
        """Take a conversion's outcome."""
        self._delivery.converted(convert, result, now_ms)

    def stored(self, put: Put, now_ms: int) -> None:
        """Take the news that an object is stored."""
        self._delivery.stored(put, now_ms)

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
        return self._delivery.has_work() or self._waiting_count() > 0

    def snapshot(self, now_ms: int) -> EngineSnapshot:
        """The books, with what is still pending counted anew."""
        counters = self._books.counters
        return EngineSnapshot(
            stream=self.config.name,
            at_ms=now_ms,
            **(asdict(counters) | {"errors_by_code": dict(counters.errors_by_code)}),
            lines_pending=self._delivery.pending_lines_count() + self._waiting_count(),
            backup_records_pending=self._delivery.pending_backup_count(),
            lag_ms=now_ms - self._oldest_arrival_ms(now_ms),
            buffers=tuple(self._fills()),
        )

    # ------------------------------------------------------------------ within

    def _adopt(self, config: StreamConfig, now_ms: int) -> None:
        self.config = config
        if self._transform is not None:
            self._transform.reconfigure(config, now_ms)
        elif config.transform is not None:
            self._transform = TransformStage(config, guesses=self._guesses, random=self._random)
        wanted = partition_keys(config.target.prefix)
        self._lambda_names = tuple(part.value for part in wanted if part.namespace == "partitionKeyFromLambda")
        self._query_names = tuple(part.value for part in wanted if part.namespace == "partitionKeyFromQuery")
        self._queries = parse_query(config.partition_query) if config.partition_query is not None else ()

    def _lines(self, pieces: Sequence[bytes], now_ms: int) -> list[Line]:
        first = _FIRST_SEQUENCE + self._lines_made
        self._lines_made += len(pieces)
        return [
            Line(f"{_SHARD}{first + index}".ljust(_RECORD_ID_LENGTH, "0"), now_ms, piece)
            for index, piece in enumerate(pieces)
        ]

    def _take(self, lines: list[Line], now_ms: int) -> None:
        if self.config.transform is not None:
            assert self._transform is not None, "a stream with a transform has its stage"
            self._transform.add(lines, now_ms)
            return
        for line in lines:
            self._place(Transformed(line, line.body, {}), now_ms)

    def _place(self, row: Transformed, now_ms: int) -> None:
        if not self.config.dynamic_partitioning:
            self._delivery.add_row(row, _NO_KEYS, now_ms)
            return
        keys = self._partition_of(row)
        if keys is None:
            self._set_aside(Failed(row.line, *_EMPTY_KEY), EXTRACTION_FAILED, 1, now_ms)
        elif self._delivery.may_open(keys):
            self._delivery.add_row(row, keys, now_ms)
        else:
            self.metrics.record("PartitionCountExceeded", 1, now_ms)
            guesses = self._guesses
            failed = Failed(row.line, guesses.active_partitions_code, "The limit of active partitions is exceeded.")
            self._set_aside(failed, guesses.active_partitions_output_type, 1, now_ms)

    def _partition_of(self, row: Transformed) -> PartitionKeys | None:
        from_lambda = _named_values(row.keys, self._lambda_names)
        if from_lambda is None:
            return None
        if not self._queries:
            return PartitionKeys(from_lambda=from_lambda)
        extracted = extract_keys(row.body, self._queries)
        from_query = _named_values(extracted, self._query_names) if extracted is not None else None
        return None if from_query is None else PartitionKeys(from_lambda=from_lambda, from_query=from_query)

    def _set_aside(self, failed: Failed, output_type: str, attempts_count: int, now_ms: int) -> None:
        record = ErrorRecord(
            failed.line, failed.line.body, output_type, failed.code, failed.message, attempts_count, now_ms
        )
        self._delivery.add_error(record, now_ms)

    def _waiting_count(self) -> int:
        return self._transform.pending_count() if self._transform is not None else 0

    def _fills(self) -> Iterator[BufferFill]:
        if self._transform is not None:
            yield from self._transform.fills()
        yield from self._delivery.fills()

    def _oldest_arrival_ms(self, now_ms: int) -> int:
        found = [self._delivery.oldest_arrival_ms(), self._transform.oldest_arrival_ms() if self._transform else None]
        return min((arrival for arrival in found if arrival is not None), default=now_ms)

    def _note_freshness(self, now_ms: int) -> None:
        """Sample the gauges once a minute."""
        if now_ms // 60_000 == self._freshness_minute:
            return
        self._freshness_minute = now_ms // 60_000
        self.metrics.record("DeliveryToS3.DataFreshness", (now_ms - self._oldest_arrival_ms(now_ms)) / 1000, now_ms)
        if self.config.backup is not None:
            oldest_ms = self._delivery.oldest_arrival_ms(of_backup=True)
            self.metrics.record(
                "BackupToS3.DataFreshness", 0 if oldest_ms is None else (now_ms - oldest_ms) / 1000, now_ms
            )
        if self.config.dynamic_partitioning:
            self.metrics.record("PartitionCount", self._delivery.partitions_count(), now_ms)
            self.metrics.record("ActivePartitionsLimit", self._guesses.active_partitions_limit, now_ms)


def _named_values(values: Mapping[str, object], names: tuple[str, ...]) -> tuple[tuple[str, str], ...] | None:
    """The named values as texts; None if one is missing, null or empty."""
    found = []
    for name in names:
        value = values.get(name)
        if value is None or value == "":
            return None
        found.append((name, value if isinstance(value, str) else str(value)))
    return tuple(found)
