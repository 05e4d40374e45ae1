"""An object read to its last byte: whole, cut, flipped, of other columns."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from audit_lambda.reading import ObjectGone, ObjectUnreadable, Stored, read_to_its_end
from local.lake.store import FolderStore
from tests.audit_lambda.stored import ERRORS, HISTORY, MANIFEST, RAW, ROWS, build_stored, rows, write, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Given:
    """A store of one object, in pieces of so many bytes: as S3's, without a Parquet library."""

    def __init__(self, content: bytes, *, step: int = 1_000) -> None:
        self._pieces = [content[at : at + step] for at in range(0, len(content), step)]

    def list_objects(self, prefix: str) -> Iterable[Stored]:
        raise NotImplementedError(prefix)

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        raise NotImplementedError(prefix)

    def read_chunks(self, _: str) -> Iterator[bytes]:
        yield from self._pieces

    def inspect(self, _: str) -> None:
        """Nothing."""

    def read_record(self, key: str) -> bytes | None:
        raise NotImplementedError(key)

    def put_record(self, key: str, content: bytes) -> None:
        raise NotImplementedError(key, content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_stored(tmp_path)


@pytest.mark.parametrize("key", [RAW, ROWS, ERRORS, HISTORY, MANIFEST])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_whole_object_has_its_digest_however_it_comes_in_pieces(root: Path, key: str, step: int) -> None:
    content = (root / key).read_bytes()
    assert hashlib.sha256(content).hexdigest() == read_to_its_end(key, Given(content, step=step))


@pytest.mark.parametrize("key", [RAW, ROWS, HISTORY])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95, 1.0])
def test_a_flipped_byte_is_found_at_home(root: Path, key: str, share: float) -> None:
    """Of Parquet one of its pages or of its end: the footer between them has no checksum."""
    content = bytearray((root / key).read_bytes())
    pages = len(content) - 9 - (0 if key == RAW else int.from_bytes(content[-8:-4], "little"))
    content[int(pages * share) if share < 1 else -4] ^= 0x10
    write(root, key, bytes(content))
    with pytest.raises(ObjectUnreadable):
        read_to_its_end(key, FolderStore(root))


@pytest.mark.parametrize("key", [RAW, ROWS, HISTORY])
@pytest.mark.parametrize("kept", [0, 3, 7, 100, -1])
def test_a_cut_object_is_found_whatever_the_store(root: Path, key: str, kept: int) -> None:
    with pytest.raises(ObjectUnreadable):
        read_to_its_end(key, Given((root / key).read_bytes()[:kept]))


def test_what_is_gone_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ObjectGone):
        read_to_its_end(RAW, FolderStore(tmp_path))


def test_an_object_that_is_no_gzip_by_name_is_found() -> None:
    with pytest.raises(ObjectUnreadable, match="does not begin as gzip does"):
        read_to_its_end(RAW, Given(b"no gzip"))
    assert read_to_its_end(ERRORS, Given(gzip.compress(b"{}\n")))


def test_parquet_without_our_columns_is_damage(tmp_path: Path) -> None:
    write_parquet(tmp_path, ROWS, pa.table({"when": [1.5], "price": ["1"]}))
    with pytest.raises(
        ObjectUnreadable, match="it is Parquet, but no object of this table: it has no column kind, product_id,"
    ):
        read_to_its_end(ROWS, Given((tmp_path / ROWS).read_bytes()))


@pytest.mark.parametrize(
    ("key", "name", "type_", "said"),
    [
        (ROWS, "price", pa.float64(), "price is double, not string"),
        (ROWS, "trade_id", pa.string(), "trade_id is string, not bigint"),
        (ROWS, "event_time_us", pa.timestamp("us"), "event_time_us is timestamp, not bigint"),
        (HISTORY, "price", pa.decimal128(18, 8), r"price is decimal\(18,8\), not decimal\(38,18\)"),
        (HISTORY, "price", pa.string(), r"price is string, not decimal\(38,18\)"),
    ],
)
def test_parquet_of_other_types_is_damage(tmp_path: Path, key: str, name: str, type_: pa.DataType, said: str) -> None:
    whole = rows("history" if key == HISTORY else "delivered", 3)
    place = whole.column_names.index(name)
    write_parquet(tmp_path, key, whole.set_column(place, name, pa.array([None] * 3, type_)))
    with pytest.raises(ObjectUnreadable, match=said):
        read_to_its_end(key, Given((tmp_path / key).read_bytes()))


def test_a_column_more_and_text_without_its_mark_do_no_harm(tmp_path: Path) -> None:
    bare = rows("delivered", 3).append_column("more", pa.array([1.5] * 3))
    bare = bare.set_column(bare.column_names.index("kind"), "KIND", pa.array([b"ticker"] * 3, pa.binary()))
    write_parquet(tmp_path, ROWS, bare)
    assert read_to_its_end(ROWS, Given((tmp_path / ROWS).read_bytes()))


def test_a_footer_longer_than_any_of_ours_is_refused_and_not_held() -> None:
    size_bytes = 40 << 20
    stored = b"PAR1" + bytes(size_bytes) + size_bytes.to_bytes(4, "little") + b"PAR1"
    store = Given(stored, step=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(ObjectUnreadable, match="longer than any of ours"):
            read_to_its_end(ROWS, store)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
