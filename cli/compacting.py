"""
`ticklake compact --athena`: what the function does every hour, from a terminal and without its time limit.

Laws: the lake, the workgroup and the database are those that the stacks say; nothing is begun before all of them are known. It may run beside the
function: an hour counts once, whoever names it.
Refuses to know: options, how an hour is compacted (compact_lambda/).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import click

from cli.answers import printable
from cli.athena import EXIT_INTERRUPTED, connect_deployed, describe_bytes
from cli.deployed import read_outputs
from cli.deploying import connect
from cli.progress import ProgressLine
from compact_lambda.bucket import DeleteRefused, S3Bucket
from compact_lambda.hour import Place
from compact_lambda.run import CompactionFailed, HourDone, Rim, compact_lake
from compact_lambda.tables import read_first_hour
from infra.cloudformation import calling
from infra.errors import DeployError
from sql.engine import EngineFailed
from sql.history import ManifestDamaged

if TYPE_CHECKING:
    from compact_lambda.run import HourNotDone, Outcome, Wanted

NEEDED: Final = ("LakeBucketName", "WorkBucketName", "DatabaseName", "WorkgroupName")


def compact_in_aws(prefix: str, region: str | None, wanted: Wanted) -> Outcome:
    """
    Compact the lake of these stacks, and say what happens.

    Raises: click.ClickException for whatever AWS refuses, and for hours that failed.
    """
    try:
        return compact_place(find_place(prefix, region), wanted)
    except KeyboardInterrupt as interrupted:
        for note in getattr(interrupted, "__notes__", []):
            click.echo(printable(note), err=True)
        click.echo(
            "Interrupted: the hours that were compacted count, and the same command goes on with the others.", err=True
        )
        sys.exit(EXIT_INTERRUPTED)
    except (DeployError, EngineFailed, ManifestDamaged, DeleteRefused) as error:
        raise click.ClickException(printable(str(error))) from error


def find_place(prefix: str, region: str | None) -> Place:
    """Where the stacks of this prefix keep their lake. Raises: DeployError, EngineFailed."""
    session = connect(region)
    outputs = read_outputs(session, prefix, NEEDED)
    s3 = session.client("s3")
    with calling(f"asking from which hour on the tables of {outputs['DatabaseName']} know rows"):
        first_hour = read_first_hour(session.client("glue"), database=outputs["DatabaseName"])
    return Place(
        lake=S3Bucket(s3, outputs["LakeBucketName"]),
        work=S3Bucket(s3, outputs["WorkBucketName"]),
        athena=connect_deployed(session, outputs),
        first_hour=first_hour,
    )


def compact_place(place: Place, wanted: Wanted) -> Outcome:
    """
    Compact this lake, an hour a line.

    Clock: reads it, for what is closed and how old objects are.
    Raises: AwsRefused, EngineFailed, ManifestDamaged; click.ClickException for hours that failed.
    """
    with ProgressLine() as line, calling(f"compacting {place.lake.name}"):

        def tell(hour: HourDone | HourNotDone) -> None:
            line.clear()
            click.echo(say_hour(hour))

        rim = Rim(
            clock=lambda: datetime.now(UTC),
            nonce=lambda: token_hex(4),
            tell=tell,
            step=lambda event_hour, step: line.show(f"{event_hour}  {step}", is_news=False),
        )
        out = compact_lake(place, rim, wanted)
    if wanted.dry_run:
        for hour in out.planned:
            click.echo(f"{hour.event_hour}  from {len(hour.inputs)} objects")
    click.echo(say_outcome(out, dry_run=wanted.dry_run))
    if out.failures:
        raise click.ClickException(str(CompactionFailed(failures=out.failures)))
    return out


def say_hour(hour: HourDone | HourNotDone) -> str:
    """What became of one hour, as a line."""
    if isinstance(hour, HourDone):
        seconds = f"{hour.took_ms / 1000:.1f} s"
        counts = f"{hour.delivered} rows of {hour.inputs} objects to {hour.trades} trades"
        return f"{hour.event_hour}  {counts}, {describe_bytes(hour.scanned_bytes)} scanned, {seconds}"
    return f"{hour.event_hour}  {'left to another run: ' if hour.taken else 'FAILED: '}{printable(hour.why)}"


def say_outcome(out: Outcome, *, dry_run: bool) -> str:
    """What the run did, as a line, and one for each frozen hour."""
    count, verb = (len(out.planned), "would be compacted") if dry_run else (len(out.done), "compacted")
    trades = f", {sum(hour.trades for hour in out.done)} trades" if out.done else ""
    line = (
        f"{count} hours {verb}{trades}; {out.served_count - len(out.done)} were already; {len(out.open_hours)} not closed yet; "
        f"{len(out.frozen)} frozen; {describe_bytes(out.scanned_bytes)} scanned"
    )
    if not dry_run:
        line += f"; {len(out.swept)} leftovers swept; the view uncompacted begins at {out.first_hour}"
    return "\n".join([line, *map(say_frozen, out.frozen)])


def say_frozen(event_hour: str) -> str:
    """What is to be known of a frozen hour."""
    return f"Hour {event_hour} has late rows, and the objects it was made of are gone: it stays as it is. Put them back to fold the rows in."
