"""
An S3 bucket whose records are replaced only where nobody was faster: list, read, copy, delete, put. The rim of compaction, and of replay and
redrive from a terminal.

Laws: a record replaces the very one that was read, or the nothing that was seen; no call names an encryption, the bucket's own applies.
Refuses to know: what keys mean.
Source: S3 user guide, "Conditional requests": a put with If-None-Match or If-Match answers 412, 409 where two come at once, 404 where the
object to match is gone.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# PutObject takes If-Match since then (S3's of 25 November 2024, the changelogs of AWS's SDKs; by the version, a pull request of
# injaeryou/resumable-upload); CRC64NVME came with 1.36. Lambda's python3.13 had 1.38.36 in August 2025 (terricain/aioboto3, issue 381).
OLDEST_SDK: Final = (1, 35, 69)
_LOST: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_DELETED_AT_ONCE: Final = 1_000  # keys a DeleteObjects call


class SdkTooOld(Exception):
    """A botocore that cannot put conditionally."""

    def __init__(self, *, version: str) -> None:
        self.version = version
        oldest = ".".join(map(str, OLDEST_SDK))
        super().__init__(
            f"botocore is {version} here, and cannot put an object only where nobody was faster: {oldest} or later is wanted. In Lambda it comes with "
            f"the runtime: let AWS update that (runtime management, Auto), or name a newer Runtime in infra/upkeep.yaml."
        )


class Taken(Exception):
    """Somebody else put the object first."""

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(f"{key} was put by somebody else meanwhile; theirs stands.")


class DeleteRefused(Exception):
    """S3 would not delete some objects."""

    def __init__(self, *, bucket: str, problems: Sequence[str]) -> None:
        self.bucket, self.problems = bucket, problems
        super().__init__(
            f"{bucket} would not delete: {'; '.join(problems)}. They do no harm; look at the role's permissions."
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """One listed object. `tag` is its ETag, another for other content; `changed_at` when S3 took it, by S3's clock."""

    key: str
    tag: str
    changed_at: datetime
    size_bytes: int


class Bucket(Protocol):
    """One bucket."""

    name: str

    def find_objects(self, prefix: str) -> list[Stored]:
        """Every object under the prefix, in the order of keys."""

    def read_object(self, key: str) -> bytes:
        """An object's bytes."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        """
        Put an object in the place of the one with this tag, or of none; the new one's tag.

        Raises: Taken.
        """

    def copy_object(self, source_bucket: str, source_key: str, *, key: str) -> None:
        """Copy an object of any bucket here."""

    def delete_objects(self, keys: Sequence[str]) -> None:
        """Delete these, whether they are there or not."""


def check_sdk(version: str) -> None:
    """Raises: SdkTooOld where botocore of this version would refuse `put_record`, and only once there is something to put."""
    if tuple(map(int, version.split(".")[:3])) < OLDEST_SDK:
        raise SdkTooOld(version=version)


class S3Bucket:
    """A bucket through boto3's S3 client. Every method raises ClientError or BotoCoreError where S3 refuses or cannot be reached."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def find_objects(self, prefix: str) -> list[Stored]:
        """Every object under the prefix, in the order of keys."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [
            Stored(key=o["Key"], tag=o["ETag"], changed_at=o["LastModified"], size_bytes=o["Size"])
            for page in pages
            for o in page.get("Contents", ())
        ]

    def read_object(self, key: str) -> bytes:
        """An object's bytes."""
        body: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        """
        Put an object in the place of the one with this tag, or of none; the new one's tag.

        Raises: Taken.
        """
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
        try:
            tag: str = self._client.put_object(
                Bucket=self.name, Key=key, Body=body, ContentType="application/json", **condition
            )["ETag"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _LOST:
                raise Taken(key=key) from error
            raise
        return tag

    def copy_object(self, source_bucket: str, source_key: str, *, key: str) -> None:
        """Copy an object of any bucket here. It has at most 5 GB (CopyObject, API reference)."""
        source = {"Bucket": source_bucket, "Key": source_key}
        self._client.copy_object(Bucket=self.name, Key=key, CopySource=source)

    def delete_objects(self, keys: Sequence[str]) -> None:
        """
        Delete these, whether they are there or not.

        Raises: DeleteRefused.
        """
        problems: list[str] = []
        for at in range(0, len(keys), _DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[at : at + _DELETED_AT_ONCE]]
            answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": some, "Quiet": True})
            problems += [f"{error.get('Key')} ({error.get('Code')})" for error in answer.get("Errors", ())]
        if problems:
            raise DeleteRefused(bucket=self.name, problems=problems)
