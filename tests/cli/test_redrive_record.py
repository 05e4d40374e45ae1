"""What redrives write down in a bucket, and how two of them meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cli.redrive_record import LIFE, SENT, SIGN, BucketRecord, RedriveHeld, RedriveOvertaken, read_sent
from compact_lambda.bucket import Taken
from tests.compact_lambda.lakes import FolderBucket, bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compact_lambda.bucket import Bucket


@pytest.fixture(params=["moto", "folder"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    with bucket_of(request.param, tmp_path) as made:
        yield made


class Clock:
    """The time, put forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def record(bucket: Bucket, run: str, clock: Clock | None = None) -> BucketRecord:
    return BucketRecord(bucket, run=run, clock=clock or Clock())


def test_what_was_accepted_is_read_by_the_next_run(bucket: Bucket) -> None:
    assert set() == read_sent(bucket)
    with record(bucket, "a") as first:
        first.append([("S", 1), ("S", 2)])
        first.append([("S", 3)])
    with record(bucket, "b") as second:
        second.append([("T", 1)])
    assert {("S", 1), ("S", 2), ("S", 3), ("T", 1)} == read_sent(bucket)
    assert [f"{SENT}{name}.ndjson" for name in ("a-000001", "a-000002", "b-000001")] == [
        each.key for each in bucket.find_objects(SENT)
    ]


def test_two_at_once_are_refused_and_the_first_goes_on(bucket: Bucket) -> None:
    clock = Clock()
    with record(bucket, "a", clock) as first:
        with pytest.raises(RedriveHeld, match=r"Another redrive \(a\) is at work"), record(bucket, "b"):
            pass
        clock.ahead += LIFE / 2
        first.renew()
        first.append([("S", 1)])


def test_one_that_was_killed_is_followed_after_its_life(bucket: Bucket) -> None:
    clock = Clock()
    record(bucket, "a").__enter__()
    with pytest.raises(RedriveHeld), record(bucket, "b", clock):
        pass
    clock.ahead = LIFE
    with record(bucket, "c", clock):
        pass
    with record(bucket, "d"):
        pass


def test_one_that_was_overtaken_sends_no_more_and_takes_nothing_back(bucket: Bucket) -> None:
    clock, ahead = Clock(), Clock()
    with record(bucket, "a", clock) as first:
        ahead.ahead = LIFE
        with record(bucket, "b", ahead) as second:
            clock.ahead = LIFE
            with pytest.raises(RedriveOvertaken, match="sent nothing more"):
                first.renew()
            ahead.ahead *= 2
            second.renew()
    assert b'"b"' in bucket.read_object(SIGN)


def test_a_fresh_sign_is_not_renewed(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path)
    with record(bucket, "a") as held:
        before = bucket.read_object(SIGN)
        held.renew()
        assert before == bucket.read_object(SIGN)


def test_a_sign_that_nobody_can_read_is_somebodys_until_it_is_old(tmp_path: Path) -> None:
    bucket, clock = FolderBucket(tmp_path), Clock()
    bucket.put_record(SIGN, b"[]", replacing=None)
    with pytest.raises(RedriveHeld, match="unknown"), record(bucket, "a", clock):
        pass
    clock.ahead = LIFE
    with record(bucket, "a", clock):
        pass


class Echoing(FolderBucket):
    """A bucket whose answers are lost: each put is done, and then done again by the client, which finds it done."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        super().put_record(key, body, replacing=replacing)
        raise Taken(key=key)


def test_a_put_that_meets_itself_is_done(tmp_path: Path) -> None:
    bucket, clock = Echoing(tmp_path), Clock()
    with record(bucket, "a", clock) as held:
        held.append([("S", 1)])
        clock.ahead = LIFE
        held.renew()
    assert {("S", 1)} == read_sent(bucket)


class Contested(FolderBucket):
    """A bucket where somebody is always a moment faster."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:  # noqa: ARG002  # nobody gets that far
        raise Taken(key=key)


def test_of_two_that_begin_at_the_same_moment_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RedriveHeld, match="at the same moment"), record(Contested(tmp_path), "a"):
        pass


def test_a_record_that_another_has_put_is_not_ours(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path)
    with record(bucket, "a") as held:
        bucket.put_record(f"{SENT}a-000001.ndjson", b"theirs", replacing=None)
        with pytest.raises(Taken):
            held.append([("S", 1)])
