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
    REPLAYS,
    TRADE_KINDS,
    ManifestDamaged,
    counts,
    decode_manifest,
    decode_replaced,
    hour_of_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from compact_lambda.bucket import Bucket, Stored
    from sql.history import Manifest

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
    replays = _read_replays(bucket)
    replaced = frozenset(key for keys in replays.values() for key in keys)
    prefixes = [f"{read_table('processed').prefix}{kind}/" for kind in TRADE_KINDS]
    keys = [o.key for prefix in prefixes for o in bucket.find_objects(prefix)]
    live = sorted(
        key
        for key in keys
        if re.match(read_table("processed").key_pattern, key) and counts(key, replaced=replaced, replays=replays.keys())
    )
    return Contents(keys=tuple(live), replaced=replaced, kept=kept, history=history)


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


def _read_replays(bucket: Bucket) -> dict[str, list[str]]:
    found = {}
    for listed in bucket.find_objects(f"{REPLAYS}/"):
        if listed.key.endswith(".json"):
            name = listed.key.rpartition("/")[2].removesuffix(".json")
            found[name] = decode_replaced(listed.key, _read_record(bucket, listed.key))
    return found


def _read_record(bucket: Bucket, key: str) -> dict[str, Any]:
    try:
        record = json.loads(bucket.read_object(key))
    except ValueError as error:
        raise ManifestDamaged(key=key, why=str(error)) from error
    if not isinstance(record, dict):
        raise ManifestDamaged(key=key, why="it is no JSON object")
    return record
