from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from audit_lambda.report import decode_report
from audit_lambda.shelf import Shelf
from tests.audit_lambda.samples import ASKED, DAILY, HOURLY, finding, report

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = boto3.Session("a", "b", region_name="us-east-1")  # one, since each reads the service's model anew
KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
REPORT = report(finding("hole", 7), verdict="holes")


class Place:
    """A bucket as storage.yaml makes it, and a shelf in it."""

    def __init__(self) -> None:
        self.s3: Any = SESSION.client("s3")
        self.s3.create_bucket(Bucket="lake")
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
        rules: Any = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        self.s3.put_bucket_encryption(Bucket="lake", ServerSideEncryptionConfiguration={"Rules": rules})
        self.complaints: list[str] = []
        self.shelf = Shelf(self.s3, "lake", self.complaints.append)

    def listed(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket="lake").get("Contents", [])]


@pytest.fixture
def place() -> Iterator[Place]:
    with mock_aws():
        yield Place()


def test_a_report_is_kept_for_programs_and_for_people_under_the_buckets_own_key(place: Place) -> None:
    place.shelf.put_report(HOURLY, REPORT, "<p>é")
    folder = "reports/coinbase/hourly/2026/11/23/04/"
    assert [f"{folder}report.html", f"{folder}report.json"] == place.listed()
    page, told = (place.s3.get_object(Bucket="lake", Key=key) for key in place.listed())
    assert ("<p>é", "text/html; charset=utf-8") == (page["Body"].read().decode(), page["ContentType"])
    assert REPORT == decode_report(json.loads(told["Body"].read()))
    assert (("aws:kms", KEY),) * 2 == tuple(
        (each["ServerSideEncryption"], each["SSEKMSKeyId"]) for each in (page, told)
    )
    assert f"s3://lake/{folder}report.html" == place.shelf.place(HOURLY)


def test_the_newest_of_a_kind_is_found_without_a_listing(place: Place) -> None:
    assert place.shelf.read_latest("hourly") is None
    place.shelf.put_latest(HOURLY, REPORT, "", before=None)
    assert REPORT == place.shelf.read_latest("hourly")
    assert place.shelf.read_latest("daily") is None


def test_older_hours_audited_anew_do_not_become_the_newest(place: Place) -> None:
    newer = replace(REPORT, to_us=HOURLY.to_us + 1)
    place.shelf.put_latest(HOURLY, REPORT, "", before=newer)
    place.shelf.put_latest(ASKED, REPORT, "", before=None)
    assert [] == place.listed()
    place.shelf.put_latest(HOURLY, REPORT, "", before=REPORT)
    assert 2 == len(place.listed())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"format": 2}', b"\xff"])
def test_a_newest_report_that_cannot_be_read_is_said_and_stops_nothing(place: Place, body: bytes) -> None:
    place.s3.put_object(Bucket="lake", Key="reports/coinbase/daily/latest/report.json", Body=body)
    assert place.shelf.read_latest("daily") is None
    (complaint,) = place.complaints
    assert complaint.startswith("s3://lake/reports/coinbase/daily/latest/report.json is no report")


def test_what_s3_refuses_is_raised(place: Place) -> None:
    shelf = Shelf(place.s3, "elsewhere", place.complaints.append)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        shelf.read_latest("daily")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        shelf.put_report(DAILY, REPORT, "")
