"""CloudFormation text and its functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.firehose.errors import TemplateUnreadable
from local.firehose.intrinsics import Resolver, Surroundings, parse_template

_HEAD = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String}
  Zones: {Type: CommaDelimitedList}
  Unset: {Type: String}
Mappings:
  Sizes: {prod: {mib: 128}, test: {mib: 1}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsTest: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Condition IsTest]
  Both: !And [!Condition IsProd, !Condition IsTest]
Resources:
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub "lake-${Stage}"}}
  Role: {Type: AWS::IAM::Role}
  Queue: {Type: AWS::SQS::Queue, Condition: IsTest}
"""


def _resolver(stage: str = "prod") -> Resolver:
    tree = parse_template(_HEAD, template="t.yaml")
    around = Surroundings(region="eu-west-1", account="123456789012", stack="st")
    return Resolver(template="t.yaml", tree=tree, parameters={"Stage": stage, "Zones": "a, b"}, surroundings=around)


def _resolve(text: str, stage: str = "prod") -> Any:
    tree = parse_template(f"Resources: {{X: {text}}}", template="x")["Resources"]["X"]
    return _resolver(stage).resolve(tree, "X")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Stage", "prod"),
        ("{Ref: Stage}", "prod"),
        ("!Ref Zones", ["a", "b"]),
        ("!Ref AWS::Region", "eu-west-1"),
        ("!Ref Bucket", "lake-prod"),
        ("!Ref Role", "st-Role"),
        ("!GetAtt Bucket.Arn", "arn:aws:s3:::lake-prod"),
        ("!GetAtt [Role, Arn]", "arn:aws:iam::123456789012:role/st-Role"),
        ("!GetAtt Queue.QueueName", "st-Queue.QueueName"),
        ("!Sub '${AWS::Partition}/${Stage}/${Role.Arn}'", "aws/prod/arn:aws:iam::123456789012:role/st-Role"),
        ("!Sub ['${a}-${Stage}', {a: !Ref AWS::AccountId}]", "123456789012-prod"),
        ("!Sub '${!kept}/$plain'", "${kept}/$plain"),
        ("!Join ['-', [a, !Ref Stage, 3]]", "a-prod-3"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['0', !Split ['/', 'x/y']]", "x"),
        ("!If [IsProd, 1, 2]", 1),
        ("!FindInMap [Sizes, !Ref Stage, mib]", 128),
        ("!Base64 hi", "aGk="),
        ("{a: !Ref AWS::NoValue, b: 1}", {"b": 1}),
        ("[!If [IsTest, x, !Ref AWS::NoValue], y]", ["y"]),
        ("2012-10-17", "2012-10-17"),
        ("{Fn::Join: ['', [a, b]], other: 1}", {"Fn::Join": ["", ["a", "b"]], "other": 1}),
    ],
)
def test_a_value_is_resolved(text: str, value: Any) -> None:
    assert value == _resolve(text)


@pytest.mark.parametrize(
    ("condition", "holds"), [("IsProd", True), ("IsTest", False), ("Either", True), ("Both", False)]
)
def test_conditions_hold_or_not(condition: str, holds: bool) -> None:
    assert holds is _resolver().holds(condition, "x")


def test_a_resource_whose_condition_fails_is_not_there() -> None:
    assert () == _resolver("prod").of_type("AWS::SQS::Queue")
    assert ("Queue",) == _resolver("test").of_type("AWS::SQS::Queue")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("!Ref Nobody", "names Nobody"),
        ("!Ref Unset", "Unset has no default and was not given"),
        ("!Sub '${Nobody}'", "names Nobody"),
        ("!GetAtt Nobody.Arn", "names Nobody"),
        ("!If [NoSuch, 1, 2]", "names the condition NoSuch"),
        ("!FindInMap [Sizes, other, mib]", "Mappings has no Sizes.other.mib"),
        ("!ImportValue shared", "uses Fn::ImportValue"),
    ],
)
def test_what_cannot_be_known_is_an_error_that_names_the_place(text: str, problem: str) -> None:
    with pytest.raises(TemplateUnreadable, match=problem) as unreadable:
        _resolve(text)
    assert "X" == unreadable.value.place


@pytest.mark.parametrize("text", ["- a list", "a: [", "Description: nothing in it", ""])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateUnreadable, match=r"t\.yaml"):
        parse_template(text, template="t.yaml")


def test_json_is_read_as_well() -> None:
    tree = {"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "AWS::Region"}}}}}
    resolver = Resolver(template="j", tree=parse_template(json.dumps(tree), template="j"), parameters={})
    assert "us-east-1" == resolver.name_of("B", "B")


def test_a_template_cannot_run_code() -> None:
    with pytest.raises(TemplateUnreadable, match="cannot be worked out here"):
        _resolve("!!python/object/apply:os.system ['true']".replace("!!python/object/apply:os.system", "!Transform"))
    with pytest.raises(TemplateUnreadable, match="is not YAML"):
        parse_template("Resources: !!python/object/apply:os.system ['true']", template="t")
