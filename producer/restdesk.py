"""
What to ask REST for next, and when: polls of products whose websocket is down, and pages of trades for holes.

Laws: pure; one request at a time; every request goes through one rate limit; after an error every request waits, longer each time, so
that there is never a hot loop; polls and pages take turns, so that neither starves the other.
Refuses to know: HTTP, and what an answer means for continuity.
Source: Coinbase Exchange REST rate limits (public: 10 requests a second, bursts of 15, per address).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.healing import Page
from producer.pacing import Backoff
from producer.ratelimit import Bucket
from producer.rest import ticker_path, trades_path

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

    from producer.healing import Healer

# Under Coinbase's 10 a second with bursts of 15: others behind the same address want to live, too.
REQUESTS_PER_S: Final = 8.0
BURST: Final = 10
POLL_EVERY_S: Final = 1.0
# A product that REST refuses to know is asked for again after this.
UNKNOWN_AGAIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for a product's ticker."""

    product_id: str


Ask = Poll | Page


def path_of(ask: Ask) -> str:
    """The path and query of a request."""
    if isinstance(ask, Poll):
        return ticker_path(ask.product_id)
    return trades_path(ask.product_id, after=ask.after, limit=ask.limit)


def rest_bucket() -> Bucket:
    """The rate limit of everything that one process asks REST for."""
    return Bucket(rate_per_s=REQUESTS_PER_S, burst=BURST)


class RestDesk:
    """Clock: monotonic seconds. Caller must: answer every ask with `answered` or `failed` before asking for the next."""

    def __init__(self, healer: Healer, rng: random.Random, *, bucket: Bucket | None = None) -> None:
        self._healer = healer
        self._bucket = bucket or rest_bucket()
        self._backoff = Backoff(rng, base_s=0.5, cap_s=60.0, floor_s=0.2)
        self._not_before = 0.0
        self._polled_at: dict[str, float] = {}
        self._paged_last = False

    def next_ask(self, now: float, *, polling: Collection[str]) -> Ask | None:
        """The request to make now; None if nothing is due or the rate limit says wait. `polling`: products to poll."""
        if now < self._not_before:
            return None
        due = self._due_poll(now, polling)
        page_due = self._healer.next_due()
        wants_page = page_due is not None and page_due <= now
        if due is None and not wants_page:
            return None
        if self._bucket.take(now) > 0:
            return None
        if due is not None and (self._paged_last or not wants_page):
            self._paged_last = False
            self._polled_at[due] = now
            return Poll(due)
        self._paged_last = True
        return self._healer.next_page(now)

    def _due_poll(self, now: float, polling: Collection[str]) -> str | None:
        """The product that waited longest since its last poll, if that is long enough ago."""
        if not polling:
            return None
        product = min(polling, key=lambda each: self._polled_at.get(each, float("-inf")))
        return product if now - self._polled_at.get(product, float("-inf")) >= POLL_EVERY_S else None

    def answered(self) -> None:
        """A usable answer came."""
        self._backoff.reset()

    def failed(self, now: float) -> float:
        """No usable answer came (429, 5xx, network): everything waits; returns how long, in seconds."""
        self._bucket.drain(now)
        wait_s = self._backoff.next_wait_s()
        self._not_before = now + wait_s
        return wait_s

    def unknown(self, product_id: str, now: float) -> None:
        """REST does not know the product (404, delisted): poll it rarely."""
        self._polled_at[product_id] = now + UNKNOWN_AGAIN_S

    @property
    def budget(self) -> float:
        """Requests that could be made at once."""
        return self._bucket.level
