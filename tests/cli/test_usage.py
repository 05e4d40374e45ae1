"""What a deployed stack used: asked of CloudWatch's own protocol (moto), priced exactly, with what is missing said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from cli.cost import describe_usage
from cli.usage import Deployed, NothingDeployed, find_deployed, plan_readings, plan_usage_bill, read_usage
from infra.stacks import StackState
from sql.prices import load_prices

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEPLOYED = Deployed(
    stream="t-ticks", workgroup="t-wg", bucket="t-lake", functions={"t-pipeline-transform": 512, "t-upkeep-audit": 1024}
)
GB = 2**30


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def put(
    client: Any, namespace: str, metric: str, dimensions: dict[str, str], *values: float, hours_ago: float = 2
) -> None:
    for at, value in enumerate(values):
        datum = {
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": each} for name, each in dimensions.items()],
            "Timestamp": NOW - timedelta(hours=hours_ago - at * 0.2),
            "Value": value,
        }
        client.put_metric_data(Namespace=namespace, MetricData=[datum])


def read(client: Any, days: int = 1) -> dict[str, Decimal | None]:
    return read_usage(client, plan_readings(DEPLOYED), start=NOW - timedelta(days=days), end=NOW)


def test_each_figure_is_summed_over_the_time_and_over_its_metrics(cloudwatch: Any) -> None:
    put(cloudwatch, "ticklake", "BytesBilled", {"Stream": "t-ticks"}, GB, 2 * GB)
    put(cloudwatch, "ticklake", "BytesBilled", {"Stream": "t-ticks"}, 99, hours_ago=30)
    put(cloudwatch, "ticklake", "BytesBilled", {"Stream": "other"}, 99)
    put(cloudwatch, "AWS/S3", "BucketSizeBytes", {"BucketName": "t-lake", "StorageType": "StandardStorage"}, 5 * GB)
    put(cloudwatch, "AWS/S3", "BucketSizeBytes", {"BucketName": "t-lake", "StorageType": "StandardIAStorage"}, 7 * GB)
    put(
        cloudwatch,
        "AWS/Athena",
        "ProcessedBytes",
        {"WorkGroup": "t-wg", "QueryState": "SUCCEEDED", "QueryType": "DML"},
        11,
    )
    put(
        cloudwatch, "AWS/Athena", "ProcessedBytes", {"WorkGroup": "t-wg", "QueryState": "FAILED", "QueryType": "DML"}, 2
    )
    put(cloudwatch, "AWS/Lambda", "Duration", {"FunctionName": "t-pipeline-transform"}, 1000, 500)
    usage = read(cloudwatch)
    assert 3 * GB == usage["billed"]
    assert 12 * GB == usage["stored"]
    assert 13 == usage["scanned"]
    assert 1500 == usage["Duration t-pipeline-transform"]
    assert usage["incoming"] is usage["objects"] is usage["Invocations t-upkeep-audit"] is None
    assert 3 * GB + 99 == read(cloudwatch, days=2)["billed"]


def usage_of(**given: int) -> dict[str, Decimal | None]:
    nothing: dict[str, Decimal | None] = dict.fromkeys(reading.name for reading in plan_readings(DEPLOYED))
    return nothing | {name.replace("__", " ").replace("_", "-"): Decimal(value) for name, value in given.items()}


def test_the_bill_is_exact() -> None:
    usage = usage_of(billed=10 * GB, objects=1000, stored=100 * GB, scanned=2**40)
    usage |= {"Invocations t-pipeline-transform": Decimal(2000), "Duration t-pipeline-transform": Decimal(4_000_000)}
    items, remarks = plan_usage_bill(usage, DEPLOYED, days=1)
    prices = {name: Decimal(entry["price"]) for name, entry in load_prices()["prices"].items()}
    costs = {(item.name, item.unit): item.cost for item in items}
    assert 10 * prices["firehose_ingest_gb"] == costs["Firehose ingest", "GB"]
    assert 10 * prices["firehose_conversion_gb"] == costs["Firehose conversion", "GB"]
    assert 10 * prices["firehose_partitioning_gb"] == costs["Firehose partitioning", "GB"]
    assert 1000 * prices["firehose_partitioning_object"] == costs["Firehose partitioning", "objects"]
    assert 2000 * prices["lambda_request"] == costs["Lambda requests", "calls"]
    assert 2000 * prices["lambda_gb_second"] == costs["Lambda time", "GB-seconds"]  # 4,000 s at half a GB
    assert round(Decimal(100) * 24 / 730 * prices["s3_gb_month"], 20) == round(costs["S3 storage", "GB-months"], 20)
    assert prices["athena_tb"] == costs["Athena", "TB"]
    assert "CloudWatch has nothing of t-upkeep-audit: not called in these days." in remarks


def test_without_the_producers_figure_firehoses_stands_for_it_and_says_so() -> None:
    items, remarks = plan_usage_bill(usage_of(incoming=GB), DEPLOYED, days=1)
    assert Decimal(1) == items[0].amount
    assert "which is less than what is billed" in remarks[0]


def test_a_stack_without_any_figure_says_so_and_costs_nothing() -> None:
    lines = list(describe_usage(usage_of(), DEPLOYED, days=3))
    assert "t-ticks, the last 3 days, as CloudWatch counted" == lines[0]
    assert any("CloudWatch has nothing of the stream" in line for line in lines)
    assert any("S3 has not counted the bucket" in line for line in lines)


def test_billed_and_useful_bytes_are_compared() -> None:
    lines = list(describe_usage(usage_of(billed=5120, delivered=4096, lines=8), DEPLOYED, days=1))
    assert "billed as 1.250 times the bytes delivered; one record a line: 10.000 times" == lines[1]


def test_the_functions_of_the_stacks_are_found_with_their_memory() -> None:
    class Functions:
        def get_paginator(self, name: str) -> Functions:
            assert "list_functions" == name
            return self

        def paginate(self) -> list[dict[str, Any]]:
            named = [("t-pipeline-transform", 512), ("tt-pipeline-transform", 1), ("t-upkeep-audit", 1024)]
            return [{"Functions": [{"FunctionName": name, "MemorySize": memory}]} for name, memory in named]

    outputs = {"StreamName": "t-ticks", "WorkgroupName": "t-wg"}
    states = {
        "storage": StackState("t-storage", "CREATE_COMPLETE", outputs={"LakeBucketName": "t-lake"}),
        "pipeline": StackState("t-pipeline", "CREATE_COMPLETE", outputs=outputs),
        "upkeep": StackState("t-upkeep", "CREATE_COMPLETE"),
    }
    assert DEPLOYED == find_deployed(states, Functions())
    with pytest.raises(NothingDeployed, match="There is no deployed pipeline of that name"):
        find_deployed({"storage": states["storage"]}, Functions())
