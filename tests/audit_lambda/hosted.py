"""What the audit's function meets in AWS, on loopback: moto's S3, SNS and SQS, and the small Athena over the same lake's folder."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from moto.core.model_instances import reset_model_data
from moto.server import ThreadedMotoServer

from local.athena.hosting import host_athena
from sql.catalog import plan_base_views
from tests.local.lake.trades import put, ticker, us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/k"
# Long past on every clock: the function reads one.
EVENT: Final = {"span": "hourly", "at": "2025-06-02T05:50:00Z"}
HOUR_US: Final = us(datetime(2025, 6, 2, 2, tzinfo=UTC))
REPORT: Final = "reports/coinbase/hourly/2025/06/02/04/"


def write_lake(root: Path) -> Path:
    """A lake in which four trades are missing, and nothing says so."""
    ids = [*range(1, 20), *range(24, 40)]
    rows = [ticker(n, event_time_us=HOUR_US + n * 1_000_000, receive_time_us=HOUR_US + n * 1_000_001) for n in ids]
    put(root, "a", rows, hour="2025/06/02/02")
    return root


@dataclass(frozen=True, slots=True)
class HostedAws:
    """The account. `environment` points the standard endpoint variables at it, and names what the function is told."""

    environment: dict[str, str]
    s3: Any
    sqs: Any
    queue_url: str

    def keys(self) -> set[str]:
        return {each["Key"] for each in self.s3.list_objects_v2(Bucket="lake", Prefix="reports/").get("Contents", [])}

    def read(self, key: str) -> Any:
        return self.s3.get_object(Bucket="lake", Key=key)

    def notices(self) -> list[dict[str, Any]]:
        """What the topic was told so far, as its subscriber has it."""
        found = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return list(found.get("Messages", []))


@contextmanager
def host_aws(lake: Path) -> Iterator[HostedAws]:
    """The account over a lake's folder, for as long as the `with` lasts."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        with host_athena(lake, workgroup="w", database="ticklake", bucket="lake") as athena:
            yield _fill(lake, url, athena.url)
    finally:
        moto.stop()
        reset_model_data()


def _client(session: Any, name: str, url: str) -> Any:
    return session.client(name, endpoint_url=url)


def _fill(lake: Path, url: str, athena_url: str) -> HostedAws:
    session = boto3.Session("a", "b", region_name="us-east-1")
    s3, sns, sqs = (_client(session, name, url) for name in ("s3", "sns", "sqs"))
    s3.create_bucket(Bucket="lake")
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket="lake", ServerSideEncryptionConfiguration=rules)
    for path in sorted(each for each in lake.rglob("*") if each.is_file()):
        s3.put_object(Bucket="lake", Key=path.relative_to(lake).as_posix(), Body=path.read_bytes())
    topic = sns.create_topic(Name="topic")["TopicArn"]
    queue_url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    _define_views(session, athena_url)
    environment = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_ATHENA": athena_url,
        "AWS_ENDPOINT_URL_GLUE": athena_url,
        "TICKLAKE_DATABASE": "ticklake",
        "TICKLAKE_WORKGROUP": "w",
        "TICKLAKE_LAKE_BUCKET": "lake",
        "TICKLAKE_TOPIC_ARN": topic,
        "TICKLAKE_CANDLES_URL": "",
    }
    return HostedAws(environment, s3, sqs, queue_url)


def _define_views(session: boto3.Session, athena_url: str) -> None:
    """What a deployment and the first compaction leave: the view of what counts, and of what is not compacted."""
    from sql.athena import Athena  # noqa: PLC0415  # only here

    athena = Athena(_client(session, "athena", athena_url), workgroup="w", database="ticklake")
    for statement in plan_base_views():
        athena.run(statement)
