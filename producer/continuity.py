"""
Trade ids per product, in line: what came next, what came again, and which ids are missing.

Theory of operation. On one connection Coinbase Exchange's ticker carries every trade, and a product's trade ids rise by
exactly one (measured on 1.2 million recorded tickers). So the next id is the last one plus one; a jump is a hole whose ids are
known exactly; an id that is not new is either a repeat (the last ticker is sent again after every subscribe) or a late
arrival that fills part of an open hole. An id from before the first one known (two connections' frames crossed; a recording put
before another) makes a hole up to that one. `suspect` remembers what happened since a product's last new trade, so that a hole
carries the reason it came from; with nothing suspected, the exchange dropped it.

An id further on than any outage explains may be a wrong one: it would make a hole of millions, and every true trade after it would
seem late. So one such word is not believed; the next one beyond it is (a trade, or a heartbeat that tells the same).

Laws: pure; every hole is reported once when found, with both edges; ids are exact, never estimated.
Refuses to know: how a hole is healed, and what a line looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from producer.intervals import IntervalSet

GapReason = Literal[
    "dropped_by_exchange",
    "disconnected",
    "stalled",
    "process_down",
    "refused_frame",
    "journal_full",
    "receive_queue_full",
    "journal_damaged",
    "refused_by_firehose",
]


@dataclass(frozen=True, slots=True)
class Edge:
    """A trade at the edge of a hole: its id, and the exchange's clock as text where known."""

    trade_id: int
    event_time: str | None


@dataclass(slots=True, eq=False)
class Hole:
    """
    Trade ids first..last of a product did not arrive; `missing` is what of them is still not there.

    `expected` is how many were missing when the hole was found: fewer than the range holds where polling saw some of them.
    `before` and `after` are the trades on either side, None where not known; `after` has no event time where only a heartbeat told
    of it.
    """

    product_id: str
    first: int
    last: int
    before: Edge | None
    after: Edge | None
    reason: GapReason
    missing: IntervalSet
    expected: int = field(init=False)
    counted: int = field(init=False)  # what the ledger counts as missing of it

    def __post_init__(self) -> None:
        self.expected = self.counted = len(self.missing)

    def put_back(self, trade_ids: IntervalSet) -> None:
        """Trades that had come are missing again, those of them that lie in it."""
        for first, last in trade_ids:
            self.missing.add(max(first, self.first), min(last, self.last))
        self.expected = max(self.expected, len(self.missing))  # one that polling had seen is new to it


# Holes given up that a late trade may still belong to, per product: a few outages' worth.
_GIVEN_UP_MAX: Final = 50
# More than the busiest product trades in two weeks (BTC-USD: 514,000 a day, measured): a leap that far needs a second word.
LEAP_TRADES: Final = 10_000_000


class Next:
    """The product's next trade, its first ever, or the one before its first: nothing to say."""


class Repeat:
    """A trade we have: sent again after a subscribe, or twice."""


@dataclass(frozen=True, slots=True)
class Late:
    """A trade out of order: it fills one id of a hole, open or given up, which is closed if nothing of it is missing any more."""

    hole: Hole
    closed: bool


@dataclass(frozen=True, slots=True)
class Jump:
    """A trade further on than the next, or from before the first: the ids in between are a hole."""

    hole: Hole


class Doubt:
    """An id too far on to believe it at its first word; nothing follows from it yet."""


Step = Next | Repeat | Late | Jump | Doubt
NEXT: Final = Next()
REPEAT: Final = Repeat()
DOUBT: Final = Doubt()


