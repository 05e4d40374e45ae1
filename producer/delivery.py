"""
Journal to Firehose: read ahead a little, pack, put, settle, write down, again.

Laws: one call at a time, in a thread of its own, so that the reader never waits for Firehose; refused packs go first in the next
call, topped up with fresh ones; nothing is settled but by its index; every failure waits before the next try.
Refuses to know: where lines come from, and how packs, answers and waits are decided (packing, settlement, pacing).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from producer.errors import (
    AnswerMismatch,
    DeliveryAmbiguous,
    DeliveryFailed,
    DeliveryRefused,
    DeliveryThrottled,
    JournalFull,
)
from producer.line import n_of
from producer.packing import Pack, Waiting, plan_batch, plan_packs
from producer.segment import Entry
from producer.settlement import CONTENT_CODES, PutAnswer, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producer.journal import Journal, SessionLog
    from producer.ledger import Ledger
    from producer.pacing import Pace

log = logging.getLogger(__name__)

# Read from the journal and held for packing, per session: two full calls' worth, so that one can be made while one is out.
WINDOW_BYTES: Final = 6 * 1024 * 1024
_SAY_AGAIN_S: Final = 60.0


class Puts(Protocol):
    """What delivery needs of Firehose; producer.firehose.Firehose is it."""

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        """One blocking call. Raises: DeliveryFailed."""


class _Lane:
    """One session's lines on their way: read, waiting to be packed, packed, to be sent again."""

    def __init__(self, log_: SessionLog, *, linger_s: float) -> None:
        self.log = log_
        self.linger_s = linger_s
        self.waiting: list[Waiting] = []
        self.again: list[Pack] = []
        self.ready: list[Pack] = []
        self._held_bytes = 0

    def read_ahead(self, now: float) -> None:
        room = WINDOW_BYTES - self._held_bytes
        if room > 0:
            entries = self.log.read(room)
            self.waiting += [Waiting(entry, now) for entry in entries]
            self._held_bytes += sum(len(entry.line) for entry in entries)

    def plan(self, now: float, *, flush: bool) -> None:
        plan = plan_packs(self.log.session, self.waiting, now=now, linger_s=0.0 if flush else self.linger_s)
        for entry in plan.oversize:
            self.log.refuse(entry, "line_too_long")
        self._held_bytes -= sum(len(entry.line) for entry in plan.oversize)
        self.ready += plan.packs
        del self.waiting[: plan.taken]

    def gone(self, pack: Pack) -> None:
        """The pack was settled: it needs no more room."""
        self._held_bytes -= len(pack.content)

        (self.again if pack in self.again else self.ready).remove(pack)

    def send_again(self, refused: Sequence[Pack]) -> None:
        """Packs that were refused for now go ahead of those never sent, in their order."""
        mine = [pack for pack in self.ready if pack in refused]
        self.ready = [pack for pack in self.ready if pack not in refused]
        self.again += mine


