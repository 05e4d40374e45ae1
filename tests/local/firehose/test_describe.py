"""The echo of DescribeDeliveryStream."""

from __future__ import annotations

from local.firehose.describe import describe_stream
from tests.local.firehose.conftest import plain_stream


def test_what_was_given_is_echoed_with_defaults_and_the_backup_under_its_other_name() -> None:
    given = {
        "BucketARN": "arn:aws:s3:::lake",
        "S3BackupMode": "Enabled",
        "S3BackupConfiguration": {"Prefix": "raw/"},
    }
    target = plain_stream().target
    config = plain_stream(described=given, backup=target, encryption_key_type="AWS_OWNED_CMK", version=3)
    described = describe_stream(config, created_ms=1500, updated_ms=2500)
    assert ("3", 1.5, 2.5) == (described["VersionId"], described["CreateTimestamp"], described["LastUpdateTimestamp"])
    destination = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    hints = {"SizeInMBs": 1, "IntervalInSeconds": 60}
    assert {
        "BucketARN": "arn:aws:s3:::lake",
        "BufferingHints": hints,
        "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "S3BackupMode": "Enabled",
        "S3BackupDescription": {
            "Prefix": "raw/",
            "BufferingHints": hints,
            "CompressionFormat": "UNCOMPRESSED",
            "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        },
    } == destination
    assert {"Prefix": "raw/"} == given["S3BackupConfiguration"]


def test_the_older_description_stands_beside_with_what_it_knows() -> None:
    given = {"BucketARN": "arn:aws:s3:::lake", "Prefix": "p/", "S3BackupMode": "Disabled"}
    [destination] = describe_stream(plain_stream(described=given), created_ms=0)["Destinations"]
    assert {
        "BucketARN": "arn:aws:s3:::lake",
        "Prefix": "p/",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
        "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    } == destination["S3DestinationDescription"]
