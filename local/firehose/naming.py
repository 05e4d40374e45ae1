"""
What an object is called after its prefix, and the headers it carries.

Laws: `<stream>-<version>-yyyy-MM-dd-HH-mm-ss-<uuid><extension>`; the time is the oldest record's arrival in the stream's zone; a
FileExtension replaces the default one and changes nothing else.
Source: Amazon Data Firehose, "Configure Amazon S3 object name format"; Content-Encoding as probed by others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from local.firehose.instants import format_instant
from local.firehose.prefix import local_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from local.firehose.config import Compression

CONTENT_TYPE = "application/octet-stream"
_EXTENSION_OF: Mapping[str, str] = {
    "UNCOMPRESSED": "",
    "GZIP": ".gz",
    "ZIP": ".zip",
    "Snappy": ".snappy",
    "HADOOP_SNAPPY": ".snappy",  # AWS's page says .hsnappy; the service was seen to write .snappy
}
_ENCODING_OF: Mapping[str, str] = {
    "UNCOMPRESSED": "",
    "GZIP": "gzip",
    "ZIP": "zip",
    "Snappy": "snappy-java",
    "HADOOP_SNAPPY": "hadoop-snappy",
}


def random_uuid(random: Random) -> str:
    """A version 4 UUID of the given randomness."""
    return str(UUID(int=random.getrandbits(128), version=4))


def object_name(*, stream: str, version: int, arrival_ms: int, time_zone: str, extension: str, random: Random) -> str:
    """The part of a key that stands after the evaluated prefix."""
    written = format_instant("yyyy-MM-dd-HH-mm-ss", local_moment(arrival_ms, time_zone))
    return f"{stream}-{version}-{written}-{random_uuid(random)}{extension}"


def extension_for(*, compression: Compression, given: str, converted_to: str | None) -> str:
    """The name's end: the stream's own FileExtension, else the format's or the compression's."""
    if given:
        return given
    return f".{converted_to}" if converted_to else _EXTENSION_OF[compression]


def content_encoding(*, compression: Compression, converted_to: str | None) -> str:
    """The Content-Encoding header; Parquet was seen to carry hadoop-snappy."""
    return "hadoop-snappy" if converted_to == "parquet" else _ENCODING_OF[compression]
