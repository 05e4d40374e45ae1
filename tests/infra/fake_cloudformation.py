"""
CloudFormation in memory, behind its client's calls: change sets, events, outputs worked out from the template itself.

Laws: a change set and an operation take two looks each, as they do over there; a resource that is told to fail fails its operation, and the
others are cancelled. moto's own CloudFormation knows neither outputs of change sets nor failures nor half of our resource types.
"""

# ruff: noqa: N803, ARG002 - the arguments have the names that AWS gave them

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from local.firehose.intrinsics import Resolver, parse_template


def refusal(operation: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


@dataclass
class Stack:
    """One stack."""

    status: str
    template: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)  # oldest first
    then: list[str] = field(default_factory=list)  # statuses to come, one at each look

    def resolver(self) -> Resolver:
        return resolver_of(self.template, self.parameters)


@cache
def parsed(template: str) -> Any:
    return parse_template(template, template="t")


def resolver_of(template: str, given: dict[str, str]) -> Resolver:
    tree = parsed(template)
    declared = tree.get("Parameters") or {}
    values = {name: str(given.get(name, rules.get("Default", ""))) for name, rules in declared.items()}
    return Resolver(template="t", tree=tree, parameters=values)


class FakeCloudFormation:
    """The client. `calls` are the operations that change something, in order."""

    def __init__(self) -> None:
        self.stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, dict[str, Any]] = {}
        self.failing: dict[str, str] = {}
        self.policies: dict[str, str] = {}
        self.kept: set[str] = set()
        self.refusing: dict[str, tuple[int, str]] = {}
        self.calls: list[tuple[str, str]] = []
        self._count = 0

    def _stack(self, name: str, operation: str) -> Stack:
        if name not in self.stacks:
            raise refusal(operation, f"Stack with id {name} does not exist")
        return self.stacks[name]

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        stack = self._stack(StackName, "DescribeStacks")
        if stack.then:
            stack.status = stack.then.pop(0)
        if stack.status == "DELETE_COMPLETE":
            del self.stacks[StackName]
            raise refusal("DescribeStacks", f"Stack with id {StackName} does not exist")
        described: dict[str, Any] = {"StackName": StackName, "StackStatus": stack.status}
        if stack.template:
            resolver = stack.resolver()
            outputs = {name: resolver.resolve(each["Value"], name) for name, each in resolver.tree["Outputs"].items()}
            described["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
            described["Parameters"] = [
                {"ParameterKey": key, "ParameterValue": value} for key, value in resolver.parameters.items()
            ]
        return {"Stacks": [described]}

    def create_change_set(
        self,
        *,
        StackName: str,
        ChangeSetName: str,
        ChangeSetType: str,
        TemplateBody: str,
        Parameters: list[dict[str, str]],
        Capabilities: list[str],
    ) -> dict[str, str]:
        assert ["CAPABILITY_IAM"] == Capabilities
        given = {each["ParameterKey"]: each["ParameterValue"] for each in Parameters}
        if ChangeSetType == "CREATE":
            assert StackName not in self.stacks
            self.stacks[StackName] = Stack("REVIEW_IN_PROGRESS")
        before = self._stack(StackName, "CreateChangeSet")
        changes = differences(before, TemplateBody, given)
        self.change_sets[ChangeSetName] = {
            "template": TemplateBody,
            "parameters": given,
            "changes": changes,
            "looks": 0,
        }
        return {"Id": ChangeSetName}

    def describe_change_set(
        self, *, ChangeSetName: str, StackName: str, NextToken: str | None = None
    ) -> dict[str, Any]:
        found = self.change_sets[ChangeSetName]
        found["looks"] += 1
        if found["looks"] == 1:
            return {"Status": "CREATE_PENDING", "Changes": []}
        if not found["changes"]:
            reason = (
                "The submitted information didn't contain changes. Submit different information to create a change set."
            )
            return {"Status": "FAILED", "StatusReason": reason, "Changes": []}
        half = len(found["changes"]) // 2
        page = (
            {"Changes": found["changes"][half:]}
            if NextToken
            else {"Changes": found["changes"][:half], "NextToken": "more"}
        )
        return {"Status": "CREATE_COMPLETE", **page}

    def delete_change_set(self, *, ChangeSetName: str, StackName: str) -> None:
        del self.change_sets[ChangeSetName]

    def execute_change_set(self, *, ChangeSetName: str, StackName: str) -> None:
        stack, found = self.stacks[StackName], self.change_sets.pop(ChangeSetName)
        creates = stack.status == "REVIEW_IN_PROGRESS"
        word = "CREATE" if creates else "UPDATE"
        self.calls.append((word, StackName))
        stack.status = f"{word}_IN_PROGRESS"
        resources = [each["ResourceChange"] for each in found["changes"]]
        failed = [each for each in resources if each["LogicalResourceId"] in self.failing]
        for each in resources:
            name = each["LogicalResourceId"]
            status = "COMPLETE" if not failed else "FAILED"
            reason = self.failing.get(name, "Resource creation cancelled") if failed else ""
            self._event(stack, name, each["ResourceType"], f"{word}_{status}", reason)
        if failed:
            stack.then = [f"{word}_IN_PROGRESS", "ROLLBACK_COMPLETE" if creates else "UPDATE_ROLLBACK_COMPLETE"]
            return
        stack.template, stack.parameters = found["template"], found["parameters"]
        stack.then = [f"{word}_IN_PROGRESS", f"{word}_COMPLETE"]

    def _event(self, stack: Stack, name: str, kind: str, status: str, reason: str) -> None:
        self._count += 1
        event = {"EventId": str(self._count), "LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": status}
        stack.events.append(event | ({"ResourceStatusReason": reason} if reason else {}))

    def describe_stack_events(self, *, StackName: str) -> dict[str, Any]:
        return {"StackEvents": list(reversed(self._stack(StackName, "DescribeStackEvents").events))}

    def set_stack_policy(self, *, StackName: str, StackPolicyBody: str) -> None:
        self.policies[StackName] = StackPolicyBody

    def update_termination_protection(self, *, StackName: str, EnableTerminationProtection: bool) -> None:
        if refused := self.refusing.get("UpdateTerminationProtection"):
            status, code = refused
            answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "UpdateTerminationProtection")  # type: ignore[arg-type]  # only what is looked at
        assert EnableTerminationProtection
        self.kept.add(StackName)

    def delete_stack(self, *, StackName: str) -> None:
        if StackName in self.kept:
            raise refusal(
                "DeleteStack", f"Stack [{StackName}] cannot be deleted while TerminationProtection is enabled"
            )
        stack = self._stack(StackName, "DeleteStack")
        if stack.status == "REVIEW_IN_PROGRESS":
            del self.stacks[StackName]
            return
        self.calls.append(("DELETE", StackName))
        self._event(stack, StackName, "AWS::CloudFormation::Stack", "DELETE_IN_PROGRESS", "")
        stack.then = ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


def differences(before: Stack, template: str, given: dict[str, str]) -> list[dict[str, Any]]:
    """The changes from one state to the next, resource by resource, their resolved properties compared."""
    new = resolver_of(template, given)
    old = before.resolver() if before.template else None
    had = old.tree["Resources"] if old is not None else {}
    actions = {}
    for name in new.tree["Resources"]:
        if name not in had:
            actions[name] = "Add"
        elif old is not None and old.properties(name) != new.properties(name):
            actions[name] = "Modify"
    actions |= {name: "Remove" for name in had if name not in new.tree["Resources"]}
    kinds = {name: each["Type"] for name, each in {**had, **new.tree["Resources"]}.items()}
    return [
        {"ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": kinds[name]}}
        for name, action in actions.items()
    ]
