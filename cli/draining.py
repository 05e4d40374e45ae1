"""
A journal's lines delivered without a feed, for `ticklake journal drain`.

Laws: what the last producer knew is kept for the next one; a drain writes no lines, so what is to be said of damage and of refusals waits for that
one, and is said to wait.
Refuses to know: options, and how packs are delivered (producer/delivery.py).
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import click
from ulid import ULID

from cli.driving import Signals
from producer.delivery import Delivery
from producer.fetched import Fetched
from producer.inherit import inherit_continuity
from producer.intake import Intake
from producer.journal import Journal
from producer.ledger import Ledger
from producer.legacy import look_at_legacy
from producer.pacing import Pace
from producer.witness import Witness

if TYPE_CHECKING:
    from producer.delivery import Puts
    from producer.settings import Settings

_SAY_EVERY_S: Final = 2.0


async def drain_journal(settings: Settings, firehose: Puts, within_s: float | None) -> int:
    """Lines still pending at the end."""
    legacy = look_at_legacy(settings.journal)
    fetched = Fetched.inherit(legacy.memory, legacy.since, now_us=time.time_ns() // 1000)
    session = str(ULID())
    journal = Journal(settings.journal, session)
    ledger = Ledger()
    memory, since = journal.inherited()
    continuity = inherit_continuity(memory, since)  # so that the next producer knows what this journal's last one knew
    # A drain writes no lines: what is to be said waits for the next producer.
    intake = Intake(
        continuity=continuity, ledger=ledger, write=lambda *_: False, set_aside=lambda *_: None,
    )  # fmt: skip
    intake.fetched = fetched
    intake.inherit_unwritten(memory.get("unwritten", ()))
    intake.name_inherited(time.time_ns() // 1000)
    witness = Witness(intake, session)
    delivery = Delivery(
        journal,
        firehose,
        ledger=ledger,
        pace=Pace(random.Random()),  # noqa: S311 - spreads waits, keeps no secret
        linger_s=0.0,
        remember=lambda: {
            "continuity": continuity.to_memory(),
            "fetched": fetched.to_memory(time.time_ns() // 1000),
            "unwritten": intake.unwritten,
        },
        tell_losses=partial(witness.tell, about={}, clock=lambda: time.time_ns() // 1000),
        tell_refused=lambda *refused: witness.tell_refused(*refused, about={}, receive_us=time.time_ns() // 1000),
    )
    delivery.write_down()
    stopping = asyncio.Event()
    signals = Signals(lambda _: stopping.set())
    signals.install()
    running = asyncio.create_task(delivery.run())
    saying = asyncio.create_task(_say_for_ever(journal, delivery))
    deadline = time.monotonic() + within_s if within_s is not None else float("inf")
    draining = asyncio.create_task(delivery.drain(deadline))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({draining, stopped, running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        delivery.stop()
        for task in (saying, stopped, draining):
            task.cancel()
        outcomes = await asyncio.gather(running, return_exceptions=True)
        signals.remove()
        delivery.write_down()
        left = journal.backlog_pending
        journal.close()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    click.echo(f"{ledger.backlog_delivered:,} lines delivered in {ledger.calls:,} calls, {left:,} pending")
    if left and delivery.trouble:
        click.echo(delivery.trouble, err=True)
    if intake.unwritten:
        click.echo(
            f"{len(intake.unwritten):,} lines of testimony about what was lost or refused wait for the next producer on this journal: start one, so"
            " that the lake knows"
        )
    if ledger.ambiguous_lines:
        click.echo(f"{ledger.ambiguous_lines:,} lines were in calls without an answer: each may be there twice")
    return left


async def _say_for_ever(journal: Journal, delivery: Delivery) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY_S)
        trouble = f" TROUBLE: {delivery.trouble}" if delivery.trouble else ""
        click.echo(f"{journal.backlog_pending:,} lines pending{trouble}", err=True)
