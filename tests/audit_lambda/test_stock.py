from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from audit_lambda.objects import INVENTORY_KEY, InventoryDamaged
from audit_lambda.stock import keep_stock, read_expiry_days, read_stock, take_stock
from tests.audit_lambda.samples import HOURLY, NOW_US
from tests.infra.templates import properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit_lambda.report import CheckResult

SESSION = boto3.Session("a", "b", region_name="us-east-1")  # one, since each reads the service's model anew
KEY = "raw/coinbase/2026/11/23/03/a.gz"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = SESSION.client("s3")
        client.create_bucket(Bucket="lake")
        yield client


def stock(s3: Any, *, may_go_on: bool = True) -> dict[str, CheckResult]:
    results, inventory = take_stock(s3, "lake", HOURLY, now_us=NOW_US, may_go_on=lambda: may_go_on)
    keep_stock(s3, "lake", inventory)
    return {result.name: result for result in results}


def test_what_one_audit_saw_the_next_one_misses(s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="errors/coinbase/x/2026/11/23/03/e", Body=b"{}\n")
    assert {"passed"} == {result.state for result in stock(s3).values()}
    s3.delete_object(Bucket="lake", Key="errors/coinbase/x/2026/11/23/03/e")
    (gone,) = stock(s3)["present"].findings
    assert "errors/coinbase/x/2026/11/23/03/e is gone" == gone.what
    assert ("damage", HOURLY.from_us + 3_600_000_000) == (gone.severity, gone.first_us)


def test_an_object_that_is_no_gzip_is_found_and_one_without_time_is_not_run(s3: Any) -> None:
    s3.put_object(Bucket="lake", Key=KEY, Body=b"no gzip")
    assert "not_run" == stock(s3, may_go_on=False)["readable"].state
    assert KEY in stock(s3)["readable"].findings[0].what


def test_what_the_buckets_own_rules_removed_is_not_missed(s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="raw/coinbase/2026/10/01/00/a", Body=b"x")
    stock(s3)
    s3.delete_object(Bucket="lake", Key="raw/coinbase/2026/10/01/00/a")
    assert "found" == stock(s3)["present"].state
    expire(s3, Days=30)
    assert "passed" == stock(s3)["present"].state


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
    assert {} == read_expiry_days(s3, "lake")
    expire(s3, Days=30)
    assert {"raw": 30} == read_expiry_days(s3, "lake")


def test_the_templates_own_rules_are_read_as_they_are_meant() -> None:
    class Answering:
        def get_bucket_lifecycle_configuration(self, *, Bucket: str) -> dict[str, Any]:  # noqa: N803
            declared = properties("storage", "AWS::S3::Bucket", RawExpiryDays="400")[Bucket]
            rules = [dict(rule) for rule in declared["LifecycleConfiguration"]["Rules"]]
            for rule in rules:  # as S3 answers what CloudFormation was told
                if "ExpirationInDays" in rule:
                    rule["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
            return {"Rules": rules}

    assert {"raw": 400} == read_expiry_days(Answering(), "LakeBucket")


def test_an_inventory_that_cannot_be_read_stops_the_audit(s3: Any) -> None:
    assert read_stock(s3, "lake") is None
    s3.put_object(Bucket="lake", Key=INVENTORY_KEY, Body=b"torn")
    with pytest.raises(InventoryDamaged):
        stock(s3)


def test_what_s3_refuses_is_raised(s3: Any) -> None:
    for asked in (read_stock, read_expiry_days):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            asked(s3, "elsewhere")
