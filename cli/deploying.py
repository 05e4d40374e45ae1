"""
Templates, packages, buckets and CloudFormation in one place: what `ticklake deploy`, `status` and `destroy` do, stack by stack.

Laws: a plan changes nothing that lasts; a change is shown before it is made; the same command again changes nothing; what holds data is never
removed. Says what it does through `say`.
Refuses to know: options, colours, exit codes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.exceptions

from cli.oldest import find_oldest_hour
from infra.cloudformation import UNUSABLE, calling
from infra.errors import AwsRefused
from infra.package import describe
from infra.stacks import (
    CODE,
    DATA_POLICY,
    FLOWS,
    STACKS,
    check_freshness,
    check_unknown,
    drained_after_s,
    plan_creation,
    plan_parameters,
    stack_name,
)
from local.firehose.intrinsics import parse_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from infra.cloudformation import ChangeSet, CloudFormation
    from infra.package import Package
    from infra.stacks import StackState


@lru_cache(maxsize=8)
def _parse(text: str, template: str) -> Mapping[str, Any]:
    """A template, parsed once: that takes half a second for all of them."""
    return parse_template(text, template=template)


HOLD_DATA: Final = ("storage", "producer")


def connect(region: str | None) -> boto3.Session:
    """A session; everything left out comes from AWS's own variables, files and roles. Raises: AwsRefused without a region."""
    try:
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
    except botocore.exceptions.BotoCoreError as wrong:
        raise AwsRefused(doing="reading AWS's settings", message=str(wrong)) from wrong
    if session.region_name is None:
        raise AwsRefused(doing="reading AWS's settings", message="no region is set; say --region, or AWS_REGION.")
    return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment's stacks, and how they are reached."""

    prefix: str
    templates: Path
    cloudformation: CloudFormation
    s3: Any
    say: Callable[[str], None]
    build: Callable[[str, str, str], Package]  # a function's package, by its name, for a runtime and an architecture

    def name(self, stack: str) -> str:
        """The stack's name."""
        return stack_name(self.prefix, stack)

    def text(self, stack: str) -> str:
        """The stack's template."""
        return (self.templates / f"{stack}.yaml").read_text(encoding="utf-8")

    def tree(self, stack: str) -> Mapping[str, Any]:
        """The same, parsed."""
        return _parse(self.text(stack), f"{stack}.yaml")

    def states(self) -> dict[str, StackState]:
        """The stacks that exist."""
        found = {stack: self.cloudformation.describe(self.name(stack)) for stack in STACKS}
        return {stack: state for stack, state in found.items() if state is not None and state.exists}

    def oldest_hour(self, states: Mapping[str, StackState]) -> str | None:
        """The oldest hour of a lake that stayed when its pipeline went; None where there is no such lake. Raises: AwsRefused."""
        bucket = states["storage"].outputs.get("LakeBucketName") if "storage" in states else None
        return find_oldest_hour(self.s3, bucket) if bucket and "pipeline" not in states else None

    # ------------------------------------------------------------------ deploy

    def deploy(
        self, *, given: Mapping[str, str], plan: bool, agree: Callable[[str], bool], change_set: str
    ) -> dict[str, StackState]:
        """
        All stacks as their templates say, or, with `plan`, what that would change.

        `agree` is asked before each change; a no ends it. `change_set` names the proposals.
        Raises: DeployError.
        """
        declared = {stack: dict(self.tree(stack).get("Parameters") or {}) for stack in STACKS}
        check_unknown(given, declared)
        states = self.states()
        packages = self._build()
        for stack in self._wanted(given, states):
            code = packages.get(stack, {})
            values = dict(given) | {parameter: package.key for parameter, package in code.items()}
            lacking = {source for source, _ in FLOWS[stack].values()} - set(states)
            if plan and (lacking or stack not in states):
                self._show_creation(stack)
                continue
            parameters = plan_parameters(
                stack,
                declared=declared[stack],
                outputs={name: state.outputs for name, state in states.items()},
                given={name: value for name, value in values.items() if name in declared[stack]},
                previous={
                    name: value
                    for name, value in (states[stack].parameters.items() if stack in states else ())
                    if name in declared[stack]
                },
            )
            if stack == "pipeline":
                check_freshness(parameters, declared[stack])
            state = self._change(
                stack, parameters, plan=plan, agree=agree, change_set=change_set, code=code.values(), states=states
            )
            if state is None:
                break
            states[stack] = state
        return states

    def _wanted(self, given: Mapping[str, str], states: Mapping[str, StackState]) -> tuple[str, ...]:
        """The producer stack only if somebody has an image for it."""
        return tuple(stack for stack in STACKS if stack != "producer" or "ImageUri" in given or stack in states)

    def _build(self) -> dict[str, dict[str, Package]]:
        """For each stack with functions: the parameter that names a function's code, and its package."""
        return {
            stack: {name: self._build_one(stack, each) for name, each in code.items()} for stack, code in CODE.items()
        }

    def _build_one(self, stack: str, resource: str) -> Package:
        function = self.tree(stack)["Resources"][resource]["Properties"]
        package = self.build(resource.lower(), function["Runtime"], function["Architectures"][0])
        self.say(f"package {describe(package)}")
        return package

    def _show_creation(self, stack: str) -> None:
        resources = self.tree(stack)["Resources"]
        self.say(
            f"\n{self.name(stack)} would be created ({len(resources)} resources, fewer if their conditions say so):"
        )
        for change in plan_creation(resources):
            self.say(str(change))

    def _change(
        self,
        stack: str,
        parameters: Mapping[str, str],
        *,
        plan: bool,
        agree: Callable[[str], bool],
        change_set: str,
        code: Iterable[Package],
        states: Mapping[str, StackState],
    ) -> StackState | None:
        """One stack's change: shown, agreed to, made. None if somebody said no."""
        name = self.name(stack)
        if stack in states and states[stack].status in UNUSABLE:
            self.say(
                f"\n{name} is {states[stack].status}: an earlier creation failed and left it empty; it is removed first."
            )
            if plan:
                self._show_creation(stack)
                return states[stack]
            self.cloudformation.remove(name)
            states = {other: state for other, state in states.items() if other != stack}
        proposal = self.cloudformation.propose(
            name, template=self.text(stack), parameters=parameters, change_set=change_set, creates=stack not in states
        )
        self._show(proposal)
        if not (plan or proposal.is_empty or agree(f"Change {name}?")):
            self.cloudformation.discard(proposal)
            return None
        if plan or proposal.is_empty:
            self.cloudformation.discard(proposal)
            state = states[stack]
        else:
            for package in code:
                self._upload(states["storage"].outputs["WorkBucketName"], package)
            state = self.cloudformation.execute(proposal)
        if stack in HOLD_DATA and not plan:  # also of a stack that was made without this program
            for call in self.cloudformation.protect(name, DATA_POLICY, from_removal=stack == "storage"):
                self.say(f"  {name} is without a protection: this CloudFormation does not know {call}")
        return state

    def _show(self, proposal: ChangeSet) -> None:
        if proposal.is_empty:
            self.say(f"\n{proposal.stack}: nothing to change.")
            return
        what = ":" if proposal.changes else " in its outputs or descriptions only."
        self.say(f"\n{proposal.stack} will be {'created' if proposal.creates else 'changed'}{what}")
        for change in proposal.changes:
            self.say(str(change))

    def _upload(self, bucket: str, package: Package) -> None:
        """By content hash: what is there already is not sent again."""
        with calling(f"looking into {bucket}"):
            found = self.s3.list_objects_v2(Bucket=bucket, Prefix=package.key).get("KeyCount", 0)
        if found:
            self.say(f"  s3://{bucket}/{package.key} is there already")
            return
        with calling(f"uploading the package to {bucket}"):
            self.s3.put_object(Bucket=bucket, Key=package.key, Body=package.content)
        self.say(f"  uploaded s3://{bucket}/{package.key}")

    # ------------------------------------------------------------------ destroy

    def destroy(self, *, wait: Callable[[float], None] | None) -> dict[str, StackState]:
        """
        Remove the producer, the upkeep, then the pipeline; what holds data stays. Returns the stacks that stay.

        Before the last `wait` is given the seconds that the stream needs to deliver what it has buffered; None discards that.
        Raises: DeployError.
        """
        states = self.states()
        for stack in ("producer", "upkeep"):
            if stack in states:
                self.cloudformation.remove(self.name(stack))
        if "pipeline" in states:
            seconds = drained_after_s(states["pipeline"].parameters)
            if wait is not None:
                self.say(
                    f"Waiting {seconds:.0f} s: removing a stream discards what it has not delivered (--now does not wait)."
                )
                wait(seconds)
            self.cloudformation.remove(self.name("pipeline"))
        return self.states()
