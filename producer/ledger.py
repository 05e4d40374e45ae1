"""
The producer's accounts: what was received, written, delivered, refused, and what a call cost.

Laws: plain counters, each with one meaning, changed in one place of the program; the ledger balances or says by how much not.
Refuses to know: how it is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from producer.quota import QuotaMeter


@dataclass(slots=True)
class ProductView:
    """What a person wants to see of a product; `ticks` counts new trades, not repeats."""

    price: str = ""
    ticks: int = 0
    repeats: int = 0
    holes: int = 0
    missing: int = 0
    healed: int = 0
    delivered: int = 0  # lines naming it that Firehose accepted, of every session
    event_time: str = ""
    receive_us: int = 0  # when the last new trade came, by our clock


@dataclass(slots=True)
class Ledger:
    """Counters since the session opened. Lines are of this session unless a name says backlog."""

    frames: Counter[str] = field(default_factory=Counter)  # received, by type
    lines: Counter[str] = field(default_factory=Counter)  # written to the journal, by kind
    lines_not_written: int = 0  # there was no room; they become a gap
    rest: Counter[str] = field(default_factory=Counter)  # REST answers, by status; "none" is no answer
    spot_prices: int = 0  # journaled, and good
    spot_failed: Counter[str] = field(default_factory=Counter)  # requests for a spot price that brought none, by why
    spot_missed: int = 0  # periods of a product that ended without its spot price
    connections: int = 0
    reconnects: Counter[str] = field(default_factory=Counter)  # lost connections, by why
    calls: int = 0  # PutRecordBatch calls answered
    calls_failed: Counter[str] = field(default_factory=Counter)  # whole calls that failed, by code
    packs_delivered: int = 0
    packs_throttled: int = 0  # packs refused in an answer, to be sent again
    bytes_delivered: int = 0  # before base64
    bytes_billed: int = 0  # each pack rounded up to 5 KiB
    ambiguous_lines: int = 0  # sent in calls without an answer: each may be stored twice
    backlog_delivered: int = 0  # lines of earlier sessions
    quota: QuotaMeter = field(default_factory=QuotaMeter)  # what was sent, second by second
    products: dict[str, ProductView] = field(default_factory=dict)

    def product(self, product_id: str) -> ProductView:
        """The view of one product, made when first seen."""
        view = self.products.get(product_id)
        if view is None:
            view = self.products[product_id] = ProductView()
        return view


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a session's lines. `ledger` has the rest of the counts."""

    session: str
    written: int
    delivered: int
    pending: int
    refused: dict[str, int]
    backlog_pending: int
    ledger: Ledger

    @property
    def unbalanced(self) -> int:
        """Written - (delivered + pending + refused); anything but 0 is a fault of ours."""
        return self.written - self.delivered - self.pending - sum(self.refused.values())
