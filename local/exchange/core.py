"""
The exchange without sockets and without a clock: who is sent which frame when.

Laws: pure; `now_us` is an argument and never goes back; what is to be done is returned as `Send` and `Close`, in order.
The same source, settings, calls and instants give the same actions. A recording starts when the first client subscribes
to products; its frames keep their order and are due by their own time; at full speed it waits while nobody listens.
Refuses to know: asyncio, HTTP, and whether a client keeps up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local.exchange.catalogue import CATALOGUE, describe_product
from local.exchange.frames import encode_heartbeat, encode_match, encode_status
from local.exchange.history import REMEMBERED_COUNT, HoleTrades, TradeHistory
from local.exchange.oddities import Oddities, alter_frame
from local.exchange.rules import Session
from local.exchange.truth import Altered, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.exchange.tick import Source, Tick

GOING_AWAY: Final = 1001
NO_LIMIT: Final = 2**63
STREAMED: Final = ("ticker", "matches")


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes as one text frame, as they are."""

    connection: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after everything sent before; without a code, break it off without a word."""

    connection: int
    code: int | None
    reason: str = ""


Action = Send | Close


class Listing:
    """What the exchange knows of one product."""

    __slots__ = ("history", "last_ticker", "sequence", "trade_id")

    def __init__(self, history: TradeHistory) -> None:
        self.history = history
        self.last_ticker: Tick | None = None
        self.sequence = 0
        self.trade_id = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How an exchange behaves.

    Units: `speed` multiplies a recording's own pace, None means as fast as it is taken (a generated market keeps real
    time; make it busier instead). Shapes: a replay waits until each product of `start_after` is subscribed to.
    `hole_trades` says which trades of a recording's holes REST holds: none, all, or a share.
    """

    seed: int = 0
    speed: float | None = 1.0
    start_after: frozenset[str] = frozenset()
    hole_trades: HoleTrades = "none"
    oddities: bool = False
    remembered_count: int = REMEMBERED_COUNT


