"""
Everything the feed side decides, in one place without I/O: websocket channels, REST polling and healing over one continuity.

Theory of operation. A channel is one websocket's share of the products. Its frames go to the intake, which journals them; what
they prove (a jump of ids; a heartbeat that is ahead of the ticks for too long) becomes a hole, which is named at once and handed
to the healer. While a channel is not live for ten seconds, its products are polled over REST. `next_ask` says what to ask REST
for; whoever does the asking brings the answer back.

Laws: nothing here waits or touches the world, but for the intake's `write`; time is an argument (`now`: monotonic seconds, `receive_us`:
our wall clock); healing and polling happen between frames, never instead of them.
Refuses to know: sockets and HTTP.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from producer.coverage import Coverage
from producer.errors import BodyUnreadable
from producer.exchange import Heartbeat, Message, Ticker
from producer.healing import RETRY_ABSENT_S, Healer
from producer.line import encode_testimony
from producer.rest import RestAnswer, decode_ticker, decode_trades
from producer.restdesk import Ask, Poll, RestDesk
from producer.watch import Duty, Watch

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Sequence

    from producer.continuity import GapReason, Hole
    from producer.intake import Intake
    from producer.intervals import IntervalSet
    from producer.ledger import Ledger
    from producer.ratelimit import Bucket

log = logging.getLogger(__name__)

# While the websocket is down, the polled products' holes are named and healed this often: a long outage is whole soon,
# and one hole names at most some hundred polled trades.
SETTLE_POLLED_S: Final = 240.0
_OK: Final = 200
# Answers that asking again cannot change: the product is unknown or delisted.
_FINAL: Final = frozenset({400, 404})


@dataclass(frozen=True, slots=True)
class Fetch:
    """How missing trades are fetched. Units: `retry_absent_s` in seconds; `bucket` None: a rate limit of its own."""

    source: Literal["rest_heal", "rest_backfill"] = "rest_heal"
    retry_absent_s: tuple[float, ...] = RETRY_ABSENT_S
    bucket: Bucket | None = None


FEED: Final = Fetch()


class Channel:
    """One websocket's products: who is watching them, and what they have proved. Clock: `now` in monotonic seconds."""

    def __init__(
        self, ingest: Ingest, products: Sequence[str], *, now: float, stall_s: float, fallback_after_s: float
    ) -> None:
        self.products = tuple(products)
        self.watch: Watch | None = None  # of the open connection
        self.duty = Duty(now=now, fallback_after_s=fallback_after_s)
        self.coverage = Coverage(stall_s=stall_s)
        self.polling = False
        self.unserved: frozenset[str] = frozenset()  # products that a live websocket does not bring
        self._ingest = ingest
        self._stall_s = stall_s
        self._settled_at = now
        self._watched_at = now

    def opened(self, now: float) -> None:
        """The websocket is open, and asked for its products."""
        self.watch = Watch(stall_s=self._stall_s, opened_at=now)
        for product_id in self.products:
            self.watch.trade(product_id, self._ingest.intake.continuity.last_trade_id(product_id) or 0)

    def subscribed(self, products: Sequence[str], now: float, receive_us: int) -> None:
        """The exchange acknowledged these products: the websocket is on watch."""
        self.unserved = frozenset(self.products) - frozenset(products)
        self.duty.ws_live(now)
        self._ingest.change_duty(self, now, receive_us)
        self._ingest.testify_coverage(self.coverage.on_watch("exchange_ws", products), receive_us)
        if self.unserved:
            self._ingest.testify_coverage(self.coverage.on_watch("exchange_rest", self.unserved), receive_us)

    @property
    def polled(self) -> Collection[str]:
        """The products that REST is asked for now: all of them while the websocket is away, else those it does not bring."""
        return self.products if self.polling else self.unserved

    def frame(self, raw: bytes, receive_us: int, now: float) -> Message:
        """One frame, journaled; what it proves is acted upon."""
        assert self.watch is not None
        self._ingest.receive_us = receive_us
        message = self._ingest.intake.take(raw, receive_us)
        self.watch.frame(now)
        if type(message) is Ticker:
            # What is not believed yet is nothing to hold heartbeats against.
            if message.valid and not self._ingest.intake.continuity.doubts(message.product_id, message.trade_id):
                self.watch.trade(message.product_id, message.trade_id)
        elif type(message) is Heartbeat:
            self.watch.heartbeat(message.product_id, message.last_trade_id, now)
            self._ingest.testify_coverage(self.coverage.heartbeat(message.product_id, message.event_time), receive_us)
        return message

    def lost(self, reason: GapReason, now: float) -> None:
        """The websocket ended; holes found at the products' next trades have this reason."""
        if self.duty.state in {"live", "returning"}:
            self._watched_at = now
        self.watch = None
        for product_id in self.products:
            self._ingest.intake.continuity.suspect(reason, product_id)
        self.duty.ws_lost(now)
        self.coverage.off_watch("exchange_ws")
        if self.polling:  # REST had not handed back yet: it watches alone again
            self._ingest.testify_coverage(
                self.coverage.on_watch("exchange_rest", self.products), self._ingest.receive_us
            )

    def watched_at(self, now: float) -> float:
        """When somebody last watched: now while the websocket is live, else when REST last answered, or when it was lost."""
        return now if self.duty.state in {"live", "returning", "handing_back"} else self._watched_at

    def watched(self, now: float) -> None:
        """REST answered for one of the products."""
        self._watched_at = now

    def fell_behind(self) -> None:
        """The disk held the reader up for so long that what the exchange drops now is our fault."""
        for product_id in self.products:
            self._ingest.intake.continuity.suspect("receive_queue_full", product_id)

    def due_to_settle(self, now: float) -> bool:
        """Whether polling has gone on so long that its holes are to be named now."""
        if now - self._settled_at < SETTLE_POLLED_S:
            return False
        self._settled_at = now
        return True

    def begin_polling(self, now: float) -> None:
        """REST is on duty from now on."""
        self.polling, self._settled_at = True, now


