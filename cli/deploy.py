"""
`ticklake deploy`: the stacks of infra/ into an AWS account, each change shown before it is made.

Laws: thin; the same command again changes nothing; a failure is the failing resource and its reason.
Refuses to know: what a stack holds, and how CloudFormation is asked.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.catalog import describe_plan, find_catalog, plan_new
from cli.deploying import Deployment, connect
from infra import ROOT
from infra.cloudformation import CloudFormation
from infra.errors import DeployError
from infra.package import build_package, target_of
from infra.recipes import RECIPES
from infra.stacks import STACKS, choose_first_hour
from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.catalog import Catalog
    from infra.stacks import StackState

POLL_S = 3.0


@click.command("deploy")
@click.option("--name", "prefix", default="ticklake", show_default=True, help="What the stacks' names begin with.")
@click.option("--region", help="The region; by default AWS's own settings say.")
@click.option(
    "--image", metavar="URI@sha256:…", help="The producer's image, by digest; with it the producer is deployed too."
)
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="A stack's parameter; what was set once stays."
)
@click.option("--plan", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before each change.")
@click.option("--templates", type=click.Path(exists=True, file_okay=False, path_type=Path), default=ROOT,
              help="Folder of the templates; by default the program's own.")  # fmt: skip
def command(
    prefix: str,
    region: str | None,
    image: str | None,
    settings: tuple[str, ...],
    templates: Path,
    *,
    plan: bool,
    yes: bool,
) -> None:
    """
    Put the stacks into the account: storage (kept for ever), pipeline, upkeep (audit and compaction), and the producer if there is an image for it;
    then the views and named queries into Athena.

    \b
    ticklake deploy --plan
    ticklake deploy --set NotifyEmail=you@example.com
    ticklake deploy --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/ticklake-storage@sha256:… \\
        --set VpcId=vpc-… --set FirstSubnetId=subnet-… --set SecondSubnetId=subnet-…
    """  # noqa: D301  # \b is click's own mark: keep these lines as they are
    given = decode_settings(settings) | ({"ImageUri": image} if image else {})
    try:
        deployment = make_deployment(prefix, region, templates)
        chosen = choose_first_hour(
            given, before := deployment.states(), oldest=deployment.oldest_hour(before), now=datetime.now(UTC)
        )
        for name, value in chosen.items():
            click.echo(
                f"{name}={value}: the tables know hours from then on (--set {name}=yyyy/MM/dd/HH for an earlier backfill)"
            )
        states = deployment.deploy(
            given=given | chosen,
            plan=plan,
            agree=lambda question: yes or click.confirm(question),
            change_set=f"ticklake-{time.time_ns()}",
        )
        deploy_catalog(find_catalog(connect(region), states), plan=plan, yes=yes)
    except (DeployError, EngineFailed) as failed:
        raise click.ClickException(str(failed)) from failed
    if plan:
        click.echo("\nNothing was changed.")
        return
    for line in describe_outputs(states):
        click.echo(line)
    click.echo(f"\nNext: {next_command(prefix, states)}")


def deploy_catalog(catalog: Catalog | None, *, plan: bool, yes: bool) -> None:
    """The views and named queries, shown and made. Raises: DeployError, EngineFailed."""
    if catalog is None:
        if plan:
            new = plan_new()
            click.echo(f"\n{len(new.views)} views and {len(new.queries)} named queries would be made in Athena.")
        return
    steps = catalog.plan()
    for line in describe_plan(steps):
        click.echo(line)
    if not plan and not steps.is_empty and (yes or click.confirm("Change the views and named queries?")):
        catalog.carry_out(steps, click.echo)


def make_deployment(prefix: str, region: str | None, templates: Path = ROOT, poll_s: float = POLL_S) -> Deployment:
    """The stacks of one prefix. Raises: DeployError."""
    session = connect(region)
    stacks = CloudFormation(
        session.client("cloudformation"), pause=lambda: time.sleep(poll_s), tell=lambda event: click.echo(str(event))
    )
    return Deployment(
        prefix=prefix,
        templates=templates,
        cloudformation=stacks,
        s3=session.client("s3"),
        say=click.echo,
        build=lambda name, runtime, architecture: build_package(
            RECIPES[name], target_of(runtime=runtime, architecture=architecture)
        ),
    )


def decode_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE pairs. Raises: click.UsageError."""
    pairs = [text.partition("=") for text in settings]
    if any(not sign or not name for name, sign, _ in pairs):
        raise click.UsageError("--set wants NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def describe_outputs(states: Mapping[str, StackState]) -> list[str]:
    """Each stack's status and outputs, as lines."""
    lines = []
    for stack in STACKS:
        if stack in states:
            lines.append(f"\n{states[stack].name}  {states[stack].status}")
            lines += [f"  {name:<20} {value}" for name, value in sorted(states[stack].outputs.items())]
    return lines


def next_command(prefix: str, states: Mapping[str, StackState]) -> str:
    """What to type next."""
    if "pipeline" not in states:
        return "ticklake deploy" + (f" --name {prefix}" if prefix != "ticklake" else "")
    if "producer" not in states:
        outputs = states["pipeline"].outputs
        return f"ticklake run --stream {outputs.get('StreamName', '…')}   (or an image and `ticklake deploy --image …`: docs/deploy.md)"
    return "ticklake status" + (f" --name {prefix}" if prefix != "ticklake" else "")
