"""
Frames and REST answers in, lines out: what each says, whether it is the next trade, and the testimony that follows from it.

Laws: one frame makes at most one line, its own bytes in our envelope; the line is journaled before continuity counts the trade, so that
a trade the journal had no room for is found missing by the next one that is written. A trade that the transform will refuse is
journaled, but no trade: it stays missing. Testimony that finds no room waits for the next line that does. Time is an argument.
Refuses to know: sockets, HTTP, disks (it is given `write`), and delivery.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from contract.messages import refusal_of
from producer.continuity import Continuity, Doubt, Edge, GapReason, Hole, Jump, Late, Repeat, Step
from producer.exchange import ExchangeError, Heartbeat, Message, Other, Subscriptions, Ticker, Unreadable, decode_frame
from producer.healing import HealReceipt, Outcome
from producer.line import encode_testimony, encode_unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.messages import Kind
    from contract.reasons import Reason
    from producer.fetched import Fetched
    from producer.intervals import IntervalSet
    from producer.ledger import Ledger
    from producer.line import Source
    from producer.rest import RestTicker, RestTrade

log = logging.getLogger(__name__)

# Types that Coinbase adds are counted by name, but a peer may not grow our memory by inventing names.
_MAX_TYPES: Final = 32
# A gap line names at most this many ranges (contract/testimony/gap.v1.schema.json); more go into further lines.
_MAX_RANGES: Final = 1000


class Write(Protocol):
    """Journals one line; False if there was no room."""

    def __call__(
        self, kind: Kind, source: Source, message: bytes, receive_us: int, product_id: str | None = None
    ) -> bool:
        """Journal it."""


class SetAside(Protocol):
    """Keeps the whole of a frame that the line just written carries only a part of."""

    def __call__(self, reason: str, frame: bytes) -> None:
        """Keep it."""


class Listener(Protocol):
    """Whoever wants to know what the intake found out."""

    def new_trade(self, product_id: str, trade_id: int, event_time: str) -> None:
        """A trade that was not there before."""

    def hole_found(self, hole: Hole) -> None:
        """A hole was named."""

    def late_trade(self, hole: Hole, trade_id: int) -> None:
        """A missing trade came on the feed after all; `hole.missing` says whether any is left."""

    def trades_refused(self, product_id: str, trade_ids: IntervalSet) -> None:
        """Lines that brought these trades can never be delivered."""


class Intake:
    """Turns what comes from the exchange into journaled lines, and keeps the products' continuity."""

    def __init__(
        self,
        *,
        continuity: Continuity,
        ledger: Ledger,
        write: Write,
        set_aside: SetAside,
        simulated: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.continuity = continuity
        self.listener = listener
        self.fetched: Fetched | None = None  # where to note what REST gave, for whoever wants to remember it
        self.receipts: list[HealReceipt] | None = None  # likewise the holes that came to their end
        self._ledger = ledger
        self._write = write
        self._set_aside = set_aside
        self._simulated = simulated
        self._ws_source: Source = "simulated" if simulated else "exchange_ws"
        self._unwritten: list[tuple[Kind, bytes, int]] = []
        self._unjournaled: dict[str, int] = {}  # per product, the last trade that there was no room for
        self._refused_polls: dict[str, int] = {}  # per product, the last trade whose polled ticker is not valid

    def take(self, raw: bytes, receive_us: int) -> Message:
        """
        One websocket message, journaled if it is a tick or cannot be read; returns what it says.

        Clock: receive_us is when our socket gave it, in microseconds since the epoch.
        """
        message = decode_frame(raw)
        if type(message) is Ticker:
            self._ledger.frames["ticker"] += 1
            self._take_ticker(message, raw, receive_us)
        elif type(message) is Unreadable:
            self._take_unreadable(message, raw, receive_us)
        else:
            self._count(message)
        return message

    def _take_ticker(self, ticker: Ticker, raw: bytes, receive_us: int) -> None:
        if not self._write("ticker", self._ws_source, raw, receive_us):
            self._suspect("journal_full", ticker)
            if ticker.valid:
                self._unjournaled[ticker.product_id] = ticker.trade_id
            return
        if not ticker.valid:
            self._suspect("refused_frame", ticker)  # the transform will refuse the line by name
            return
        if self._unwritten:
            self._write_unwritten()
        view = self._ledger.product(ticker.product_id)
        view.price, view.event_time = ticker.price, ticker.event_time
        step = self.continuity.observe(ticker.product_id, ticker.trade_id, ticker.event_time)
        if type(step) is Repeat:
            view.repeats += 1
            return
        view.ticks += 1
        view.receive_us = receive_us
        if type(step) is Doubt:
            log.warning("%s: trade %d is too far from those before to be believed at its first word", *ticker[:2])
            return
        if self.listener is not None:
            self.listener.new_trade(*ticker[:3])
        self.follow(step, ticker.trade_id, receive_us)

    def _suspect(self, reason: GapReason, ticker: Ticker) -> None:
        """This ticker's trade is lost to its product; where it is not valid and names none we know, to any."""
        known = ticker.valid or self.continuity.last_trade_id(ticker.product_id) is not None
        self.continuity.suspect(reason, ticker.product_id if known else None)

    def follow(self, step: Step | None, trade_id: int, receive_us: int) -> None:
        """What a step in a product's trade ids asks for: a hole is named, a filled one is closed."""
        if type(step) is Jump:
            self.name(step.hole, receive_us)
        elif type(step) is Late:
            if self.listener is not None:
                self.listener.late_trade(step.hole, trade_id)
            if step.closed or not self.continuity.is_open(step.hole):
                self._close_late(step.hole, receive_us)

    def take_poll(self, product_id: str, ticker: RestTicker, body: bytes, receive_us: int) -> bool:
        """
        A ticker that REST gave while the websocket was down; journaled if its trade is new. True if it was new and is valid.

        One that is not valid stays new; its line is written once, however often REST gives it.
        """
        source: Source = "simulated" if self._simulated else "exchange_rest"
        if not self.continuity.is_new(product_id, ticker.trade_id):
            return False
        valid = refusal_of("ticker", body, told=product_id) is None
        if not valid and self._refused_polls.get(product_id) == ticker.trade_id:
            return False
        if not self._write("ticker", source, body, receive_us, product_id):
            self.continuity.suspect("journal_full", product_id)
            if valid:
                self._unjournaled[product_id] = ticker.trade_id
            return False
        self._write_unwritten()
        if not valid:
            self._refused_polls[product_id] = ticker.trade_id
            return False
        self.continuity.note_polled(product_id, ticker.trade_id, ticker.event_time)
        view = self._ledger.product(product_id)
        view.price, view.event_time = ticker.price, ticker.event_time
        view.ticks += 1
        return True

    def take_spot(self, product_id: str, body: bytes, receive_us: int) -> Reason | Literal["journal_full"] | None:
        """
        A spot price, journaled; None, or why no row will come of it. It is no trade: continuity does not hear of it.

        Caller must: pass a body that is one JSON object.
        """
        if not self._write("spot", "simulated" if self._simulated else "spot_rest", body, receive_us, product_id):
            return "journal_full"
        self._write_unwritten()
        return refusal_of("spot", body, told=product_id)

    def take_healed(
        self,
        product_id: str,
        trades: Sequence[RestTrade],
        receive_us: int,
        *,
        source: Literal["rest_heal", "rest_backfill"] = "rest_heal",
    ) -> list[int]:
        """Trades fetched for a hole, each its own line; returns the ids that found room and are valid."""
        marked: Source = "simulated" if self._simulated else source
        healed = []
        for trade in trades:
            if not self._write("trade", marked, trade.raw, receive_us, product_id):
                break
            if trade.valid:
                healed.append(trade.trade_id)
                if self.fetched is not None:
                    self.fetched.add(product_id, trade.trade_id)
        self._ledger.product(product_id).healed += len(healed)
        self._write_unwritten()
        return healed

    def close(self, receipt: HealReceipt, receive_us: int) -> None:
        """A healed or given-up hole: its receipt is a second gap line."""
        hole = receipt.hole
        left = len(hole.missing)
        self._ledger.product(hole.product_id).missing += left - hole.counted
        hole.counted = left
        ranges = hole.missing.ranges
        common = {**_gap(hole, status=receipt.outcome), "fetched": receipt.fetched, "why": receipt.why}
        for at in range(0, max(len(ranges), 1), _MAX_RANGES):
            still_missing = ranges[at : at + _MAX_RANGES]
            self.testify("gap", encode_testimony({**common, "still_missing": still_missing}), receive_us)
        self.continuity.close(hole)
        if self.receipts is not None:
            self.receipts.append(receipt)

    def _close_late(self, hole: Hole, receive_us: int) -> None:
        """Trades of the hole came on the feed after all: its (new) receipt."""
        fetched = hole.expected - len(hole.missing)
        outcome: Outcome = "partly_healed" if hole.missing else "healed"
        why = "missing trades arrived late on the same feed"
        self.close(HealReceipt(hole, outcome, hole.expected, fetched, why), receive_us)

    def _take_unreadable(self, message: Unreadable, raw: bytes, receive_us: int) -> None:
        self._ledger.frames["unreadable"] += 1
        if self._write("unreadable", self._ws_source, encode_unreadable(raw, message.reason), receive_us):
            if message.reason == "frame_too_long":
                self._set_aside(message.reason, raw)
            self.continuity.suspect("refused_frame")
        else:
            self.continuity.suspect("journal_full")

    def _count(self, message: Message) -> None:
        name = _COUNTED.get(type(message))
        if name is None and isinstance(message, Other):
            frames = self._ledger.frames
            name = message.type if message.type in frames or len(frames) < _MAX_TYPES else "other"
            if name not in frames:
                log.warning(
                    "the feed sent a type of message that is not used here: %.80r; it is counted, not kept", name
                )
        self._ledger.frames[name or "other"] += 1

    def take_on(self, hole: Hole) -> None:
        """A hole that is named already, here or elsewhere, is ours to fill from now on."""
        view = self._ledger.product(hole.product_id)
        view.holes += 1
        view.missing += hole.counted
        if self.listener is not None:
            self.listener.hole_found(hole)

    def lost(self, hole: Hole, receive_us: int) -> None:
        """Trades that were counted are lost, or may be: say so, and take them on, unless that hole is ours already."""
        if self.continuity.adopt(hole):
            self.name(hole, receive_us)
        else:
            self._name(hole, receive_us)

    def refused(self, product_id: str, trade_ids: IntervalSet) -> None:
        """Lines that brought these trades can never be delivered: what they filled is open again. Caller must: name them, too."""
        self.continuity.put_back(product_id, trade_ids)
        if self.listener is not None:
            self.listener.trades_refused(product_id, trade_ids)
        if self.fetched is not None:
            self.fetched.remove(product_id, trade_ids)

    def give_up(self, hole: Hole, why: str, receive_us: int) -> None:
        """Say that there is a hole, and that it is not asked for; `ticklake heal` may."""
        self._name(hole, receive_us)
        if self.continuity.adopt(hole):
            self._ledger.product(hole.product_id).holes += 1
            self._ledger.product(hole.product_id).missing += hole.counted
            self.close(HealReceipt(hole, "unhealed", hole.expected, 0, why), receive_us)

    def name(self, hole: Hole, receive_us: int) -> None:
        """Say that there is a hole, and take it on."""
        self._name(hole, receive_us)
        self.take_on(hole)

    def _name(self, hole: Hole, receive_us: int) -> None:
        gap = _gap(hole, status="open")
        if hole.expected != hole.last - hole.first + 1:  # polling saw some of the range: say which it did not
            gap["still_missing"] = hole.missing.ranges[:_MAX_RANGES]
        self.testify("gap", encode_testimony(gap), receive_us)

    @property
    def unwritten(self) -> list[tuple[Kind, str, int]]:
        """Testimony that found no room yet, as JSON values: what has to survive a restart."""
        return [(kind, message.decode(), receive_us) for kind, message, receive_us in self._unwritten]

    def name_unjournaled(self, receive_us: int) -> None:
        """Trades that there was no room for, and after which none came any more that would show the hole."""
        for product_id, trade_id in self._unjournaled.items():
            self.follow(self.continuity.reach(product_id, trade_id), trade_id, receive_us)
        self._unjournaled = {}

    def name_inherited(self, receive_us: int) -> None:
        """Holes that show in what earlier sessions left, and that nobody named; they are being healed already."""
        for hole in self.continuity.unnamed:
            self._name(hole, receive_us)
        self.continuity.unnamed = []

    def inherit_unwritten(self, unwritten: Sequence[tuple[Kind, str, int]]) -> None:
        """Testimony that an earlier session found no room for."""
        self._unwritten += [(kind, message.encode(), receive_us) for kind, message, receive_us in unwritten]
        self._write_unwritten()

    def write_unwritten(self) -> None:
        """Testimony that found no room before, if there is some now."""
        self._write_unwritten()

    def testify(self, kind: Kind, message: bytes, receive_us: int) -> None:
        """A line of our own testimony; if the journal has no room now, it waits for the next line that finds some."""
        self._unwritten.append((kind, message, receive_us))
        self._write_unwritten()

    def _write_unwritten(self) -> None:
        while self._unwritten:
            kind, message, receive_us = self._unwritten[0]
            if not self._write(kind, "producer", message, receive_us):
                return
            del self._unwritten[0]


_COUNTED: Final[dict[type, str]] = {Heartbeat: "heartbeat", Subscriptions: "subscriptions", ExchangeError: "error"}


def _gap(hole: Hole, *, status: str) -> dict[str, Any]:
    return {
        "product_id": hole.product_id,
        "reason": hole.reason,
        "status": status,
        "first_missing_trade_id": hole.first,
        "last_missing_trade_id": hole.last,
        "missing": hole.expected,
        "before": _edge(hole.before),
        "after": _edge(hole.after),
    }


def _edge(edge: Edge | None) -> dict[str, Any] | None:
    return None if edge is None else {"trade_id": edge.trade_id, "event_time": edge.event_time or None}
