from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.cloudformation import CloudFormation, calling
from infra.errors import AwsRefused, StackFailed
from tests.infra.fake_cloudformation import FakeCloudFormation

TEMPLATE = """
Parameters: {Name: {Type: String, Default: one}}
Resources:
  A: {Type: "AWS::S3::Bucket", Properties: {BucketName: !Ref Name}}
  B: {Type: "AWS::SNS::Topic"}
Outputs: {Bucket: {Value: !Ref A}}
"""


class Told:
    """A client with what it told."""

    def __init__(self) -> None:
        self.fake = FakeCloudFormation()
        self.pauses = 0
        self.events: list[str] = []
        self.stacks = CloudFormation(
            self.fake, pause=self._pause, tell=lambda event: self.events.append(f"{event.resource} {event.status}")
        )

    def _pause(self) -> None:
        self.pauses += 1

    def run(self, template: str = TEMPLATE, *, creates: bool, **parameters: str) -> None:
        proposal = self.stacks.propose("s", template=template, parameters=parameters, change_set="c", creates=creates)
        self.stacks.execute(proposal)


def test_a_proposal_changes_nothing_and_can_be_taken_back() -> None:
    told = Told()
    proposal = told.stacks.propose("s", template=TEMPLATE, parameters={}, change_set="c", creates=True)
    assert ["A", "B"] == [change.resource for change in proposal.changes]
    told.stacks.discard(proposal)
    assert ({}, {}, []) == (told.fake.stacks, told.fake.change_sets, told.fake.calls)


def test_an_operation_is_followed_to_its_end() -> None:
    told = Told()
    told.run(creates=True)
    state = told.stacks.describe("s")
    assert state is not None
    assert ("CREATE_COMPLETE", {"Bucket": "one"}) == (state.status, dict(state.outputs))
    assert ["A CREATE_COMPLETE", "B CREATE_COMPLETE"] == told.events
    assert 1 <= told.pauses


def test_the_same_again_is_no_change_and_another_value_is_one() -> None:
    told = Told()
    told.run(creates=True)
    same = told.stacks.propose("s", template=TEMPLATE, parameters={}, change_set="d", creates=False)
    assert (True, ()) == (same.is_empty, same.changes)
    told.events.clear()
    told.run(creates=False, Name="two")
    assert ["A UPDATE_COMPLETE"] == told.events


def test_a_failure_names_its_resource_and_reason() -> None:
    told = Told()
    told.fake.failing["B"] = "You are not authorized"
    with pytest.raises(StackFailed, match=r"B \(AWS::SNS::Topic\) failed: You are not authorized") as failed:
        told.run(creates=True)
    assert "ROLLBACK_COMPLETE" == failed.value.status


def test_a_stack_that_is_removed_is_gone_and_none_is_no_error() -> None:
    told = Told()
    told.run(creates=True)
    told.stacks.remove("s")
    assert told.stacks.describe("s") is None
    told.stacks.remove("s")


def test_a_protected_stack_is_not_removed() -> None:
    told = Told()
    told.run(creates=True)
    told.stacks.protect("s", "{}", from_removal=True)
    with pytest.raises(AwsRefused, match="TerminationProtection"):
        told.stacks.remove("s")


def test_a_protection_that_is_not_known_there_is_named_and_one_that_is_refused_is_raised() -> None:
    told = Told()
    told.run(creates=True)
    told.fake.refusing["UpdateTerminationProtection"] = (501, "InternalFailure")
    assert ["UpdateTerminationProtection"] == told.stacks.protect("s", "{}", from_removal=True)
    assert [] == told.stacks.protect("s", "{}", from_removal=False)
    told.fake.refusing["UpdateTerminationProtection"] = (403, "AccessDenied")
    with pytest.raises(AwsRefused, match="AccessDenied"):
        told.stacks.protect("s", "{}", from_removal=True)


def test_what_keeps_a_call_from_aws_is_said() -> None:
    with pytest.raises(AwsRefused, match="While asking, AWS said: Could not connect"), calling("asking"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
