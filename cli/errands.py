"""
What `heal` and `backfill` do: one producer on an errand, planned when its lake can be asked, and its receipt.

Laws: nothing is asked of REST, and no session begun, where there is nothing to fetch; what an earlier run left in the journal is delivered
before the lake is asked; the exit code says whether all that was asked for is there.
Refuses to know: which holes those are (heal.py, backfill.py, missing.py), and what the options mean (place.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import sys
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from ulid import ULID

from cli.driving import EXIT_DELIVERED, EXIT_FAULT, drive, exit_code
from cli.errand_view import ErrandView, describe_errand
from cli.receipts import describe_engine, describe_producer
from cli.streams import HomeStream, home_stream
from local.firehose.errors import EngineError
from local.lake.folder import LakeError
from producer.asking import Asker
from producer.errand import RETRY_ABSENT_S, Errand, Mission
from producer.errors import TicklakeError
from producer.fetched import Fetched
from producer.firehose import Firehose, connect_firehose
from producer.ingest import Fetch, Ingest
from producer.legacy import look_at_legacy
from producer.pipeline import Producer
from producer.restclient import RestClient
from producer.restdesk import rest_bucket
from sql.dialect import SqlRefused
from sql.engine import EngineFailed
from sql.questions import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.errand_place import Place
    from producer.delivery import Puts
    from producer.ledger import Receipt
    from producer.settings import Settings
    from sql.engine import Engine

EXIT_NOT_HEALED: Final = 4


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
