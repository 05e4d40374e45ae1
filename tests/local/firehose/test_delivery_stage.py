"""Stage B: what waits, what is tried again, what is given up."""

from __future__ import annotations

from random import Random

from local.firehose.books import Books
from local.firehose.config import MIB, BufferHints, S3Target
from local.firehose.delivery_stage import RETENTION_MS, DeliveryStage
from local.firehose.effects import Put
from local.firehose.guesses import Guesses
from local.firehose.verdicts import Line, Transformed
from local.firehose.works import PartitionKeys
from tests.local.firehose.conftest import plain_stream

_BACKUP = S3Target("lake", "raw/", "", BufferHints(MIB, 60))


def _stage(books: Books | None = None) -> DeliveryStage:
    return DeliveryStage(plain_stream(backup=_BACKUP), guesses=Guesses(), random=Random(0), books=books or Books())


def _row(body: bytes = b"a", arrival_ms: int = 0) -> Transformed:
    return Transformed(Line("r", arrival_ms, body), body, {})


def _put(stage: DeliveryStage, now_ms: int) -> Put:
    [effect] = stage.poll(now_ms)
    assert isinstance(effect, Put)
    return effect


def test_a_failed_put_is_tried_again_later_under_the_same_key() -> None:
    stage = _stage()
    stage.add_row(_row(), PartitionKeys(), 0)
    first = _put(stage, 60_000)
    stage.store_failed(first, 60_000)
    due_ms = stage.next_deadline_ms()
    assert due_ms is not None
    assert 60_750 <= due_ms <= 61_250
    assert [] == list(stage.poll(due_ms - 1))
    again = _put(stage, due_ms)
    assert first == again
    stage.stored(again, due_ms)
    assert (None, False) == (stage.next_deadline_ms(), stage.has_work())


def test_a_backup_that_cannot_be_stored_for_a_day_is_counted_apart() -> None:
    books = Books()
    stage = _stage(books)
    stage.add_source(b"a", 0)
    put = _put(stage, 60_000)
    stage.store_failed(put, RETENTION_MS)
    assert (1, 0) == (books.counters.backup_records_lost, books.counters.lines_lost)
    assert not stage.has_work()


def test_lines_and_backup_are_pending_apart() -> None:
    stage = _stage()
    stage.add_source(b"a\nb\n", 7)
    stage.add_row(_row(arrival_ms=9), PartitionKeys(), 9)
    assert (1, 1) == (stage.pending_lines_count(), stage.pending_backup_count())
    assert (9, 7) == (stage.oldest_arrival_ms(), stage.oldest_arrival_ms(of_backup=True))
    assert {"lake", "backup"} == {fill.buffer for fill in stage.fills()}


def test_a_partition_whose_object_is_under_way_is_still_active() -> None:
    stage = DeliveryStage(plain_stream(), guesses=Guesses(active_partitions_limit=1), random=Random(0), books=Books())
    one, other = PartitionKeys((("k", "1"),)), PartitionKeys((("k", "2"),))
    stage.add_row(_row(), one, 0)
    put = _put(stage, 60_000)
    assert (True, False) == (stage.may_open(one), stage.may_open(other))
    stage.stored(put, 60_000)
    assert stage.may_open(other)
