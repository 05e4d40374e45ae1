"""
`ticklake destroy`: the producer, the upkeep and the pipeline go, what holds data stays, and it is said where.

Laws: thin; no data is removed; what the stream has buffered is delivered first, unless it is told not to wait.
Refuses to know: how stacks are removed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from cli.deploy import make_deployment
from infra.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.stacks import StackState


@click.command("destroy")
@click.option("--name", "prefix", default="ticklake", show_default=True, help="What the stacks' names begin with.")
@click.option("--region", help="The region; by default AWS's own settings say.")
@click.option(
    "--now", is_flag=True, help="Do not wait until the stream has delivered what it has buffered: that is discarded."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(prefix: str, region: str | None, *, now: bool, yes: bool) -> None:
    """
    Remove the producer's, the upkeep's and the pipeline's stack. The storage stack stays, with the lake, its key and its logs.

    Producers that run elsewhere have to be stopped first; their journals keep what they cannot deliver.
    """
    try:
        deployment = make_deployment(prefix, region)
        before = deployment.states()
        going = [before[stack].name for stack in ("producer", "upkeep", "pipeline") if stack in before]
        if not going:
            click.echo("There is nothing to remove.")
        elif not (yes or click.confirm(f"Remove {' and '.join(going)}?")):
            return
        deployment.destroy(wait=None if now else time.sleep)
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed
    for line in describe_what_stays(before):
        click.echo(line)


def describe_what_stays(before: Mapping[str, StackState]) -> Iterator[str]:
    """Where the data is now."""
    storage = before["storage"].outputs if "storage" in before else {}
    if storage:
        yield f"\nThe data stays: s3://{storage['LakeBucketName']}, encrypted with {storage['LakeKeyArn']}."
        yield f"It belongs to the stack {before['storage'].name}; `ticklake deploy` finds it again. docs/deploy.md says how to remove it for good."
    if "producer" in before and "JournalFileSystemId" in before["producer"].outputs:
        yield f"The producer's journal stays on the file system {before['producer'].outputs['JournalFileSystemId']}."