class Ingest:
    """The feed side of one producer; the intake's listener."""

    def __init__(
        self,
        intake: Intake,
        ledger: Ledger,
        rng: random.Random,
        *,
        stall_s: float,
        fallback_after_s: float,
        heal_back_s: float,
        now: float,
        fetch: Fetch = FEED,
    ) -> None:
        self.intake = intake
        self.healer = Healer(retry_absent_s=fetch.retry_absent_s)
        self.desk = RestDesk(self.healer, rng, bucket=fetch.bucket)
        self._fetch = fetch
        self.channels: list[Channel] = []
        self._ledger = ledger
        self._stall_s = stall_s
        self._fallback_after_s = fallback_after_s
        self._heal_back_s = heal_back_s
        self._channel_of: dict[str, Channel] = {}
        self._now = now
        self.receive_us = 0
        intake.listener = self
        for hole in intake.continuity.open_holes():  # what an earlier session could not finish
            self.healer.add(hole, now)

    def add_channel(self, products: Sequence[str], now: float) -> Channel:
        """One more websocket for these products, not open yet; REST takes over if it stays so."""
        channel = Channel(self, products, now=now, stall_s=self._stall_s, fallback_after_s=self._fallback_after_s)
        self.channels.append(channel)
        for product_id in products:
            self._channel_of[product_id] = channel
        return channel

    # ------------------------------------------------------------------ what the intake found out

    def new_trade(self, product_id: str, trade_id: int, event_time: str) -> None:
        """Count it for its minute."""
        channel = self._channel_of.get(product_id)
        if channel is not None:
            finished = channel.coverage.ticker(product_id, trade_id, event_time)
            if finished:
                self.testify_coverage(finished, self.receive_us)

    def hole_found(self, hole: Hole) -> None:
        """Have it healed."""
        self.healer.add(hole, self._now)

    def late_trade(self, hole: Hole, trade_id: int) -> None:
        """One less to heal."""
        self.healer.arrived_late(hole, trade_id)

    def trades_refused(self, product_id: str, trade_ids: IntervalSet) -> None:
        """Holes that they had filled miss them again."""
        self.healer.put_back(product_id, trade_ids)

    # ------------------------------------------------------------------ time

    def tick(self, now: float, receive_us: int) -> None:
        """
        What only time can tell: heartbeats that stay ahead, a websocket that stays away.

        Caller must: call it a few times a second.
        """
        self._now, self.receive_us = now, receive_us
        for channel in self.channels:
            for product_id, trade_id in channel.watch.overdue(now) if channel.watch else ():
                self.intake.follow(self.intake.continuity.reach(product_id, trade_id), trade_id, receive_us)
            channel.duty.tick(now)
            self.change_duty(channel, now, receive_us)
            if channel.polled and channel.due_to_settle(now):
                self._settle_polled(channel.polled, receive_us)

    def change_duty(self, channel: Channel, now: float, receive_us: int) -> None:
        """Begin or end polling as the channel's duty says."""
        should_poll = channel.duty.on_duty == "exchange_rest"
        if should_poll and not channel.polling:
            log.warning(
                "no websocket for %g s: polling %d products over REST", self._fallback_after_s, len(channel.products)
            )
            channel.begin_polling(now)
            self.testify_coverage(channel.coverage.on_watch("exchange_rest", channel.products), receive_us)
        elif channel.polling and not should_poll:
            log.warning("the websocket is live again: REST polling ends")
            channel.polling = False
            channel.coverage.off_watch("exchange_rest")
            self._settle_polled(channel.products, receive_us)

    def _settle_polled(self, products: Collection[str], receive_us: int) -> None:
        """Name and heal what polling proves to be missing, without waiting for the websocket to prove it again."""
        continuity = self.intake.continuity
        for product_id in products:
            self.intake.follow(continuity.settle_polled(product_id), 0, receive_us)
            continuity.suspect("disconnected", product_id)

    # ------------------------------------------------------------------ REST

    def next_ask(self, now: float) -> Ask | None:
        """What to ask REST for now; None if nothing is due."""
        polling = [product_id for channel in self.channels for product_id in channel.polled]
        return self.desk.next_ask(now, polling=polling)

    def answered(self, ask: Ask, answer: RestAnswer, *, now: float, receive_us: int) -> None:
        """What REST said."""
        self._now, self.receive_us = now, receive_us
        self._ledger.rest[str(answer.status or "none")] += 1
        try:
            if answer.status == _OK:
                self._use(ask, answer, receive_us, now)
                self.desk.answered()
            elif answer.status in _FINAL:
                said = answer.body[:200].decode("utf-8", "replace")
                self._refused(ask, f"HTTP {answer.status}: {said}", now, receive_us)
                self.desk.answered()
            else:
                self._failed(ask, answer.why or f"HTTP {answer.status}", now)
        except BodyUnreadable as unreadable:
            self._failed(ask, str(unreadable), now)

    def _use(self, ask: Ask, answer: RestAnswer, receive_us: int, now: float) -> None:
        if isinstance(ask, Poll):
            self._channel_of[ask.product_id].watched(now)
            self._use_poll(ask.product_id, answer, receive_us)
            return
        trades = decode_trades(answer.body)
        wanted = self.healer.wanted(ask, trades, too_old_before=self._too_old_before(ask.product_id))
        healed = self.intake.take_healed(ask.product_id, wanted, receive_us, source=self._fetch.source)
        receipt = self.healer.answered(ask, trades, healed, now)
        for each in (*([receipt] if receipt else ()), *self.healer.also_healed(ask.product_id, healed)):
            self.intake.close(each, receive_us)

    def _use_poll(self, product_id: str, answer: RestAnswer, receive_us: int) -> None:
        ticker = decode_ticker(answer.body)
        coverage = self._channel_of[product_id].coverage
        if answer.date_us is not None:
            self.testify_coverage(coverage.poll(answer.date_us), receive_us)
        if self.intake.take_poll(product_id, ticker, answer.body, receive_us):
            self.testify_coverage(coverage.ticker(product_id, ticker.trade_id, ticker.event_time), receive_us)

    def _refused(self, ask: Ask, why: str, now: float, receive_us: int) -> None:
        log.warning("REST refuses %s: %s", ask.product_id, why)
        if isinstance(ask, Poll):
            self.desk.unknown(ask.product_id, now)
            return
        receipt = self.healer.refused(why)
        if receipt is not None:
            self.intake.close(receipt, receive_us)

    def _failed(self, ask: Ask, why: str, now: float) -> None:
        wait_s = self.desk.failed(now)
        log.info("REST gave no usable answer about %s (%s); next try in %.1f s", ask.product_id, why, wait_s)
        if not isinstance(ask, Poll):
            self.healer.failed(now, wait_s)

    def _too_old_before(self, product_id: str) -> str | None:
        """The instant before which trades are not fetched, as the exchange writes instants: the bound before its newest."""
        newest = self._ledger.product(product_id).event_time
        try:
            bound = datetime.fromisoformat(newest).astimezone(UTC) - timedelta(seconds=self._heal_back_s)
        except (ValueError, OverflowError):
            return None  # no usable time seen: nothing says that anything is too old
        return f"{bound:%Y-%m-%dT%H:%M:%S}"

    # ------------------------------------------------------------------ testimony

    def testify_coverage(self, finished: Sequence[dict[str, Any]], receive_us: int) -> None:
        """One line per finished minute and product."""
        for message in finished:
            self.intake.testify("coverage", encode_testimony(message), receive_us)

    def flush(self, receive_us: int) -> None:
        """What the end cuts short: holes that polling or a full journal proves are named, open minutes get their lines. Open holes are remembered."""
        self.intake.name_unjournaled(receive_us)
        for channel in self.channels:
            self._settle_polled(channel.polled, receive_us)
            self.testify_coverage(channel.coverage.flush(), receive_us)
