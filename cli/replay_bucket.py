"""
A replay's bucket: what an hour needs fetched into a folder, a plan put in the lake, and later what was replaced moved away.

The folder is a part of the lake: some hours of raw/, every object that holds rows of their lines, all records of replays. So it is planned there as
at home (local/lake/replay.py).
Laws: new objects do not count, and old ones do, until the record is put, where none of its number is; what is replaced stays where it is until
nobody can still be reading by what counted before; nothing is deleted but copies that were made, and what never counted; no two tries share a
name, so that what one sweeps another is not about to count.
Refuses to know: options, which rows are replaced.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design
from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from os.path import commonpath
from typing import TYPE_CHECKING, Final

import orjson

from compact_lambda.bucket import Taken
from sql.glue import read_table
from sql.replays import (
    RECORDS,
    REPLACED,
    counts,
    decode_record,
    encode_record,
    gather,
    is_placed,
    is_record,
    kept_key,
    plan_holding,
    record_key,
)
from transform_lambda.decode import read_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from compact_lambda.bucket import Bucket, Stored
    from compact_lambda.hour import AthenaLike
    from local.lake.replay import ReplayPlan
    from sql.replays import Record, Replays

# A statement of Athena's may run for 30 minutes, or longer where that quota was raised (Athena, "Service Quotas").
MOVE_AFTER: Final = timedelta(hours=4)
# How long a replay that has not put its record may still be at work.
SWEEP_AFTER: Final = timedelta(days=1)
# Which records' replaced objects are all moved: an object each, so that one listing tells.
MOVED: Final = f"{REPLACED}moved/"
_FETCHED_AT_ONCE: Final = 8  # of the ten connections that a boto3 client keeps (botocore, max_pool_connections)


class ReplayOvertaken(Exception):
    """Another replay took effect after this one was planned."""

    def __init__(self, *, raw_hour: str) -> None:
        self.raw_hour = raw_hour
        super().__init__(
            f"Hour {raw_hour} was left as it was: another replay took effect meanwhile, and may have replaced the same objects. Run it again."
        )


def list_raw(bucket: Bucket, *, first: str, last: str) -> dict[str, list[str]]:
    """The keys of raw/ by their hour of arrival, from `first` to `last` (`yyyy/MM/dd/HH`), both among them."""
    table = read_table("raw")
    hours: dict[str, list[str]] = defaultdict(list)
    for stored in bucket.find_objects(table.prefix + commonpath([first, last])):
        hour = stored.key[len(table.prefix) :].rpartition("/")[0]
        if re.match(table.key_pattern, stored.key) and first <= hour <= last:
            hours[hour].append(stored.key)
    return dict(sorted(hours.items()))


def fetch(bucket: Bucket, keys: Sequence[str], folder: Path, tell: Callable[[int, int], None]) -> None:
    """These objects, under their keys in the folder; `tell` hears how many of how many."""
    with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
        for number, _ in enumerate(pool.map(lambda key: _fetch_one(bucket, key, folder / key), keys), start=1):
            tell(number, len(keys))


def _fetch_one(bucket: Bucket, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bucket.read_object(key))


def read_records(bucket: Bucket) -> list[tuple[Record, Stored]]:
    """
    Every replay that took effect, with its object.

    Raises: ManifestDamaged.
    """
    listed = [each for each in bucket.find_objects(RECORDS) if is_record(each.key)]
    return [(decode_record(each.key, bucket.read_object(each.key)), each) for each in listed]


def find_sessions(lines: Iterable[bytes]) -> dict[str, tuple[int, int]]:
    """The sessions that these lines are of, each with its first and last line; a line without a name is in none."""
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        session, n = _name(line)
        if session is not None and n is not None:
            first, last = found.get(session, (n, n))
            found[session] = min(first, n), max(last, n)
    return found


def _name(line: bytes) -> tuple[str | None, int | None]:
    session, n = read_name(line)
    if session is not None:
        return session, n
    try:  # not in the order in which our producer writes
        whole = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None, None
    said = whole if isinstance(whole, dict) else {}
    session, n = said.get("session"), said.get("n")
    return (session, n) if isinstance(session, str) and type(n) is int else (None, None)


def find_holding(
    athena: AthenaLike, sessions: Mapping[str, tuple[int, int]], replays: Replays, *, bucket: str
) -> tuple[list[str], int]:
    """
    The keys of the objects that count and hold rows of these lines, as Athena knows them; and what it scanned to say so.

    Raises: EngineFailed.
    """
    if not sessions:
        return [], 0
    answer = athena.ask(plan_holding(sessions))
    start = f"s3://{bucket}/"
    keys = {
        str(path).removeprefix(start)
        for path, session, first_n, last_n in answer.rows
        if first_n <= sessions[session][1] and last_n >= sessions[session][0]
    }
    return sorted(key for key in keys if counts(key, replays)), answer.scanned_bytes or 0


def put_replay(bucket: Bucket, plan: ReplayPlan) -> None:
    """
    Do in the bucket what is planned; it counts once its record is put, which is the last thing done.

    Caller must: have planned with a nonce. An object that an earlier try left may be swept by another run right now.
    Raises: ReplayOvertaken.
    """
    for key, content in plan.objects.items():
        _put_own(bucket, key, content)
    try:
        bucket.put_record(record_key(plan.record.number), encode_record(plan.record), replacing=None)
    except Taken as taken:
        # A put whose answer was lost is sent again by botocore, and then meets itself.
        if decode_record(taken.key, bucket.read_object(taken.key)) != plan.record:
            raise ReplayOvertaken(raw_hour=plan.receipt.raw_hour) from taken


def _put_own(bucket: Bucket, key: str, content: bytes) -> None:
    """Put an object under a name that nobody else has; it is there, with this content, or this raises."""
    try:
        bucket.put_record(key, content, replacing=None)
    except Taken:
        # As with a record, it may have met itself. A conflict of two puts is answered in the same way, and then it may not be there.
        if bucket.read_object(key) != content:
            raise


def _put_mark(bucket: Bucket, key: str) -> None:
    with suppress(Taken):
        bucket.put_record(key, b"", replacing=None)


def tidy(bucket: Bucket, records: Sequence[tuple[Record, Stored]], *, now: datetime) -> tuple[int, int]:
    """
    Move away what was replaced long enough ago, and remove what a crash left of a replay without a record; how many of each.

    Raises: DeleteRefused, and what the bucket raises.
    """
    done = {each.key.removeprefix(MOVED) for each in bucket.find_objects(MOVED)}
    moved = 0
    for record, stored in records:
        name = f"{record.number:08d}"
        if name not in done and stored.changed_at + MOVE_AFTER <= now:
            moved += _move(bucket, record)
            _put_mark(bucket, MOVED + name)
    return moved, _sweep(bucket, gather(record for record, _ in records), now=now)


def _move(bucket: Bucket, record: Record) -> int:
    folders = sorted({key.rpartition("/")[0] + "/" for key in record.replaced})
    listed = {each.key for folder in folders for each in bucket.find_objects(folder)}
    there = [key for key in record.replaced if key in listed]
    for key in there:
        bucket.copy_object(bucket.name, key, key=kept_key(record.number, key))
    bucket.delete_objects(there)
    return len(there)


def _sweep(bucket: Bucket, replays: Replays, *, now: datetime) -> int:
    stray = [
        each.key
        for each in _list_placed(bucket)
        if each.key not in replays.placed and each.changed_at + SWEEP_AFTER <= now
    ]
    bucket.delete_objects(stray)
    return len(stray)


def _list_placed(bucket: Bucket) -> Iterator[Stored]:
    return (each for each in bucket.find_objects(read_table("delivered").prefix) if is_placed(each.key))
