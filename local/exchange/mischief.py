"""
Which fault strikes now: the schedule with its counters and its dice.

Laws: pure and seeded; asked the same questions in the same order it gives the same answers. A fault that hits frames by
number strikes each number once.
Refuses to know: what striking means (core.py does).
"""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, TypeVar

from local.exchange.faults import (
    BadProduct,
    ClockStep,
    Disconnect,
    Fault,
    ForgetProduct,
    FrameFault,
    RestFault,
    Silence,
    Window,
)
from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

W = TypeVar("W", bound=Window)
R = TypeVar("R", bound=RestFault)


class Mischief:
    """A schedule of faults at work on one exchange."""

    def __init__(self, faults: Sequence[Fault], *, seed: int, opened_us: int) -> None:
        self._faults = tuple(faults)
        self._on_frames = tuple(fault for fault in self._faults if isinstance(fault, FrameFault))
        self._random = Random(f"mischief:{seed}")  # noqa: S311  # no secret
        self._opened_us = opened_us
        self._counts: Counter[str | None] = Counter()
        self._done: set[int] = set()  # places in the schedule of disconnects that have happened

    def elapsed_s(self, now_us: int) -> float:
        """Seconds since the exchange opened."""
        return (now_us - self._opened_us) / SECOND_US

    def at_work(self, kind: type[W], now_us: int) -> Iterator[W]:
        """The faults of one sort that are at work now."""
        elapsed_s = self.elapsed_s(now_us)
        for fault in self._faults:
            if isinstance(fault, kind) and fault.covers(elapsed_s):
                yield fault

    def on_path(self, kind: type[R], path: str, now_us: int) -> Iterator[R]:
        """The faults of one sort that are at work now on a REST call to this path."""
        return (fault for fault in self.at_work(kind, now_us) if path.startswith(fault.path))

    def strikes(self, share: float) -> bool:
        """Throw the dice."""
        return share >= 1 or self._random.random() < share

    def next_frame(self, product_id: str, now_us: int) -> list[FrameFault]:
        """The faults that hit the ticker frame about to be sent; it is counted by this."""
        self._counts[None] += 1
        self._counts[product_id] += 1
        elapsed_s = self.elapsed_s(now_us)
        return [fault for fault in self._on_frames if fault.covers(elapsed_s) and self._hits(fault, product_id)]

    def _hits(self, fault: FrameFault, product_id: str) -> bool:
        if fault.product not in (None, product_id):
            return False
        if fault.at is None:
            return fault.share > 0 and not isinstance(fault, Disconnect) and self.strikes(fault.share)
        return fault.at <= self._counts[fault.product] < fault.at + fault.count

    def take_disconnects(self, now_us: int) -> list[Disconnect]:
        """The disconnects whose moment has come, each once."""
        elapsed_s, due = self.elapsed_s(now_us), []
        for place, fault in enumerate(self._faults):
            if not isinstance(fault, Disconnect) or fault.at is not None or place in self._done:
                continue
            if fault.from_s <= elapsed_s:
                self._done.add(place)
                due.append(fault)
        return due

    def bad_products(self, now_us: int) -> set[str]:
        """Products the websocket does not know now."""
        return {fault.product for fault in self.at_work(BadProduct, now_us)}

    def forgotten_products(self, now_us: int) -> set[str]:
        """Products a subscribe silently leaves out now."""
        return {fault.product for fault in self.at_work(ForgetProduct, now_us)}

    def clock_step_us(self, now_us: int) -> int:
        """How far the exchange's clock is off now."""
        return round(sum(fault.step_s for fault in self.at_work(ClockStep, now_us)) * SECOND_US)

    def silences(self, connected_us: int, now_us: int) -> list[Silence]:
        """The silences a connection suffers that was opened at `connected_us`."""
        since_s = self.elapsed_s(connected_us)
        return [fault for fault in self.at_work(Silence, now_us) if fault.all_connections or since_s < fault.from_s]

    def next_edge_us(self, now_us: int) -> int | None:
        """When a fault next begins or ends, so that a shell does not sleep through it."""
        elapsed_s = self.elapsed_s(now_us)
        edges = [edge for fault in self._faults for edge in (fault.from_s, fault.to_s)]
        later = [edge for edge in edges if elapsed_s < edge < math.inf]
        return self._opened_us + math.ceil(min(later) * SECOND_US) if later else None
