"""
What a person is told of an errand: its holes, how far it is, what became of it.

Laws: text only; the counts balance: missing = fetched + still missing, holes = healed + partly healed + not healed + open.
Refuses to know: how anything is fetched.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from producer.rest import PAGE_TRADES
from producer.restdesk import REQUESTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from producer.continuity import Hole
    from producer.errand import Errand
    from producer.healing import HealReceipt
    from producer.pipeline import Producer

SHOWN: Final = 20  # holes that are listed one by one


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
