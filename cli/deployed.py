"""
What the stacks of a deployment say of themselves: outputs by name, and a stack as CloudFormation has it.

Laws: reads only; what is not said is named, all of it at once, with the stack that should say it.
Refuses to know: what an output is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.cloudformation import CloudFormation
from infra.errors import AwsRefused
from infra.stacks import stack_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import boto3

    from infra.stacks import StackState

# Which stack says what.
SAID_BY: Final[Mapping[str, str]] = {
    "LakeBucketName": "storage",
    "WorkBucketName": "storage",
    "DatabaseName": "pipeline",
    "WorkgroupName": "pipeline",
    "StreamName": "pipeline",
}


def find_stack(session: boto3.Session, prefix: str, stack: str) -> StackState | None:
    """One stack of this prefix, or None if there is none. Raises: AwsRefused."""
    stacks = CloudFormation(session.client("cloudformation"), pause=lambda: None, tell=lambda _: None)
    state = stacks.describe(stack_name(prefix, stack))
    return state if state is not None and state.exists else None


def read_outputs(session: boto3.Session, prefix: str, names: Iterable[str]) -> dict[str, str]:
    """
    These outputs of the stacks of this prefix.

    Raises: AwsRefused, also where a stack does not say one of them.
    """
    wanted = tuple(names)
    states = [find_stack(session, prefix, stack) for stack in dict.fromkeys(SAID_BY[name] for name in wanted)]
    said = {name: text for state in states if state is not None for name, text in state.outputs.items()}
    if missing := [name for name in wanted if name not in said]:
        raise _lacking(prefix, missing)
    return {name: said[name] for name in wanted}


def _lacking(prefix: str, missing: list[str]) -> AwsRefused:
    stacks = [stack_name(prefix, stack) for stack in dict.fromkeys(SAID_BY[name] for name in missing)]
    one = len(stacks) == 1
    return AwsRefused(
        doing=f"looking for the stack{'' if one else 's'} {' and '.join(stacks)}",
        message=f"{'it does' if one else 'they do'} not say {', '.join(missing)}; `ticklake deploy` makes {'it' if one else 'them'}. "
        f"Say --name and --region if {'it is' if one else 'they are'} another's.",
    )
