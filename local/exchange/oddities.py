"""
Frames as no consumer expects them, and the rare odd one of a demonstration.

Laws: pure and seeded; the trade behind an odd frame is real, so its id counts as sent and REST tells it unharmed. In a
demonstration the first odd frame comes some ten seconds in, then about one in five minutes.
Source: the malformed size and the zero time were found in recordings of Coinbase's feed that tardis-dev/tardis-node
keeps as test data; the others are what a broken network or a changed API would look like.
"""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Final

from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.exchange.faults import Alteration

FIRST_AFTER_S: Final = 10
MEAN_APART_S: Final = 300
HUGE_BYTES: Final = 2_000_000
SEEN_LIVE: Final[tuple[Alteration, ...]] = ("size", "zero_time")


def _replace(pattern: bytes, instead: bytes) -> Callable[[bytes], bytes]:
    compiled = re.compile(pattern)
    return lambda frame: compiled.sub(instead, frame, count=1)


ALTERATIONS: Final[Mapping[Alteration, Callable[[bytes], bytes]]] = {
    "size": _replace(rb'"last_size":"[^"]*"', b'"last_size":"0.-10000"'),
    "zero_time": _replace(rb'"time":"[^"]*"', b'"time":"0001-01-01T00:00:00.000000Z"'),
    "negative_price": _replace(rb'"price":"', b'"price":"-'),
    "wrong_type": _replace(rb'"trade_id":(\d+)', rb'"trade_id":"\1"'),
    "cut": lambda frame: frame[: len(frame) // 2],
    "not_utf8": _replace(rb'"side":"', b'"side":"\xff\xfe'),
    "huge": lambda frame: frame[:-1] + b',"note":"' + b"x" * HUGE_BYTES + b'"}',
}


def alter_frame(frame: bytes, how: Alteration) -> bytes:
    """The frame with one thing wrong in it."""
    return ALTERATIONS[how](frame)


class Oddities:
    """When the next odd frame of a demonstration is due, and of which sort."""

    def __init__(self, *, seed: int, start_us: int) -> None:
        self._random = Random(f"oddities:{seed}")  # noqa: S311  # no secret
        self._next_us = start_us + FIRST_AFTER_S * SECOND_US

    def take(self, now_us: int) -> Alteration | None:
        """The sort of odd frame that is due now, if one is; it then counts as taken."""
        if now_us < self._next_us:
            return None
        self._next_us = now_us + int(self._random.expovariate(1 / MEAN_APART_S) * SECOND_US)
        return self._random.choice(SEEN_LIVE)