class Continuity:
    """The last trade and the open holes of every product."""

    def __init__(self) -> None:
        self.unnamed: list[Hole] = []  # open holes that inheriting found, and that no gap line names yet
        self._last: dict[str, tuple[int, str | None]] = {}
        self._first: dict[str, int] = {}  # from this trade on, up to the last, each was seen or is in a hole
        self._suspect: dict[str, GapReason] = {}
        self._open: dict[str, list[Hole]] = {}
        self._polled: dict[str, IntervalSet] = {}
        self._given_up: dict[str, list[Hole]] = {}
        self._leapt: dict[str, tuple[int, bool]] = {}  # an id not believed yet, and whether the trade itself was seen

    def observe(self, product_id: str, trade_id: int, event_time: str | None) -> Step:
        """What this trade says about those before it."""
        last = self._last.get(product_id)
        if last is None or trade_id == last[0] + 1:
            if last is None:
                self._first[product_id] = trade_id
            self._last[product_id] = (trade_id, event_time)
            if self._suspect:
                self._suspect.pop(product_id, None)
            if self._leapt:
                self._leapt.pop(product_id, None)
            return NEXT
        if trade_id <= last[0]:
            if trade_id < self._first.get(product_id, 0):
                return self._begin_earlier(product_id, Edge(trade_id, event_time))
            return self.look_back(product_id, trade_id)
        if not self._is_believed(product_id, last[0], trade_id, seen=True):
            return DOUBT
        return self._jump(product_id, last, Edge(trade_id, event_time), known=trade_id - 1)

    def is_new(self, product_id: str, trade_id: int) -> bool:
        """Whether neither the feed nor polling has seen this trade, nor anything after it on the feed."""
        last = self._last.get(product_id)
        return last is None or (trade_id > last[0] and trade_id not in self._polled.get(product_id, ()))

    def note_polled(self, product_id: str, trade_id: int, event_time: str) -> bool:
        """
        A trade that REST polling saw while the websocket was down; True if it is new (`is_new`).

        It moves nothing: the hole that the outage leaves is one hole, named when the websocket is back (or by `settle_polled`),
        without the trades that were polled.
        """
        if not self.is_new(product_id, trade_id):
            return False
        if product_id not in self._last:
            self._first[product_id] = trade_id
            self._last[product_id] = (trade_id, event_time)
        else:
            self._polled.setdefault(product_id, IntervalSet()).add(trade_id, trade_id)
        return True

    def settle_polled(self, product_id: str) -> Step:
        """Name the hole up to the newest polled trade now, without waiting for the websocket."""
        newest = max((last for _, last in self._polled.get(product_id, ())), default=0)
        return self.observe(product_id, newest, None) if newest else REPEAT

    def reach(self, product_id: str, trade_id: int) -> Jump | None:
        """
        Something other than the trade itself (a heartbeat, a REST answer) proves that trade `trade_id` happened.

        Returns the hole up to and including it; None if it is known already, or if nothing of the product is.
        """
        last = self._last.get(product_id)
        if last is None or trade_id <= last[0] or not self._is_believed(product_id, last[0], trade_id, seen=False):
            return None
        step = self._jump(product_id, last, Edge(trade_id, None), known=trade_id)
        return step if isinstance(step, Jump) else None

    def _is_believed(self, product_id: str, last_id: int, trade_id: int, *, seen: bool) -> bool:
        """Whether ids may go on at `trade_id`: not at the first word of a leap, but at a second one at it or beyond it."""
        told = self._leapt.pop(product_id, None)
        if trade_id - last_id <= LEAP_TRADES:
            return True
        # The same ticker sent twice is one word; a heartbeat that names the ticker's trade is a second.
        if told is not None and told[0] <= trade_id <= told[0] + LEAP_TRADES and (told[0], told[1]) != (trade_id, seen):
            if told[1]:
                self._polled.setdefault(product_id, IntervalSet()).add(told[0], told[0])
            return True
        self._leapt[product_id] = (trade_id, seen)
        return False

    def doubts(self, product_id: str, trade_id: int) -> bool:
        """Whether this id was told and is not believed yet."""
        return bool(self._leapt) and self._leapt.get(product_id, (0, False))[0] == trade_id

    def _jump(self, product_id: str, last: tuple[int, str | None], after: Edge, *, known: int) -> Jump | Next:
        self._last[product_id] = (after.trade_id, after.event_time)
        reason = self._suspect.pop(product_id, "dropped_by_exchange")
        missing = IntervalSet([(last[0] + 1, known)])
        for first, last_polled in self._polled.pop(product_id, ()):
            missing.remove(first, last_polled)
        if not missing:
            return NEXT
        hole = Hole(
            product_id=product_id,
            first=last[0] + 1,
            last=known,
            before=Edge(*last),
            after=after,
            reason=reason,
            missing=missing,
        )
        self._open.setdefault(product_id, []).append(hole)
        return Jump(hole)

    def _begin_earlier(self, product_id: str, trade: Edge) -> Step:
        """A trade from before the first one known: what lies between is a hole, which those that follow it may fill."""
        first = self._first[product_id]
        if first - trade.trade_id > LEAP_TRADES:  # likelier a wrong id than a hole
            return DOUBT
        self._first[product_id] = trade.trade_id
        if trade.trade_id == first - 1:
            return NEXT
        hole = Hole(
            product_id=product_id,
            first=trade.trade_id + 1,
            last=first - 1,
            before=trade,
            after=Edge(first, None),
            reason=self._suspect.get(product_id, "dropped_by_exchange"),
            missing=IntervalSet([(trade.trade_id + 1, first - 1)]),
        )
        self._open.setdefault(product_id, []).append(hole)
        return Jump(hole)

    def look_back(self, product_id: str, trade_id: int) -> Repeat | Late:
        """A trade that is not the product's newest: it fills one id of a hole, or it is there already."""
        for hole in (*self._open.get(product_id, ()), *self._given_up.get(product_id, ())):
            if hole.missing.remove(trade_id, trade_id):
                return Late(hole, closed=not hole.missing)
        return REPEAT

    def suspect(self, reason: GapReason, product_id: str | None = None) -> None:
        """From now until its next new trade, a product's hole has this reason; without a product, all products'."""
        for each in self._last if product_id is None else (product_id,):
            # The first thing that went wrong is the cause; what follows from it (a stall, then a reconnect) is not.
            self._suspect.setdefault(each, reason)

    def open_holes(self) -> list[Hole]:
        """Holes that still miss something, oldest first within a product."""
        return [hole for holes in self._open.values() for hole in holes]

    def close(self, hole: Hole) -> None:
        """
        A hole was filled, or given up with a receipt; of those given up the newest are remembered, should a trade come yet.

        A hole that somebody else found is none of ours.
        """
        ours = False
        for holes in (self._open.get(hole.product_id, []), self._given_up.get(hole.product_id, [])):
            if hole in holes:
                holes.remove(hole)
                ours = True
        if hole.missing and ours:
            self._given_up.setdefault(hole.product_id, []).append(hole)
            del self._given_up[hole.product_id][:-_GIVEN_UP_MAX]

    def adopt(self, hole: Hole) -> bool:
        """
        A hole that was found elsewhere is ours to remember; False if it is open already, found here.

        The one found here then takes its reason: who looked closer knows it better.
        """
        holes = self._open.setdefault(hole.product_id, [])
        for each in holes:
            if (each.first, each.last) == (hole.first, hole.last):
                each.reason = hole.reason
                return False
        holes.append(hole)
        return True

    def put_back(self, product_id: str, trade_ids: IntervalSet) -> None:
        """Trades that had come are missing again from the open holes that they lie in."""
        for hole in self._open.get(product_id, ()):
            hole.put_back(trade_ids)

    def known_missing(self) -> list[Hole]:
        """Every hole that misses something, open or given up."""
        return [*self.open_holes(), *(hole for holes in self._given_up.values() for hole in holes)]

    def newest(self) -> dict[str, tuple[int, str | None]]:
        """Every product's newest trade: its id, and the exchange's clock as text where known."""
        return dict(self._last)

    def is_open(self, hole: Hole) -> bool:
        """Whether the hole still waits to be healed, as against one that was given up."""
        return hole in self._open.get(hole.product_id, ())

    def last_trade_id(self, product_id: str) -> int | None:
        """The newest trade known to have happened."""
        last = self._last.get(product_id)
        return None if last is None else last[0]

    def to_memory(self) -> dict[str, Any]:
        """Everything that has to survive a restart, as JSON values."""
        return {
            "last": {product_id: list(last) for product_id, last in self._last.items()},
            "first": dict(self._first),
            "open": [_hole_to_memory(hole) for hole in self.open_holes()],
            "suspect": dict(self._suspect),
            "given_up": [_hole_to_memory(hole) for holes in self._given_up.values() for hole in holes],
            "polled": {product_id: [list(each) for each in ids] for product_id, ids in self._polled.items()},
            "leapt": {product_id: list(told) for product_id, told in self._leapt.items()},
        }

    @classmethod
    def from_memory(cls, memory: dict[str, Any]) -> Continuity:
        """The state that `to_memory` described; an empty dict gives a new one."""
        continuity = cls()
        for product_id, (trade_id, event_time) in memory.get("last", {}).items():
            continuity._last[product_id] = (trade_id, event_time)
        continuity._first = dict(memory.get("first", {}))  # an older journal has none
        continuity._suspect = dict(memory.get("suspect", {}))
        continuity._leapt = {product_id: (told, seen) for product_id, (told, seen) in memory.get("leapt", {}).items()}
        for product_id, ids in memory.get("polled", {}).items():
            continuity._polled[product_id] = IntervalSet((first, last) for first, last in ids)
        for name, holes in (("open", continuity._open), ("given_up", continuity._given_up)):
            for hole in memory.get(name, ()):
                holes.setdefault(hole["product_id"], []).append(_hole_from_memory(hole))
        return continuity


def _hole_to_memory(hole: Hole) -> dict[str, Any]:
    return {
        "product_id": hole.product_id,
        "first": hole.first,
        "last": hole.last,
        "before": _edge_to_memory(hole.before),
        "after": _edge_to_memory(hole.after),
        "reason": hole.reason,
        "missing": [list(each) for each in hole.missing],
        "expected": hole.expected,
    }


def _hole_from_memory(memory: dict[str, Any]) -> Hole:
    hole = Hole(
        product_id=memory["product_id"],
        first=memory["first"],
        last=memory["last"],
        before=_edge_from_memory(memory["before"]),
        after=_edge_from_memory(memory["after"]),
        reason=memory["reason"],
        missing=IntervalSet((first, last) for first, last in memory["missing"]),
    )
    hole.expected, hole.counted = memory["expected"], 0  # the ledger is a session's, and this is a new one
    return hole


def _edge_to_memory(edge: Edge | None) -> list[int | str | None] | None:
    return None if edge is None else [edge.trade_id, edge.event_time]


def _edge_from_memory(memory: list[Any] | None) -> Edge | None:
    return None if memory is None else Edge(*memory)
