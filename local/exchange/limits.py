"""
Coinbase's own limits, kept as token buckets.

Laws: pure; a bucket starts full and fills lazily. Everything on loopback comes from one address, so there is one bucket
of each sort, as there is one per address at Coinbase.
Source: docs.cdp.coinbase.com/exchange/websocket-feed/rate-limits and …/rest-api/rate-limits; Coinbase App API, rate limiting (10,000 requests
an hour for a key; that an address without one has as much, and bursts of 20, is a guess).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local.exchange.text import SECOND_US

APP_ROOT: Final = "/v2/"  # the Coinbase App API: another host, other limits, other words
PUBLIC_RATE_EXCEEDED: Final = "Public rate limit exceeded"


@dataclass(slots=True)
class TokenBucket:
    """
    A lazily filled bucket.

    Units: `rate` tokens a second, never more than `burst`.
    """

    rate: float
    burst: int
    tokens: float = -1.0
    filled_us: int = 0

    def take(self, now_us: int) -> bool:
        """Take one token; False if there is none."""
        if self.tokens < 0:
            self.tokens = float(self.burst)
        else:
            self.tokens = min(self.burst, self.tokens + self.rate * max(0, now_us - self.filled_us) / SECOND_US)
        self.filled_us = max(self.filled_us, now_us)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limits:
    """The limits one address has to keep."""

    def __init__(self) -> None:
        self.connections = TokenBucket(rate=8, burst=20)  # else 429 on the upgrade
        self.messages = TokenBucket(rate=10, burst=1000)  # client messages, else ErrSlowRead and a disconnect
        self.rest = TokenBucket(rate=10, burst=15)  # else 429
        self.app = TokenBucket(
            rate=10_000 / 3600, burst=20
        )  # of api.coinbase.com, whose /v2 is served here too; else 429

    def of_path(self, path: str) -> TokenBucket:
        """The limit that a REST call is held against."""
        return self.app if path.startswith(APP_ROOT) else self.rest
