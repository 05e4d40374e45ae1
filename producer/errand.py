"""
A producer's errand: named holes filled from REST, without a websocket, and an end when that is done.

Theory of operation. What earlier sessions left in the journal is delivered first. Then `plan` says which holes to fill: it may have to look at
the lake again, now that those lines are in it. Holes nobody has named yet are named; all of them are given to the healer, as a feed
gives those it finds; at the end every hole has its receipt, and every line is delivered.

Laws: the wiring decides nothing (healing, restdesk and intake do); one REST request at a time; while many lines wait for Firehose no more are
fetched; stopped in the middle, holes of which something came get their receipt, and the others stay as they were named.
Refuses to know: lakes, and which holes are worth filling.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.asking import PATIENCE_S, ask_rest
from producer.calling import call_in_thread, wait_any
from producer.healing import HealReceipt
from producer.metrics import FeedReading
from producer.refusal import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producer.continuity import Hole
    from producer.fetched import Fetched
    from producer.ingest import Ingest
    from producer.intervals import IntervalSet
    from producer.journal import Journal
    from producer.ledger import Ledger
    from producer.restclient import RestClient

IDLE_S: Final = 0.05
# As many lines may wait for Firehose before no more are fetched: half a minute's worth of pages.
WAITING_LINES: Final = 200_000
# Past feeds' REST may lag behind them by seconds: one more look is enough for holes that are older than that.
RETRY_ABSENT_S: Final = (2.0,)
LAKE_HAS_THEM: Final = "the lake has them: they came by another way"


@dataclass(frozen=True, slots=True)
class Mission:
    """
    What an errand is to do: `named` holes that have a gap line already, `unnamed` ones that get theirs now.

    Shapes: `missing` of a hole is what to fetch; where it is empty, the hole only wants its receipt.
    """

    named: Sequence[Hole] = ()
    unnamed: Sequence[Hole] = ()

    @property
    def holes(self) -> tuple[Hole, ...]:
        """All of them."""
        return (*self.named, *self.unnamed)


class Errand:
    """One errand. Clock: monotonic seconds for waits, ours since the epoch for lines."""

    def __init__(
        self,
        *,
        ingest: Ingest,
        ledger: Ledger,
        journal: Journal,
        rest: RestClient,
        rest_url: str,
        fetched: Fetched,
        plan: Callable[[], Mission],
        products: Sequence[str] = (),
    ) -> None:
        """`products`: those that the opening line names, as far as they are known before there is a plan."""
        self.mission: Mission | None = None
        self.expected = 0  # trades that were missing when the holes were taken on
        self.receipts: list[HealReceipt] = []
        self._ingest = ingest
        self._ledger = ledger
        self._journal = journal
        self._rest = rest
        self._rest_url = rest_url
        self._fetched = fetched
        self._plan = plan
        self._products = list(products)
        self._stopping = asyncio.Event()
        self._state = "delivering what earlier sessions left"
        ingest.intake.fetched = fetched
        ingest.intake.receipts = self.receipts

    @property
    def state(self) -> str:
        """What it is doing, for a person."""
        return self._state

    @property
    def missing(self) -> int:
        """Trades still to be fetched, or not to be had, or fetched in lines that Firehose refused."""
        refused = [each for each in self._ingest.intake.continuity.known_missing() if each.reason == REFUSED]
        return sum(len(_missing_of(hole, refused)) for hole in self.mission.holes) if self.mission else 0

    async def run(self) -> None:
        """Do it; returns when it is done and delivered, or stopped."""
        try:
            if await self._wait_until(lambda: not self._journal.backlog_pending):
                self._state = "looking for what is missing"
                self.mission = await call_in_thread(self._plan, self._stopping)
            if self.mission is not None:
                self._take_on(self.mission)
                await self._fetch()
                # Lines that Firehose refuses meanwhile are holes of their own, to be filled before the end.
                while (
                    self._state == "done"
                    and await self._wait_until(self._is_delivered_or_refused)
                    and len(self._ingest.healer)
                ):
                    self._state = "fetching"
                    await self._fetch()
                self._give_up()
                await self._wait_until(lambda: not self._journal.pending)
        finally:
            self._rest.close()

    async def stop(self) -> None:
        """End `run` soon."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._state = self._state if self._state == "done" else "stopped before the end"

    def describe(self) -> dict[str, object]:
        """What the session's opening and closing say of it."""
        products = sorted({hole.product_id for hole in self.mission.holes}) if self.mission else self._products
        return {"feed": self._rest_url, "products": products}

    def remember(self) -> dict[str, object]:
        """What was fetched lately."""
        return {"fetched": self._fetched.to_memory(time.time_ns() // 1000)}

    def reading(self, now: float) -> FeedReading:
        """No channels; the holes that are left."""
        del now
        return FeedReading(
            channels=0,
            channels_live=0,
            channels_polling=0,
            silent_s=None,
            holes_open=len(self._ingest.healer),
            rest_budget=self._ingest.desk.budget,
        )

    def unwatched_s(self, now: float) -> float:
        """Nothing is to be watched."""
        del now
        return 0.0

    def _take_on(self, mission: Mission) -> None:
        self._state = "fetching"
        receive_us = time.time_ns() // 1000
        self.expected = sum(len(hole.missing) for hole in mission.holes)
        for hole in mission.unnamed:
            self._ingest.intake.name(hole, receive_us)
        for hole in mission.named:
            if hole.missing:
                self._ingest.intake.take_on(hole)
            else:
                receipt = HealReceipt(hole, "healed", hole.expected, hole.expected, LAKE_HAS_THEM)
                self._ingest.intake.close(receipt, receive_us)

    async def _fetch(self) -> None:
        usable, usable_at = self._usable(), time.monotonic()
        while len(self._ingest.healer):
            if self._journal.pending > WAITING_LINES:
                if not await self._wait_until(lambda: self._journal.pending <= WAITING_LINES):
                    return
                usable_at = time.monotonic()
            outcome = await ask_rest(self._ingest, self._rest, self._stopping)
            if outcome == "idle":
                await wait_any(IDLE_S, self._stopping)
            if outcome == "stopped" or self._stopping.is_set():
                return
            if self._usable() > usable:
                usable, usable_at = self._usable(), time.monotonic()
            elif time.monotonic() - usable_at > PATIENCE_S:
                self._state = f"REST gave no usable answer for {PATIENCE_S:g} s"
                return
        self._state = "done"

    def _is_delivered_or_refused(self) -> bool:
        return bool(len(self._ingest.healer)) or not self._journal.pending

    def _usable(self) -> int:
        """Answers so far that were of use."""
        return sum(self._ledger.rest[status] for status in ("200", "400", "404"))

    def _give_up(self) -> None:
        for receipt in self._ingest.healer.give_up(self._state):
            self._ingest.intake.close(receipt, time.time_ns() // 1000)

    async def _wait_until(self, holds: Callable[[], bool]) -> bool:
        """Wait for it; False if `stop` came first."""
        while not holds() and not self._stopping.is_set():
            await wait_any(IDLE_S, self._stopping)
        return holds()


def _missing_of(hole: Hole, refused: Sequence[Hole]) -> IntervalSet:
    """What a hole misses, and what is missing of it once more."""
    missing = hole.missing.copy()
    for each in refused:
        if each.product_id == hole.product_id:
            for first, last in each.missing:
                missing.add(max(first, hole.first), min(last, hole.last))
    return missing
