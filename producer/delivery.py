"""
Journal to Firehose: read ahead a little, pack, put, settle, write down, again.

Laws: one call at a time, in a thread of its own, so that the reader never waits for Firehose; refused packs go first in the next
call, topped up with fresh ones; nothing is settled but by its index; every failure waits before the next try; this session
and those that earlier processes left share every call, so that neither starves. Nothing is refused for good unless others were accepted
beside it or since: who refuses everything proves nothing against a pack, and must not empty the journal. What is refused is told before it is written down.
Refuses to know: where lines come from, and how packs, answers and waits are decided (packing, settlement, pacing).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from producer.calling import call_in_thread, wait_any
from producer.errors import (
    AnswerMismatch,
    DeliveryAmbiguous,
    DeliveryFailed,
    DeliveryRefused,
    DeliveryThrottled,
    JournalFull,
)
from producer.lane import Lane, share
from producer.line import product_of
from producer.packing import Pack, plan_batch
from producer.settlement import CONTENT_CODES, PutAnswer, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from producer.journal import Journal
    from producer.ledger import Ledger
    from producer.pacing import Pace
    from producer.segment import Entry
    from producer.session_log import SessionLog

log = logging.getLogger(__name__)

# A checkpoint is written after every answered call; without answers (an outage) this often, because a restart reads again
# every line since the last one.
WRITE_DOWN_S: Final = 30.0
_SAY_AGAIN_S: Final = 60.0
_TICKER: Final = b'"kind":"ticker"'


class Puts(Protocol):
    """What delivery needs of Firehose; producer.firehose.Firehose is it."""

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        """One blocking call. Raises: DeliveryFailed."""


class Calls(Protocol):
    """How a blocking call is made; producer.calling.call_in_thread is it."""

    async def __call__(self, call: Callable[[], list[PutAnswer]], stop: asyncio.Event, /) -> list[PutAnswer] | None:
        """What the call returns; None if `stop` came first."""


class TellLosses(Protocol):
    """Testifies to what a session lost to damage; producer.witness.Witness does."""

    async def __call__(self, damaged: SessionLog, stop: asyncio.Event, /) -> None:
        """Its `losses` are told afterwards, unless `stop` came first."""


class TellRefused(Protocol):
    """Testifies to lines that can never be delivered; producer.witness.Witness does."""

    def __call__(self, session: str, entries: Sequence[Entry], beside: Iterable[bytes], /) -> None:
        """These lines of a session; `beside` has what was sent of the same products just before."""


class Delivery:
    """
    Delivers a journal's lines, this session's and those that earlier sessions left.

    Clock: monotonic seconds, given as `clock`. `remember` gives what a checkpoint has to remember beside the settled lines. `tell_losses`
    is called as soon as a session was found to have lost lines, `tell_refused` as soon as lines were refused for good.
    """

    def __init__(
        self,
        journal: Journal,
        firehose: Puts,
        *,
        ledger: Ledger,
        pace: Pace,
        linger_s: float,
        remember: Callable[[], dict[str, object]],
        tell_losses: TellLosses,
        tell_refused: TellRefused,
        clock: Callable[[], float] = time.monotonic,
        call: Calls = call_in_thread,
    ) -> None:
        self.trouble = ""
        self.settled_at = clock()  # when a pack was last delivered, or delivery began
        self._journal = journal
        self._firehose = firehose
        self._ledger = ledger
        self._pace = pace
        self._linger_s = linger_s
        self._remember = remember
        self._tell_losses = tell_losses
        self._tell_refused = tell_refused
        self._clock = clock
        self._call = call
        self._live = Lane(journal.live, linger_s=linger_s)
        self._old = [Lane(each, linger_s=0.0) for each in journal.backlog]
        self._old_first = False
        self._flush = False
        self._hurry = asyncio.Event()
        self._moved = asyncio.Event()
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._most_packs: int | None = None
        self._suspects: dict[Pack, int] = {}
        self._tickers: dict[str, bytes] = {}  # every product's newest line that was settled
        self._said: tuple[str, float] = ("", 0.0)
        self._written_at = clock()

    async def run(self) -> None:
        """Deliver until `stop`; lines wait in packs up to the linger time."""
        try:
            while not self._stop.is_set():
                batch = await self._next_batch()
                wait_s = await self._send(batch) if batch else self._idle_s()
                if self._clock() - self._written_at >= WRITE_DOWN_S:
                    self.write_down()
                self._moved.set()
                if wait_s:
                    self._hurry.clear()
                    await wait_any(wait_s, self._stop, self._hurry)
        finally:
            self._ended.set()

    async def drain(self, deadline: float) -> bool:
        """
        Deliver everything pending now, without linger; False if the deadline came first, or `run` has ended.

        Clock: `deadline` is of the clock given. Caller must: append nothing meanwhile that it wants to see waited for beyond it.
        """
        self._flush = True
        self._pace.hurry()
        self._hurry.set()
        while self._pending and not self._stop.is_set() and not self._ended.is_set():
            left_s = deadline - self._clock()
            if left_s <= 0:
                break
            self._moved.clear()
            await wait_any(left_s, self._moved, self._stop, self._ended)
        self._flush = False
        return not self._pending

    def stop(self) -> None:
        """Make `run` return; a call that is out is left to itself, its lines stay pending."""
        self._stop.set()

    def oldest_pending(self) -> bytes | None:
        """The oldest line that is neither delivered nor refused, of those read so far."""
        heads = [line for lane in self._lanes() if (line := lane.oldest()) is not None]
        return heads[-1] if heads else None  # sessions stand oldest last

    @property
    def _pending(self) -> int:
        return self._journal.pending + self._journal.backlog_pending

    def _idle_s(self) -> float:
        return min(0.5, max(0.02, self._linger_s / 10))

    def _lanes(self) -> list[Lane]:
        """This session's, then those left behind, newest first."""
        return [self._live, *reversed(self._old)]

    async def _advance(self, lane: Lane, *, flush: bool) -> None:
        now = self._clock()
        more = True
        while more:
            more = lane.read_ahead(now)
            if lane.log.losses:
                await self._tell_losses(lane.log, self._stop)
            await asyncio.sleep(0)
        lane.plan(now, flush=flush)
        self._tell(lane)

    async def _next_batch(self) -> list[Pack]:
        """The packs of the next call: half for this session, half for the oldest one left behind that can be read."""
        lanes = [self._live]
        await self._advance(self._live, flush=self._flush)
        for lane in self._old:
            await self._advance(lane, flush=True)
            if lane.packs:
                lanes.append(lane)
                break
        if self._old_first:  # where a call has room for one pack only, they take turns
            lanes.reverse()
        room = self._pace.body_bytes
        packs = share([lane.packs for lane in lanes], room)
        return packs[: min(plan_batch(packs, max_body_bytes=room), self._most_packs or len(packs))]

    async def _send(self, batch: list[Pack]) -> float:
        """One call and its settlement; returns how long to wait before the next."""
        self._ledger.quota.note(len(batch), sum(len(pack.content) for pack in batch), self._clock())
        try:
            answers = await self._call(partial(self._firehose.put, batch), self._stop)
            if answers is None:  # stopped while the call was out
                self._note_ambiguous(batch)
                return 0.0
            return self._settle(batch, answers)
        except asyncio.CancelledError:
            self._note_ambiguous(batch)
            raise
        except AnswerMismatch as wrong:
            self._ledger.calls_failed["AnswerMismatch"] += 1
            self._note_ambiguous(batch)
            return self._troubled(wrong, self._pace.after_failure())
        except DeliveryFailed as failed:
            return self._fail(batch, failed)

    def _settle(self, batch: list[Pack], answers: list[PutAnswer]) -> float:
        settlement = settle(batch, answers)
        delivered, reasons = frozenset(settlement.delivered), dict(settlement.refused)
        self._ledger.calls += 1
        self._ledger.packs_throttled += len(settlement.again)
        again: list[Pack] = []
        doubted: list[Pack] = []
        for pack in batch:  # in order: what comes before a refused pack says when that was
            if pack in delivered:
                self._deliver(pack)
            elif pack not in reasons:
                again.append(pack)
            elif not (delivered or self._is_proven(pack)):
                doubted.append(pack)
            elif not self._refuse(pack, reasons[pack]):
                again.append(pack)
        for lane in self._lanes():
            lane.send_again([*again, *doubted])
        if not again:
            self.trouble = ""
        self.write_down()
        self._most_packs = None
        self._old_first = not self._old_first
        if doubted:
            code = reasons[doubted[0]].removeprefix("firehose_")
            return self._troubled(DeliveryRefused(code=code, message="every record"), self._pace.after_failure())
        if again:
            return self._pace.after_throttling() if settlement.throttled else self._pace.after_failure()
        return self._pace.after_success()

    def _fail(self, batch: list[Pack], failed: DeliveryFailed) -> float:
        self._ledger.calls_failed[failed.code] += 1
        if isinstance(failed, DeliveryAmbiguous):
            self._note_ambiguous(batch)
        if isinstance(failed, DeliveryRefused) and failed.code in CONTENT_CODES and self._isolate(batch, failed):
            return self._pace.after_division()
        throttled = isinstance(failed, DeliveryThrottled)
        return self._troubled(failed, self._pace.after_throttling() if throttled else self._pace.after_failure())

    def _isolate(self, batch: list[Pack], failed: DeliveryFailed) -> bool:
        """
        The packs themselves may be at fault: halve the call until the one at fault stands alone. True if that got further.

        It is refused for good only when it fails alone a second time after others were accepted: a service that refuses
        everything proves nothing against a pack, and must not empty the journal.
        """
        if len(batch) > 1:
            self._most_packs = len(batch) // 2
            return True
        (pack,) = batch
        self._most_packs = None
        known = pack in self._suspects
        if self._is_proven(pack):
            refused = self._refuse(pack, f"firehose_{failed.code}")
            self.write_down()
            return refused
        self._lane_of(pack).put_back(pack)
        return not known

    def _is_proven(self, pack: Pack) -> bool:
        """Whether others were accepted since this pack was first refused alone."""
        accepted = self._ledger.packs_delivered
        return self._suspects.setdefault(pack, accepted) < accepted

    def _troubled(self, error: Exception, wait_s: float) -> float:
        """Say what is wrong: once when it begins or changes, then once a minute."""
        self.trouble = str(error)
        said, at = self._said
        if said != self.trouble or self._clock() - at > _SAY_AGAIN_S:
            log.warning("%s Next try in %.1f s; %d lines are pending.", error, wait_s, self._pending)
            self._said = (self.trouble, self._clock())
        return wait_s

    def _lane_of(self, pack: Pack) -> Lane:
        return next(lane for lane in self._lanes() if lane.log.session == pack.session)

    def _note_ambiguous(self, batch: list[Pack]) -> None:
        self._ledger.ambiguous_lines += sum(pack.line_count for pack in batch)

    def _deliver(self, pack: Pack) -> None:
        lane = self._lane_of(pack)
        lane.deliver(pack)
        self._suspects.pop(pack, None)
        self.settled_at = self._clock()
        ledger = self._ledger
        ledger.packs_delivered += 1
        ledger.bytes_delivered += len(pack.content)
        ledger.bytes_billed += pack.billed_bytes
        if lane is not self._live:
            ledger.backlog_delivered += pack.line_count
        for product_id, count in Counter(self._note_tickers(pack)).items():
            view = ledger.products.get(product_id)
            if view is not None:  # a name that only a refused line carries is no product of ours
                view.delivered += count

    def _note_tickers(self, pack: Pack) -> list[str]:
        """The product that each line of a pack names."""
        lines = pack.content.splitlines()
        named = list(map(product_of, lines))
        self._tickers.update((name, line) for name, line in zip(named, lines, strict=True) if _TICKER in line)
        return named

    def _tell(self, lane: Lane) -> None:
        """Testify to what was refused for good: before a checkpoint says that it is settled, with no await in between."""
        if lane.untold:
            entries, lane.untold = lane.untold, []
            self._tell_refused(lane.log.session, entries, self._tickers.values())

    def _refuse(self, pack: Pack, reason: str) -> bool:
        """Set a pack aside for good; False if the disk has no room to keep it, so that it has to be tried again."""
        lane = self._lane_of(pack)
        try:
            lane.refuse(pack, reason)
        except JournalFull as full:
            self._troubled(full, 0.0)
            return False
        log.error("Firehose refused lines %d to %d of %s for good: %s", pack.first_n, pack.last_n, pack.session, reason)
        self._suspects.pop(pack, None)
        self._tell(lane)
        self._note_tickers(pack)
        return True

    def write_down(self) -> None:
        """A checkpoint of every session; earlier sessions with nothing pending are removed after it."""
        self._written_at = self._clock()
        try:
            self._journal.checkpoint(self._remember())
        except JournalFull as full:
            # The earlier checkpoint still stands: what was settled since would be sent again after a crash, not lost.
            self._troubled(full, 0.0)
            return
        drained = self._journal.forget_drained()
        self._old = [lane for lane in self._old if lane.log not in drained]
        for each in drained:
            log.info("session %s, left by an earlier process, is drained", each.session)
