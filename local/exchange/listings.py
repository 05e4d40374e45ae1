"""
What the exchange knows of one product: its last ticker, the trades REST can tell, and how its numbers were bent.

Laws: a tick is noted before anyone is sent it; ids only rise; what was bent (ids that jumped, a clock that is off) is bent
in the frame, in REST and in the truth alike.
Refuses to know: connections, and which faults are at work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from local.exchange.catalogue import CATALOGUE, describe_product
from local.exchange.text import decode_time, encode_time

if TYPE_CHECKING:
    from local.exchange.history import HoleTrades, TradeHistory
    from local.exchange.tick import Tick, Trade
    from local.exchange.truth import ProductTruth

TRADE_ID: Final = re.compile(rb'"trade_id":\d+')
EVENT_TIME: Final = re.compile(rb'"time":"[^"]*"')


@dataclass(slots=True)
class Held:
    """A frame that was held back until `frames` more of its product have been sent."""

    tick: Tick
    frames: int


@dataclass(slots=True)
class Listing:
    """One product."""

    product_id: str
    history: TradeHistory
    truth: ProductTruth
    last_ticker: Tick | None = None
    sequence: int = 0
    trade_id: int = 0
    id_offset: int = 0
    hole_ahead: HoleTrades | None = None  # what REST holds of the hole that the next trade's jump opens
    held: list[Held] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.truth.withheld = self.history.withheld

    def jump(self, by: int, rest_holds: HoleTrades) -> None:
        """Let the ids of this and every later trade be `by` higher; the ids between are trades nobody was told of."""
        self.id_offset += by
        self.hole_ahead = rest_holds

    def bend(self, tick: Tick, clock_step_us: int) -> Tick:
        """The tick as it is told: with its id after all jumps and its time by a clock that is off."""
        if tick.trade is None or not (self.id_offset or clock_step_us):
            return tick
        trade, frame = tick.trade, tick.frame
        if self.id_offset:
            trade = replace(trade, trade_id=trade.trade_id + self.id_offset)
            frame = TRADE_ID.sub(b'"trade_id":%d' % trade.trade_id, frame, count=1)
        if clock_step_us:
            told = encode_time((decode_time(trade.event_time) or 0) + clock_step_us)
            trade = replace(trade, event_time=told)
            frame = EVENT_TIME.sub(b'"time":"%s"' % told.encode(), frame, count=1)
        return replace(tick, frame=frame, trade_id=trade.trade_id, trade=trade)

    def note(self, tick: Tick) -> None:
        """Know this tick from now on."""
        if tick.channel == "ticker":
            self.last_ticker = tick
        self.sequence = max(self.sequence, tick.sequence)
        self.trade_id = max(self.trade_id, tick.trade_id)
        if tick.trade_id:
            self.truth.had.add(tick.trade_id)
        if tick.trade is not None:
            self._note_trade(tick.trade)

    def _note_trade(self, trade: Trade) -> None:
        hole = self.history.add(trade, hole_trades=self.hole_ahead)
        self.hole_ahead = None
        if hole is not None:
            self.truth.had.add_range(*hole)

    def told(self) -> dict[str, Any]:
        """The last ticker's fields; empty where there is none."""
        fields: dict[str, Any] = orjson.loads(self.last_ticker.frame) if self.last_ticker else {}
        return fields

    def describe(self) -> dict[str, Any]:
        """The product, as GET /products tells it."""
        return describe_product(self.product_id, CATALOGUE.get(self.product_id))
