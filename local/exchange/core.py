"""
The exchange without sockets and without a clock: who is sent which frame when.

Laws: pure; `now_us` is an argument and never goes back; what is to be done is returned as actions, in order. The same
source, settings, calls and instants give the same actions. A recording starts when the first client subscribes to
products; its frames keep their order and are due by their own time; at full speed it waits while nobody listens.
Refuses to know: asyncio, HTTP, and whether a client keeps up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from local.exchange.actions import GOING_AWAY, Accepted, Action, Close, Freeze, Refused, Send, Thaw
from local.exchange.faults import (
    Alter,
    Disconnect,
    Drop,
    Duplicate,
    IgnoreSubscribe,
    Jump,
    OddPages,
    RefuseConnections,
    RefuseSubscribe,
    Reorder,
    RestDown,
    RestStorm,
    SlowAccept,
    SlowRest,
    ZeroHeartbeat,
)
from local.exchange.frames import encode_error, encode_heartbeat, encode_match, encode_status
from local.exchange.history import TradeHistory
from local.exchange.limits import Limits
from local.exchange.listings import Held, Listing
from local.exchange.mischief import Mischief
from local.exchange.oddities import Oddities, alter_frame
from local.exchange.rest import Answer, answer_failure, answer_rest, is_trades, spoil_page
from local.exchange.rules import Session, refuse
from local.exchange.stream import Stream
from local.exchange.truth import Struck, Truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.exchange.faults import FrameFault
    from local.exchange.settings import Settings
    from local.exchange.tick import Source, Tick

NO_LIMIT: Final = 2**63
STREAMED: Final = ("ticker", "matches")
POLICY_VIOLATION: Final = 1008  # guess: the code of a disconnect for sending too much is documented nowhere


class Exchange:
    """One exchange: connections, listings, the stream of ticks and the truth about it."""

    def __init__(self, source: Source, settings: Settings, *, now_us: int) -> None:
        self.settings = settings
        self.truth = Truth()
        self.endless = source.endless
        self.listings = {product_id: self._new_listing(product_id) for product_id in source.product_ids}
        self.sessions: dict[int, Session] = {}
        self.ended = False  # a recording was sent to its last frame
        self._now_us = now_us
        self._stream = Stream(source, speed=settings.speed, opened_us=now_us)
        self._next_connection = 0
        self._listeners: dict[tuple[str, str], tuple[int, ...]] = {}
        self._ticker_connections: tuple[int, ...] = ()
        self._is_heard = False
        self._limits = Limits() if settings.limits else None
        self._oddities = Oddities(seed=settings.seed, start_us=now_us) if settings.oddities else None
        self._mischief = Mischief(settings.faults, seed=settings.seed, opened_us=now_us) if settings.faults else None
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
        self._next_connection += 1
        self.sessions[self._next_connection] = Session(now_us + round(delay_s * 1_000_000))
        self.truth.connection_count += 1
        return Accepted(self._next_connection, delay_s)

    def disconnect(self, connection: int) -> None:
        """Forget a connection that is gone; unknown ones are gone already."""
        if self.sessions.pop(connection, None) is not None:
            self._index()

    def _close(self, connection: int, code: int | None, reason: str, actions: list[Action]) -> None:
        actions.append(Close(connection, code, reason))
        self.disconnect(connection)

    def receive(self, connection: int, text: str | bytes, now_us: int) -> list[Action]:
        """Answer one message of a client."""
        session = self.sessions.get(connection)
        if session is None or session.frozen:
            return []
        actions: list[Action] = []
        if self._limits is not None and not self._limits.messages.take(now_us):
            actions.append(Send(connection, encode_error("ErrSlowRead", "client sends too many messages")))  # guess
            self._close(connection, POLICY_VIOLATION, "ErrSlowRead", actions)
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
        self._index()
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

    def _index(self) -> None:
        """Note who listens to what, so that a tick costs one look-up."""
        listeners: dict[tuple[str, str], list[int]] = {}
        for connection, session in self.sessions.items():
            for channel, product_ids in session.subscribed.items():
                for product_id in product_ids:
                    listeners.setdefault((channel, product_id), []).append(connection)
        self._listeners = {key: tuple(connections) for key, connections in listeners.items()}
        self._is_heard = any(channel in STREAMED for channel, _ in listeners)
        self._ticker_connections = tuple(
            connection for connection, session in self.sessions.items() if session.subscribed.get("ticker")
        )

    def _start_if_awaited(self, now_us: int) -> None:
        if self._stream.has_started:
            return
        subscribed = {product_id for channel, product_id in self._listeners if channel in STREAMED}
        if subscribed and self.settings.start_after <= subscribed:
            self._stream.start(now_us)

    # Time

    def market_us(self, now_us: int) -> int:
        """The exchange's own clock: the real one or the replay's place in the recording, and off if a fault says so."""
        off_us = self._mischief.clock_step_us(now_us) if self._mischief else 0
        return self._stream.market_us(now_us) + off_us

    def next_due_us(self) -> int | None:
        """When `step` next has something to do, as far as is known; 0: at once, None: not before a client acts."""
        due = [when for session in self.sessions.values() if (when := session.next_due_us()) is not None]
        if self._mischief is not None and (edge := self._mischief.next_edge_us(self._now_us)) is not None:
            due.append(edge)
        if self._is_flowing():
            due.append(self._stream.next_due_us())
        return min(due, default=None)

    def _is_flowing(self) -> bool:
        """Whether ticks fall due: at full speed only while somebody listens."""
        if self.ended or not self._stream.has_started:
            return False
        return self.settings.speed is not None or self.endless or self._is_heard

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
        for connection, session in self.sessions.items():
            self._beat(connection, session, actions)
        if self._stream.is_over and not self.ended:
            self.ended = True
            for connection in [known for known, session in self.sessions.items() if session.has_subscribed]:
                self._close(connection, GOING_AWAY, "the recording ends here", actions)
        return actions

    def _close_overdue(self, actions: list[Action]) -> None:
        for connection in [known for known, session in self.sessions.items() if session.is_overdue(self._now_us)]:
            # The code is a guess: the documentation says "disconnected" and no more.
            self._close(connection, GOING_AWAY, "no subscribe within 5 seconds", actions)

    def _strike_connections(self, mischief: Mischief, actions: list[Action]) -> None:
        """Close what a fault closes, freeze and thaw what a silence leaves half-open."""
        for fault in mischief.take_disconnects(self._now_us):
            self._disconnect_all(fault, actions)
        for connection, session in self.sessions.items():
            deaf = any(silence.deaf for silence in mischief.silences(session.opened_us, self._now_us))
            if deaf != session.frozen:
                session.frozen = deaf
                actions.append(Freeze(connection) if deaf else Thaw(connection))

    def _disconnect_all(self, fault: Disconnect, actions: list[Action]) -> None:
        for connection in list(self.sessions):
            self._close(connection, fault.code, fault.reason, actions)

    def _take_ticks(self, tick_limit: int, actions: list[Action]) -> None:
        for _ in range(tick_limit):
            if not self._is_flowing():
                return
            tick = self._stream.take(self._now_us)
            if tick is None:
                return
            self._publish(tick, actions)

    def _publish(self, tick: Tick, actions: list[Action]) -> None:
        """Note one tick and send it to whoever listens."""
        if tick.product_id is None:
            if self._ticker_connections:
                self.truth.unnamed_count += 1
                actions.extend(Send(connection, tick.frame) for connection in self._ticker_connections)
            return
        listing = self.listings.get(tick.product_id)
        if listing is None:
            return
        to = self._hearing(tick.channel, tick.product_id)
        if self._mischief is not None:
            self._publish_struck(self._mischief, listing, tick, to, actions)
            return
        listing.note(tick)
        self._send_tick(listing, tick, to, actions)
        if self.endless:
            self._send_match(listing, tick, actions)

    def _hearing(self, channel: str, product_id: str) -> tuple[int, ...]:
        """The connections that are to get a frame of this product now."""
        to = self._listeners.get((channel, product_id), ())
        if self._mischief is None or not to:
            return to
        return tuple(connection for connection in to if not self._is_silenced(connection, product_id, beat=False))

    def _is_silenced(self, connection: int, product_id: str, *, beat: bool) -> bool:
        """Whether a silence keeps a tick, or with `beat` a heartbeat, from this connection."""
        if self._mischief is None:
            return False
        silences = self._mischief.silences(self.sessions[connection].opened_us, self._now_us)
        return any(fault.product in (None, product_id) and not (beat and fault.beat) for fault in silences)

    def _send_tick(self, listing: Listing, tick: Tick, to: tuple[int, ...], actions: list[Action]) -> None:
        """Send a tick as the market made it, or now and then an odd one instead."""
        if tick.channel == "ticker":
            if not to:
                listing.truth.passed_over_count += 1
                return
            how = self._oddities.take(self._now_us) if self._oddities is not None else None
            if how is not None:
                self._send_altered(listing, tick, Alter(how=how), to, actions)
                return
            listing.truth.frame_count += 1
            listing.truth.note_sent(tick.trade_id)
        actions.extend(Send(connection, tick.frame) for connection in to)

    def _send_altered(
        self, listing: Listing, tick: Tick, fault: Alter, to: tuple[int, ...], actions: list[Action]
    ) -> None:
        self.truth.struck.append(Struck(listing.product_id, tick.trade_id, f"alter {fault.how}"))
        listing.truth.frame_count += 1
        listing.truth.note_sent(tick.trade_id, garbled=True)
        frame = alter_frame(tick.frame, fault.how)
        actions.extend(Send(connection, frame) for connection in to)

    def _send_match(self, listing: Listing, tick: Tick, actions: list[Action]) -> None:
        """The match behind a generated ticker."""
        to = self._hearing("matches", listing.product_id)
        if to and tick.trade is not None:
            frame = encode_match(listing.product_id, tick.trade, sequence=tick.sequence, last=False)
            actions.extend(Send(connection, frame) for connection in to)

    # What faults do to frames

    def _publish_struck(
        self, mischief: Mischief, listing: Listing, tick: Tick, to: tuple[int, ...], actions: list[Action]
    ) -> None:
        """Publish one tick under a schedule of faults; those on frames count only frames that somebody would get."""
        counted = bool(to) and tick.channel == "ticker"
        faults = mischief.next_frame(listing.product_id, self._now_us) if counted else []
        for fault in faults:
            if isinstance(fault, Jump) and self.endless:
                listing.jump(fault.by, fault.rest_holds)
        tick = listing.bend(tick, mischief.clock_step_us(self._now_us))
        listing.note(tick)
        for fault in faults:
            if isinstance(fault, Disconnect):
                self._disconnect_all(fault, actions)
        to = tuple(connection for connection in to if connection in self.sessions)
        self._send_struck(listing, tick, faults, to, actions)
        self._send_match(listing, tick, actions)

    def _send_struck(
        self,
        listing: Listing,
        tick: Tick,
        faults: list[FrameFault],
        to: tuple[int, ...],
        actions: list[Action],
    ) -> None:
        by_kind = {type(fault): fault for fault in faults}
        struck = self.truth.struck
        if isinstance(drop := by_kind.get(Drop), Drop):
            struck.append(Struck(listing.product_id, tick.trade_id, "drop"))
            listing.history.withhold(tick.trade_id, drop.rest_holds)
            return
        if isinstance(reorder := by_kind.get(Reorder), Reorder):
            struck.append(Struck(listing.product_id, tick.trade_id, "reorder"))
            listing.held.append(Held(tick, reorder.by))
            return
        times = 1
        if isinstance(duplicate := by_kind.get(Duplicate), Duplicate):
            struck.append(Struck(listing.product_id, tick.trade_id, "duplicate"))
            times = duplicate.times
        for _ in range(times):
            if isinstance(alter := by_kind.get(Alter), Alter) and to:
                self._send_altered(listing, tick, alter, to, actions)
            else:
                self._send_tick(listing, tick, to, actions)
        if tick.channel == "ticker":
            self._release_held(listing, actions)

    def _release_held(self, listing: Listing, actions: list[Action]) -> None:
        for held in listing.held:
            held.frames -= 1
        ready = [held.tick for held in listing.held if held.frames <= 0]
        listing.held = [held for held in listing.held if held.frames > 0]
        for tick in ready:
            self._send_tick(listing, tick, self._hearing("ticker", listing.product_id), actions)

    # By the second

    def _beat(self, connection: int, session: Session, actions: list[Action]) -> None:
        for product_id in session.take_heartbeats(self._now_us):
            if self._is_silenced(connection, product_id, beat=True):
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
        if session.take_status(self._now_us) and not self._is_silenced(connection, "", beat=True):
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
