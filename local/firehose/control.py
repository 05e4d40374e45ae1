"""
Firehose's control calls: create, describe, list, update, delete, tag, encrypt.

Laws: a stream is ACTIVE as soon as it is created; deleting one drops what it had buffered, as AWS does; an update raises the version, and
objects from then on carry it.
Refuses to know: records, HTTP, whether a call has its operation's shape (`shapes`, which each has passed).
Source: Amazon Data Firehose API reference; merging of updates as probed by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from local.firehose.describe import DESTINATION_ID, describe_stream
from local.firehose.errors import CallRefused, SettingRefused
from local.firehose.properties import Catalogue, read_stream
from local.firehose.validation import check_destination

if TYPE_CHECKING:
    from local.firehose.config import StreamConfig
    from local.firehose.hosting import HostedStream
    from local.firehose.service import FirehoseService

Tree = Mapping[str, Any]
_LIST_LIMIT: Final = 10  # ListDeliveryStreams: default
_TAGS_LIMIT: Final = 50
_DESTINATIONS: Final = ("ExtendedS3DestinationConfiguration", "S3DestinationConfiguration")


class StreamControl:
    """The calls that make, change and remove streams of a service."""

    def __init__(self, service: FirehoseService, catalogue: Catalogue, *, region: str) -> None:
        self._service = service
        self._catalogue = catalogue
        self._region = region

    def create(self, request: Tree) -> Tree:
        """CreateDeliveryStream. Raises: CallRefused."""
        name = str(request.get("DeliveryStreamName") or "")
        if name in self._service.streams:
            message = f"Firehose {name} under accountId {self._service.account} already exists"
            raise CallRefused("ResourceInUseException", message)
        if request.get("DeliveryStreamType", "DirectPut") != "DirectPut":
            raise CallRefused("InvalidArgumentException", "this engine serves DirectPut streams only")
        arn = f"arn:aws:firehose:{self._region}:{self._service.account}:deliverystream/{name}"
        encryption = request.get("DeliveryStreamEncryptionConfigurationInput") or {}
        config = self._read(name, arn, _destination_of(request), encryption, version=1)
        self._service.host(config, tags=_tags_of(request))
        return {"DeliveryStreamARN": arn}

    def describe(self, request: Tree) -> Tree:
        """DescribeDeliveryStream."""
        hosted = self._service.hosted(request)
        described = describe_stream(hosted.config, created_ms=hosted.created_ms, updated_ms=hosted.updated_ms)
        return {"DeliveryStreamDescription": described}

    def list_streams(self, request: Tree) -> Tree:
        """ListDeliveryStreams, by name; all of them are DirectPut."""
        after = str(request.get("ExclusiveStartDeliveryStreamName") or "")
        limit = int(request.get("Limit") or _LIST_LIMIT)
        is_asked_for = request.get("DeliveryStreamType", "DirectPut") == "DirectPut"
        names = sorted(name for name in self._service.streams if name > after and is_asked_for)
        return {"DeliveryStreamNames": names[:limit], "HasMoreDeliveryStreams": len(names) > limit}

    def update(self, request: Tree) -> Tree:
        """UpdateDestination: processing is replaced whole, conversion member by member."""
        hosted = self._service.hosted(request)
        current = str(hosted.config.version)
        if request.get("CurrentDeliveryStreamVersionId") != current:
            raise CallRefused("ConcurrentModificationException", f"The delivery stream's version is {current}.")
        if request.get("DestinationId") != DESTINATION_ID:
            raise CallRefused("InvalidArgumentException", f"Destination Id {request.get('DestinationId')} not found")
        update = request.get("ExtendedS3DestinationUpdate") or request.get("S3DestinationUpdate")
        if not isinstance(update, Mapping):
            raise CallRefused(
                "InvalidArgumentException", "Exactly one destination configuration is supported for a Firehose"
            )
        merged = merge_destination(hosted.config.described or {}, update)
        encryption = {"KeyType": hosted.config.encryption_key_type, "KeyARN": hosted.config.encryption_key_arn}
        config = self._read(
            hosted.config.name, hosted.config.arn, merged, encryption, version=hosted.config.version + 1
        )
        _check_update(hosted.config, config)
        hosted.runner.tell(lambda engine, now_ms: engine.reconfigure(config, now_ms))
        hosted.config = config
        hosted.updated_ms = self._service.clock.now_ms()
        return {}

    def delete(self, request: Tree) -> Tree:
        """DeleteDeliveryStream: what is buffered is dropped."""
        hosted = self._service.hosted(request)
        del self._service.streams[hosted.config.name]
        hosted.runner.abandon()
        return {}

    def tag(self, request: Tree) -> Tree:
        """TagDeliveryStream."""
        hosted = self._service.hosted(request)
        tags = hosted.tags | _tags_of(request)
        if len(tags) > _TAGS_LIMIT:
            raise CallRefused("LimitExceededException", f"A delivery stream has at most {_TAGS_LIMIT} tags.")
        hosted.tags = tags
        return {}

    def untag(self, request: Tree) -> Tree:
        """UntagDeliveryStream."""
        hosted = self._service.hosted(request)
        for key in request.get("TagKeys") or []:
            hosted.tags.pop(str(key), None)
        return {}

    def list_tags(self, request: Tree) -> Tree:
        """ListTagsForDeliveryStream, by key."""
        hosted = self._service.hosted(request)
        after = str(request.get("ExclusiveStartTagKey") or "")
        limit = int(request.get("Limit") or _TAGS_LIMIT)
        keys = sorted(key for key in hosted.tags if key > after)
        return {
            "Tags": [{"Key": key, "Value": hosted.tags[key]} for key in keys[:limit]],
            "HasMoreTags": len(keys) > limit,
        }

    def start_encryption(self, request: Tree) -> Tree:
        """StartDeliveryStreamEncryption: the stream says so from now on; nothing here is encrypted at rest."""
        hosted = self._service.hosted(request)
        given = request.get("DeliveryStreamEncryptionConfigurationInput") or {"KeyType": "AWS_OWNED_CMK"}
        _set_encryption(hosted, given.get("KeyType"), given.get("KeyARN"))
        return {}

    def stop_encryption(self, request: Tree) -> Tree:
        """StopDeliveryStreamEncryption."""
        _set_encryption(self._service.hosted(request), None, None)
        return {}

    def _read(self, name: str, arn: str, destination: Tree, encryption: Tree, *, version: int) -> StreamConfig:
        try:
            check_destination(destination, self._service.guesses)
            return read_stream(
                name=name,
                arn=arn,
                region=self._region,
                account=self._service.account,
                destination=destination,
                encryption=encryption,
                catalogue=self._catalogue,
                version=version,
            )
        except SettingRefused as refused:
            raise CallRefused(refused.code, refused.message) from refused


def merge_destination(current: Tree, update: Tree) -> Tree:
    """The destination after an UpdateDestination."""
    merged = {**current, **{key: value for key, value in update.items() if key != "S3BackupUpdate"}}
    conversion = "DataFormatConversionConfiguration"
    if conversion in update:
        merged[conversion] = {**(current.get(conversion) or {}), **update[conversion]}
    if "S3BackupUpdate" in update:
        merged["S3BackupConfiguration"] = {**(current.get("S3BackupConfiguration") or {}), **update["S3BackupUpdate"]}
    return merged


def _destination_of(request: Tree) -> Tree:
    given = [key for key in request if key.endswith("DestinationConfiguration")]
    if len(given) != 1:
        raise CallRefused(
            "InvalidArgumentException", "Exactly one destination configuration is supported for a Firehose"
        )
    if given[0] not in _DESTINATIONS or not isinstance(request[given[0]], Mapping):
        raise CallRefused("InvalidArgumentException", f"this engine delivers to S3 only, not by {given[0]}")
    destination: Tree = request[given[0]]
    return destination


def _tags_of(request: Tree) -> dict[str, str]:
    return {str(tag.get("Key")): str(tag.get("Value") or "") for tag in request.get("Tags") or []}


def _check_update(before: StreamConfig, after: StreamConfig) -> None:
    if before.dynamic_partitioning != after.dynamic_partitioning:
        raise CallRefused(
            "InvalidArgumentException", "Dynamic Partitioning can only be enabled or disabled when a stream is created"
        )
    if before.backup is not None and after.backup is None:
        raise CallRefused("InvalidArgumentException", "S3 backup mode cannot be disabled once it is enabled")


def _set_encryption(hosted: HostedStream, key_type: str | None, key_arn: str | None) -> None:
    if key_type == "CUSTOMER_MANAGED_CMK" and not key_arn:
        raise CallRefused("InvalidArgumentException", "KeyARN is required for the key type CUSTOMER_MANAGED_CMK")
    hosted.config = replace(hosted.config, encryption_key_type=key_type, encryption_key_arn=key_arn)
