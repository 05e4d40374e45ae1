"""A lake's folder as a store: what it lists and reads, and what it says of Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit_lambda.reading import ObjectGone, ObjectUnreadable, Stored
from local.lake.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path


def test_it_lists_keys_with_their_lengths(tmp_path: Path) -> None:
    (tmp_path / "raw" / "a").mkdir(parents=True)
    (tmp_path / "raw" / "a" / "b.gz").write_bytes(b"12345")
    (tmp_path / "raw" / "a" / "went.gz").symlink_to(tmp_path / "nothing")
    store = FolderStore(tmp_path)
    assert [Stored(key="raw/a/b.gz", size_bytes=5, tag="")] == list(store.list_objects("raw/"))
    assert [] == list(store.list_objects("errors/"))
    assert [b"12345"] == list(store.read_chunks("raw/a/b.gz"))


def test_what_went_meanwhile_is_gone_and_what_is_a_folder_is_unreadable(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ObjectGone):
        list(store.read_chunks("raw/none"))
    with pytest.raises(ObjectGone):
        store.inspect("raw/none.parquet")
    with pytest.raises(ObjectUnreadable, match="Is a directory"):
        list(store.read_chunks("folder"))


def test_every_page_of_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"price": ["1.5"] * 100}), path, compression="none", use_dictionary=False, write_page_checksum=True
    )
    store = FolderStore(tmp_path)
    store.inspect("a.parquet")
    path.write_bytes(path.read_bytes().replace(b"\3\0\0\x001.5" * 2, b"\3\0\0\x001.6" * 2, 1))
    with pytest.raises(ObjectUnreadable, match=r"^its Parquet is damaged \(could not verify page integrity, CRC"):
        store.inspect("a.parquet")


def test_a_level_is_its_folders_and_its_files(tmp_path: Path) -> None:
    (tmp_path / "raw" / "b" / "deeper").mkdir(parents=True)
    (tmp_path / "raw" / "a").write_bytes(b"")
    (tmp_path / "raw" / "went").symlink_to(tmp_path / "nothing")
    store = FolderStore(tmp_path)
    assert (["raw/b/"], ["raw/a"]) == store.list_level("raw/")
    assert (["raw/"], []) == store.list_level("")
    assert ([], []) == store.list_level("errors/")


def test_a_record_is_what_was_left_or_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.read_record("reports/x/y") is None
    for content in (b"1", b"2"):
        store.put_record("reports/x/y", content)
    assert b"2" == store.read_record("reports/x/y")
    assert ["y"] == [path.name for path in (tmp_path / "reports/x").iterdir()]
