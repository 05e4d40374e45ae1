"""
Which product's spot price to ask for now, and which were due and never came.

Theory of operation. From the beginning on, every product owes one price in each period. In its period a product is asked until it is done:
an answer that asking again may change is asked for again after a wait of its own, so that one product's trouble holds up no other; what tells
that we ask too much holds up all. When a period ends without a price, that price is missed: counted, and never asked for, for nobody knows any
more what it was.

Laws: pure; every period of every product is priced, missed, or still open; no product has two requests out; one rate limit for all.
Refuses to know: HTTP, and what an answer says.
Source: Coinbase App API, rate limiting: 10,000 requests an hour for a key; for an address without one nothing is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.pacing import Backoff
from producer.ratelimit import Bucket

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

# 7,200 an hour: below what Coinbase gives a key, for others behind the same address want to live, too.
REQUESTS_PER_S: Final = 2.0
BURST: Final = 5
# A product that is refused for good (unknown, delisted) is asked for again this often at most: it may be listed again.
REFUSED_AGAIN_S: Final = 300.0


@dataclass(slots=True)
class _Turn:
    """One product: since when a price is owed, when it was last asked for, and since when it may be again."""

    backoff: Backoff
    due_at: float
    asked_at: float = float("-inf")
    not_before: float = float("-inf")
    is_out: bool = False


class SpotDesk:
    """Clock: monotonic seconds. Caller must: end every ask with `done`, `refused` or `failed`."""

    def __init__(
        self, products: Iterable[str], *, every_s: float, rng: random.Random, now: float, bucket: Bucket | None = None
    ) -> None:
        self._every_s = every_s
        self._bucket = bucket or Bucket(rate_per_s=REQUESTS_PER_S, burst=BURST)
        self._backoff = _backoff(rng, every_s)
        self._not_before = float("-inf")
        self._turns = {each: _Turn(_backoff(rng, every_s), due_at=now) for each in products}

    @property
    def shortest_s(self) -> float:
        """The shortest period in which all products can be asked within the rate limit."""
        return len(self._turns) / REQUESTS_PER_S

    def next_ask(self, now: float) -> str | None:
        """The product to ask for now, of those due the one that waited longest; None if none is, or the rate limit says wait."""
        if now < self._not_before:
            return None
        due = [each for each, turn in self._turns.items() if _is_due(turn, now)]
        if not due or self._bucket.take(now) > 0:
            return None
        product_id = min(due, key=lambda each: self._turns[each].asked_at)
        turn = self._turns[product_id]
        turn.asked_at, turn.is_out = now, True
        return product_id

    def done(self, product_id: str, now: float, *, priced: bool = True) -> int:
        """This period's answer is journaled, a price or not; returns how many periods without one were not told yet."""
        turn = self._turns[product_id]
        missed = self._roll(turn, now) + (not priced)
        turn.is_out = False
        turn.due_at += self._every_s
        turn.backoff.reset()
        self._backoff.reset()
        return missed

    def refused(self, product_id: str) -> None:
        """No price, and asking again would not bring one: the product rests, and what it owes meanwhile is missed."""
        turn = self._turns[product_id]
        turn.is_out = False
        turn.not_before = turn.asked_at + max(self._every_s, REFUSED_AGAIN_S)

    def failed(self, product_id: str, now: float, *, throttled: bool) -> float:
        """No usable answer; returns the wait before this product, with `throttled` before any, is asked for again, in seconds."""
        turn = self._turns[product_id]
        turn.is_out = False
        if not throttled:
            wait_s = turn.backoff.next_wait_s()
            turn.not_before = now + wait_s
            return wait_s
        self._bucket.drain(now)
        wait_s = self._backoff.next_wait_s()
        self._not_before = max(self._not_before, now + wait_s)
        return wait_s

    def take_missed(self, now: float) -> dict[str, int]:
        """How many periods of which product ended without a price since this was last asked."""
        return {each: missed for each, turn in self._turns.items() if (missed := self._roll(turn, now))}

    def _roll(self, turn: _Turn, now: float) -> int:
        """Go on to the period that `now` is in; returns how many ended on the way."""
        missed = max(0, int((now - turn.due_at) // self._every_s))
        turn.due_at += missed * self._every_s
        return missed


def _is_due(turn: _Turn, now: float) -> bool:
    return not turn.is_out and turn.due_at <= now and turn.not_before <= now


def _backoff(rng: random.Random, every_s: float) -> Backoff:
    """Waits no longer than a period: each has its try."""
    return Backoff(rng, base_s=1.0, cap_s=min(60.0, max(1.0, every_s)), floor_s=0.2)
