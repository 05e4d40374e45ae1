"""
`ticklake journal`: look into a producer's journal, check it, salvage it, take its lines out, deliver what is pending.

Laws: looking never changes a byte and needs no lock; a journal in use is neither repaired nor drained; what takes longer than two
seconds says how far it is, on standard error.
Refuses to know: how a journal is laid out (producer/).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from ulid import ULID

from cli.draining import drain_journal
from cli.driving import EXIT_DELIVERED, EXIT_PENDING
from producer.errors import TicklakeError
from producer.firehose import Firehose, connect_firehose
from producer.legacy import session_folders
from producer.line import encode_instant
from producer.lock import holder_of, locked
from producer.salvage import Salvaged, salvage
from producer.segment import Damage
from producer.session_log import SessionLog
from producer.settings import Settings, environment_name
from producer.survey import Overview, Verdict, look_over, read_lines, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


EXIT_DAMAGED: Final = 1
_SAY_EVERY_S: Final = 2.0
_MIB: Final = 1024 * 1024

_journal_option = click.option(
    "--journal", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path("journal"),
    envvar=environment_name("journal"), show_envvar=True, show_default=True, help="Folder of the journal.",
)  # fmt: skip


@click.group("journal")
def command() -> None:
    """Look into a journal: inspect, verify, repair, export, drain."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)


# ------------------------------------------------------------------ inspect


@command.command("inspect")
@_journal_option
def inspect(journal: Path) -> None:
    """
    Say what a journal holds: sessions, their lines, what is pending and how old it is.

    A running producer writes down what is settled after every call, so the numbers may be seconds old.
    """
    holder = holder_of(journal)
    click.echo(f"{journal}: " + (f"in use by {holder}" if holder else "not in use"))
    overviews = [look_over(folder) for folder in session_folders(journal)]
    for each in overviews:
        for line in _describe_session(each):
            click.echo(line)
    pending = sum(each.pending for each in overviews)
    size_bytes = sum(each.size_bytes for each in overviews)
    click.echo(f"{len(overviews):,} sessions, {pending:,} lines pending, {size_bytes:,} bytes of segments")


def _describe_session(each: Overview) -> Iterator[str]:
    opened = encode_instant(int(ULID.from_str(each.session).timestamp * 1_000_000)) if _is_ulid(each.session) else "?"
    yield f"session {each.session}, opened {opened[:19]}Z"
    refused = sum(each.refused.values())
    by_reason = ", ".join(f"{name} {count:,}" for name, count in sorted(each.refused.items()))
    yield (
        f"  lines    {each.next_n:,} = {each.delivered:,} delivered + {each.pending:,} pending + {refused:,} refused"
        + (f" ({by_reason})" if refused else "")
    )
    on_disk = f"n {each.first_n:,} to {each.next_n - 1:,}" if each.next_n > each.first_n else "none"
    yield f"  on disk  {on_disk}, {each.size_bytes:,} bytes"
    if each.oldest_pending_us is not None:
        age_s = time.time() - each.oldest_pending_us / 1e6
        yield f"  oldest pending line: {_age(age_s)} old, received {encode_instant(each.oldest_pending_us)}"
    if each.torn_bytes:
        yield f"  {each.torn_bytes:,} bytes of a line whose write has not ended (a killed process leaves that)"
    if each.checkpoint_damage:
        yield f"  the checkpoint cannot be read ({each.checkpoint_damage}): every line on disk counts as pending"


def _is_ulid(name: str) -> bool:
    try:
        ULID.from_str(name)
    except ValueError:
        return False
    return True


