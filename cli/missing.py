"""
What a lake misses: its named holes with what of them it holds by now, and stretches of trades that nobody named; and which of it to fetch.

Laws: pure but for the questions asked of an engine, which may be either one; ids are exact; what is not to be fetched (an absurd hole, one that
is on its way) is named by the plan, never passed over. Times of edges are as exact as the engine's timestamps: microseconds at home,
milliseconds in Athena.
Refuses to know: how anything is fetched, and where the lake is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from producer.continuity import Edge, Hole
from producer.intervals import IntervalSet
from sql.questions import load_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from producer.fetched import Fetched
    from producer.seeking import Found
    from sql.engine import Engine

# Clocks differ: trades of a hole may say that they happened a little before its near edge.
_MARGIN: Final = timedelta(hours=1)
_NO_HOUR: Final = "9999"


@dataclass(frozen=True, slots=True)
class Held:
    """A range of a product's trades that the lake holds without a hole, and when its ends happened."""

    first: int
    last: int
    from_time: datetime | None
    until_time: datetime | None


@dataclass(slots=True)
class HealPlan:
    """
    The named holes, each in exactly one list.

    `take`: to be fetched, or to get the receipt they lack. `outside`: begun before the first hour that the lake's tables know. `absurd`: too many trades to be true, or to be fetched unasked. `left`: for
    another run. `on_the_way`: fetched lately, not seen in the lake yet.
    """

    take: list[Hole] = field(default_factory=list)
    outside: list[Hole] = field(default_factory=list)
    absurd: list[Hole] = field(default_factory=list)
    left: list[Hole] = field(default_factory=list)
    on_the_way: list[Hole] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left out."""
        return not (self.outside or self.absurd or self.left or self.on_the_way)


def read_named(engine: Engine, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    The answer to `holes` without those that are healed, and without those whose ids nobody knows.

    Raises: EngineFailed, QueryError.
    """
    rows = _ask(engine, "holes", values)
    return [row for row in rows if row["status"] != "healed" and row["first_missing_trade_id"] is not None]


def read_held(engine: Engine, values: Mapping[str, str]) -> dict[str, list[Held]]:
    """
    The ranges of trades that the lake holds, by product, in order.

    Raises: EngineFailed, QueryError.
    """
    held: dict[str, list[Held]] = {}
    for row in _ask(engine, "held", values):
        found = Held(row["first_trade_id"], row["last_trade_id"], row["from_time"], row["until_time"])
        held.setdefault(row["product_id"], []).append(found)
    return held


