"""
Where objects land: a folder that holds exactly the keys S3 would, or an S3 endpoint.

Laws: an object appears whole or not at all (written aside, then renamed); no key leaves the root, whatever a client put into a partition key:
a part that a folder cannot hold as it is (empty, `.`, `..`, a NUL, too long) is percent-encoded.
Refuses to know: streams, compression. Caller must give keys as the engine made them.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from local.firehose.errors import StoreFailed
from local.firehose.naming import CONTENT_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

_PART_LIMIT_BYTES = 255  # the longest file name of common file systems
_ASIDE = ".incoming"  # beside the lake's own folders, never listed as part of them


class Store(Protocol):
    """What the engine's shell needs of a store."""

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:
        """Store one object whole. Raises: StoreFailed."""
        ...


class FolderStore:
    """A folder. Buckets are not told apart unless `by_bucket` is set: a lake on disk is one bucket."""

    def __init__(self, root: Path, *, by_bucket: bool = False) -> None:
        self._root = root
        self._by_bucket = by_bucket

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:  # noqa: ARG002 -- a file has no headers
        """Write the object aside, make it durable, and rename it to its key."""
        parts = file_parts(key)
        target = self._root.joinpath(*([*file_parts(bucket), *parts] if self._by_bucket else parts))
        aside = self._root / _ASIDE / uuid4().hex
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as written:
                written.write(body)
                written.flush()
                os.fsync(written.fileno())
            aside.replace(target)
        except OSError as error:
            raise StoreFailed(key=key, problem=str(error)) from error


class S3Store:
    """An S3 endpoint, through boto3's client; `bucket` overrides the stream's own, for a stand-in with one bucket."""

    def __init__(self, client: S3Client, *, bucket: str | None = None) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:
        """Put the object with the headers that Firehose was seen to send."""
        headers = {"ContentEncoding": content_encoding} if content_encoding else {}
        try:
            self._client.put_object(
                Bucket=self._bucket or bucket,
                Key=key,
                Body=body,
                ContentType=CONTENT_TYPE,
                **headers,  # type: ignore[arg-type]  # the stubs want each keyword by name
            )
        except (BotoCoreError, ClientError) as error:
            raise StoreFailed(key=key, problem=str(error)) from error


class MemoryStore:
    """A store that keeps objects in a dict, for tests and for looking at what a stream would write."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.encodings: dict[str, str] = {}

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:  # noqa: ARG002 -- one bucket is enough
        """Keep the object by its key."""
        self.objects[key] = body
        self.encodings[key] = content_encoding


def file_parts(key: str) -> list[str]:
    """A key as the names of folders and a file, none of which leads out of the root."""
    return [_file_part(part) for part in key.split("/")]


def _file_part(part: str) -> str:
    if part in {"", ".", ".."}:
        return "%" + part.replace(".", "2E%").rstrip("%") if part else "%"
    encoded = part.replace("\0", "%00")
    if len(encoded.encode()) <= _PART_LIMIT_BYTES:
        return encoded
    digest = sha256(part.encode()).hexdigest()
    return quote(encoded, safe="-_.=")[: _PART_LIMIT_BYTES - len(digest) - 1] + "~" + digest
