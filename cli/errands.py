"""
What `heal` and `backfill` share: which lake, which stream, which journal; one producer on an errand; its progress and its receipt.

Laws: nothing is asked of REST, and no session begun, where there is nothing to fetch; what an earlier run left in the journal is delivered
before the lake is asked; simulated and real trades never share a lake; the exit code says whether all that was asked for is there.
Refuses to know: which holes those are (heal.py, backfill.py, missing.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import ssl
import sys
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from ulid import ULID

from cli.athena import find_athena, metered
from cli.driving import EXIT_DELIVERED, EXIT_FAULT, drive, exit_code
from cli.options import make_settings, settings_options
from cli.receipts import describe_engine, describe_producer
from cli.spans import name_option, region_option
from cli.streams import HomeStream, home_stream
from local.firehose.errors import EngineError
from local.lake.answers import LakeEngine
from local.lake.folder import LakeError, LakeMismatch, claim_lake, open_lake, read_content
from producer.asking import Asker
from producer.errand import RETRY_ABSENT_S, Errand, Mission
from producer.errors import TicklakeError
from producer.fetched import Fetched
from producer.firehose import Firehose, connect_firehose
from producer.ingest import Fetch, Ingest
from producer.legacy import look_at_legacy
from producer.pipeline import Producer
from producer.rest import PAGE_TRADES
from producer.restclient import RestClient
from producer.restdesk import REQUESTS_PER_S, rest_bucket
from producer.settings import Settings
from sql.dialect import SqlRefused
from sql.engine import EngineFailed
from sql.questions import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.lake.folder import Content
    from producer.continuity import Hole
    from producer.delivery import Puts
    from producer.healing import HealReceipt
    from producer.ledger import Receipt
    from sql.engine import Engine

EXIT_NOT_HEALED: Final = 4
MAX_TRADES: Final = 10_000_000
SHOWN: Final = 20  # holes that are listed one by one
# A feed's lines wait five seconds for company; an errand's come by the thousand, and somebody waits for its end.
_LINGER_S: Final = 1.0
_USED: Final = frozenset({"rest_url", "fsync", "journal_max_bytes", "drain_s", "simulated"})
_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # PutRecordBatch, API reference


def errand_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both commands have."""
    settings = settings_options(without=[name for name in Settings.__slots__ if name not in _USED])
    for option in reversed(
        (
            click.option(
                "--lake",
                type=click.Path(path_type=Path, file_okay=False),
                default=Path("lake"),
                envvar="TICKLAKE_LAKE",
                show_default=True,
                show_envvar=True,
                help="The lake on this machine.",
            ),
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
            with metered() as meter:
                yield find_athena(self.prefix, self.region, meter)
        else:
            with open_lake(self.lake) as opened:
                yield LakeEngine(opened)


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and whether that is all that was asked for."""

    mission: Mission
    is_complete: bool


class Planner:
    """Makes the plan when it is wanted: at once, or once earlier lines are delivered; REST may be asked for it."""

    def __init__(self, place: Place, decide: Callable[[Engine, Asker, Fetched], Plan]) -> None:
        self.made: Plan | None = None
        self.bucket = rest_bucket()
        self._place = place
        self._decide = decide

    def plan(self, fetched: Fetched) -> Mission:
        """
        The holes to fill.

        Raises: whatever the engine, REST and the options give reason to.
        """
        if self.made is None:
            rest = connect_rest(self._place.settings)
            rng = random.Random()  # noqa: S311 - spreads waits, keeps no secret
            with self._place.engine() as engine:
                self.made = self._decide(engine, Asker(rest, self.bucket, rng), fetched)
            rest.close()
        return self.made.mission


def connect_rest(settings: Settings) -> RestClient:
    """TLS is verified against the system's certificates."""
    return RestClient(settings.rest_url, tls=ssl.create_default_context() if settings.rest_url.startswith("https:") else None)  # fmt: skip


def run_errand(place: Place, source: Any, decide: Callable[[Engine, Asker, Fetched], Plan]) -> int:
    """
    Plan, fetch, deliver, say what became of it; returns the exit code.

    Raises: click.ClickException with a known error's own sentence.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    planner = Planner(place, decide)
    try:
        legacy = look_at_legacy(place.settings.journal)
        fetched = Fetched.inherit(legacy.memory, legacy.since, now_us=time.time_ns() // 1000)
        if legacy.pending:
            click.echo(f"{legacy.pending:,} lines of an earlier run are pending: they are delivered first.")
        if place.dry_run or not legacy.pending:
            mission = planner.plan(fetched)
            if place.dry_run or not mission.holes:
                assert planner.made is not None
                return EXIT_DELIVERED if planner.made.is_complete and not mission.holes else EXIT_NOT_HEALED
        with _stream(place) as firehose:
            return _run(place, source, planner, fetched, firehose)
    except (TicklakeError, LakeError, EngineError, EngineFailed, QueryError, SqlRefused) as error:
        raise click.ClickException(str(error)) from error


def _stream(place: Place) -> AbstractContextManager[Puts]:
    if place.stream is None:
        assert place.lake is not None
        return home_stream(place.lake)
    return _aws_stream(place.stream)


@contextmanager
def _aws_stream(name: str) -> Iterator[Puts]:
    yield Firehose(connect_firehose(), name)


def _run(place: Place, source: Any, planner: Planner, fetched: Fetched, firehose: Puts) -> int:
    def make_errand(producer: Producer) -> Errand:
        ingest = Ingest(
            producer.intake,
            producer.ledger,
            producer.rng,
            stall_s=place.settings.stall_s,
            fallback_after_s=place.settings.fallback_after_s,
            heal_back_s=0.0,
            now=time.monotonic(),
            fetch=Fetch(source=source, retry_absent_s=RETRY_ABSENT_S, bucket=planner.bucket),
        )
        made = Errand(
            ingest=ingest,
            ledger=producer.ledger,
            journal=producer.journal,
            rest=connect_rest(place.settings),
            rest_url=place.settings.rest_url,
            fetched=fetched,
            plan=lambda: planner.plan(fetched),
            products=sorted({hole.product_id for hole in planner.made.mission.holes}) if planner.made else (),
        )
        errands.append(made)
        return made

    errands: list[Errand] = []
    producer = Producer(
        place.settings,
        firehose,
        session=str(ULID()),
        rng=random.Random(),  # noqa: S311 - spreads waits, keeps no secret
        feed=make_errand,
    )
    (errand,) = errands
    receipt = asyncio.run(drive(producer, ErrandView(errand, producer)))
    return _close(receipt, errand, planner, firehose)


def _close(receipt: Receipt, errand: Errand, planner: Planner, firehose: Puts) -> int:
    """Print the receipt; returns the exit code."""
    for line in describe_producer(receipt):
        click.echo(line)
    balanced = True
    if isinstance(firehose, HomeStream):
        snapshot = firehose.snapshot()
        balanced = snapshot.is_balanced
        for line in describe_engine(snapshot, {}):
            click.echo(line)
    for line in describe_errand(errand):
        click.echo(line)
    code = exit_code(receipt) if balanced else EXIT_FAULT
    done = planner.made is not None and planner.made.is_complete and not errand.missing
    return code or (EXIT_DELIVERED if done else EXIT_NOT_HEALED)


def describe_errand(errand: Errand) -> Iterator[str]:
    """What became of the holes."""
    holes = errand.mission.holes if errand.mission else ()
    receipts = [each for each in errand.receipts if each.hole in holes]
    counts = {outcome: sum(each.outcome == outcome for each in receipts) for outcome in ("healed", "partly_healed", "unhealed")}  # fmt: skip
    open_ = len(holes) - sum(counts.values())
    yield (
        f"errand     {errand.state}: {len(holes):,} holes = {counts['healed']:,} healed + {counts['partly_healed']:,} partly healed"
        f" + {counts['unhealed']:,} not healed + {open_:,} still open"
    )
    yield f"  trades     {errand.expected:,} missing = {errand.expected - errand.missing:,} fetched + {errand.missing:,} still missing"
    if others := len(errand.receipts) - len(receipts):
        yield f"  besides    {others:,} holes that this journal knew of"
    unhealed = [each for each in errand.receipts if each.hole.missing]
    for each in unhealed[:SHOWN]:
        yield f"  {describe_hole(each.hole)}: {_why(each)}"
    if len(unhealed) > SHOWN:
        yield f"  and {len(unhealed) - SHOWN:,} holes more: `ticklake query holes`"


def _why(receipt: HealReceipt) -> str:
    return receipt.why or "no reason known"


def describe_hole(hole: Hole) -> str:
    """Which trades of which product are missing."""
    return f"{hole.product_id} {hole.first}..{hole.last}: {len(hole.missing):,} trades missing"


def describe_effort(trades: int) -> str:
    """How many pages, and how long they take at the rate that is kept."""
    pages = -(-trades // PAGE_TRADES)
    return f"{trades:,} trades, about {pages:,} pages, {describe_duration(pages / REQUESTS_PER_S)} at least"


def describe_duration(seconds: float) -> str:
    """A duration as a person says it."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"


class ErrandView:
    """A line every two seconds on standard error: how far it has come, how fast, how long yet."""

    interval_s = 2.0

    def __init__(self, errand: Errand, producer: Producer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._errand = errand
        self._producer = producer
        self._clock = clock
        self._began: tuple[float, int] | None = None
        self._shown = False

    def show(self) -> None:
        """Print where things stand; not before two seconds have gone by."""
        line = self.line()  # the first one only begins the measuring
        if self._shown:
            click.echo(line, err=True)
        self._shown = True

    def line(self) -> str:
        """Where things stand."""
        errand, producer, now = self._errand, self._producer, self._clock()
        fetched = errand.expected - errand.missing
        if self._began is None:
            self._began = (now, fetched)
        over_s = now - self._began[0]
        rate = (fetched - self._began[1]) / over_s if over_s else 0.0
        left = f", {describe_duration(errand.missing / rate)} left" if rate else ""
        rest = (
            ", ".join(f"{count} x {status}" for status, count in sorted(producer.ledger.rest.items())) or "nothing yet"
        )
        parts = [
            f"{errand.state}: {fetched:,} of {errand.expected:,} trades, {rate:,.0f}/s{left}",
            f"REST {rest}",
            f"{producer.journal.pending + producer.journal.backlog_pending:,} lines pending",
        ]
        if producer.delivery.trouble:
            parts.append(f"TROUBLE: {producer.delivery.trouble}")
        return " | ".join(parts)
