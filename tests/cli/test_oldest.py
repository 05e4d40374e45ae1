"""The oldest hour of a lake's bucket."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli.oldest import find_oldest_hour, list_places
from infra.errors import AwsRefused


def client() -> Any:
    return boto3.client("s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


def test_the_earliest_hour_of_any_table_is_found_and_strangers_say_nothing() -> None:
    with mock_aws():
        s3 = client()
        s3.create_bucket(Bucket="lake")
        assert find_oldest_hour(s3, "lake") is None
        for key in (
            "raw/coinbase/2026/11/23/05/b.gz",
            "raw/coinbase/2026/11/23/02/a.gz",
            "raw/coinbase/.keep",
            "errors/coinbase/processing-failed/2026/11/23/04/e",
            "reports/coinbase/hourly/2020/01/01/00/report.json",
        ):
            s3.put_object(Bucket="lake", Key=key, Body=b"")
        assert "2026/11/23/02" == find_oldest_hour(s3, "lake")
        s3.put_object(Bucket="lake", Key="processed/coinbase/trade/2026/10/24/07/healed.parquet", Body=b"")
        assert "2026/10/24/07" == find_oldest_hour(s3, "lake")


def test_kinds_and_errors_are_looked_into_each() -> None:
    assert ["raw/coinbase/"] == list_places("raw")
    assert "processed/coinbase/mixed/" in list_places("delivered")
    assert "errors/coinbase/format-conversion-failed/" in list_places("errors")


def test_a_bucket_that_is_gone_is_a_sentence() -> None:
    with mock_aws(), pytest.raises(AwsRefused, match="looking for the oldest hour in gone"):
        find_oldest_hour(client(), "gone")