class Delivery:
    """
    Delivers a journal's lines, this session's and those that earlier sessions left.

    Clock: monotonic seconds, given as `clock`. `remember` gives what a checkpoint has to remember beside the settled lines.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._firehose = firehose
        self._ledger = ledger
        self._pace = pace
        self._linger_s = linger_s
        self._remember = remember
        self._clock = clock
        self._live = _Lane(journal.live, linger_s=linger_s)
        self._old = [_Lane(each, linger_s=0.0) for each in journal.backlog]
        self._flush = asyncio.Event()
        self._stop = asyncio.Event()
        self._most_packs: int | None = None
        self._said: tuple[str, float] = ("", 0.0)
        self.trouble = ""

    async def run(self) -> None:
        """Deliver until `stop`; lines wait in packs up to the linger time."""
        while not self._stop.is_set():
            batch = self._next_batch()
            wait_s = await self._send(batch) if batch else self._idle_s()
            if wait_s:
                await _wait_any(wait_s, self._stop, None if batch else self._flush)

    async def drain(self, deadline: float) -> bool:
        """
        Deliver everything pending now, without linger; False if the deadline came first.

        Caller must: append nothing meanwhile that it wants to see waited for beyond the deadline.
        """
        self._flush.set()
        while self._pending and self._clock() < deadline and not self._stop.is_set():
            await _wait_any(min(0.05, deadline - self._clock()), self._stop)
        self._flush.clear()
        return not self._pending

    @property
    def _pending(self) -> int:
        return self._journal.pending + self._journal.backlog_pending

    def stop(self) -> None:
        """Make `run` return; a call that is out is left to itself, its lines stay pending."""
        self._stop.set()

    def _idle_s(self) -> float:
        return min(0.5, max(0.02, self._linger_s / 10))

    def _next_batch(self) -> list[Pack]:
        """The packs of the next call: what was refused first, then half for this session, half for what others left."""
        now = self._clock()
        lanes = [self._live, *self._old[:1]]
        for lane in lanes:
            lane.read_ahead(now)
            lane.plan(now, flush=self._flush.is_set())
        room = self._pace.body_bytes
        first = [pack for lane in lanes for pack in lane.again]
        fresh = _share([lane.ready for lane in lanes], room)
        packs = first + fresh
        return packs[: min(plan_batch(packs, max_body_bytes=room), self._most_packs or len(packs))]

    async def _send(self, batch: list[Pack]) -> float:
        """One call and its settlement; returns how long to wait before the next."""
        try:
            answers = await _in_thread(self._firehose.put, batch, self._stop)
            if answers is None:
                return 0.0  # stopped while the call was out
            return self._settle(batch, answers)
        except AnswerMismatch as wrong:
            self._ledger.calls_failed["AnswerMismatch"] += 1
            self._ledger.ambiguous_lines += sum(pack.line_count for pack in batch)
            return self._troubled(wrong, self._pace.after_failure())
        except DeliveryFailed as failed:
            return self._fail(batch, failed)

    def _settle(self, batch: list[Pack], answers: list[PutAnswer]) -> float:
        settlement = settle(batch, answers)
        self._ledger.calls += 1
        self._ledger.packs_throttled += len(settlement.again)
        for pack in settlement.delivered:
            self._deliver(pack)
        for pack, reason in settlement.refused:
            log.error("Firehose refused lines %d to %d for good: %s", pack.first_n, pack.last_n, reason)
            self._refuse(pack, reason)
        for lane in self._lanes():
            lane.send_again(settlement.again)
        self.write_down()
        self._most_packs = None
        if settlement.again:
            return self._pace.after_throttling() if settlement.throttled else self._pace.after_failure()
        self.trouble = ""
        return self._pace.after_success()

    def _fail(self, batch: list[Pack], failed: DeliveryFailed) -> float:
        self._ledger.calls_failed[failed.code] += 1
        if isinstance(failed, DeliveryAmbiguous):
            self._ledger.ambiguous_lines += sum(pack.line_count for pack in batch)
        if isinstance(failed, DeliveryRefused) and failed.code in CONTENT_CODES:
            self._isolate(batch, failed)
        throttled = isinstance(failed, DeliveryThrottled)
        return self._troubled(failed, self._pace.after_throttling() if throttled else self._pace.after_failure())

    def _isolate(self, batch: list[Pack], failed: DeliveryFailed) -> None:
        """The packs themselves may be at fault: halve the call until the one at fault stands alone, then refuse it."""
        if len(batch) > 1:
            self._most_packs = len(batch) // 2
            return
        self._refuse(batch[0], f"firehose_{failed.code}")
        self._most_packs = None
        self.write_down()

    def _troubled(self, error: Exception, wait_s: float) -> float:
        """Say what is wrong: once when it begins or changes, then once a minute."""
        self.trouble = str(error)
        said, at = self._said
        if said != self.trouble or self._clock() - at > _SAY_AGAIN_S:
            log.warning("%s Next try in %.1f s; %d lines are pending.", error, wait_s, self._pending)
            self._said = (self.trouble, self._clock())
        return wait_s

    def _lanes(self) -> list[_Lane]:
        return [self._live, *self._old]

    def _lane_of(self, pack: Pack) -> _Lane:
        return next(lane for lane in self._lanes() if lane.log.session == pack.session)

    def _deliver(self, pack: Pack) -> None:
        lane = self._lane_of(pack)
        lane.log.settle(pack.first_n, pack.last_n)
        lane.gone(pack)
        ledger = self._ledger
        ledger.packs_delivered += 1
        ledger.bytes_delivered += len(pack.content)
        ledger.bytes_billed += pack.billed_bytes
        if lane is not self._live:
            ledger.backlog_delivered += pack.line_count

    def _refuse(self, pack: Pack, reason: str) -> None:
        lane = self._lane_of(pack)
        for line in pack.content.splitlines():
            lane.log.refuse(Entry(n_of(line), line), reason)
        lane.gone(pack)

    def write_down(self) -> None:
        """A checkpoint of every session; earlier sessions with nothing pending are removed after it."""
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


def _share(queues: list[list[Pack]], room_bytes: int) -> list[Pack]:
    """The first packs of each queue, each up to an equal share of the room, then the rest in turn."""
    taken: list[Pack] = []
    left: list[Pack] = []
    for queue in queues:
        used = 0
        for pack in queue:
            used += pack.base64_bytes
            (taken if used <= room_bytes // len(queues) else left).append(pack)
    return taken + left


async def _wait_any(timeout_s: float, *events: asyncio.Event | None) -> None:
    """Wait until an event is set, or for timeout_s."""
    tasks = {asyncio.ensure_future(event.wait()) for event in events if event is not None}
    _, unfinished = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()


async def _in_thread(
    put: Callable[[Sequence[Pack]], list[PutAnswer]], batch: list[Pack], stop: asyncio.Event
) -> list[PutAnswer] | None:
    """
    `put(batch)` in a thread that does not keep the process alive; None if `stop` came first.

    An executor's threads are joined when Python exits: a call that hangs would hold up a shutdown past its deadline.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[list[PutAnswer]] = loop.create_future()

    def settle_future(result: list[PutAnswer] | None, error: BaseException | None) -> None:
        if answered.done():
            return
        if error is not None:
            answered.set_exception(error)
        elif result is not None:
            answered.set_result(result)

    def call() -> None:
        try:
            outcome: tuple[list[PutAnswer] | None, BaseException | None] = (put(batch), None)
        except BaseException as error:  # noqa: BLE001 - carried over to the loop, raised there
            outcome = (None, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle_future, *outcome)

    threading.Thread(target=call, name="firehose", daemon=True).start()
    stopped = asyncio.ensure_future(stop.wait())
    either: set[asyncio.Future[Any]] = {answered, stopped}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return answered.result() if answered.done() else None
