"""
The bytes of an object, compressed as the stream says.

Laws: parts are joined verbatim, with nothing between them; the same parts give the same bytes.
Refuses to know: keys, headers. ZIP and Hadoop-Snappy are written with what is at hand; see docs/engine.md for what differs.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.firehose.config import Compression

_SNAPPY_BLOCK_BYTES = 32_768  # snappy-java's SnappyOutputStream
_HADOOP_BLOCK_BYTES = 262_144  # Hadoop's io.compression.codec.snappy.buffersize
_XERIAL_HEADER = b"\x82SNAPPY\x00" + (1).to_bytes(4, "big") + (1).to_bytes(4, "big")


def compress(parts: Sequence[bytes], compression: Compression) -> bytes:
    """The parts as one body."""
    return _COMPRESSORS[compression](b"".join(parts))


def _zip(body: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("0"), body, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def _snappy(body: bytes) -> bytes:
    return bytes(pa.Codec("snappy").compress(body, asbytes=True)) if body else b"\x00"


def _framed_snappy(body: bytes) -> bytes:
    blocks = [_snappy(body[start : start + _SNAPPY_BLOCK_BYTES]) for start in range(0, len(body), _SNAPPY_BLOCK_BYTES)]
    return _XERIAL_HEADER + b"".join(len(block).to_bytes(4, "big") + block for block in blocks)


def _hadoop_snappy(body: bytes) -> bytes:
    written = []
    for start in range(0, len(body), _HADOOP_BLOCK_BYTES):
        piece = body[start : start + _HADOOP_BLOCK_BYTES]
        block = _snappy(piece)
        written += [len(piece).to_bytes(4, "big"), len(block).to_bytes(4, "big"), block]
    return b"".join(written)


_COMPRESSORS: Mapping[Compression, Callable[[bytes], bytes]] = {
    "UNCOMPRESSED": lambda body: body,
    "GZIP": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
    "ZIP": _zip,
    "Snappy": _framed_snappy,
    "HADOOP_SNAPPY": _hadoop_snappy,
}
