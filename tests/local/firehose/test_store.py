"""Where objects land."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from local.firehose.errors import StoreFailed
from local.firehose.store import FolderStore, MemoryStore, S3Store, file_parts

if TYPE_CHECKING:
    from pathlib import Path


def _put(store: FolderStore, key: str, body: bytes = b"x") -> None:
    store.put(bucket="lake", key=key, body=body, content_encoding="")


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_key_is_a_path_under_the_root(tmp_path: Path) -> None:
    _put(FolderStore(tmp_path), "processed/coinbase/ticker/a b=ü", b"body")
    assert {"processed/coinbase/ticker/a b=ü": b"body"} == _files(tmp_path)


def test_buckets_are_told_apart_only_when_asked(tmp_path: Path) -> None:
    _put(FolderStore(tmp_path, by_bucket=True), "a/b")
    assert {"lake/a/b": b"x"} == _files(tmp_path)


def test_the_same_key_again_replaces_the_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    _put(store, "a", b"1")
    _put(store, "a", b"2")
    assert {"a": b"2"} == _files(tmp_path)


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("../../etc/passwd", ["%2E%2E", "%2E%2E", "etc", "passwd"]),
        ("/etc/passwd", ["%", "etc", "passwd"]),
        ("a//b/./c", ["a", "%", "b", "%2E", "c"]),
        ("a\0b", ["a%00b"]),
        ("...", ["..."]),
    ],
)
def test_no_key_leads_out_of_the_root(key: str, parts: list[str]) -> None:
    assert parts == file_parts(key)


def test_a_hostile_key_is_written_inside(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    _put(FolderStore(root), "data/../../../evil/x")
    assert {"data/%2E%2E/%2E%2E/%2E%2E/evil/x": b"x"} == _files(root)
    assert [root] == list(tmp_path.iterdir())


def test_a_name_too_long_for_a_folder_is_shortened_and_stays_distinct(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    _put(store, "d/" + "a" * 300)
    _put(store, "d/" + "a" * 301)
    assert 2 == len(_files(tmp_path))


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_every_part_of_any_key_can_be_a_file_name(key: str) -> None:
    for part in file_parts(key):
        assert part not in {"", ".", ".."}
        assert "/" not in part
        assert "\0" not in part
        assert len(part.encode()) <= 255


def test_what_cannot_be_written_is_a_store_that_failed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file where a folder should be")
    with pytest.raises(StoreFailed, match="a/b was not stored"):
        _put(FolderStore(tmp_path), "a/b")


def test_a_memory_store_keeps_bodies_and_encodings() -> None:
    store = MemoryStore()
    store.put(bucket="lake", key="k", body=b"x", content_encoding="gzip")
    assert ({"k": b"x"}, {"k": "gzip"}) == (store.objects, store.encodings)


def test_an_s3_endpoint_gets_body_and_headers_and_a_missing_bucket_is_a_store_that_failed() -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        client.create_bucket(Bucket="lake")
        S3Store(client).put(bucket="lake", key="a/b.gz", body=b"x", content_encoding="gzip")
        S3Store(client, bucket="lake").put(bucket="other", key="a/c", body=b"y", content_encoding="")
        found = client.get_object(Bucket="lake", Key="a/b.gz")
        assert (b"x", "gzip", "application/octet-stream") == (
            found["Body"].read(),
            found["ContentEncoding"],
            found["ContentType"],
        )
        assert b"y" == client.get_object(Bucket="lake", Key="a/c")["Body"].read()
        with pytest.raises(StoreFailed, match="NoSuchBucket"):
            S3Store(client).put(bucket="nobody", key="k", body=b"x", content_encoding="")
        client.close()
    finally:
        server.stop()
