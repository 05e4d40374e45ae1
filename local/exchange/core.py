"""
The exchange without sockets and without a clock: connections accepted and answered, ticks and beats as they fall due, REST under faults.

Laws: pure; `now_us` is an argument and never goes back; what is to be done is returned as actions, in order. The same
source, settings, calls and instants give the same actions. A recording starts when the first client subscribes to
products; its frames keep their order and are due by their own time; at full speed it waits while nobody listens.
Refuses to know: asyncio, HTTP, whether a client keeps up; who listens (audience.py), what becomes of a tick (publishing.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from local.exchange.actions import GOING_AWAY, Accepted, Action, Freeze, Refused, Send, Thaw
from local.exchange.audience import Audience
from local.exchange.faults import (
    IgnoreSubscribe,
    OddPages,
    RefuseConnections,
    RefuseSubscribe,
    RestDown,
    RestStorm,
    SlowAccept,
    SlowRest,
    ZeroHeartbeat,
)
from local.exchange.frames import encode_error, encode_heartbeat, encode_match, encode_status
from local.exchange.history import TradeHistory
from local.exchange.limits import Limits
from local.exchange.listings import Listing
from local.exchange.mischief import Mischief
from local.exchange.oddities import Oddities
from local.exchange.publishing import Publisher
from local.exchange.rest import Answer, answer_failure, answer_rest, is_trades, spoil_page
from local.exchange.rules import Session, refuse
from local.exchange.stream import Stream
from local.exchange.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.exchange.settings import Settings
    from local.exchange.tick import Source

NO_LIMIT: Final = 2**63
POLICY_VIOLATION: Final = 1008  # guess: the code of a disconnect for sending too much is documented nowhere


class Exchange:
    """One exchange: connections, listings, the stream of ticks and the truth about it."""

    def __init__(self, source: Source, settings: Settings, *, now_us: int) -> None:
        self.settings = settings
        self.truth = Truth()
        self.endless = source.endless
        self.listings = {product_id: self._new_listing(product_id) for product_id in source.product_ids}
        self.ended = False  # a recording was sent to its last frame
        self._now_us = now_us
        self._stream = Stream(source, speed=settings.speed, opened_us=now_us)
        self._limits = Limits() if settings.limits else None
        self._mischief = Mischief(settings.faults, seed=settings.seed, opened_us=now_us) if settings.faults else None
        self._audience = Audience(self._mischief)
        self._publisher = Publisher(
            self.listings,
            self._audience,
            self.truth,
            endless=source.endless,
            oddities=Oddities(seed=settings.seed, start_us=now_us) if settings.oddities else None,
            mischief=self._mischief,
        )
        if source.endless:
            self._take_ticks(NO_LIMIT, [])  # last tickers stand from the first moment

    def _new_listing(self, product_id: str) -> Listing:
        settings = self.settings
        history = TradeHistory(
            seed=settings.seed,
            hole_trades=None if self.endless else settings.hole_trades,
            remembered_count=settings.remembered_count,
        )
        return Listing(product_id, history, self.truth.of(product_id))

    # Connections

    def connect(self, now_us: int) -> Accepted | Refused:
        """A new connection's number, or the status it is refused with."""
        refusal, delay_s = None, 0.0
        if self._limits is not None and not self._limits.connections.take(now_us):
            refusal = 429
        if self._mischief is not None:
            delay_s = max((fault.delay_s for fault in self._mischief.at_work(SlowAccept, now_us)), default=0.0)
            refusal = next((fault.status for fault in self._mischief.at_work(RefuseConnections, now_us)), refusal)
        if refusal is not None:
            self.truth.refused_connection_count += 1
            return Refused(refusal, delay_s)
        self.truth.connection_count += 1
        return Accepted(self._audience.open(now_us + round(delay_s * 1_000_000)), delay_s)

    def disconnect(self, connection: int) -> None:
        """Forget a connection that is gone; unknown ones are gone already."""
        self._audience.forget(connection)

    def receive(self, connection: int, text: str | bytes, now_us: int) -> list[Action]:
        """Answer one message of a client."""
        session = self._audience.sessions.get(connection)
        if session is None or session.frozen:
            return []
        actions: list[Action] = []
        if self._limits is not None and not self._limits.messages.take(now_us):
            actions.append(Send(connection, encode_error("ErrSlowRead", "client sends too many messages")))  # guess
            self._audience.close(connection, POLICY_VIOLATION, "ErrSlowRead", actions)
            return actions
        if self._mischief is not None and b"unsubscribe" not in (text.encode() if isinstance(text, str) else text):
            if any(self._mischief.at_work(IgnoreSubscribe, now_us)):
                session.has_subscribed = True  # nothing comes, not even the disconnect after five seconds
                return []
            for fault in self._mischief.at_work(RefuseSubscribe, now_us):
                self.truth.refused_call_count += 1
                return [Send(connection, refuse("subscribe", fault.reason).frame)]
        self._obey(connection, session, text, now_us, actions)
        return actions

    def _obey(self, connection: int, session: Session, text: str | bytes, now_us: int, actions: list[Action]) -> None:
        valid: Mapping[str, Listing] = self.listings
        forgotten: set[str] = set()
        if self._mischief is not None:
            bad, forgotten = self._mischief.bad_products(now_us), self._mischief.forgotten_products(now_us)
            valid = {known: listing for known, listing in self.listings.items() if known not in bad}
        known_key = self.settings.known_key
        reply = session.receive(text, valid=valid, now_us=now_us, forgotten=forgotten, known_key=known_key)
        actions.append(Send(connection, reply.frame))
        self.truth.signed_call_count += reply.signed
        if reply.refused:
            self.truth.refused_call_count += 1
            return
        self._audience.index()
        for channel, product_id in reply.added:
            self._send_last(connection, channel, self.listings[product_id], actions)
        self._start_if_awaited(now_us)

    def _send_last(self, connection: int, channel: str, listing: Listing, actions: list[Action]) -> None:
        """The last known ticker or match, which is what a new subscriber gets first."""
        if channel == "ticker" and listing.last_ticker is not None:
            listing.truth.resent_count += 1
            listing.truth.note_sent(listing.last_ticker.trade_id)
            actions.append(Send(connection, listing.last_ticker.frame))
        if channel == "matches" and (trade := listing.history.last) is not None:
            frame = encode_match(listing.product_id, trade, sequence=listing.sequence, last=True)
            actions.append(Send(connection, frame))

    def _start_if_awaited(self, now_us: int) -> None:
        if self._stream.has_started:
            return
        subscribed = self._audience.streamed_products()
        if subscribed and self.settings.start_after <= subscribed:
            self._stream.start(now_us)

    # Time

    def market_us(self, now_us: int) -> int:
        """The exchange's own clock: the real one or the replay's place in the recording, and off if a fault says so."""
        off_us = self._mischief.clock_step_us(now_us) if self._mischief else 0
        return self._stream.market_us(now_us) + off_us

    def next_due_us(self) -> int | None:
        """When `step` next has something to do, as far as is known; 0: at once, None: not before a client acts."""
        due = [when for session in self._audience.sessions.values() if (when := session.next_due_us()) is not None]
        if self._mischief is not None and (edge := self._mischief.next_edge_us(self._now_us)) is not None:
            due.append(edge)
        if self._is_flowing():
            due.append(self._stream.next_due_us())
        return min(due, default=None)

    def _is_flowing(self) -> bool:
        """Whether ticks fall due: at full speed only while somebody listens."""
        if self.ended or not self._stream.has_started:
            return False
        return self.settings.speed is not None or self.endless or self._audience.is_heard

    # What falls due

    def step(self, now_us: int, *, tick_limit: int = NO_LIMIT) -> list[Action]:
        """
        Everything that falls due until now, in order.

        Shapes: at most `tick_limit` ticks; `next_due_us` says whether more are waiting.
        Caller must: step no later than `next_due_us`, or heartbeats come after ticks that they precede.
        """
        self._now_us = max(self._now_us, now_us)
        actions: list[Action] = []
        self._close_overdue(actions)
        if self._mischief is not None:
            self._strike_connections(self._mischief, actions)
        self._take_ticks(tick_limit, actions)
        for connection, session in self._audience.sessions.items():
            self._beat(connection, session, actions)
        if self._stream.is_over and not self.ended:
            self.ended = True
            for connection in [known for known, session in self._audience.sessions.items() if session.has_subscribed]:
                self._audience.close(connection, GOING_AWAY, "the recording ends here", actions)
        return actions

    def _close_overdue(self, actions: list[Action]) -> None:
        for connection in [
            known for known, session in self._audience.sessions.items() if session.is_overdue(self._now_us)
        ]:
            # The code is a guess: the documentation says "disconnected" and no more.
            self._audience.close(connection, GOING_AWAY, "no subscribe within 5 seconds", actions)

    def _strike_connections(self, mischief: Mischief, actions: list[Action]) -> None:
        """Close what a fault closes, freeze and thaw what a silence leaves half-open."""
        for fault in mischief.take_disconnects(self._now_us):
            self._audience.close_all(fault.code, fault.reason, actions)
        for connection, session in self._audience.sessions.items():
            deaf = any(silence.deaf for silence in mischief.silences(session.opened_us, self._now_us))
            if deaf != session.frozen:
                session.frozen = deaf
                actions.append(Freeze(connection) if deaf else Thaw(connection))

    def _take_ticks(self, tick_limit: int, actions: list[Action]) -> None:
        for _ in range(tick_limit):
            if not self._is_flowing():
                return
            tick = self._stream.take(self._now_us)
            if tick is None:
                return
            self._publisher.publish(tick, self._now_us, actions)

    # By the second

    def _beat(self, connection: int, session: Session, actions: list[Action]) -> None:
        for product_id in session.take_heartbeats(self._now_us):
            if self._audience.is_silenced(connection, product_id, self._now_us, beat=True):
                continue
            listing = self.listings[product_id]
            unknown = self._mischief is not None and any(self._mischief.at_work(ZeroHeartbeat, self._now_us))
            frame = encode_heartbeat(
                product_id,
                sequence=listing.sequence,
                last_trade_id=0 if unknown else listing.trade_id,
                now_us=self.market_us(self._now_us),
            )
            self.truth.heartbeat_count += 1
            actions.append(Send(connection, frame))
        if session.take_status(self._now_us) and not self._audience.is_silenced(
            connection, "", self._now_us, beat=True
        ):
            products = [listing.describe() for listing in self.listings.values()]
            actions.append(Send(connection, encode_status(products)))

    # REST

    def rest(self, path: str, query: Mapping[str, str], now_us: int) -> Answer | None:
        """What GET `path` answers; None where the connection is broken off without an answer."""
        answer = self._answer(path, query, now_us)
        self.truth.rest_count[answer.status if answer else 0] += 1
        return answer

    def _answer(self, path: str, query: Mapping[str, str], now_us: int) -> Answer | None:
        mischief = self._mischief
        if mischief is not None and any(mischief.on_path(RestDown, path, now_us)):
            return None
        if self._limits is not None and not self._limits.of_path(path).take(now_us):
            return answer_failure(429, path)
        if mischief is None:
            return answer_rest(self.listings, path, query, self.market_us(now_us))
        delay_s = max((fault.delay_s for fault in mischief.on_path(SlowRest, path, now_us)), default=0.0)
        for storm in mischief.on_path(RestStorm, path, now_us):
            if mischief.strikes(storm.share):
                return replace(answer_failure(storm.status, path), delay_s=delay_s)
        odd = [
            each.how
            for each in mischief.on_path(OddPages, path, now_us)
            if is_trades(path) and mischief.strikes(each.share)
        ]
        if "stuck" in odd:
            query = {name: value for name, value in query.items() if name != "after"}
        answer = answer_rest(self.listings, path, query, self.market_us(now_us))
        for how in odd:
            answer = spoil_page(answer, how)
        return replace(answer, delay_s=delay_s)
