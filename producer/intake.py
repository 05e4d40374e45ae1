"""
Frames in, lines out: what each frame is, whether it is the next trade, and the testimony that follows from it.

Laws: one frame makes at most one line, its own bytes in our envelope; the line is journaled before continuity counts the trade, so that
a trade the journal had no room for is found missing by the next one that is written. Time is an argument.
Refuses to know: sockets, disks (it is given `write`), and delivery.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from producer.continuity import Continuity, Edge, GapReason, Hole, Jump, Late, Repeat
from producer.exchange import ExchangeError, Heartbeat, Message, Other, Subscriptions, Ticker, Unreadable, decode_frame
from producer.line import encode_testimony, encode_unreadable

if TYPE_CHECKING:
    from producer.ledger import Ledger
    from producer.line import Kind, Source

log = logging.getLogger(__name__)

# Types that Coinbase adds are counted by name, but a peer may not grow our memory by inventing names.
_MAX_TYPES: Final = 32


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


class Intake:
    """Turns one feed's frames into journaled lines and keeps the products' continuity."""

    def __init__(
        self, *, continuity: Continuity, ledger: Ledger, write: Write, set_aside: SetAside, simulated: bool = False
    ) -> None:
        self.continuity = continuity
        self._ledger = ledger
        self._write = write
        self._set_aside = set_aside
        self._ws_source: Source = "simulated" if simulated else "exchange_ws"
        self._unwritten: list[tuple[bytes, int]] = []

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
            self.continuity.suspect("journal_full", ticker.product_id)
            return
        if ticker.trade_id <= 0 or not ticker.product_id:
            return  # the transform will refuse the line by name; the hole shows at the product's next trade
        if self._unwritten:
            self._write_unwritten()
        view = self._ledger.product(ticker.product_id)
        view.price, view.event_time = ticker.price, ticker.event_time
        step = self.continuity.observe(ticker.product_id, ticker.trade_id, ticker.event_time)
        if type(step) is Repeat:
            view.repeats += 1
            return
        view.ticks += 1
        if type(step) is Jump:
            self._name(step.hole, receive_us)
        elif type(step) is Late and step.closed:
            self._close(step.hole, receive_us, why="the missing trades arrived late on the same feed")

    def _take_unreadable(self, message: Unreadable, raw: bytes, receive_us: int) -> None:
        self._ledger.frames["unreadable"] += 1
        if self._write("unreadable", self._ws_source, encode_unreadable(raw, message.reason), receive_us):
            if message.reason == "frame_too_long":
                self._set_aside(message.reason, raw)
            self.continuity.suspect("refused_frame")
        else:
            self.continuity.suspect("journal_full")

    def _count(self, message: Message) -> None:
        name = {Heartbeat: "heartbeat", Subscriptions: "subscriptions", ExchangeError: "error"}.get(type(message))
        if name is None and isinstance(message, Other):
            frames = self._ledger.frames
            name = message.type if message.type in frames or len(frames) < _MAX_TYPES else "other"
            if name not in frames:
                log.warning(
                    "the feed sent a type of message that is not used here: %.80r; it is counted, not kept", name
                )
        self._ledger.frames[name or "other"] += 1

    def interrupted(self, reason: GapReason) -> None:
        """The feed was interrupted: a hole found at a product's next trade has this reason."""
        self.continuity.suspect(reason)

    def _name(self, hole: Hole, receive_us: int) -> None:
        view = self._ledger.product(hole.product_id)
        view.holes += 1
        view.missing += hole.expected
        self._testify(encode_testimony(_gap(hole, status="open")), receive_us)

    def _close(self, hole: Hole, receive_us: int, *, why: str) -> None:
        self._ledger.product(hole.product_id).missing -= hole.expected
        receipt = {**_gap(hole, status="healed"), "fetched": hole.expected, "still_missing": [], "why": why}
        self._testify(encode_testimony(receipt), receive_us)
        self.continuity.close(hole)

    def _testify(self, message: bytes, receive_us: int) -> None:
        """A gap line; if the journal has no room now, it waits for the next line that finds some."""
        if self._unwritten or not self._write("gap", "producer", message, receive_us):
            self._unwritten.append((message, receive_us))

    def _write_unwritten(self) -> None:
        while self._unwritten and self._write("gap", "producer", *self._unwritten[0]):
            del self._unwritten[0]


def _gap(hole: Hole, *, status: str) -> dict[str, object]:
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


def _edge(edge: Edge) -> dict[str, object]:
    return {"trade_id": edge.trade_id, "event_time": edge.event_time}
