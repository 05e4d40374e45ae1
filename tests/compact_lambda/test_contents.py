"""What lies in a bucket, and what of it counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from compact_lambda.contents import read_contents, read_kept
from sql.history import Manifest, ManifestDamaged, encode_manifest, history_key, manifest_key
from sql.hours import hour_start_us
from sql.replays import Record, encode_record
from tests.compact_lambda.lakes import FolderBucket

if TYPE_CHECKING:
    from pathlib import Path

HOUR = "2026/11/23/02"
ROWS = history_key(HOUR, "ab12", part=0)
MANIFEST = Manifest(HOUR, hour_start_us(HOUR), "ab12", 3, (ROWS,), {"a": (HOUR,)})
TICKER = "processed/coinbase/ticker/2026/11/23/02/"
REPLAY = "0123456789abcdef"
RECORD = Record(1, REPLAY, {}, (f"{TICKER}replay-{REPLAY}-0.parquet",), (f"{TICKER}old.parquet",))


def fill(bucket: FolderBucket, **records: str) -> None:
    keys = [
        f"{TICKER}a.parquet",
        f"{TICKER}old.parquet",
        f"{TICKER}replay-{REPLAY}-0.parquet",
        f"{TICKER}replay-fedcba9876543210-0.parquet",
        f"{TICKER}readme.txt",
        "processed/coinbase/ticker/astray.parquet",
        "processed/coinbase/coverage/2026/11/23/02/b.parquet",
        "processed/coinbase/mixed/2026/11/23/02/c.parquet",
        ROWS,
        "history/coinbase/readme.txt",
        "compacted/coinbase/2026/11/23/02/other.json",
    ]
    for key in keys:
        bucket.put_record(key, b"", replacing=None)
    texts = {
        "manifest": json.dumps(encode_manifest(MANIFEST)),
        "replay": encode_record(RECORD).decode(),
    } | records
    bucket.put_record(manifest_key(HOUR), texts["manifest"].encode(), replacing=None)
    bucket.put_record("replay/00000001.json", texts["replay"].encode(), replacing=None)


def test_objects_of_trades_that_count_are_found_beside_manifests_and_history(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path)
    fill(bucket)
    contents = read_contents(bucket)
    assert (
        "processed/coinbase/mixed/2026/11/23/02/c.parquet",
        f"{TICKER}a.parquet",
        f"{TICKER}replay-{REPLAY}-0.parquet",
    ) == contents.keys
    assert {f"{TICKER}old.parquet"} == contents.replaced
    assert [ROWS] == [each.key for each in contents.history]
    assert {HOUR: MANIFEST} == {hour: kept.manifest for hour, kept in contents.kept.items()}
    (listed,) = bucket.find_objects(manifest_key(HOUR))
    assert listed.tag == contents.kept[HOUR].tag


@pytest.mark.parametrize("name", ["manifest", "replay"])
@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_record_that_cannot_be_believed_stops_everything(tmp_path: Path, name: str, text: str) -> None:
    bucket = FolderBucket(tmp_path)
    fill(bucket, **{name: text})
    with pytest.raises(ManifestDamaged, match=r"\.json cannot be believed"):
        read_contents(bucket)


def test_manifests_are_in_the_order_of_hours(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path)
    hours = [f"2026/11/23/{number:02}" for number in range(20)]
    for hour in reversed(hours):
        manifest = Manifest(hour, hour_start_us(hour), "a", 0, (), {})
        bucket.put_record(manifest_key(hour), json.dumps(encode_manifest(manifest)).encode(), replacing=None)
    assert hours == list(read_kept(bucket))
