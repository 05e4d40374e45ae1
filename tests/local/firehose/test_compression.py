"""Bodies, compressed as a stream says, read back by other means."""

from __future__ import annotations

import gzip
import io
import zipfile

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.compression import compress

_parts = st.lists(st.binary(max_size=40), max_size=5)
_LONG = [bytes(range(256)) * 3000]


def _snappy(block: bytes, length: int) -> bytes:
    return bytes(pa.Codec("snappy").decompress(block, decompressed_size=length, asbytes=True))


def _read_snappy_java(body: bytes) -> bytes:
    assert body.startswith(b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
    read, position = b"", 16
    while position < len(body):
        length = int.from_bytes(body[position : position + 4], "big")
        block = body[position + 4 : position + 4 + length]
        read += _snappy(block, min(len(_LONG[0]) - len(read), 32768))
        position += 4 + length
    return read


def _read_hadoop(body: bytes) -> bytes:
    read, position = b"", 0
    while position < len(body):
        plain, packed = (int.from_bytes(body[position + at : position + at + 4], "big") for at in (0, 4))
        read += _snappy(body[position + 8 : position + 8 + packed], plain)
        position += 8 + packed
    return read


@given(_parts)
def test_parts_are_joined_verbatim(parts: list[bytes]) -> None:
    assert b"".join(parts) == compress(parts, "UNCOMPRESSED")


@given(_parts)
def test_gzip_is_gzip_and_the_same_each_time(parts: list[bytes]) -> None:
    body = compress(parts, "GZIP")
    assert b"".join(parts) == gzip.decompress(body)
    assert body == compress(parts, "GZIP")


def test_zip_holds_one_entry() -> None:
    with zipfile.ZipFile(io.BytesIO(compress(_LONG, "ZIP"))) as archive:
        [name] = archive.namelist()
        assert _LONG[0] == archive.read(name)


def test_snappy_is_framed_as_javas_stream_frames_it() -> None:
    assert _LONG[0] == _read_snappy_java(compress(_LONG, "Snappy"))


def test_hadoops_snappy_has_its_block_lengths() -> None:
    assert _LONG[0] == _read_hadoop(compress(_LONG, "HADOOP_SNAPPY"))
