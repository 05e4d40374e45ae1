"""
Where `heal` and `backfill` work: which lake, which delivery stream into it, which journal, as the options say together.

Laws: simulated and real trades never share a lake; what Athena's tables would not know is not fetched into their bucket.
Refuses to know: what is missing there, and how it is fetched.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.athena import find_athena, find_first_hour, metered
from cli.options import make_settings, settings_options
from cli.spans import lake_option, name_option, refuse_two_lakes, region_option
from infra.stacks import FIRST_HOUR
from local.lake.answers import LakeEngine
from local.lake.folder import LakeMismatch, claim_lake, open_lake, read_content
from producer.settings import Settings
from sql.hours import lake_hour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.lake.folder import Content
    from sql.engine import Engine

MAX_TRADES: Final = 10_000_000
# A feed's lines wait five seconds for company; an errand's come by the thousand, and somebody waits for its end.
_LINGER_S: Final = 1.0
_USED: Final = frozenset({"rest_url", "fsync", "journal_max_bytes", "drain_s", "simulated"})
_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # PutRecordBatch, API reference


def errand_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both commands have."""
    settings = settings_options(without=[name for name in Settings.__slots__ if name not in _USED])
    for option in reversed(
        (
            lake_option("The lake on this machine."),
            click.option("--athena", is_flag=True, help="The lake of a deployed stack, asked through Athena."),
            name_option,
            region_option,
            click.option("--stream", metavar="NAME", help="Send to this delivery stream (AWS's own variables say where). Without it, into the lake itself."),
            click.option("--journal", type=click.Path(path_type=Path, file_okay=False), help="Folder of the journal; by default `errands` in the lake (with --athena: here)."),
            click.option("--max-trades", type=click.IntRange(min=1), default=MAX_TRADES, show_default=True, help="Fetch no more than this in one run; a hole with more is named and left."),
            click.option("--dry-run", is_flag=True, help="Only say what would be fetched."),
        )
    ):  # fmt: skip
        function = option(function)
    return settings(function)


@dataclass(frozen=True, slots=True)
class Place:
    """The lake that an errand is for, the stream into it, and its settings."""

    settings: Settings
    lake: Path | None
    prefix: str
    region: str | None
    stream: str | None
    dry_run: bool

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """
        The lake as it is now, ready to be asked.

        Raises: LakeError; click.ClickException; EngineFailed.
        """
        if self.lake is None:
            with metered() as on_progress:
                yield find_athena(self.prefix, self.region, on_progress)
        else:
            with open_lake(self.lake) as opened:
                yield LakeEngine(opened)

    def first_hour(self) -> str:
        """
        The first hour that the lake's tables know (`yyyy/MM/dd/HH`); empty where they know every hour.

        Raises: click.ClickException where there is no such stack.
        """
        return "" if self.lake else find_first_hour(self.prefix, self.region)


def find_place(
    *,
    lake: Path,
    athena: bool,
    prefix: str,
    region: str | None,
    stream: str | None,
    journal: Path | None,
    dry_run: bool,
    values: dict[str, Any],
) -> Place:
    """
    What the options say together; a lake in a folder is claimed for its kind of trades.

    Raises: click.UsageError; LakeError.
    """
    if athena:
        refuse_two_lakes("fills")
    if athena and stream is None:
        raise click.UsageError("--athena needs --stream: the delivery stream into that lake.")
    if stream is not None and not _STREAM_NAME.fullmatch(stream):
        raise click.UsageError("--stream wants a delivery stream's name (letters, digits, '_', '.', '-', at most 64); not an ARN.")  # fmt: skip
    if values["simulated"] and values["rest_url"] == Settings().rest_url:
        raise click.UsageError("--simulated marks trades of a simulated exchange: say with --rest-url where it is.")
    settings = make_settings(
        {
            **values,
            "journal": journal or (Path() if athena else lake) / "errands",
            "linger_s": _LINGER_S,
            **({} if stream is None else {"stream": stream}),
            "products": Settings().products,
        }
    )
    if not athena:
        _claim(lake, "simulated" if settings.simulated else "coinbase", dry_run=dry_run)
    return Place(settings, None if athena else lake, prefix, region, stream, dry_run)


def _claim(lake: Path, content: Content, *, dry_run: bool) -> None:
    if not dry_run:
        claim_lake(lake, content, now=datetime.now(UTC))
    elif (holds := read_content(lake)) not in {None, content}:
        raise LakeMismatch(path=lake, holds=str(holds), wanted=content)


def check_first_hour(first_hour: str, from_us: int) -> None:
    """
    Nothing, if the lake's tables know the hour to begin with.

    Raises: click.ClickException. Rows of earlier hours would lie in the bucket and be in no answer, and be fetched again each time.
    """
    if lake_hour(from_us) < first_hour:
        raise click.ClickException(
            f"The deployed tables know no hour before {first_hour}, so what is fetched from before would be in no answer. "
            f"First say {say_first_hour(lake_hour(from_us))}, or a later --from."
        )


def say_first_hour(hour: str) -> str:
    """What makes the deployed tables know the hours from this one on, as a command."""
    return f"`ticklake deploy --set {FIRST_HOUR}={hour}`"
