"""
`ticklake status`: the deployed stacks, the alarms that are up, and the next command.

Laws: thin; only reads. Exit code: 0 all is well, 1 a stack or an alarm is not.
Refuses to know: what an alarm means (docs/operations.md does).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.deploy import describe_outputs, make_deployment, next_command
from cli.deploying import connect
from infra.cloudformation import calling
from infra.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.stacks import StackState


@click.command("status")
@click.option("--name", "prefix", default="ticklake", show_default=True, help="What the stacks' names begin with.")
@click.option("--region", help="The region; by default AWS's own settings say.")
def command(prefix: str, region: str | None) -> None:
    """Show the stacks, their outputs, and the alarms that are up."""
    try:
        states = make_deployment(prefix, region).states()
        alarms = (
            read_alarms(connect(region).client("cloudwatch"), f"{prefix}-pipeline-") if "pipeline" in states else []
        )
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed
    if not states:
        click.echo(f"There is no stack named {prefix}-…")
    for line in [*describe_outputs(states), "", *describe_alarms(alarms, f"{prefix}-pipeline-")]:
        click.echo(line)
    click.echo(f"\nNext: {next_command(prefix, states)}")
    sys.exit(0 if is_well(states, alarms) else 1)


def read_alarms(client: Any, prefix: str) -> list[Mapping[str, str]]:
    """The alarms whose names begin so. Raises: AwsRefused."""
    with calling("looking at the alarms"):
        pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def describe_alarms(alarms: list[Mapping[str, str]], prefix: str) -> Iterator[str]:
    """How many alarms there are, and each that is not quiet."""
    up = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    waiting = sum(alarm["StateValue"] == "INSUFFICIENT_DATA" for alarm in alarms)
    yield f"alarms: {len(alarms)}, {len(up)} up, {waiting} without data so far"
    for alarm in up:
        name = alarm["AlarmName"].removeprefix(prefix)
        yield f"  {name}: {alarm['StateReason']}  (docs/operations.md#{name})"


def is_well(states: Mapping[str, StackState], alarms: list[Mapping[str, str]]) -> bool:
    """Whether every stack is whole and no alarm is up."""
    return all(state.is_whole for state in states.values()) and all(each["StateValue"] != "ALARM" for each in alarms)
