"""
What lies in a lake's bucket that compaction decides by: live objects that may hold trades, manifests, objects of history.

Laws: records that say which objects count are read before anything is decided, and stop everything where they cannot be believed.
Refuses to know: rows, Athena, the clock.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sql.glue import read_table
from sql.history import (
    MANIFEST,
    TRADE_KINDS,
    ManifestDamaged,
    decode_manifest,
    hour_of_key,
)
from sql.replays import RECORDS, counts, decode_record, gather, is_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from compact_lambda.bucket import Bucket, Stored
    from sql.history import Manifest
    from sql.replays import Replays

_READ_AT_ONCE: Final = 8  # of the ten connections that a boto3 client keeps (botocore, max_pool_connections)


@dataclass(frozen=True, slots=True)
class Kept:
    """A manifest with its object's tag, and when S3 took it."""

    manifest: Manifest
    tag: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """
    What a bucket held when it was listed.

    Shapes: `keys` are live objects of `processed` that may hold trades; `kept` is by hour; `history` are the objects under its prefix.
    """

    keys: tuple[str, ...]
    replaced: frozenset[str]
    kept: Mapping[str, Kept]
    history: tuple[Stored, ...]


def read_contents(bucket: Bucket) -> Contents:
    """
    What the bucket holds now.

    Raises: ManifestDamaged; what the bucket raises.
    """
    # Manifests first: an object that comes between the listings is late, and reopens its hour. The other way round it would look gone.
    kept = read_kept(bucket)
    history = tuple(o for o in bucket.find_objects(read_table("history").prefix) if hour_of_key("history", o.key))
    replays = read_replays(bucket)
    prefixes = [f"{read_table('delivered').prefix}{kind}/" for kind in TRADE_KINDS]
    keys = [o.key for prefix in prefixes for o in bucket.find_objects(prefix)]
    live = sorted(key for key in keys if re.match(read_table("delivered").key_pattern, key) and counts(key, replays))
    return Contents(keys=tuple(live), replaced=replays.replaced, kept=kept, history=history)


def read_kept(bucket: Bucket) -> dict[str, Kept]:
    """Every manifest by its hour, in their order."""
    listed = [
        o
        for o in bucket.find_objects(read_table("compacted").prefix)
        if hour_of_key("compacted", o.key) and o.key.endswith(f"/{MANIFEST}")
    ]
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        records = list(pool.map(lambda o: _read_record(bucket, o.key), listed))
    manifests = [decode_manifest(o.key, record) for o, record in zip(listed, records, strict=True)]
    return {
        m.event_hour: Kept(manifest=m, tag=o.tag, changed_at=o.changed_at)
        for m, o in zip(manifests, listed, strict=True)
    }


def read_replays(bucket: Bucket) -> Replays:
    """
    The replays that took effect.

    Raises: ManifestDamaged; what the bucket raises.
    """
    keys = [listed.key for listed in bucket.find_objects(RECORDS) if is_record(listed.key)]
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        bodies = list(pool.map(bucket.read_object, keys))
    return gather(decode_record(key, body) for key, body in zip(keys, bodies, strict=True))


def _read_record(bucket: Bucket, key: str) -> dict[str, Any]:
    try:
        record = json.loads(bucket.read_object(key))
    except ValueError as error:
        raise ManifestDamaged(key=key, why=str(error)) from error
    if not isinstance(record, dict):
        raise ManifestDamaged(key=key, why="it is no JSON object")
    return record
