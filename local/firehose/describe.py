"""
What DescribeDeliveryStream says of a stream: its configuration as given, with the defaults that AWS adds to the echo.

Laws: nothing is made up that the engine does not also obey. Refuses to know: counters, HTTP.
Source: Amazon Data Firehose API reference, DeliveryStreamDescription; echoed Lambda defaults as probed by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local.firehose.config import MIB, StreamConfig

if TYPE_CHECKING:
    from local.firehose.config import LambdaConfig

Tree = Mapping[str, Any]
DESTINATION_ID: Final = "destinationId-000000000001"
_PLAIN_MEMBERS: Final = (
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
)
_CONFIGURATION, _DESCRIPTION = "S3BackupConfiguration", "S3BackupDescription"


def describe_stream(config: StreamConfig, *, created_ms: int, updated_ms: int | None = None) -> Tree:
    """The DeliveryStreamDescription."""
    tree: dict[str, Any] = {
        "DeliveryStreamName": config.name,
        "DeliveryStreamARN": config.arn,
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamType": "DirectPut",
        "DeliveryStreamEncryptionConfiguration": _encryption(config),
        "VersionId": str(config.version),
        "CreateTimestamp": created_ms / 1000,
        "Destinations": [_described_twice(_destination(config))],
        "HasMoreDestinations": False,
    }
    if updated_ms is not None:
        tree["LastUpdateTimestamp"] = updated_ms / 1000
    return tree


def _described_twice(extended: Tree) -> Tree:
    """The destination, and what of it the older description knows: AWS gives both, and older clients read the first."""
    return {
        "DestinationId": DESTINATION_ID,
        "S3DestinationDescription": {name: extended[name] for name in _PLAIN_MEMBERS if name in extended},
        "ExtendedS3DestinationDescription": extended,
    }


def _encryption(config: StreamConfig) -> Tree:
    if config.encryption_key_type is None:
        return {"Status": "DISABLED"}
    tree = {"KeyType": config.encryption_key_type, "Status": "ENABLED"}
    return tree | {"KeyARN": config.encryption_key_arn} if config.encryption_key_arn else tree


def _destination(config: StreamConfig) -> Tree:
    tree: dict[str, Any] = dict(config.described or {})
    tree["BufferingHints"] = _hints(config.target.hints.bound_bytes, config.target.hints.interval_s)
    tree.setdefault("CompressionFormat", config.target.compression)
    tree.setdefault("EncryptionConfiguration", {"NoEncryptionConfig": "NoEncryption"})
    tree.setdefault("S3BackupMode", "Disabled")
    if config.transform is not None and "ProcessingConfiguration" in tree:
        tree["ProcessingConfiguration"] = _processing(tree["ProcessingConfiguration"], config.transform, tree)
    if config.backup is not None:
        backup = dict(tree.pop(_CONFIGURATION, {}))
        backup["BufferingHints"] = _hints(config.backup.hints.bound_bytes, config.backup.hints.interval_s)
        backup.setdefault("CompressionFormat", config.backup.compression)
        backup.setdefault("EncryptionConfiguration", {"NoEncryptionConfig": "NoEncryption"})
        tree[_DESCRIPTION] = backup
    tree.pop(_CONFIGURATION, None)
    return tree


def _processing(given: Tree, transform: LambdaConfig, destination: Tree) -> Tree:
    """What was given, and in the Lambda's parameters what AWS adds to those that were not."""
    defaults = {
        "NumberOfRetries": str(transform.retries_count),
        "RoleArn": str(destination.get("RoleARN", "")),
        "BufferSizeInMBs": f"{transform.hints.bound_bytes / MIB:g}",
        "BufferIntervalInSeconds": str(transform.hints.interval_s),
    }
    return {**given, "Processors": [_completed(processor, defaults) for processor in given["Processors"]]}


def _completed(processor: Tree, defaults: Mapping[str, str]) -> Tree:
    if processor["Type"] != "Lambda":
        return processor
    given = list(processor.get("Parameters") or [])
    names = {parameter["ParameterName"] for parameter in given}
    added = [
        {"ParameterName": name, "ParameterValue": value}
        for name, value in defaults.items()
        if value and name not in names
    ]
    return {**processor, "Parameters": [*given, *added]}


def _hints(bound_bytes: int, interval_s: int) -> Tree:
    return {"SizeInMBs": bound_bytes // MIB, "IntervalInSeconds": interval_s}
