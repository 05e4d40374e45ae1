"""
The odd malformed frame that real feeds have been seen to send, for a demonstration of what becomes of it.

Laws: rare and seeded: the first some ten seconds in, then about one in five minutes; the trade behind the frame is real,
so its id counts as sent and REST tells it unharmed.
Source: both texts were found in recordings of Coinbase's feed kept as test data by tardis-dev/tardis-node.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

from local.exchange.text import SECOND_US

FIRST_AFTER_S: Final = 10
MEAN_APART_S: Final = 300
ALTERATIONS: Final[dict[str, tuple[re.Pattern[bytes], bytes]]] = {
    "size": (re.compile(rb'"last_size":"[^"]*"'), b'"last_size":"0.-10000"'),
    "zero_time": (re.compile(rb'"time":"[^"]*"'), b'"time":"0001-01-01T00:00:00.000000Z"'),
}


def alter_frame(frame: bytes, how: str) -> bytes:
    """The frame with one field as no consumer expects it."""
    pattern, instead = ALTERATIONS[how]
    return pattern.sub(instead, frame, count=1)


class Oddities:
    """When the next odd frame is due, and of which sort."""

    def __init__(self, *, seed: int, start_us: int) -> None:
        self._random = Random(f"oddities:{seed}")  # noqa: S311  # no secret
        self._next_us = start_us + FIRST_AFTER_S * SECOND_US

    def take(self, now_us: int) -> str | None:
        """The sort of odd frame that is due now, if one is; it then counts as taken."""
        if now_us < self._next_us:
            return None
        self._next_us = now_us + int(self._random.expovariate(1 / MEAN_APART_S) * SECOND_US)
        return self._random.choice(sorted(ALTERATIONS))
