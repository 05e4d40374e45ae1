"""
What a source yields: one frame of the feed, with what the exchange must know to send it and to answer REST about it.

Laws: `frame` is sent verbatim; the other fields are read from it once and never written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

Channel = Literal["ticker", "matches"]
Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade as its ticker told it; texts are Coinbase's own."""

    trade_id: int
    price: str
    base_size: str
    event_time: str
    taker_side: Side

    @property
    def maker_side(self) -> Side:
        """The resting order's side, which is what REST /trades and `match` frames call `side`."""
        return "sell" if self.taker_side == "buy" else "buy"


@dataclass(frozen=True, slots=True)
class Tick:
    """
    One frame that falls due.

    Shapes: `product_id` is None where the frame names none (not JSON, not UTF-8): it goes to every subscriber of the
    channel. `trade` is None where the frame tells no whole trade; `trade_id` and `sequence` are then 0 or what it told.
    """

    due_us: int
    channel: Channel
    product_id: str | None
    frame: bytes
    sequence: int = 0
    trade_id: int = 0
    trade: Trade | None = None


class Source(Protocol):
    """Where ticks come from: a generated market or a recording."""

    @property
    def endless(self) -> bool:
        """Whether ticks never stop: a generated market's clock is the real one, a recording has its own."""
        ...

    @property
    def product_ids(self) -> tuple[str, ...]:
        """Every product a client may subscribe to."""
        ...

    def ticks(self) -> Iterator[Tick]:
        """Every tick, lazily, in the order to send them."""
        ...
