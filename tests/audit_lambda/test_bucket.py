"""A bucket as a store, on a real S3 protocol (moto): listing, reading, and what S3 recorded the checksum of."""

from __future__ import annotations

import base64
import http.server
import threading
from typing import TYPE_CHECKING, Any

import awscrt.checksums
import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from audit_lambda.bucket import BucketStore
from audit_lambda.reading import ObjectGone, ObjectUnread, ObjectUnreadable
from tests.infra.templates import properties

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="lake")
        yield client


@pytest.mark.slow
def test_every_object_is_listed_page_after_page(s3: Any) -> None:
    for n in range(1_003):
        s3.put_object(Bucket="lake", Key=f"raw/{n:04}", Body=b"x" * (n % 7))
    s3.put_object(Bucket="lake", Key="other/1", Body=b"")
    listed = list(BucketStore(s3, bucket="lake").list_objects("raw/"))
    assert [f"raw/{n:04}" for n in range(1_003)] == [stored.key for stored in listed]
    assert [n % 7 for n in range(1_003)] == [stored.size_bytes for stored in listed]
    assert 7 == len({stored.tag for stored in listed})
    assert not any('"' in stored.tag for stored in listed)


def test_an_object_is_read_whole_and_one_that_went_is_gone(s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="raw/a", Body=b"x" * 3_000_000)
    store = BucketStore(s3, bucket="lake")
    assert 3_000_000 == sum(map(len, store.read_chunks("raw/a")))
    with pytest.raises(ObjectGone):
        list(store.read_chunks("raw/b"))


CHECKSUM = base64.b64encode(awscrt.checksums.crc64nvme(b"whole").to_bytes(8, "big")).decode()


class _Flipping(http.server.BaseHTTPRequestHandler):
    """An S3 that has recorded the checksum of "whole", CRC64NVME as it does by itself, and sends other bytes, or breaks off."""

    def do_GET(self) -> None:  # the base class's name
        broken = self.path.endswith("broken")
        body = b"whole" if self.path.endswith(("/whole", "/bare")) else b"whale"
        self.send_response(200)
        self.send_header("Content-Length", "500" if broken else str(len(body)))
        if not self.path.endswith("bare"):
            self.send_header("x-amz-checksum-crc64nvme", CHECKSUM)
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def flipping() -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Flipping)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
    )
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_bytes_that_are_not_those_of_the_recorded_checksum_are_found(flipping: Any) -> None:
    store = BucketStore(flipping, bucket="lake")
    assert b"whole" == b"".join(store.read_chunks("whole"))
    with pytest.raises(ObjectUnreadable, match="not what S3 recorded the checksum of"):
        list(store.read_chunks("flipped"))
    assert "" == store.doubt


def test_an_answer_that_breaks_off_says_nothing_of_the_object(flipping: Any) -> None:
    with pytest.raises(ObjectUnread, match="reading it from S3 failed"):
        list(BucketStore(flipping, bucket="lake").read_chunks("broken"))


def test_an_object_without_a_recorded_checksum_is_counted_and_said(flipping: Any) -> None:
    store = BucketStore(flipping, bucket="lake")
    assert b"whole" == b"".join(store.read_chunks("bare"))
    assert store.doubt.startswith("1 object was read to the end, but compared with no checksum")
    assert b"whole" == b"".join(store.read_chunks("bare"))
    assert store.doubt.startswith("2 objects were read")


def test_what_s3_refuses_says_nothing_of_the_object(s3: Any) -> None:
    with pytest.raises(ObjectUnread, match=r"S3 says: .*NoSuchBucket"):
        list(BucketStore(s3, bucket="another").read_chunks("raw/a"))


def test_a_level_is_its_folders_and_its_objects(s3: Any) -> None:
    for key in ("raw/a", "raw/b/c", "raw/b/d", "raw/e/f/g", "other"):
        s3.put_object(Bucket="lake", Key=key, Body=b"")
    store = BucketStore(s3, bucket="lake")
    assert (["raw/b/", "raw/e/"], ["raw/a"]) == store.list_level("raw/")
    assert (["raw/"], ["other"]) == store.list_level("")
    assert ([], []) == store.list_level("nothing/")


@pytest.mark.slow
def test_a_level_of_more_than_a_page_is_listed_whole(s3: Any) -> None:
    for n in range(1_003):
        s3.put_object(Bucket="lake", Key=f"raw/{n:04}/x", Body=b"")
    assert 1_003 == len(BucketStore(s3, bucket="lake").list_level("raw/")[0])


def test_a_record_is_what_was_left_or_nothing(s3: Any) -> None:
    store = BucketStore(s3, bucket="lake")
    assert store.read_record("reports/x") is None
    store.put_record("reports/x", b"1")
    store.put_record("reports/x", b"2")
    assert b"2" == store.read_record("reports/x")


def expire(s3: Any, **expiration: Any) -> None:
    rules = [
        {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "raw/"}, "Expiration": expiration},
        {"ID": "b", "Status": "Disabled", "Filter": {"Prefix": "errors/"}, "Expiration": {"Days": 1}},
        {
            "ID": "c",
            "Status": "Enabled",
            "Filter": {"Prefix": "history/"},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
        },
        {"ID": "d", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket="lake", LifecycleConfiguration={"Rules": rules})


def test_rules_that_are_on_and_remove_count_by_their_first_folder(s3: Any) -> None:
    store = BucketStore(s3, bucket="lake")
    assert {} == store.read_expiry_days()
    expire(s3, Days=30)
    assert {"raw": 30} == store.read_expiry_days()


def test_the_templates_own_rules_are_read_as_they_are_meant() -> None:
    class Answering:
        def get_bucket_lifecycle_configuration(self, *, Bucket: str) -> dict[str, Any]:  # noqa: N803
            declared = properties("storage", "AWS::S3::Bucket", RawExpiryDays="400")[Bucket]
            rules = [dict(rule) for rule in declared["LifecycleConfiguration"]["Rules"]]
            for rule in rules:  # as S3 answers what CloudFormation was told
                if "ExpirationInDays" in rule:
                    rule["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
            return {"Rules": rules}

    assert {"raw": 400} == BucketStore(Answering(), bucket="LakeBucket").read_expiry_days()


def test_what_s3_refuses_an_audits_own_is_raised(s3: Any) -> None:
    store = BucketStore(s3, bucket="another")
    for asked in (
        store.read_expiry_days,
        lambda: store.read_record("reports/x"),
        lambda: store.put_record("reports/x", b""),
        lambda: store.list_level(""),
        lambda: list(store.list_objects("raw/")),
    ):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            asked()
