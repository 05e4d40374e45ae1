"""
What a deployed stack used, as CloudWatch counted it, and what that costs at list prices.

Laws: a figure that CloudWatch does not have is said to be missing, never taken for zero; which dimensions a metric has is asked, not assumed.
Refuses to know: options, output.
Source: Amazon Data Firehose, "Monitoring with CloudWatch metrics"; Lambda, S3 and Athena likewise.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, NothingDeployed
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from infra.cloudformation import calling
from infra.errors import DeployError
from producer.metrics import NAMESPACE
from sql.prices import GB, TB, price_item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from infra.stacks import StackState
    from sql.prices import Item

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
_MONTH_DAYS: Final = Decimal(730) / 24
_BILLED_STEP_BYTES: Final = 5_120  # a line is shorter, so one record a line would be billed as this (Firehose pricing)
# The most metrics that one call may ask for (GetMetricData, API reference).
_MOST_METRICS: Final = 500


class NothingDeployed(DeployError):
    """There is no pipeline to ask CloudWatch about."""

    def __init__(self) -> None:
        super().__init__(
            "There is no deployed pipeline of that name. `ticklake deploy` makes one; without --deployed a lake on this machine is priced."
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure to ask CloudWatch for: `statistic` of every metric of that name that has this dimension, summed over them and the time."""

    name: str
    namespace: str
    metric: str
    dimension: tuple[str, str]
    statistic: str = "Sum"
    period_s: int = HOUR_S


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is deployed, by the names that metrics have as dimensions. `functions`: their memory in MB, by name."""

    stream: str
    workgroup: str
    bucket: str
    functions: Mapping[str, int]


def find_deployed(states: Mapping[str, StackState], functions: Any) -> Deployed:
    """
    The names behind the stacks of a deployment. `functions` is boto3's Lambda client.

    Raises: NothingDeployed, AwsRefused.
    """
    if not {"storage", "pipeline"} <= states.keys():
        raise NothingDeployed
    outputs = states["pipeline"].outputs
    begins = tuple(f"{state.name}-" for state in states.values())
    with calling("listing the functions"):
        pages = functions.get_paginator("list_functions").paginate()
        memory = {each["FunctionName"]: int(each["MemorySize"]) for page in pages for each in page["Functions"]}
    return Deployed(
        stream=outputs["StreamName"],
        workgroup=outputs["WorkgroupName"],
        bucket=states["storage"].outputs["LakeBucketName"],
        functions={name: memory_mb for name, memory_mb in sorted(memory.items()) if name.startswith(begins)},
    )


def plan_readings(deployed: Deployed) -> list[Reading]:
    """Everything to ask for."""
    stream, own = ("DeliveryStreamName", deployed.stream), ("Stream", deployed.stream)
    return [
        Reading("billed", NAMESPACE, "BytesBilled", own),
        Reading("delivered", NAMESPACE, "BytesDelivered", own),
        Reading("lines", NAMESPACE, "LinesDelivered", own),
        Reading("incoming", "AWS/Firehose", "IncomingBytes", stream),
        Reading("objects", "AWS/Firehose", "DeliveryToS3.ObjectCount", stream),
        # S3 counts once a day; the average over the days asked for is what was stored.
        Reading("stored", "AWS/S3", "BucketSizeBytes", ("BucketName", deployed.bucket), "Average", DAY_S),
        Reading("scanned", "AWS/Athena", "ProcessedBytes", ("WorkGroup", deployed.workgroup)),
        *(
            Reading(f"{metric} {function}", "AWS/Lambda", metric, ("FunctionName", function))
            for function in deployed.functions
            for metric in ("Invocations", "Duration")
        ),
    ]


def read_usage(
    client: Any, readings: Sequence[Reading], *, start: datetime, end: datetime
) -> dict[str, Decimal | None]:
    """
    Each reading's figure, None where CloudWatch has none. An Average is averaged over the time, all else summed.

    Raises: AwsRefused.
    """
    usage: dict[str, Decimal | None] = {}
    with calling("reading the stack's metrics"):
        for reading in readings:
            found = [list(_read_metric(client, reading, each, start, end)) for each in _list_metrics(client, reading)]
            figures = [_join(reading, values) for values in found if values]
            usage[reading.name] = sum(figures, Decimal(0)) if figures else None
    return usage


def _join(reading: Reading, values: Sequence[Decimal]) -> Decimal:
    total = sum(values, Decimal(0))
    return total / len(values) if reading.statistic == "Average" else total


def _list_metrics(client: Any, reading: Reading) -> list[Mapping[str, Any]]:
    """The metrics of that name: with the dimension alone if there is one, else each that has it among others (S3's storage classes)."""
    name, value = reading.dimension
    pages = client.get_paginator("list_metrics").paginate(
        Namespace=reading.namespace, MetricName=reading.metric, Dimensions=[{"Name": name, "Value": value}]
    )
    metrics = [metric for page in pages for metric in page["Metrics"]]
    alone = [metric for metric in metrics if len(metric["Dimensions"]) == 1]
    return alone or metrics[:_MOST_METRICS]


def _read_metric(
    client: Any, reading: Reading, metric: Mapping[str, Any], start: datetime, end: datetime
) -> Iterator[Decimal]:
    asked = {"Metric": dict(metric), "Period": reading.period_s, "Stat": reading.statistic}
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[{"Id": "it", "MetricStat": asked}], StartTime=start, EndTime=end
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            yield from map(Decimal, map(repr, result["Values"]))


def plan_usage_bill(
    usage: Mapping[str, Decimal | None], deployed: Deployed, *, days: int
) -> tuple[list[Item], list[str]]:
    """
    The bill of these days, and a sentence for each figure that is missing or stands in for another.

    Shapes: `usage` is of plan_readings(deployed).
    """
    items: list[Item] = []
    remarks: list[str] = []
    ingested = usage["billed"]
    if ingested is None and usage["incoming"] is not None:
        ingested = usage["incoming"]
        remarks.append(
            "The producer's BytesBilled is not in CloudWatch: Firehose's IncomingBytes stands for it, which is less than what is billed."
        )
    if ingested is None:
        remarks.append("CloudWatch has nothing of the stream: no lines came in these days, or it is another stream.")
    else:
        items += [
            price_item(f"Firehose {what}", ingested / GB, "GB", f"firehose_{what}_gb")
            for what in ("ingest", "conversion", "partitioning")
        ]
    if usage["objects"] is not None:
        items.append(price_item("Firehose partitioning", usage["objects"], "objects", "firehose_partitioning_object"))
        items.append(price_item("S3 PUT requests", usage["objects"], "objects", "s3_put"))
        remarks.append("S3's PUT requests are those of rows; those of raw/ and errors/ are not counted by CloudWatch.")
    items += _functions(usage, deployed, remarks)
    if usage["stored"] is None:
        remarks.append("S3 has not counted the bucket in these days (it does once a day).")
    else:
        items.append(price_item("S3 storage", usage["stored"] / GB * days / _MONTH_DAYS, "GB-months", "s3_gb_month"))
    if usage["scanned"] is not None:
        items.append(price_item("Athena", usage["scanned"] / TB, "TB", "athena_tb"))
    return items, remarks


def _functions(usage: Mapping[str, Decimal | None], deployed: Deployed, remarks: list[str]) -> Iterator[Item]:
    calls = {name: usage[f"Invocations {name}"] for name in deployed.functions}
    ran_ms = {name: usage[f"Duration {name}"] for name in deployed.functions}
    if silent := [name for name in deployed.functions if calls[name] is None or ran_ms[name] is None]:
        remarks.append(f"CloudWatch has nothing of {', '.join(silent)}: not called in these days.")
    yield price_item(
        "Lambda requests", sum((each or Decimal(0) for each in calls.values()), Decimal(0)), "calls", "lambda_request"
    )
    gb_seconds = sum(
        ((ran_ms[name] or 0) * memory_mb / Decimal(1024 * 1000) for name, memory_mb in deployed.functions.items()),
        Decimal(0),
    )
    yield price_item("Lambda time", gb_seconds, "GB-seconds", "lambda_gb_second")


def billed_ratios(usage: Mapping[str, Decimal | None]) -> tuple[Decimal, Decimal] | None:
    """Bytes billed by bytes delivered, and what they would be with one record a line; None without the producer's figures."""
    billed, delivered, lines = usage["billed"], usage["delivered"], usage["lines"]
    if not billed or not delivered or not lines:
        return None
    return billed / delivered, lines * _BILLED_STEP_BYTES / delivered
