"""The objects of the audited lake: in a folder with their inventory kept, in S3 looked at and left as they are, with progress."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from audit_lambda.inventory import LOOKED_KEY, inventory_key
from audit_lambda.objects import Progress
from audit_lambda.stock import keep_stock
from cli.progress import ProgressLine
from cli.stock import keep_in_folder, look_at_deployed, look_at_folder, show_objects
from local.lake.store import FolderStore
from sql.hours import EPOCH
from tests.audit_lambda.stored import NOW_US, OLD, OLD_DAY, RAW, SPAN, build_stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit_lambda.report import CheckResult

NOW = EPOCH + timedelta(microseconds=NOW_US)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_stored(tmp_path)


def test_a_folder_is_looked_at_whole_and_remembered(root: Path) -> None:
    stock = look_at_folder(root, SPAN, now=NOW)
    assert [] == [finding for result in stock.results for finding in result.findings]
    keep_in_folder(root, stock)
    (root / OLD).unlink()
    results = {result.name: result for result in look_at_folder(root, SPAN, now=NOW).results}
    assert [f"{OLD} is gone"] == [finding.what for finding in results["present"].findings]


def test_a_folder_that_may_only_be_read_is_looked_at_all_the_same(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "reports").write_text("no folder")
    keep_in_folder(root, look_at_folder(root, SPAN, now=NOW))
    assert "The inventory could not be kept" in capsys.readouterr().err


def test_progress_says_the_day_and_what_was_listed_and_read(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as line:
        show_objects(line, Progress(day="2026/11/23", listed_count=4_000, read_count=3_000, read_bytes=30_000_000))
    assert "objects: 2026/11/23, 4,000 listed, 3,000 read (30.0 MB)\n" == capsys.readouterr().err


@pytest.fixture
def s3(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account with a storage stack, whose bucket holds that lake."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "ENDPOINT_URL": f"http://{host}:{port}",
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    session = boto3.Session(region_name="us-east-1")
    client = session.client("s3")
    client.create_bucket(Bucket="lake")
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        client.put_object(Bucket="lake", Key=path.relative_to(root).as_posix(), Body=path.read_bytes())
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"LakeBucketName": {"Value": "lake"}},
    }
    stacks = session.client("cloudformation")
    stacks.create_stack(StackName="t-storage", TemplateBody=json.dumps(template))
    yield client
    stacks.delete_stack(StackName="t-storage")
    for listed in client.list_objects_v2(Bucket="lake").get("Contents", []):
        client.delete_object(Bucket="lake", Key=listed["Key"])
    client.delete_bucket(Bucket="lake")
    server.stop()


def look(prefix: str = "t", *, unread: bool = False) -> dict[str, CheckResult]:
    results, _ = look_at_deployed(prefix, None, SPAN, now=NOW, unread=unread)
    return {result.name: result for result in results}


def test_a_deployed_lake_is_compared_with_its_inventory_and_nothing_is_written(
    s3: Any, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = look_at_folder(root, SPAN, now=NOW)
    keep_stock(FolderStore(root), stock)
    kept = {LOOKED_KEY, inventory_key(SPAN_DAY), inventory_key(OLD_DAY)}
    for key in kept:
        content = (root / key).read_bytes()
        s3.put_object(Bucket="lake", Key=key, Body=content)
    s3.delete_object(Bucket="lake", Key=RAW)
    s3.put_object(Bucket="lake", Key="notes.txt", Body=b"")
    results = look()
    assert "Looked at: 2026/11/23. Of 2 days known" in capsys.readouterr().err
    assert [f"{RAW} is gone"] == [finding.what for finding in results["present"].findings]
    assert 1 == results["foreign"].found_count
    assert ("passed", "") == (results["readable"].state, results["readable"].why)
    assert kept == {each["Key"] for each in s3.list_objects_v2(Bucket="lake", Prefix="reports/")["Contents"]}
    for key in kept:
        assert (root / key).read_bytes() == s3.get_object(Bucket="lake", Key=key)["Body"].read()

    unread = look(unread=True)["readable"]
    assert ("not_run", "4 of 4 objects were not read: --unread was said") == (unread.state, unread.why)
    s3.delete_object(Bucket="lake", Key="notes.txt")


@pytest.mark.usefixtures("s3")
def test_where_no_stack_names_a_bucket_the_checks_are_not_run() -> None:
    (why,) = {(result.state, result.why) for result in look("another").values()}
    assert ("not_run", True) == (why[0], "looking for the stack another-storage" in why[1])


def test_what_aws_refuses_is_the_reason_why_the_checks_are_not_run(s3: Any) -> None:
    for listed in s3.list_objects_v2(Bucket="lake")["Contents"]:
        s3.delete_object(Bucket="lake", Key=listed["Key"])
    s3.delete_bucket(Bucket="lake")
    results = look()
    assert {"not_run"} == {result.state for result in results.values()}
    assert "NoSuchBucket" in results["readable"].why
    s3.create_bucket(Bucket="lake")


SPAN_DAY = "2026/11/23"
