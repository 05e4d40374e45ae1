"""
CloudFormation's client, in the few words that deploying needs: describe, propose, discard, execute, protect, remove.

Laws: a change is proposed as a change set and executed only as the one that was shown; the events of an operation are told as they
come; a failure names its resource. Waiting is an argument. Every call that AWS refuses becomes AwsRefused.
Refuses to know: which stacks there are, and what their templates say.
Source: AWS CloudFormation API reference.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import botocore.exceptions
from botocore.parsers import ResponseParserError

from infra.errors import AwsRefused, StackFailed
from infra.stacks import Change, StackEvent, StackState, find_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NOTHING: Final = ("didn't contain changes", "No updates are to be performed")
# A first creation that was rolled back leaves an empty stack that can only be removed.
UNUSABLE: Final = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


@contextlib.contextmanager
def calling(doing: str) -> Iterator[None]:
    """AWS's refusals, and what kept a call from AWS, as AwsRefused."""
    try:
        yield
    except botocore.exceptions.ClientError as refused:
        error = refused.response.get("Error", {})
        raise AwsRefused(doing=doing, message=f"{error.get('Code', '')}: {error.get('Message', '')}") from refused
    except (botocore.exceptions.BotoCoreError, ResponseParserError) as refused:
        raise AwsRefused(doing=doing, message=str(refused)) from refused


def _is_known(call: Callable[[], Any]) -> bool:
    """Whether what is called knows the call at all; every other refusal is raised."""
    try:
        call()
    except botocore.exceptions.ClientError as refused:
        if refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != HTTPStatus.NOT_IMPLEMENTED:
            raise
        return False
    return True


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A proposal. `is_empty`: CloudFormation found nothing to do; without that, no changes means outputs or descriptions only."""

    id: str
    stack: str
    creates: bool
    changes: tuple[Change, ...]
    is_empty: bool = False


class CloudFormation:
    """Stacks of one account and region. `pause` is called between two looks; `tell` is given each event once."""

    def __init__(self, client: Any, *, pause: Callable[[], None], tell: Callable[[StackEvent], None]) -> None:
        self._client = client
        self._pause = pause
        self._tell = tell

    def describe(self, name: str) -> StackState | None:
        """The stack, or None if there is none."""
        try:
            with calling(f"looking at the stack {name}"):
                (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        except AwsRefused as refused:
            if "does not exist" in str(refused):
                return None
            raise
        return StackState(
            name=name,
            status=stack["StackStatus"],
            parameters={each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters") or []},
            outputs={each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs") or []},
        )

    def propose(
        self, name: str, *, template: str, parameters: Mapping[str, str], change_set: str, creates: bool
    ) -> ChangeSet:
        """Let CloudFormation compute what would change. Raises: StackFailed if it cannot."""
        with calling(f"asking what would change in {name}"):
            made = self._client.create_change_set(
                StackName=name,
                ChangeSetName=change_set,
                ChangeSetType="CREATE" if creates else "UPDATE",
                TemplateBody=template,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
            )["Id"]
            while (found := self._look(made, name))["Status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                self._pause()
        reason = str(found.get("StatusReason") or "")
        if found["Status"] == "FAILED" and not any(nothing in reason for nothing in _NOTHING):
            self.discard(ChangeSet(made, name, creates, ()))
            raise StackFailed(stack=name, status="unchanged", resource="", kind="", reason=reason)
        changes = tuple(_decode_change(each["ResourceChange"]) for each in found["Changes"] if "ResourceChange" in each)
        return ChangeSet(made, name, creates, changes, is_empty=found["Status"] == "FAILED")

    def _look(self, change_set: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.describe_change_set(ChangeSetName=change_set, StackName=name)
        token = found.get("NextToken")
        while token:
            page = self._client.describe_change_set(ChangeSetName=change_set, StackName=name, NextToken=token)
            found["Changes"] += page["Changes"]
            token = page.get("NextToken")
        return found

    def discard(self, proposal: ChangeSet) -> None:
        """Take a proposal back; of a stack that was only proposed nothing is left either."""
        with calling(f"taking back what was proposed for {proposal.stack}"):
            self._client.delete_change_set(ChangeSetName=proposal.id, StackName=proposal.stack)
            if proposal.creates:
                self._client.delete_stack(StackName=proposal.stack)

    def execute(self, proposal: ChangeSet) -> StackState:
        """Carry a proposal out, to its end. Raises: StackFailed."""
        seen = {event.id for event in self._events(proposal.stack)}
        with calling(f"changing the stack {proposal.stack}"):
            self._client.execute_change_set(ChangeSetName=proposal.id, StackName=proposal.stack)
        return self._follow(proposal.stack, seen)

    def protect(self, name: str, policy: str, *, from_removal: bool) -> list[str]:
        """
        Let no update take away what holds data, and, if asked, nobody remove the stack by mistake.

        Shapes: returned are the calls that this CloudFormation does not know, for there are others than AWS's, and what they protect is none.
        """
        steps: dict[str, Callable[[], Any]] = {
            "SetStackPolicy": partial(self._client.set_stack_policy, StackName=name, StackPolicyBody=policy)
        }
        if from_removal:
            steps["UpdateTerminationProtection"] = partial(
                self._client.update_termination_protection, StackName=name, EnableTerminationProtection=True
            )
        with calling(f"protecting the stack {name}"):
            return [step for step, call in steps.items() if not _is_known(call)]

    def remove(self, name: str) -> None:
        """Remove a stack, to its end. Raises: StackFailed."""
        state = self.describe(name)
        if state is None:
            return
        seen = {event.id for event in self._events(name)}
        with calling(f"removing the stack {name}"):
            self._client.delete_stack(StackName=name)
        self._follow(name, seen)

    def _follow(self, name: str, seen: set[str]) -> StackState:
        """Tell the events until the operation ends."""
        told: list[StackEvent] = []
        while True:
            fresh = [event for event in self._events(name) if event.id not in seen]
            for event in fresh:
                self._tell(event)
            told += fresh
            seen |= {event.id for event in fresh}
            state = self.describe(name)
            if state is None:
                return StackState(name, "DELETE_COMPLETE")
            if not state.status.endswith("_IN_PROGRESS"):
                break
            self._pause()
        if state.is_whole or state.status == "DELETE_COMPLETE":
            return state
        failure = find_failure(told)
        raise StackFailed(
            stack=name,
            status=state.status,
            resource=failure.resource if failure else "",
            kind=failure.kind if failure else "",
            reason=failure.reason if failure else "",
        )

    def _events(self, name: str) -> list[StackEvent]:
        """The stack's newest events, oldest first; none once it is gone."""
        try:
            with calling(f"following the stack {name}"):
                found = self._client.describe_stack_events(StackName=name)["StackEvents"]
        except AwsRefused as refused:
            if "does not exist" in str(refused):
                return []
            raise
        return [_decode_event(event) for event in reversed(found)]


def _decode_change(change: Mapping[str, Any]) -> Change:
    return Change(
        action=change["Action"],
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        replacement=str(change.get("Replacement", "False")),
    )


def _decode_event(event: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=event["EventId"],
        resource=event.get("LogicalResourceId", ""),
        kind=event.get("ResourceType", ""),
        status=event.get("ResourceStatus", ""),
        reason=event.get("ResourceStatusReason") or "",
    )
