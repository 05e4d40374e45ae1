from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from infra.errors import ParameterMissing, ParameterRefused
from infra.recipes import RECIPES
from infra.stacks import (
    CODE,
    DATA_POLICY,
    FLOWS,
    LAMBDA_TIMEOUT_S,
    STACKS,
    WATCHED,
    Change,
    StackEvent,
    StackState,
    check_freshness,
    check_unknown,
    choose_first_hour,
    drained_after_s,
    find_failure,
    plan_creation,
    plan_parameters,
    stack_name,
)
from sql.glue import read_template
from tests.infra.templates import properties, tree_of

DECLARED = {
    "LakeBucketName": {},
    "LakeKeyArn": {},
    "CodeBucketName": {},
    "ResultsBucketName": {},
    "Email": {"Default": ""},
}
STORAGE = {"LakeBucketName": "lake", "LakeKeyArn": "arn", "WorkBucketName": "work"}


def planned(**changes: dict[str, str]) -> dict[str, str]:
    known: dict[str, dict[str, str]] = {"given": {}, "previous": {}, **changes}
    return plan_parameters(
        "pipeline", declared=DECLARED, outputs={"storage": STORAGE}, given=known["given"], previous=known["previous"]
    )


def test_outputs_become_parameters_and_defaults_are_left_to_the_template() -> None:
    assert {
        "LakeBucketName": "lake",
        "LakeKeyArn": "arn",
        "CodeBucketName": "work",
        "ResultsBucketName": "work",
    } == planned()


def test_what_was_set_once_stays_until_it_is_set_again() -> None:
    assert "a@b" == planned(previous={"Email": "a@b"})["Email"]
    assert "c@d" == planned(previous={"Email": "a@b"}, given={"Email": "c@d"})["Email"]
    assert "lake" == planned(previous={"LakeBucketName": "old"})["LakeBucketName"]


def test_a_parameter_without_any_source_is_asked_for_by_name() -> None:
    with pytest.raises(ParameterMissing, match="--set VpcId=… --set ImageUri=…"):
        plan_parameters("producer", declared={"VpcId": {}, "ImageUri": {}}, outputs={}, given={}, previous={})


def test_a_name_that_no_stack_has_is_refused() -> None:
    with pytest.raises(ParameterRefused, match="There are: A, B"):
        check_unknown(["C"], {"s": {"A": {}}, "t": {"B": {}}})
    check_unknown(["A", "B"], {"s": {"A": {}}, "t": {"B": {}}})


def test_every_flow_is_from_an_output_to_a_parameter_that_exist() -> None:
    assert set(STACKS) == set(FLOWS)
    for stack, flows in FLOWS.items():
        for parameter, (source, output) in flows.items():
            assert parameter in tree_of(stack)["Parameters"]
            assert output in tree_of(source)["Outputs"]
            assert STACKS.index(source) < STACKS.index(stack)


def test_what_has_neither_default_nor_flow_is_what_only_a_person_or_the_package_knows() -> None:
    unknown = {
        name
        for stack in STACKS
        for name, rules in tree_of(stack)["Parameters"].items()
        if "Default" not in rules and name not in FLOWS[stack]
    }
    code = {parameter for each in CODE.values() for parameter in each}
    assert code | {"ImageUri", "VpcId", "FirstSubnetId", "SecondSubnetId"} == unknown


def test_code_goes_to_every_function_there_is_and_each_has_a_recipe() -> None:
    for stack in STACKS:
        functions = properties(stack, "AWS::Lambda::Function")
        assert set(functions) == set(CODE.get(stack, {}).values())
        for parameter, name in CODE.get(stack, {}).items():
            assert name.lower() in RECIPES
            assert {"Ref": parameter} == tree_of(stack)["Resources"][name]["Properties"]["Code"]["S3Key"]


def test_every_stack_with_alarms_is_watched() -> None:
    assert [stack for stack in STACKS if properties(stack, "AWS::CloudWatch::Alarm")] == list(WATCHED)


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"LakeBufferSeconds": "900"}, False),
        ({"LakeBufferSeconds": "900", "FreshnessAlarmSeconds": "1600"}, True),
    ],
)
def test_an_alarm_that_would_always_be_up_is_refused(values: dict[str, str], fits: bool) -> None:
    declared = tree_of("pipeline")["Parameters"]
    if fits:
        check_freshness(values, declared)
    else:
        with pytest.raises(ParameterRefused, match="1530 s old while all is well, and FreshnessAlarmSeconds is 900"):
            check_freshness(values, declared)


def test_the_transforms_time_out_is_the_templates() -> None:
    assert LAMBDA_TIMEOUT_S == properties("pipeline", "AWS::Lambda::Function")["Transform"]["Timeout"]
    assert 630 == drained_after_s({"TransformBufferSeconds": "60", "LakeBufferSeconds": "300"})


def test_the_cause_is_found_among_its_echoes() -> None:
    cancelled = StackEvent("1", "Topic", "AWS::SNS::Topic", "CREATE_FAILED", "Resource creation cancelled")
    cause = StackEvent("2", "LakeKey", "AWS::KMS::Key", "CREATE_FAILED", "no permission")
    echo = StackEvent(
        "3", "s", "AWS::CloudFormation::Stack", "CREATE_FAILED", "The following resource(s) failed to create: [LakeKey]"
    )
    assert cause == find_failure([cancelled, cause, echo])
    assert cancelled == find_failure([cancelled])
    assert find_failure([]) is None
    assert "no permission" in str(cause)


def test_changes_say_what_is_replaced() -> None:
    assert "  + A (T)" == str(Change("Add", "A", "T"))
    assert str(Change("Modify", "A", "T", "True")).endswith("REPLACED")
    assert [Change("Add", "A", "T")] == plan_creation({"A": {"Type": "T"}})


def test_a_stack_that_was_only_reviewed_is_none() -> None:
    assert not StackState("s", "REVIEW_IN_PROGRESS").exists
    assert StackState("s", "ROLLBACK_COMPLETE").exists
    assert not StackState("s", "ROLLBACK_COMPLETE").is_whole
    assert "ticklake-storage" == stack_name("ticklake", "storage")


def test_no_update_may_replace_or_remove_what_holds_data() -> None:
    refusal = json.loads(DATA_POLICY)["Statement"][1]
    assert ["Update:Replace", "Update:Delete"] == refusal["Action"]
    assert {"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::EFS::FileSystem"} == set(
        refusal["Condition"]["StringEquals"]["ResourceType"]
    )


def test_the_tables_of_a_first_deployment_begin_the_day_before_unless_told_otherwise() -> None:
    now = datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
    assert {"LakeFirstHour": "2026/02/28/00"} == choose_first_hour({}, ["storage"], oldest=None, now=now)
    assert {"LakeFirstHour": "2026/02/28/00"} == choose_first_hour({}, ["storage"], oldest="2026/02/28/23", now=now)
    assert {"LakeFirstHour": "2025/11/23/05"} == choose_first_hour({}, ["storage"], oldest="2025/11/23/05", now=now)
    assert {} == choose_first_hour({}, ["storage", "pipeline"], oldest=None, now=now), "it stays as it was deployed"
    assert {} == choose_first_hour({"LakeFirstHour": "2020/01/01/00"}, [], oldest=None, now=now)
    pattern = read_template()["Parameters"]["LakeFirstHour"]["AllowedPattern"]
    assert re.fullmatch(pattern, "2026/02/28/00")
    assert not re.fullmatch(pattern, "2026/13/01/00")
