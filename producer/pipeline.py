"""
The producer, wired: sources, ingest, journal, delivery; the order in which they start and stop.

Start: lock the journal, inherit what the last session remembered, write the opening line, then read and deliver at once.
Stop: close the feed and take in what it had received; drain; write the closing line; drain again; say what is left.

Laws: the wiring decides nothing about frames, packs or answers; after `run` every line that was counted is delivered, refused by
name, or pending on disk, and the receipt says how many of each.
Refuses to know: signals and screens (the command line's), and AWS beyond an object with `put`.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

from producer.credentials import check_way
from producer.delivery import Delivery
from producer.errors import JournalFull
from producer.health import HealthFacts, HealthReport, judge
from producer.ingest import Ingest
from producer.inherit import inherit_continuity
from producer.intake import Intake
from producer.journal import Journal
from producer.ledger import Ledger, Receipt
from producer.line import LineEncoder, encode_testimony, receive_us_of
from producer.metrics import Reading
from producer.pacing import Pace
from producer.session_log import sync_and_close
from producer.sources import Sources
from producer.witness import Witness

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable, Iterable, Sequence

    from contract.messages import Kind
    from producer.credentials import ApiKey
    from producer.delivery import Puts
    from producer.line import Source
    from producer.metrics import FeedReading
    from producer.segment import Entry
    from producer.session_log import SessionLog
    from producer.settings import Settings

log = logging.getLogger(__name__)

SYNC_S: Final = 1.0


class Feeding(Protocol):
    """What a producer's lines come from: websockets (producer.sources), or an errand over REST (producer.errand)."""

    @property
    def state(self) -> str:
        """How it stands, for a person."""

    async def run(self) -> None:
        """Feed until `stop`, or until there is nothing more to do."""

    async def stop(self) -> None:
        """End `run` in order."""

    def describe(self) -> dict[str, object]:
        """What the session's opening and closing say of it: `feed` and `products`."""

    def remember(self) -> dict[str, object]:
        """What of its own has to survive a restart, as JSON values."""

    def reading(self, now: float) -> FeedReading:
        """How it stands, for metrics. Clock: monotonic seconds."""

    def unwatched_s(self, now: float) -> float:
        """For how long nothing was watched that should be."""


