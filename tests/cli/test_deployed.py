"""What stacks say of themselves: outputs found, and what is not said named with the stack that should say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from cli.deployed import SAID_BY, find_stack, read_outputs
from infra import ROOT
from infra.errors import AwsRefused
from local.firehose.intrinsics import parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session("a", "b", region_name="us-east-1")


def make_stack(session: boto3.Session, name: str, **outputs: str) -> None:
    written = {key: {"Value": value} for key, value in outputs.items()}
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": written}
    session.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


def test_outputs_come_from_the_stacks_that_say_them(session: boto3.Session) -> None:
    make_stack(session, "t-storage", LakeBucketName="t-lake", WorkBucketName="t-work")
    make_stack(session, "t-pipeline", StreamName="t-stream")
    expected = {"LakeBucketName": "t-lake", "StreamName": "t-stream"}
    assert expected == read_outputs(session, "t", ("LakeBucketName", "StreamName"))


def test_what_one_stack_does_not_say_is_named(session: boto3.Session) -> None:
    make_stack(session, "t-storage", LakeBucketName="t-lake")
    said = "looking for the stack t-pipeline, AWS said: it does not say DatabaseName, StreamName; `ticklake deploy` makes it."
    with pytest.raises(AwsRefused, match=said):
        read_outputs(session, "t", ("LakeBucketName", "DatabaseName", "StreamName"))


def test_what_two_stacks_do_not_say_is_named_together(session: boto3.Session) -> None:
    said = "looking for the stacks t-storage and t-pipeline, AWS said: they do not say LakeBucketName, StreamName;"
    with pytest.raises(AwsRefused, match=said):
        read_outputs(session, "t", ("LakeBucketName", "StreamName"))


def test_a_stack_is_there_or_is_none(session: boto3.Session) -> None:
    make_stack(session, "t-storage", LakeBucketName="t-lake")
    found = find_stack(session, "t", "storage")
    assert ("t-storage", None) == (found and found.name, find_stack(session, "t", "pipeline"))


def test_the_templates_say_what_is_read() -> None:
    for name, stack in SAID_BY.items():
        template = parse_template((ROOT / f"{stack}.yaml").read_text(encoding="utf-8"), template=f"{stack}.yaml")
        assert name in template["Outputs"]