def _age(age_s: float) -> str:
    minutes, seconds = divmod(int(max(0, age_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


# ------------------------------------------------------------------ verify


@command.command("verify")
@_journal_option
def verify_command(journal: Path) -> None:
    """
    Read every record of every segment, and say what is damaged, by file and offset.

    Exit code: 0 everything is intact, 1 something is damaged or lost.
    """
    with _progress(journal, "verified") as tell:
        verdicts = [verify(folder, tell) for folder in session_folders(journal)]
    for verdict in verdicts:
        for line in _describe_verdict(verdict):
            click.echo(line)
    intact = all(verdict.is_intact for verdict in verdicts)
    records = sum(verdict.intact for verdict in verdicts)
    if intact:
        click.echo(f"{records:,} lines in {len(verdicts):,} sessions: all intact")
    else:
        click.echo(
            f"DAMAGED; {records:,} lines are intact. `ticklake journal repair` salvages them into a new journal."
        )
    sys.exit(EXIT_DELIVERED if intact else EXIT_DAMAGED)


def _describe_verdict(verdict: Verdict) -> Iterator[str]:
    for damage in verdict.damages:
        yield f"{damage.path}, offset {damage.offset:,}: {len(damage.content):,} bytes are damaged ({damage.why})"
    yield from verdict.other_damage
    for first, last in verdict.lost:
        yield f"session {verdict.session}: lines {first:,} to {last:,} were counted, are not settled, and are not there"
    if verdict.torn is not None:
        yield (
            f"{verdict.torn.path}, offset {verdict.torn.offset:,}: {len(verdict.torn.content):,} bytes of a line whose write has"
            " not ended; nobody had counted it"
        )


# ------------------------------------------------------------------ repair


@command.command("repair")
@_journal_option
@click.option(
    "--into", type=click.Path(path_type=Path), required=True, help="The new journal's folder; it must not exist yet."
)
def repair(journal: Path, into: Path) -> None:
    """
    Salvage everything intact into a new journal; the damaged one stays as it is.

    What is damaged is kept, whole, in the new journal's refused.ndjson. Deliver from the new one with `ticklake journal drain`, or by
    running the producer on it.
    """
    if into.exists():
        raise click.UsageError(f"--into {into} exists already: name a folder that does not.")
    with _known_errors(), locked(journal, "repair"), _progress(journal, "salvaged") as tell:
        salvaged = [salvage(folder, into / folder.name, tell) for folder in session_folders(journal)]
    into.mkdir(exist_ok=True)
    for each in salvaged:
        for line in _describe_salvaged(each):
            click.echo(line)
    click.echo(f"{into}: {sum(each.copied for each in salvaged):,} lines salvaged, of them"
               f" {sum(each.pending for each in salvaged):,} pending")  # fmt: skip
    sys.exit(EXIT_DAMAGED if any(each.unbalanced for each in salvaged) else EXIT_DELIVERED)


def _describe_salvaged(each: Salvaged) -> Iterator[str]:
    refused = sum(each.refused.values())
    verdict = "balanced" if not each.unbalanced else f"NOT BALANCED: off by {each.unbalanced:,}"
    yield f"session {each.session}"
    yield (
        f"  lines      {each.written:,} = {each.delivered:,} delivered before + {each.pending:,} pending"
        f" + {refused:,} refused   {verdict}"
    )
    if each.lost:
        ranges = ", ".join(f"{first:,} to {last:,}" if last > first else f"{first:,}" for first, last in each.lost)
        yield f"  lost       {len(each.lost):,} lines, named journal_damaged: n {ranges}"
    if each.damaged_bytes:
        yield f"  damaged    {each.damaged_bytes:,} bytes, kept in refused.ndjson"
    if each.repeats:
        yield f"  repeats    {each.repeats:,} records of lines that stood there already"


# ------------------------------------------------------------------ export


@command.command("export")
@_journal_option
@click.option("--pending", "pending_only", is_flag=True, help="Only lines that are neither delivered nor refused.")
@click.option("--out", type=click.File("wb"), default="-", help="A file; by default standard output.")
def export(journal: Path, out: Any, *, pending_only: bool) -> None:
    """
    Write the journal's lines, one JSON object a line, in the order of sessions and numbers.

    What is damaged is left out and named on standard error. Exit code: 0 nothing was damaged, 1 something was.
    """
    lines, damaged = 0, 0
    with _progress(journal, "exported") as tell:
        for folder in session_folders(journal):
            for found in read_lines(folder, pending_only=pending_only):
                if isinstance(found, Damage):
                    damaged += 1
                    click.echo(
                        f"{found.path}, offset {found.offset:,}: {len(found.content):,} damaged bytes left out",
                        err=True,
                    )
                    continue
                out.write(found.line + b"\n")
                lines += 1
                tell(len(found.line))
    out.flush()
    click.echo(f"{lines:,} lines", err=True)
    sys.exit(EXIT_DAMAGED if damaged else EXIT_DELIVERED)


# ------------------------------------------------------------------ drain


@command.command("drain")
@_journal_option
@click.option("--stream", default=Settings().stream, envvar=environment_name("stream"), show_envvar=True, show_default=True,
              help="Name (not ARN) of the Firehose delivery stream.")  # fmt: skip
@click.option(
    "--within-s", type=click.FloatRange(min=0), default=None, help="Give up after so many seconds; by default never."
)
def drain(journal: Path, stream: str, within_s: float | None) -> None:
    """
    Deliver what is pending, without any feed, and stop.

    AWS's own variables say where Firehose is, as for `ticklake run`. Exit code: 0 all delivered, 3 lines are pending on disk, 1 a
    fault, 130 cut short by a second signal.
    """
    with _known_errors():
        settings = _settings(journal, stream)
        left = asyncio.run(drain_journal(settings, Firehose(connect_firehose(), stream), within_s))
    sys.exit(EXIT_PENDING if left else EXIT_DELIVERED)


def _settings(journal: Path, stream: str) -> Settings:
    try:
        return Settings(journal=journal, stream=stream)
    except TicklakeError as wrong:
        raise click.UsageError(str(wrong)) from wrong


# ------------------------------------------------------------------ shared


@contextmanager
def _progress(journal: Path, done: str) -> Iterator[Callable[[int], None]]:
    """Something to tell how many bytes were read; it says so every two seconds."""
    total = sum(SessionLog(folder).size_bytes for folder in session_folders(journal))
    so_far, said_at = 0, time.monotonic()

    def tell(count: int) -> None:
        nonlocal so_far, said_at
        so_far += count
        now = time.monotonic()
        if now - said_at >= _SAY_EVERY_S:
            said_at = now
            click.echo(f"{done} {so_far / _MIB:,.0f} of {total / _MIB:,.0f} MiB", err=True)

    yield tell


@contextmanager
def _known_errors() -> Iterator[None]:
    """Errors that say their own sentence, without a stack trace."""
    try:
        yield
    except TicklakeError as error:
        raise click.ClickException(str(error)) from error
