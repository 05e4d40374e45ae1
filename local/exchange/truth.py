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

    Shapes: `had` holds the ids of every trade the market made, also those of a recording's holes; `sent` those whose
    ticker went out, altered ones too; `withheld` those REST will not give.
    Units: `frame_count` counts ticker frames of the stream once, however many clients got them; `resent_count` counts last
    tickers repeated after a subscribe.
    """

    had: IdRanges = field(default_factory=IdRanges)
    sent: IdRanges = field(default_factory=IdRanges)
    withheld: IdRanges = field(default_factory=IdRanges)
    frame_count: int = 0
    resent_count: int = 0
    passed_over_count: int = 0  # frames that fell due while nobody was subscribed to the product

    @property
    def unsent(self) -> IdRanges:
        """The trades no client was told of on the websocket."""
        return self.had - self.sent

    @property
    def healable(self) -> IdRanges:
        """The unsent trades that REST can still give."""
        return self.unsent - self.withheld

    def copy(self) -> ProductTruth:
        """The same, apart."""
        return ProductTruth(
            had=self.had.copy(),
            sent=self.sent.copy(),
            withheld=self.withheld.copy(),
            frame_count=self.frame_count,
            resent_count=self.resent_count,
            passed_over_count=self.passed_over_count,
        )


@dataclass(frozen=True, slots=True)
class Altered:
    """A frame that was sent otherwise than the market made it."""

    product_id: str
    trade_id: int
    how: str


@dataclass(slots=True)
class Truth:
    """Everything, by product; frames that name no product are counted apart."""

    products: dict[str, ProductTruth] = field(default_factory=dict)
    altered: list[Altered] = field(default_factory=list)
    unnamed_count: int = 0
    heartbeat_count: int = 0
    connection_count: int = 0
    refused_call_count: int = 0
    rest_count: Counter[int] = field(default_factory=Counter)  # answers by HTTP status

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
            altered=self.altered[:],
            unnamed_count=self.unnamed_count,
            heartbeat_count=self.heartbeat_count,
            connection_count=self.connection_count,
            refused_call_count=self.refused_call_count,
            rest_count=self.rest_count.copy(),
        )
