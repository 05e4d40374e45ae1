"""
The command against moto's server: real calls over the wire, a real bucket, a real function.

moto's CloudFormation lacks much: change sets compute no outputs (mended below), termination protection is not implemented (mended below),
retained resources are deleted, and alarms, the delivery stream, Glue tables, the workgroup, bucket and topic policies and more are silently
left out, so that nothing may refer to them; Athena and Glue are the small ones at home. What moto cannot carry is taken out of the pipeline's template here, and is tested by
other means: on the templates themselves (tests/infra) and on CloudFormation in memory (test_deploying.py).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from click.testing import CliRunner

import cli.deploy
from cli.deploy import decode_settings, describe_outputs, next_command
from cli.main import main
from infra import ROOT
from infra.errors import PackageFailed
from infra.package import build_package, target_of
from infra.recipes import TRANSFORM
from infra.stacks import StackState
from local.athena.hosting import host_athena
from tests.infra.templates import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CARRIED = {"AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::SNS::Topic", "AWS::SQS::Queue"}

# That two builds are the same is test_package.py's to show; here each package is built once.
BUILD = cache(build_package)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """moto's server, with what its CloudFormation lacks for a change set to be of use; every client of this process talks to it or to Athena at home."""
    # Two seconds of imports, for the one test that takes long.
    from moto.cloudformation.models import ChangeSet  # noqa: PLC0415
    from moto.cloudformation.responses import CloudFormationResponse  # noqa: PLC0415
    from moto.core.responses import EmptyResult  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    apply = ChangeSet.apply

    def apply_with_outputs(self: Any) -> None:
        apply(self)
        self.stack.template = self.template
        self.stack._parse_template()
        self.stack.output_map = self.stack._create_output_map()

    monkeypatch.setattr(ChangeSet, "apply", apply_with_outputs)
    monkeypatch.setattr(CloudFormationResponse, "update_termination_protection", lambda _: EmptyResult(), raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setattr(cli.deploy, "POLL_S", 0.0)
    monkeypatch.setattr(cli.deploy, "build_package", BUILD)
    with host_athena(tmp_path / "lake", workgroup="ticklake-pipeline", database="ticklake") as athena:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ENDPOINT_URL_ATHENA": athena.url,
            "AWS_ENDPOINT_URL_GLUE": athena.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }.items():
            monkeypatch.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """The templates, the pipeline's and the upkeep's without what moto cannot carry."""
    for stack in ("storage", "producer"):
        (tmp_path / f"{stack}.yaml").write_text((ROOT / f"{stack}.yaml").read_text())
    outputs = {
        "StreamName": {"Value": {"Ref": "StreamName"}},
        "DatabaseName": {"Value": {"Ref": "DatabaseName"}},
        "WorkgroupName": {"Value": {"Ref": "AWS::StackName"}},
        "TopicArn": {"Value": {"Ref": "Topic"}},
        "Function": {"Value": {"Fn::GetAtt": ["Transform", "Arn"]}},
    }
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(carried("pipeline") | {"Outputs": outputs}, sort_keys=False))
    (tmp_path / "upkeep.yaml").write_text(yaml.safe_dump(carried("upkeep"), sort_keys=False))
    return tmp_path


def carried(stack: str) -> dict[str, Any]:
    tree = tree_of(stack)
    kept = {
        name: each for name, each in tree["Resources"].items() if each["Type"] in CARRIED and name != "DeliveryRole"
    }
    return {**tree, "Resources": kept}


def client(service: str, endpoint: str) -> Any:
    return boto3.Session("a", "b", region_name="us-east-1").client(service, endpoint_url=endpoint)  # type: ignore[call-overload]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")
