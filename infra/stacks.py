"""
What deploying decides, without AWS: the stacks in their order, which output becomes which parameter, what a change set says, which event is
the failure.

Laws: pure; a value that was set once stays until it is set again; nothing is guessed for a parameter that has no source.
Refuses to know: CloudFormation's client, files, who is shown the lines.
Source: AWS CloudFormation API reference (ResourceChange, StackEvent, Parameter).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from infra.errors import ParameterMissing, ParameterRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

STACKS: Final = ("storage", "pipeline", "upkeep", "producer")
# For each stack: its parameter -> the stack and the output that it comes from.
FLOWS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "storage": {},
    "pipeline": {
        "LakeBucketName": ("storage", "LakeBucketName"),
        "LakeKeyArn": ("storage", "LakeKeyArn"),
        "CodeBucketName": ("storage", "WorkBucketName"),
        "ResultsBucketName": ("storage", "WorkBucketName"),
    },
    "upkeep": {
        "LakeBucketName": ("storage", "LakeBucketName"),
        "LakeKeyArn": ("storage", "LakeKeyArn"),
        "CodeBucketName": ("storage", "WorkBucketName"),
        "ResultsBucketName": ("storage", "WorkBucketName"),
        "DatabaseName": ("pipeline", "DatabaseName"),
        "WorkgroupName": ("pipeline", "WorkgroupName"),
        "TopicArn": ("pipeline", "TopicArn"),
    },
    "producer": {
        "StreamName": ("pipeline", "StreamName"),
        "StreamArn": ("pipeline", "StreamArn"),
        "LakeKeyArn": ("storage", "LakeKeyArn"),
    },
}
# For each stack with functions: the parameter that says where a function's code is -> the function's resource; infra/recipes.py knows its
# package by that name in small letters.
CODE: Final[Mapping[str, Mapping[str, str]]] = {
    "pipeline": {"TransformCodeKey": "Transform"},
    "upkeep": {"AuditCodeKey": "Audit", "CompactCodeKey": "Compact"},
}
# What raises alarms: they are named after their stack.
WATCHED: Final = ("pipeline", "upkeep")
# No update of a stack may take away or replace what holds data; whoever means it changes this policy first.
DATA_POLICY: Final = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"ResourceType": ["AWS::S3::Bucket", "AWS::KMS::Key", "AWS::EFS::FileSystem"]}
                },
            },
        ]
    }
)
_SIGN: Final = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "+", "Dynamic": "?"}
_CANCELLED: Final = ("cancelled", "The following resource(s) failed")  # the echo of a failure, not the failure
FIRST_HOUR: Final = "LakeFirstHour"  # pipeline.yaml's parameter
LAMBDA_TIMEOUT_S: Final = 120  # pipeline.yaml's (a test compares)
PARTITIONING_FACTOR: Final = 1.5  # dynamic partitioning may delay that much, AWS says


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack as CloudFormation describes it. Shapes: `parameters` and `outputs` by name."""

    name: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether there is a stack to update: a reviewed one that was never executed, or a removed one, is none."""
        return self.status not in {"REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}

    @property
    def is_whole(self) -> bool:
        """Whether the last operation succeeded."""
        return self.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a change set."""

    action: str
    resource: str
    kind: str
    replacement: str = "False"

    def __str__(self) -> str:
        note = {"True": "  REPLACED", "Conditional": "  perhaps replaced"}.get(self.replacement, "")
        return f"  {_SIGN.get(self.action, '?')} {self.resource} ({self.kind}){note}"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One event of a stack."""

    id: str
    resource: str
    kind: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"  {self.status:<28} {self.resource} ({self.kind}){': ' + self.reason if self.is_failure else ''}"

    @property
    def is_failure(self) -> bool:
        """Whether it says that something failed."""
        return self.status.endswith("FAILED")


def stack_name(prefix: str, stack: str) -> str:
    """A stack's name: ticklake-storage."""
    return f"{prefix}-{stack}"


def plan_parameters(
    stack: str,
    *,
    declared: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, Mapping[str, str]],
    given: Mapping[str, str],
    previous: Mapping[str, str],
) -> dict[str, str]:
    """
    A value for every declared parameter that has one other than its default: given, from another stack's output, or as it was.

    Raises: ParameterMissing, naming all that have neither a value nor a default.
    """
    values = {}
    for name, rules in declared.items():
        source, output = FLOWS[stack].get(name, ("", ""))
        flowed = outputs.get(source, {}).get(output)
        value = given.get(name, flowed if flowed is not None else previous.get(name))
        if value is not None and value != str(rules.get("Default")):
            values[name] = value
    missing = tuple(name for name, rules in declared.items() if name not in values and "Default" not in rules)
    if missing:
        raise ParameterMissing(stack=stack, names=missing)
    return values


def choose_first_hour(
    given: Mapping[str, str], existing: Iterable[str], *, oldest: str | None, now: datetime
) -> dict[str, str]:
    """
    The pipeline's LakeFirstHour where there is no pipeline and nobody says it: the start of the day before `now`, in UTC, or the `oldest` hour
    of the lake that an earlier pipeline filled, as keys write it. Nothing otherwise: it stays as it is.

    Athena asks S3 for every hour that a table knows, so one that knew all since 2014 would cost a dollar for each question without a beginning
    (three kinds of 113,000 hours, a LIST request each).
    """
    if FIRST_HOUR in given or "pipeline" in existing:
        return {}
    day_before = (now - timedelta(days=1)).strftime("%Y/%m/%d/00")
    return {FIRST_HOUR: min(day_before, oldest or day_before)}


def check_unknown(given: Iterable[str], declared: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises: ParameterRefused if no stack has a parameter of that name. Shapes: `declared` by stack."""
    known = {name for parameters in declared.values() for name in parameters}
    for name in given:
        if name not in known:
            raise ParameterRefused(
                problem=f"No stack has a parameter {name}.", advice=f"There are: {', '.join(sorted(known))}."
            )


def check_freshness(values: Mapping[str, str], declared: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises: ParameterRefused if the freshness alarm would be up on an ordinary day."""
    transform_s, lake_s, alarm_s = (
        int(values.get(name, declared[name]["Default"]))
        for name in ("TransformBufferSeconds", "LakeBufferSeconds", "FreshnessAlarmSeconds")
    )
    ordinary_s = transform_s + LAMBDA_TIMEOUT_S + PARTITIONING_FACTOR * lake_s
    if alarm_s <= ordinary_s:
        raise ParameterRefused(
            problem=f"With these buffers a record may be {ordinary_s:.0f} s old while all is well, and FreshnessAlarmSeconds is {alarm_s}.",
            advice="Raise it, or shorten a buffer; docs/operations.md has the arithmetic.",
        )


def drained_after_s(parameters: Mapping[str, str]) -> float:
    """How long after its last record a stream has delivered everything, if all is well."""
    transform_s, lake_s = (float(parameters.get(name, 0)) for name in ("TransformBufferSeconds", "LakeBufferSeconds"))
    return transform_s + LAMBDA_TIMEOUT_S + PARTITIONING_FACTOR * lake_s


def plan_creation(resources: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """What creating a stack adds, as far as its template says: conditions are not looked at."""
    return [Change("Add", name, str(resource["Type"])) for name, resource in resources.items()]


def find_failure(events: Sequence[StackEvent]) -> StackEvent | None:
    """The first failure, oldest first, that is not the echo of another. Shapes: events oldest first."""
    failures = [event for event in events if event.is_failure]
    own = [event for event in failures if not any(echo in event.reason for echo in _CANCELLED)]
    return next(iter(own or failures), None)
