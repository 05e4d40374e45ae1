"""A bucket as compaction uses it, on moto's S3 and, by the same tests, the folder that other tests use instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import botocore
import pytest
from moto import mock_aws

from compact_lambda.bucket import Bucket, DeleteRefused, S3Bucket, SdkTooOld, Taken, check_sdk
from tests.compact_lambda.lakes import BUCKET, bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["moto", "folder"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    with bucket_of(request.param, tmp_path) as made:
        yield made


def test_a_record_is_put_where_there_was_none_and_only_there(bucket: Bucket) -> None:
    bucket.put_record("a/1", b"one", replacing=None)
    with pytest.raises(Taken, match="a/1"):
        bucket.put_record("a/1", b"two", replacing=None)
    assert b"one" == bucket.read_object("a/1")


def test_a_record_replaces_the_very_one_that_was_read(bucket: Bucket) -> None:
    first = bucket.put_record("a/1", b"one", replacing=None)
    assert [first] == [each.tag for each in bucket.find_objects("a/")]
    second = bucket.put_record("a/1", b"two", replacing=first)
    assert first != second
    with pytest.raises(Taken):
        bucket.put_record("a/1", b"three", replacing=first)
    assert b"two" == bucket.read_object("a/1")


def test_a_record_does_not_replace_one_that_is_gone(bucket: Bucket) -> None:
    tag = bucket.put_record("a/1", b"one", replacing=None)
    bucket.delete_objects(["a/1"])
    with pytest.raises(Taken):
        bucket.put_record("a/1", b"two", replacing=tag)


def test_objects_are_found_in_the_order_of_keys_with_what_is_known_of_them(bucket: Bucket) -> None:
    for key in ("b/2", "a/2", "a/1", "ab"):
        bucket.put_record(key, b"four", replacing=None)
    found = bucket.find_objects("a/")
    assert ["a/1", "a/2"] == [each.key for each in found]
    assert [4, 4] == [each.size_bytes for each in found]
    assert abs(datetime.now(UTC) - found[0].changed_at) < timedelta(minutes=5)
    assert [] == bucket.find_objects("c/")


def test_objects_are_copied_and_deleted(bucket: Bucket) -> None:
    bucket.put_record("a/1", b"one", replacing=None)
    bucket.copy_object(BUCKET, "a/1", key="b/1")
    bucket.delete_objects(["a/1", "never/was"])
    bucket.delete_objects([])
    assert ["b/1"] == [each.key for each in bucket.find_objects("")]
    assert b"one" == bucket.read_object("b/1")


def test_more_objects_than_a_call_lists_or_deletes_are_listed_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        for number in range(12):
            client.put_object(Bucket=BUCKET, Key=f"a/{number:02}", Body=b"")
        monkeypatch.setattr("compact_lambda.bucket._DELETED_AT_ONCE", 5)
        bucket = S3Bucket(client, BUCKET)
        bucket.delete_objects([each.key for each in bucket.find_objects("a/")])
        assert [] == bucket.find_objects("a/")


class Refusing:
    """An S3 client that deletes nothing."""

    def delete_objects(self, *, Bucket: str, Delete: dict[str, object]) -> dict[str, object]:  # noqa: N803  # boto3's own names
        assert Bucket == BUCKET
        return {"Errors": [{"Key": "a", "Code": "AccessDenied"}], "Objects": Delete}


def test_what_is_not_deleted_is_named() -> None:
    with pytest.raises(DeleteRefused, match=r"a \(AccessDenied\)"):
        S3Bucket(Refusing(), BUCKET).delete_objects(["a"])


def test_an_sdk_that_cannot_put_conditionally_is_refused_by_its_version() -> None:
    with pytest.raises(SdkTooOld, match=r"1\.35\.68"):
        check_sdk("1.35.68")
    for version in ("1.35.69", "1.36.0", "1.100.2", "2.0.0"):
        check_sdk(version)


def test_the_sdk_that_is_pinned_knows_both_conditions() -> None:
    shape = boto3.client("s3", "us-east-1").meta.service_model.operation_model("PutObject").input_shape
    assert shape is not None
    assert {"IfMatch", "IfNoneMatch"} <= shape.members.keys()
    check_sdk(botocore.__version__)
