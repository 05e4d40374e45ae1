"""
What really happened on the exchange: which trades there were, which of them were sent, and how.

Laws: kept by the exchange as it acts, never derived from what a client says. `sent` means handed to at least one
connection; what a breaking connection swallowed after that no exchange knows either.
Refuses to know: the lake. A test compares.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from local.exchange.ranges import IdRanges


@dataclass(slots=True)
class ProductTruth:
    """
    One product.

    Shapes: `had` holds the ids of every trade the market made, also those of holes; `sent` those whose ticker went out,
    `garbled` those of them that only ever went out with something wrong in the frame; `withheld` those REST never gives.
    Units: `frame_count` counts ticker frames sent, each once however many clients got it, and again for each duplicate
    that a fault made; `resent_count` counts last tickers repeated after a subscribe.
    """

    had: IdRanges = field(default_factory=IdRanges)
    sent: IdRanges = field(default_factory=IdRanges)
    garbled: IdRanges = field(default_factory=IdRanges)
    withheld: IdRanges = field(default_factory=IdRanges)
    frame_count: int = 0
    resent_count: int = 0
    passed_over_count: int = 0  # frames that fell due while nobody was subscribed to the product

    def note_sent(self, trade_id: int, *, garbled: bool = False) -> None:
        """One frame with this trade went out."""
        if not trade_id:
            return
        if garbled and trade_id not in self.sent:
            self.garbled.add(trade_id)
        elif not garbled and trade_id in self.garbled:
            self.garbled.remove_range(trade_id, trade_id)
        self.sent.add(trade_id)

    @property
    def unsent(self) -> IdRanges:
        """The trades no client was told of on the websocket in a whole frame."""
        return (self.had - self.sent) | self.garbled

    @property
    def healable(self) -> IdRanges:
        """The unsent trades that REST can still give."""
        return self.unsent - self.withheld

    def copy(self) -> ProductTruth:
        """The same, apart."""
        return ProductTruth(
            had=self.had.copy(),
            sent=self.sent.copy(),
            garbled=self.garbled.copy(),
            withheld=self.withheld.copy(),
            frame_count=self.frame_count,
            resent_count=self.resent_count,
            passed_over_count=self.passed_over_count,
        )


@dataclass(frozen=True, slots=True)
class Struck:
    """A frame that was not sent as the market made it, and what was done to it."""

    product_id: str
    trade_id: int
    how: str


@dataclass(slots=True)
class Truth:
    """Everything, by product; frames that name no product are counted apart."""

    products: dict[str, ProductTruth] = field(default_factory=dict)
    struck: list[Struck] = field(default_factory=list)
    unnamed_count: int = 0
    heartbeat_count: int = 0
    connection_count: int = 0
    refused_connection_count: int = 0
    refused_call_count: int = 0
    signed_call_count: int = 0  # obeyed, and signed with the key that the exchange knows
    rest_count: Counter[int] = field(default_factory=Counter)  # answers by HTTP status, 0 for none

    def of(self, product_id: str) -> ProductTruth:
        """One product's truth, begun when first asked for."""
        found = self.products.get(product_id)
        if found is None:
            found = self.products[product_id] = ProductTruth()
        return found

    @property
    def frame_count(self) -> int:
        """Ticker frames of the stream that were sent, also those that name no product; resent ones not."""
        return self.unnamed_count + sum(product.frame_count for product in self.products.values())

    @property
    def trade_count(self) -> int:
        """Unique trades whose ticker was sent."""
        return sum(len(product.sent) for product in self.products.values())

    def copy(self) -> Truth:
        """The same, apart: what another thread may read while the exchange goes on."""
        return Truth(
            products={product_id: product.copy() for product_id, product in self.products.items()},
            struck=self.struck[:],
            unnamed_count=self.unnamed_count,
            heartbeat_count=self.heartbeat_count,
            connection_count=self.connection_count,
            refused_connection_count=self.refused_connection_count,
            refused_call_count=self.refused_call_count,
            signed_call_count=self.signed_call_count,
            rest_count=self.rest_count.copy(),
        )
