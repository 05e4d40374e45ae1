"""
A producer as a process: signals, a view that is drawn again and again, and the exit code.

Laws: the first SIGINT or SIGTERM stops in order, a second ends at once (what is journaled stays journaled); the exit code says
whether anything is pending.
Refuses to know: what the view shows, and where packs go.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import TYPE_CHECKING, Final, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from producer.ledger import Receipt
    from producer.pipeline import Producer

log = logging.getLogger(__name__)

EXIT_DELIVERED: Final = 0
EXIT_FAULT: Final = 1
EXIT_PENDING: Final = 3  # 2 is a usage error (click)
EXIT_CUT_SHORT: Final = 130


class View(Protocol):
    """Something that shows the producer's state whenever it is asked to."""

    interval_s: float

    def show(self) -> None:
        """Draw it now."""


async def drive(
    producer: Producer,
    view: View,
    *,
    stop_after_s: float | None = None,
    ended: Awaitable[None] | None = None,
    finish: Callable[[], Awaitable[None]] | None = None,
) -> Receipt:
    """
    Run a producer until a signal, the time given, or the end of what feeds it; returns its receipt.

    `finish` is awaited after the producer, while signals are still ours: a first one does not cut it short.
    Raises: whatever ended the producer by a fault of ours.
    """
    signals = Signals(producer.stop)
    signals.install()
    if stop_after_s is not None:
        asyncio.get_running_loop().call_later(stop_after_s, producer.stop, "the time asked for is over")
    watching = asyncio.create_task(_stop_at_end(producer, ended)) if ended is not None else None
    showing = asyncio.create_task(_show_for_ever(view))
    try:
        receipt = await producer.run()
        if finish is not None:
            await finish()
    finally:
        showing.cancel()
        if watching is not None:
            watching.cancel()
        signals.remove()
    return receipt


class Signals:
    """The first signal calls `stop` with its name, the second ends the process at once."""

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._taken = 0

    def install(self) -> None:
        """Take SIGINT and SIGTERM in the running loop."""
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, self._take, each)

    def remove(self) -> None:
        """Leave them to the system again."""
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(each)

    def _take(self, number: signal.Signals) -> None:
        self._taken += 1
        if self._taken > 1:
            click.echo("A second signal: ending at once. What is journaled stays journaled.", err=True)
            os._exit(EXIT_CUT_SHORT)
        log.warning("%s: stopping; what is pending is delivered first. Again to end at once.", number.name)
        self._stop(number.name)


async def _stop_at_end(producer: Producer, ended: Awaitable[None]) -> None:
    await ended
    producer.stop("the feed has ended")


async def _show_for_ever(view: View) -> None:
    """Draw again and again; a view that breaks is said, and stops no producer."""
    while True:
        try:
            view.show()
        except (OSError, ValueError) as broken:  # standard output was closed, or a terminal went away
            log.warning("the view cannot be drawn any more: %s", broken)
            return
        await asyncio.sleep(view.interval_s)


def exit_code(receipt: Receipt) -> int:
    """0 only if every line is accounted for and none is pending; an unbalanced ledger is a fault of ours."""
    if receipt.unbalanced:
        return EXIT_FAULT
    return EXIT_PENDING if receipt.pending or receipt.backlog_pending else EXIT_DELIVERED