class Exchange:
    """One exchange: connections, listings, the stream of ticks and the truth about it."""

    def __init__(self, source: Source, settings: Settings, *, now_us: int) -> None:
        self.settings = settings
        self.truth = Truth()
        self.endless = source.endless
        self.listings = {product_id: Listing(self._new_history()) for product_id in source.product_ids}
        self.sessions: dict[int, Session] = {}
        self.ended = False  # a recording was sent to its last frame
        self._ticks: Iterator[Tick] = source.ticks()
        self._ahead: Tick | None = None
        self._exhausted = False
        self._started_us: int | None = now_us if source.endless else None
        self._origin_us = 0  # the recording's instant at which it started
        self._latest_us = 0  # the latest due instant so far
        self._next_connection = 0
        self._listeners: dict[tuple[str, str], tuple[int, ...]] = {}
        self._ticker_connections: tuple[int, ...] = ()
        self._is_heard = False
        self._oddities = Oddities(seed=settings.seed, start_us=now_us) if settings.oddities else None
        self._now_us = now_us
        if source.endless:
            self.step(now_us)  # last tickers stand from the first moment

    def _new_history(self) -> TradeHistory:
        settings = self.settings
        hole_trades = None if self.endless else settings.hole_trades
        return TradeHistory(seed=settings.seed, hole_trades=hole_trades, remembered_count=settings.remembered_count)

    # Connections

    def connect(self, now_us: int) -> int:
        """A new connection's number."""
        self._next_connection += 1
        self.sessions[self._next_connection] = Session(now_us)
        self.truth.connection_count += 1
        return self._next_connection

    def disconnect(self, connection: int) -> None:
        """Forget a connection that is gone; unknown ones are gone already."""
        if self.sessions.pop(connection, None) is not None:
            self._index()

    def receive(self, connection: int, text: str | bytes, now_us: int) -> list[Action]:
        """Answer one message of a client."""
        session = self.sessions.get(connection)
        if session is None:
            return []
        reply = session.receive(text, valid=self.listings, now_us=now_us)
        actions: list[Action] = [Send(connection, reply.frame)]
        if reply.refused:
            self.truth.refused_call_count += 1
            return actions
        self._index()
        actions.extend(
            Send(connection, frame)
            for channel, product_id in reply.added
            if (frame := self._last_frame(channel, product_id)) is not None
        )
        self._start_if_awaited(now_us)
        return actions

    def _last_frame(self, channel: str, product_id: str) -> bytes | None:
        """The last known ticker or match, which is what a new subscriber gets first."""
        listing = self.listings[product_id]
        if channel == "ticker" and listing.last_ticker is not None:
            self.truth.of(product_id).resent_count += 1
            return listing.last_ticker.frame
        if channel == "matches" and listing.history.last is not None:
            return encode_match(product_id, listing.history.last, sequence=listing.sequence, last=True)
        return None

    def _index(self) -> None:
        """Note who listens to what, so that a tick costs one look-up."""
        listeners: dict[tuple[str, str], list[int]] = {}
        for connection, session in self.sessions.items():
            for channel, product_ids in session.subscribed.items():
                for product_id in product_ids:
                    listeners.setdefault((channel, product_id), []).append(connection)
        self._listeners = {key: tuple(connections) for key, connections in listeners.items()}
        self._is_heard = any(channel in STREAMED for channel, _ in self._listeners)
        self._ticker_connections = tuple(
            connection for connection, session in self.sessions.items() if session.subscribed.get("ticker")
        )

    def _start_if_awaited(self, now_us: int) -> None:
        if self._started_us is not None:
            return
        subscribed = {product_id for channel, product_id in self._listeners if channel in STREAMED}
        if subscribed and self.settings.start_after <= subscribed:
            self._started_us = now_us
            first = self._peek()
            self._origin_us = first.due_us if first else 0

    # Time

    def market_us(self, now_us: int) -> int:
        """The exchange's own clock: the real one, or the replay's place in the recording."""
        if self.endless:
            return now_us
        if self._started_us is None or self.settings.speed is None:
            return self._latest_us or now_us
        return self._origin_us + int((now_us - self._started_us) * self.settings.speed)

    def next_due_us(self) -> int | None:
        """When `step` next has something to do, as far as is known now; 0 means at once, None not before a client acts."""
        due = [when for session in self.sessions.values() if (when := session.next_due_us()) is not None]
        if self._is_flowing():
            tick = self._peek()
            if tick is None:
                return 0
            due.append(self._due_at(tick))
        return min(due, default=None)

    def _is_flowing(self) -> bool:
        """Whether ticks fall due: at full speed only while somebody listens."""
        if self.ended or self._started_us is None:
            return False
        return self.settings.speed is not None or self.endless or self._is_heard

    def _due_at(self, tick: Tick) -> int:
        """The instant, on the caller's clock, at which a tick falls due."""
        if self.endless:
            return tick.due_us
        if self.settings.speed is None:
            return 0
        assert self._started_us is not None
        return self._started_us + math.ceil((tick.due_us - self._origin_us) / self.settings.speed)

    def _peek(self) -> Tick | None:
        if self._ahead is None and not self._exhausted:
            self._ahead = next(self._ticks, None)
            self._exhausted = self._ahead is None
        return self._ahead

    # What falls due

    def step(self, now_us: int, *, tick_limit: int = NO_LIMIT) -> list[Action]:
        """
        Everything that falls due until now, in order.

        Shapes: at most `tick_limit` ticks; `next_due_us` says whether more are waiting.
        Caller must: step no later than `next_due_us`, or heartbeats come after ticks that they precede.
        """
        self._now_us = max(self._now_us, now_us)
        actions: list[Action] = [
            Close(connection, GOING_AWAY, "no subscribe within 5 seconds")  # guess: the code is documented nowhere
            for connection, session in self.sessions.items()
            if session.is_overdue(now_us)
        ]
        self._take_ticks(now_us, tick_limit, actions)
        for connection, session in self.sessions.items():
            self._beat(connection, session, now_us, actions)
        if self._exhausted and self._ahead is None and not self.ended:
            self.ended = True
            actions.extend(
                Close(connection, GOING_AWAY, "the recording ends here")
                for connection, session in self.sessions.items()
                if session.has_subscribed
            )
        for action in actions:
            if isinstance(action, Close):
                self.disconnect(action.connection)
        return actions

    def _take_ticks(self, now_us: int, tick_limit: int, actions: list[Action]) -> None:
        if not self._is_flowing():
            return
        for _ in range(tick_limit):
            tick = self._peek()
            if tick is None or self._due_at(tick) > now_us:
                return
            self._ahead = None
            self._latest_us = max(self._latest_us, tick.due_us)
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
        self._note(listing, tick.product_id, tick)
        to = self._listeners.get((tick.channel, tick.product_id), ())
        if tick.channel == "ticker":
            self._count(tick, sent=bool(to))
        if to:
            frame = self._as_sent(tick)
            actions.extend(Send(connection, frame) for connection in to)
        if self.endless and tick.trade and (to := self._listeners.get(("matches", tick.product_id), ())):
            frame = encode_match(tick.product_id, tick.trade, sequence=tick.sequence, last=False)
            actions.extend(Send(connection, frame) for connection in to)

    def _note(self, listing: Listing, product_id: str, tick: Tick) -> None:
        """What the exchange itself now knows: the last ticker, the trade for REST, the truth."""
        if tick.channel == "ticker":
            listing.last_ticker = tick
        listing.sequence = max(listing.sequence, tick.sequence)
        listing.trade_id = max(listing.trade_id, tick.trade_id)
        truth = self.truth.of(product_id)
        if tick.trade_id:
            truth.had.add(tick.trade_id)
        if tick.trade is None:
            return
        if hole := listing.history.add(tick.trade):
            truth.had.add_range(*hole)
            truth.withheld = listing.history.withheld

    def _count(self, tick: Tick, *, sent: bool) -> None:
        assert tick.product_id is not None
        truth = self.truth.of(tick.product_id)
        if not sent:
            truth.passed_over_count += 1
            return
        truth.frame_count += 1
        if tick.trade_id:
            truth.sent.add(tick.trade_id)

    def _as_sent(self, tick: Tick) -> bytes:
        """The frame, or now and then an odd one instead."""
        how = self._oddities.take(self._now_us) if self._oddities and tick.channel == "ticker" else None
        if how is None:
            return tick.frame
        assert tick.product_id is not None
        self.truth.altered.append(Altered(tick.product_id, tick.trade_id, how))
        return alter_frame(tick.frame, how)

    def _beat(self, connection: int, session: Session, now_us: int, actions: list[Action]) -> None:
        for product_id in session.take_heartbeats(now_us):
            listing = self.listings[product_id]
            frame = encode_heartbeat(
                product_id,
                sequence=listing.sequence,
                last_trade_id=listing.trade_id,
                now_us=self.market_us(now_us),
            )
            self.truth.heartbeat_count += 1
            actions.append(Send(connection, frame))
        if session.take_status(now_us):
            actions.append(Send(connection, encode_status(self.describe())))

    def describe(self) -> list[dict[str, object]]:
        """Every product, as GET /products tells it."""
        return [describe_product(product_id, CATALOGUE.get(product_id)) for product_id in self.listings]
