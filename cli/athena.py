"""
Athena where a stack is deployed: which workgroup and database, how far a question has come, what it cost.

Laws: progress goes to standard error, an answer alone to standard output; a question that Ctrl-C interrupts is stopped there, and that is said.
Refuses to know: how Athena is asked (sql/athena.py), how an answer is written.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

import click

from cli.answers import printable
from cli.deployed import find_stack, read_outputs
from cli.deploying import connect
from cli.progress import ProgressLine
from infra.errors import DeployError
from infra.stacks import FIRST_HOUR
from sql.athena import QueryEnded, connect_athena, ignore
from sql.prices import load_prices, query_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import boto3

    from sql.athena import Athena, Progress

EXIT_INTERRUPTED: Final = 130  # as shells say of a program that SIGINT ended
NEEDED: Final = ("WorkgroupName", "DatabaseName")


def find_athena(prefix: str, region: str | None, on_progress: Callable[[Progress], None]) -> Athena:
    """
    The Athena of a deployed pipeline.

    Raises: click.ClickException where there is none; EngineFailed.
    """
    try:
        session = connect(region)
        outputs = read_outputs(session, prefix, NEEDED)
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed
    return connect_deployed(session, outputs, on_progress=on_progress)


def find_first_hour(prefix: str, region: str | None) -> str:
    """
    The first hour that a deployed pipeline's tables know (`yyyy/MM/dd/HH`); empty where its stack does not say.

    Raises: click.ClickException where there is none.
    """
    try:
        session = connect(region)
        read_outputs(session, prefix, NEEDED)
        stack = find_stack(session, prefix, "pipeline")
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed
    return stack.parameters.get(FIRST_HOUR, "") if stack else ""


def connect_deployed(
    session: boto3.Session, outputs: Mapping[str, str], *, on_progress: Callable[[Progress], None] = ignore
) -> Athena:
    """The Athena that a pipeline's outputs name. Raises: EngineFailed."""
    workgroup, database = (outputs[name] for name in NEEDED)
    return connect_athena(session, workgroup=workgroup, database=database, on_progress=on_progress)


@contextlib.contextmanager
def metered() -> Iterator[Callable[[Progress], None]]:
    """What says how far a question has come, a log's line for each state; and what became of one that was interrupted or stopped."""
    state = ""

    def show(progress: Progress) -> None:
        nonlocal state
        waited = f"{describe_bytes(progress.scanned_bytes)} scanned, {progress.waited_s:.0f} s"
        line.show(f"Athena: {progress.state.lower()}, {waited}", is_news=progress.state != state)
        state = progress.state

    with ProgressLine() as line:
        try:
            yield show
        except KeyboardInterrupt as interrupted:
            line.close()
            for note in getattr(interrupted, "__notes__", ["Interrupted; nothing runs on in Athena."]):
                click.echo(printable(note), err=True)
            sys.exit(EXIT_INTERRUPTED)
        except QueryEnded as ended:
            line.close()
            if ended.state == "CANCELLED":
                click.echo(describe_cost(ended.scanned_bytes), err=True)
            raise


def describe_cost(scanned_bytes: int) -> str:
    """What a question scanned and what that costs."""
    prices = load_prices()
    return (
        f"Athena: scanned {describe_bytes(scanned_bytes)}, ${query_cost(scanned_bytes):.6f} at list prices of {prices['as_of']}"
        f" ({prices['region']}; 10 MB at least are billed)"
    )


def describe_bytes(size_bytes: int) -> str:
    """Bytes as people say them: 12.3 MB."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004  # as disks and AWS's bills count
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "B" else f"{size_bytes} B"