class Producer:
    """
    One run of one producer: one session. `feed` makes what its lines come from, once the rest of it stands.

    Raises: SettingsError if an API key would travel in the open; what Journal raises.
    """

    def __init__(
        self,
        settings: Settings,
        firehose: Puts,
        *,
        session: str,
        rng: random.Random,
        tls: ssl.SSLContext | None = None,
        api_key: ApiKey | None = None,
        feed: Callable[[Producer], Feeding] | None = None,
    ) -> None:
        if api_key is not None:
            check_way(settings.ws_url)
        self.settings = settings
        self.session = session
        self.rng = rng
        self.tls = tls
        self.api_key = api_key
        self.ledger = Ledger()
        self.journal = Journal(settings.journal, session, fsync=settings.fsync, max_bytes=settings.journal_max_bytes)
        self._encoder = LineEncoder(session)
        self._inherited, since = self.journal.inherited()
        self.intake = Intake(
            continuity=inherit_continuity(self._inherited, since),
            ledger=self.ledger,
            write=self._write,
            set_aside=self._set_aside,
            simulated=settings.simulated,
        )
        self._witness = Witness(self.intake, session)
        self.sources = (feed or _watch)(self)
        self.delivery = Delivery(
            self.journal,
            firehose,
            ledger=self.ledger,
            pace=Pace(rng),
            linger_s=settings.linger_s,
            remember=self._remember,
            tell_losses=self._tell_losses,
            tell_refused=self._tell_refused,
        )
        self._stop = asyncio.Event()
        self._why = ""
        self._began_at = time.monotonic()
        self._line_at = 0.0

    async def run(self) -> Receipt:
        """Feed and deliver until `stop`; then drain within the deadline. Raises nothing for what peers do."""
        self._testify({"event": "opened", "version": version("ticklake"), "python": platform.python_version()})
        self.intake.inherit_unwritten(self._inherited.get("unwritten", ()))
        self.intake.name_inherited(time.time_ns() // 1000)
        self.delivery.write_down()  # what was inherited is ours now, before anything of the old sessions is removed
        feeding = asyncio.create_task(self.sources.run(), name="feed")
        delivering = asyncio.create_task(self.delivery.run(), name="delivery")
        syncing = asyncio.create_task(self._sync_for_ever(), name="sync")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            # A task that ends by itself ended by a fault of ours, or its errand is done: stop in order, then let it be seen.
            await asyncio.wait({feeding, delivering, syncing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                self._why = self._why or self.sources.state
            await self._close(feeding)
        finally:
            for task in (feeding, delivering, syncing, stopping):
                task.cancel()
            outcomes = await asyncio.gather(feeding, delivering, syncing, return_exceptions=True)
            self.delivery.write_down()
            self.journal.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return self.receipt()

    def stop(self, why: str) -> None:
        """Ask `run` to end in order; `why` goes into the closing line."""
        self._why = self._why or why
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    async def _close(self, feeding: asyncio.Task[None]) -> None:
        deadline = time.monotonic() + self.settings.drain_s
        await self.sources.stop()
        await asyncio.wait({feeding}, timeout=max(0.0, deadline - time.monotonic()))
        await self.delivery.drain(deadline)
        self.intake.write_unwritten()  # what was delivered has made room
        self._testify(self._closing())
        await self.delivery.drain(deadline)
        self.delivery.stop()

    def receipt(self) -> Receipt:
        """The accounts as they stand."""
        live = self.journal.live
        return Receipt(
            session=self.session,
            written=live.written,
            delivered=live.delivered,
            pending=live.pending,
            refused=dict(live.refused),
            backlog_pending=self.journal.backlog_pending,
            ledger=self.ledger,
        )

    def reading(self) -> Reading:
        """Where everything stands now, for metrics; the busiest second is the busiest since the reading before."""
        oldest, at_us = self.delivery.oldest_pending(), time.time_ns() // 1000
        return Reading(
            receipt=self.receipt(),
            journal_fill=self.journal.fill,
            oldest_pending_age_us=None if oldest is None else at_us - receive_us_of(oldest),
            busiest=self.ledger.quota.take_recent(),
            feed=self.sources.reading(time.monotonic()),
            at_us=at_us,
        )

    def health(self) -> HealthReport:
        """Healthy, idle or wedged, and why."""
        now, at_us, oldest = time.monotonic(), time.time_ns() // 1000, self.delivery.oldest_pending()
        feed = self.sources.reading(now)
        seen_us = max((view.receive_us for view in self.ledger.products.values()), default=0)
        return judge(
            HealthFacts(
                uptime_s=now - self._began_at,
                connected=feed.channels_live > 0,
                fallback=feed.channels_polling > 0,
                unwatched_s=self.sources.unwatched_s(now),
                heartbeat_s=feed.silent_s,
                tick_s=(at_us - seen_us) / 1e6 if seen_us else None,
                line_s=now - self._line_at if self._line_at else None,
                oldest_pending_s=None if oldest is None else (at_us - receive_us_of(oldest)) / 1e6,
                delivered_s=now - self.delivery.settled_at,
            )
        )

    def _closing(self) -> dict[str, Any]:
        live = self.journal.live
        return {
            "event": "closed",
            "why": self._why,
            "lines": live.written,
            "by_kind": dict(self.ledger.lines),
            "delivered": live.delivered,
            "pending": live.pending,
            "refused": live.refused,
            "not_written": self.ledger.lines_not_written,
            "frames": dict(self.ledger.frames),
            **({"spot_missed": self.ledger.spot_missed} if self.settings.spot_every_s else {}),
        }

    def _testify(self, message: dict[str, Any]) -> None:
        full = {**message, **self.sources.describe()}
        if not self._write("session", "producer", encode_testimony(full), time.time_ns() // 1000):
            log.error("the journal has no room for the session's %s line", message["event"])

    def _write(
        self, kind: Kind, source: Source, message: bytes, receive_us: int, product_id: str | None = None
    ) -> bool:
        line = self._encoder.encode(
            n=self.journal.next_n,
            kind=kind,
            source=source,
            receive_us=receive_us,
            message=message,
            product_id=product_id,
        )
        try:
            self.journal.append(line)
        except JournalFull as full:
            if not self.ledger.lines_not_written:
                log.warning("%s", full)
            self.ledger.lines_not_written += 1
            return False
        self.ledger.lines[kind] += 1
        self._line_at = time.monotonic()
        return True

    def _set_aside(self, reason: str, frame: bytes) -> None:
        try:
            self.journal.live.set_aside(self.journal.next_n - 1, reason, frame)
        except JournalFull as full:  # its line, with the frame's head, length and hash, is journaled all the same
            log.warning("%s", full)

    async def _tell_losses(self, damaged: SessionLog, stop: asyncio.Event) -> None:
        about = self.sources.describe()
        await self._witness.tell(damaged, stop, about=about, clock=lambda: time.time_ns() // 1000)

    def _tell_refused(self, session: str, entries: Sequence[Entry], beside: Iterable[bytes]) -> None:
        about, receive_us = self.sources.describe(), time.time_ns() // 1000
        self._witness.tell_refused(session, entries, beside, about=about, receive_us=receive_us)

    def _remember(self) -> dict[str, object]:
        return {
            "continuity": self.intake.continuity.to_memory(),
            "unwritten": self.intake.unwritten,
            **self.sources.remember(),
        }

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            for descriptor in self.journal.descriptors_to_sync():
                await asyncio.to_thread(sync_and_close, descriptor)


def _watch(producer: Producer) -> Sources:
    """The websockets of the settings' products."""
    settings = producer.settings
    ingest = Ingest(
        producer.intake,
        producer.ledger,
        producer.rng,
        stall_s=settings.stall_s,
        fallback_after_s=settings.fallback_after_s,
        heal_back_s=settings.heal_back_h * 3600,
        now=time.monotonic(),
    )
    return Sources(
        settings,
        ingest=ingest,
        ledger=producer.ledger,
        rng=producer.rng,
        tls=producer.tls,
        api_key=producer.api_key,
    )
