"""
`ticklake status`: the deployed stacks, the alarms that are up, whether the views are there, and the next command.

Laws: thin; only reads. Exit code: 0 all is well, 1 a stack or an alarm is not, or a view is missing.
Refuses to know: what an alarm means (docs/operations.md does).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.catalog import describe_views, find_catalog
from cli.deploy import describe_outputs, make_deployment, next_command
from cli.deploying import connect
from infra.cloudformation import calling
from infra.errors import DeployError
from infra.stacks import WATCHED
from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.stacks import StackState


@click.command("status")
@click.option("--name", "prefix", default="ticklake", show_default=True, help="What the stacks' names begin with.")
@click.option("--region", help="The region; by default AWS's own settings say.")
def command(prefix: str, region: str | None) -> None:
    """Show the stacks, their outputs, the alarms that are up, and whether the views are there."""
    try:
        states = make_deployment(prefix, region).states()
        watched = [f"{states[stack].name}-" for stack in WATCHED if stack in states]
        client = connect(region).client("cloudwatch")
        alarms = {start: read_alarms(client, start) for start in watched}
        if not states:
            click.echo(f"There is no stack named {prefix}-…")
        for line in [*describe_outputs(states), "", *describe_alarms(alarms)]:  # before Glue is asked: it may refuse
            click.echo(line)
        catalog = find_catalog(connect(region), states)
        views = catalog.plan_views() if catalog is not None else None
    except (DeployError, EngineFailed) as failed:
        raise click.ClickException(str(failed)) from failed
    if views is not None:
        click.echo(describe_views(views))
    click.echo(f"\nNext: {next_command(prefix, states)}")
    well = is_well(states, [alarm for each in alarms.values() for alarm in each])
    sys.exit(0 if well and not (views and views.missing_views) else 1)


def read_alarms(client: Any, prefix: str) -> list[Mapping[str, str]]:
    """The alarms whose names begin so. Raises: AwsRefused."""
    with calling("looking at the alarms"):
        pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def describe_alarms(alarms: Mapping[str, list[Mapping[str, str]]]) -> Iterator[str]:
    """How many alarms there are, and each that is not quiet. Shapes: by what their names begin with."""
    states = [alarm["StateValue"] for each in alarms.values() for alarm in each]
    yield f"alarms: {len(states)}, {states.count('ALARM')} up, {states.count('INSUFFICIENT_DATA')} without data so far"
    for start, each in alarms.items():
        for alarm in each:
            if alarm["StateValue"] == "ALARM":
                name = alarm["AlarmName"].removeprefix(start)
                yield f"  {name}: {alarm['StateReason']}  (docs/operations.md#{name})"


def is_well(states: Mapping[str, StackState], alarms: list[Mapping[str, str]]) -> bool:
    """Whether every stack is whole and no alarm is up."""
    return all(state.is_whole for state in states.values()) and all(each["StateValue"] != "ALARM" for each in alarms)