def _ask(engine: Engine, name: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    answer = engine.ask(plan_query(load_query(name), values))
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def earliest(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """From when on trades can matter to these holes, as a question takes it; None where one does not say."""
    times = [row["before_time"] for row in rows]
    return None if not times or None in times else (min(times) - _MARGIN).isoformat()


def hole_of(row: Mapping[str, Any], held: Iterable[Held], fetched: IntervalSet) -> tuple[Hole, int]:
    """A named hole as it stands today, and how many trades of it are on their way: fetched lately, but not in the lake yet."""
    missing = IntervalSet([(row["first_missing_trade_id"], row["last_missing_trade_id"])])
    for each in held:
        missing.remove(each.first, each.last)
    on_the_way = sum(missing.remove(first, last) for first, last in fetched)
    hole = Hole(
        product_id=row["product_id"],
        first=row["first_missing_trade_id"],
        last=row["last_missing_trade_id"],
        before=_edge(row["before_trade_id"], row["before_time"]),
        after=_edge(row["after_trade_id"], row["after_time"]),
        reason=row["reason"],
        missing=missing,
    )
    hole.counted = len(missing)
    hole.expected = max(row["missing"] or 0, len(missing))
    return hole, on_the_way


def plan_heal(
    rows: Sequence[Mapping[str, Any]],
    held: Mapping[str, Sequence[Held]],
    fetched: Fetched,
    *,
    max_trades: int,
    first_hour: str = "",
) -> HealPlan:
    """
    Which named holes to fill in one run of at most `max_trades` trades.

    Shapes: `first_hour` is the first that the lake's tables know (`yyyy/MM/dd/HH`), empty where they know all.
    """
    plan = HealPlan()
    room = max_trades
    for row in rows:
        hole, on_the_way = hole_of(row, held.get(row["product_id"], ()), fetched.ranges(row["product_id"]))
        count = len(hole.missing)
        if count and hour_of(hole) < first_hour:
            plan.outside.append(hole)
        elif count > max_trades:
            plan.absurd.append(hole)
        elif count > room:
            plan.left.append(hole)
        elif not count and on_the_way:
            plan.on_the_way.append(hole)
        else:
            plan.take.append(hole)
            room -= count
    return plan


def hour_of(hole: Hole) -> str:
    """The hour in which the first trades of a hole may lie, as keys write it; one after all others where no edge has a time."""
    for edge in (hole.before, hole.after):
        if edge is not None and edge.event_time:
            return datetime.fromisoformat(edge.event_time).strftime("%Y/%m/%d/%H")
    return _NO_HOUR


def earliest_hour(holes: Sequence[Hole]) -> str:
    """The first of their hours."""
    return min(map(hour_of, holes))


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    The trades of a product that a backfill is about.

    `first`..`last` are their ids (none if last < first); `before` and `after` are the trades on either side, None where REST has none.
    """

    product_id: str
    first: int
    last: int
    before: Edge | None
    after: Edge | None

    def __len__(self) -> int:
        return max(0, self.last - self.first + 1)


def stretch_of(
    product_id: str,
    start: Found,
    end: Found | None,
    held: Sequence[Held],
    named: Sequence[Mapping[str, Any]],
    *,
    newest: Callable[[], Found],
) -> Stretch | None:
    """
    From the instant that `start` found to the one that `end` found; without one, to the first trade that the lake has after `start`, or to
    the newest of all. None: there are no trades.

    Shapes: `held` is what the lake holds from the start's instant on; `named` the product's holes, not healed; `newest` finds an instant
    after every trade.
    """
    if start.after is None:
        return None
    after = None if end is None else end.after
    if end is None and held:
        after = Edge(held[0].first, _text(held[0].from_time))
        for row in named:  # a backfill that was cut short begins in the middle of the hole that it had named
            if row["first_missing_trade_id"] <= after.trade_id <= row["last_missing_trade_id"] + 1:
                after = _edge(row["after_trade_id"], row["after_time"]) or Edge(row["last_missing_trade_id"] + 1, None)
    if after is not None:
        return Stretch(product_id, start.after.trade_id, after.trade_id - 1, start.before, after)
    last = (end or newest()).before or start.after
    return Stretch(product_id, start.after.trade_id, last.trade_id, start.before, None)


def plan_stretch(
    stretch: Stretch, rows: Sequence[Mapping[str, Any]], held: Sequence[Held], fetched: IntervalSet
) -> tuple[list[Hole], list[Hole]]:
    """
    The holes of a stretch: those named already that touch it, and the parts of it that the lake lacks and nobody named.

    Shapes: `rows` are the product's named holes, not healed.
    """
    touching = [
        row
        for row in rows
        if row["first_missing_trade_id"] <= max(stretch.first, stretch.last)
        and row["last_missing_trade_id"] >= stretch.first
    ]
    named = [hole_of(row, held, fetched)[0] for row in touching]
    unnamed = IntervalSet([(stretch.first, stretch.last)])
    for known in (
        *((each.first, each.last) for each in held),
        *((row["first_missing_trade_id"], row["last_missing_trade_id"]) for row in touching),
        *fetched,
    ):
        unnamed.remove(*known)
    ends = {each.last: each.until_time for each in held}
    starts = {each.first: each.from_time for each in held}
    return named, [
        Hole(
            product_id=stretch.product_id,
            first=first,
            last=last,
            before=stretch.before if first == stretch.first else Edge(first - 1, _text(ends.get(first - 1))),
            after=stretch.after if last == stretch.last else Edge(last + 1, _text(starts.get(last + 1))),
            reason="process_down",
            missing=IntervalSet([(first, last)]),
        )
        for first, last in unnamed
    ]


def _edge(trade_id: int | None, event_time: datetime | None) -> Edge | None:
    return None if trade_id is None else Edge(trade_id, _text(event_time))


def _text(event_time: datetime | None) -> str | None:
    return None if event_time is None else f"{event_time.isoformat()}Z"
