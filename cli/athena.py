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
from cli.deploying import connect
from infra.cloudformation import CloudFormation
from infra.errors import AwsRefused, DeployError
from infra.stacks import FIRST_HOUR, stack_name
from sql.athena import QueryEnded, connect_athena, ignore
from sql.prices import load_prices, query_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import boto3

    from infra.stacks import StackState
    from sql.athena import Athena, Progress

EXIT_INTERRUPTED: Final = 130  # as shells say of a program that SIGINT ended
NEEDED: Final = ("WorkgroupName", "DatabaseName")


def find_athena(prefix: str, region: str | None, meter: Meter) -> Athena:
    """
    The Athena of a deployed pipeline.

    Raises: click.ClickException where there is none; EngineFailed.
    """
    try:
        session = connect(region)
        stack = _find_stack(session, stack_name(prefix, "pipeline"))
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed
    return connect_deployed(session, stack.outputs, on_progress=meter.show)


def find_first_hour(prefix: str, region: str | None) -> str:
    """
    The first hour that a deployed pipeline's tables know (`yyyy/MM/dd/HH`); empty where its stack does not say.

    Raises: click.ClickException where there is none.
    """
    try:
        return _find_stack(connect(region), stack_name(prefix, "pipeline")).parameters.get(FIRST_HOUR, "")
    except DeployError as failed:
        raise click.ClickException(str(failed)) from failed


def connect_deployed(
    session: boto3.Session, outputs: Mapping[str, str], *, on_progress: Callable[[Progress], None] = ignore
) -> Athena:
    """The Athena that a pipeline's outputs name. Raises: EngineFailed."""
    workgroup, database = (outputs[name] for name in NEEDED)
    return connect_athena(session, workgroup=workgroup, database=database, on_progress=on_progress)


def _find_stack(session: boto3.Session, name: str) -> StackState:
    stacks = CloudFormation(session.client("cloudformation"), pause=lambda: None, tell=lambda _: None)
    stack = stacks.describe(name)
    if stack is None or not set(NEEDED) <= stack.outputs.keys():
        raise AwsRefused(
            doing=f"looking for the stack {name}",
            message="there is none that names a workgroup. `ticklake deploy` makes it; say --name and --region if it is another's.",
        )
    return stack


class Meter:
    """Says on standard error how far a question has come: on a terminal in one line, else a line for each state."""

    def __init__(self) -> None:
        self._state = ""
        self._is_open = False

    def show(self, progress: Progress) -> None:
        """One look at the question."""
        line = f"Athena: {progress.state.lower()}, {describe_bytes(progress.scanned_bytes)} scanned, {progress.waited_s:.0f} s"
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2K{line}", err=True, nl=False)
            self._is_open = True
        elif progress.state != self._state:
            click.echo(line, err=True)
        self._state = progress.state

    def close(self) -> None:
        """End the line."""
        if self._is_open:
            click.echo(err=True)
        self._is_open = False


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """A meter whose line is ended, and what became of a question that was interrupted or stopped."""
    meter = Meter()
    try:
        yield meter
    except KeyboardInterrupt as interrupted:
        meter.close()
        for note in getattr(interrupted, "__notes__", ["Interrupted; nothing runs on in Athena."]):
            click.echo(printable(note), err=True)
        sys.exit(EXIT_INTERRUPTED)
    except QueryEnded as ended:
        meter.close()
        if ended.state == "CANCELLED":
            click.echo(describe_cost(ended.scanned_bytes), err=True)
        raise
    finally:
        meter.close()


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
