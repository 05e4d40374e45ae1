"""
A bucket as the audit's store of objects, and where reports and the inventory are kept.

Laws: every read asks S3 for the checksum that it recorded, and botocore compares it with what came (CRC64NVME, S3's own choice, needs the
package awscrt); an object whose checksum could not be compared is counted and said, not passed over. What S3's own lifecycle removes is expected to go, as the
bucket says it.
Refuses to know: what an audit makes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import awscrt.checksums  # noqa: F401  # with it botocore compares CRC64NVME; without it, it would pass it over silently
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError
from botocore.httpchecksum import StreamingChecksumBody

from audit_lambda.reading import ObjectGone, ObjectUnread, ObjectUnreadable, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES: Final = 1 << 20
_GONE: Final = frozenset({"NoSuchKey", "404", "NotFound"})


class BucketStore:
    """
    The objects of one bucket (audit_lambda.reading.Store). `client` is boto3's S3 client.

    `uncompared_count`: objects read whose recorded checksum could not be compared, for want of one or of the means.
    """

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self.uncompared_count = 0

    @property
    def doubt(self) -> str:
        """What is to be said of objects whose recorded checksum could not be compared; empty where all were."""
        count = self.uncompared_count
        many = "1 object was" if count == 1 else f"{count:,} objects were"
        return (
            f"{many} read to the end, but compared with no checksum of S3's: there is none, or of a kind unknown here."
            if count
            else ""
        )

    def list_objects(self, prefix: str) -> Iterator[Stored]:
        """
        Every object under the prefix, in the order of keys.

        Raises: ClientError, BotoCoreError where S3 does not list.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            for listed in page.get("Contents", ()):
                yield Stored(key=listed["Key"], size_bytes=listed["Size"], tag=listed["ETag"].strip('"'))

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        """
        The folders (with their slash) and the objects right under a prefix, in the order of keys.

        Raises: ClientError, BotoCoreError where S3 does not list.
        """
        paginator = self._client.get_paginator("list_objects_v2")
        folders, keys = [], []
        for page in paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
            folders += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
            keys += [each["Key"] for each in page.get("Contents", ())]
        return folders, keys

    def read_chunks(self, key: str) -> Iterator[bytes]:
        """
        The object's bytes, in pieces.

        Raises: ObjectGone; ObjectUnreadable (not the bytes of the recorded checksum); ObjectUnread (refused or broken off).
        """
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")["Body"]
            self.uncompared_count += not isinstance(body, StreamingChecksumBody)
            while chunk := body.read(_CHUNK_BYTES):
                yield chunk
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _GONE:
                raise ObjectGone from error
            raise ObjectUnread(why=f"S3 says: {error}") from error
        except FlexibleChecksumError as error:
            raise ObjectUnreadable(why=f"it is not what S3 recorded the checksum of ({error})") from error
        except BotoCoreError as error:
            raise ObjectUnread(why=f"reading it from S3 failed: {error}") from error

    def inspect(self, key: str) -> None:
        """Nothing: Parquet's pages are read by Athena, in the checks that ask for their columns."""

    def read_record(self, key: str) -> bytes | None:
        """
        The bytes of something that an audit or a replay left; None where it is not there.

        Raises: ClientError, BotoCoreError.
        """
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _GONE:
                return None
            raise
        return body

    def put_record(self, key: str, content: bytes) -> None:
        """
        Leave something for the next audit.

        Raises: ClientError, BotoCoreError.
        """
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def read_expiry_days(self) -> dict[str, int]:
        """
        After how many days the bucket's own rules remove objects, by the first folder of their keys.

        Raises: ClientError, BotoCoreError.
        """
        try:
            rules = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)["Rules"]
        except ClientError as refused:
            if refused.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
                return {}
            raise
        return {
            prefix.split("/")[0]: rule["Expiration"]["Days"]
            for rule in rules
            if rule["Status"] == "Enabled" and "Days" in rule.get("Expiration", {}) and (prefix := _prefix_of(rule))
        }


def _prefix_of(rule: dict[str, Any]) -> str:
    """S3 answers a rule's prefix where it was given: at the rule (as before 2016, and from CloudFormation), or in its filter."""
    return str(rule.get("Prefix") or rule.get("Filter", {}).get("Prefix", ""))