def test_plan_deploy_again_status_destroy(aws: str, templates: Path) -> None:
    try:
        function = tree_of("pipeline")["Resources"]["Transform"]["Properties"]
        target = target_of(runtime=function["Runtime"], architecture=function["Architectures"][0])
        BUILD(TRANSFORM, target)
    except PackageFailed as failed:
        pytest.skip(f"the package index cannot be reached: {failed.problem}")
    stacks = client("cloudformation", aws)

    planned = run("deploy", "--plan", "--templates", templates)
    assert "ticklake-storage would be created" in planned
    assert "7 views and " in planned
    assert "Nothing was changed." in planned
    assert [] == stacks.list_stacks()["StackSummaries"]

    deployed = run("deploy", "--yes", "--templates", templates)
    assert re.search(r"\+ LakeBucket \(AWS::S3::Bucket\)", deployed)
    assert "CREATE_COMPLETE" in deployed
    assert re.search(r"\+ view uncompacted: done\n.*\+ view copies: done", deployed, re.DOTALL)
    assert "+ named query vwap" in deployed
    assert "Next: ticklake run --stream ticklake" in deployed
    bucket = "ticklake-storage-work-123456789012-us-east-1"
    packages = {each["Key"]: each["Size"] for each in client("s3", aws).list_objects_v2(Bucket=bucket)["Contents"]}
    sizes = {key.split("/")[1].split("-")[0]: size for key, size in packages.items()}
    for name, stack in (("transform", "pipeline"), ("audit", "upkeep"), ("compact", "upkeep")):
        function = client("lambda", aws).get_function(FunctionName=f"ticklake-{stack}-{name}")
        assert sizes[name] == function["Configuration"]["CodeSize"]

    again = run("deploy", "--yes", "--templates", templates)
    assert "ticklake-storage: nothing to change." in again
    assert "ticklake-pipeline: nothing to change." in again
    assert "ticklake-upkeep: nothing to change." in again
    assert "views and named queries: nothing to change." in again

    cloudwatch = client("cloudwatch", aws)
    alarm = {"MetricName": "m", "Namespace": "n", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1}
    cloudwatch.put_metric_alarm(
        AlarmName="ticklake-pipeline-stream-stale", ComparisonOperator="GreaterThanThreshold", **alarm
    )
    cloudwatch.set_alarm_state(AlarmName="ticklake-pipeline-stream-stale", StateValue="ALARM", StateReason="too old")
    told = CliRunner().invoke(main, ["status"])
    assert 1 == told.exit_code
    assert "alarms: 1, 1 up" in told.output
    assert "stream-stale: too old  (docs/operations.md#stream-stale)" in told.output
    assert "LakeBucketName" in told.output
    assert "views: 7 of 7\n" in told.output

    removed = run("destroy", "--yes", "--now")
    assert "The data stays: s3://ticklake-storage-lake-123456789012-us-east-1" in removed
    left = [each["StackName"] for each in stacks.describe_stacks()["Stacks"]]
    assert ["ticklake-storage"] == left
    assert "There is nothing to remove." in run("destroy", "--yes")


def test_what_aws_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    result = CliRunner().invoke(main, ["deploy", "--plan"])
    assert 1 == result.exit_code
    assert "While looking at the stack ticklake-storage, AWS said: Could not connect" in result.output
    assert "Traceback" not in result.output


def test_settings_are_pairs() -> None:
    assert {"A": "1=2", "B": ""} == decode_settings(("A=1=2", "B="))
    assert "NAME=VALUE" in CliRunner().invoke(main, ["deploy", "--set", "A"]).output


def test_outputs_and_the_next_command_follow_what_there_is() -> None:
    storage = StackState("t-storage", "CREATE_COMPLETE", outputs={"LakeBucketName": "lake"})
    pipeline = StackState("t-pipeline", "CREATE_COMPLETE", outputs={"StreamName": "s"})
    assert ["\nt-storage  CREATE_COMPLETE", "  LakeBucketName       lake"] == describe_outputs({"storage": storage})
    assert "ticklake deploy --name t" == next_command("t", {"storage": storage})
    assert next_command("ticklake", {"storage": storage, "pipeline": pipeline}).startswith("ticklake run --stream s")
    assert "ticklake status" == next_command("ticklake", {"pipeline": pipeline, "producer": pipeline})
