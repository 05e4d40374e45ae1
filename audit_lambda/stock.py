"""
The integrity checks of an audit: earlier inventories read, days looked at while there is time, what the next audit is to know kept.

Laws: an inventory is written only after the report that it was made for; one that cannot be read stops the audit, for it says what may have
changed since, and one that is gone is said. When each day was looked at is in the report, and a day whose turn is overdue is a warning.
Refuses to know: S3 and folders, verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from audit_lambda.comparing import Leave
from audit_lambda.inventory import (
    LOOKED_KEY,
    UNDIVIDED_KEY,
    Look,
    decode_inventory,
    decode_looks,
    divide_inventory,
    encode_inventory,
    encode_looks,
    inventory_key,
)
from audit_lambda.legible import LegibleStore
from audit_lambda.objects import Inspection, Pace
from audit_lambda.places import survey
from audit_lambda.report import Figure
from audit_lambda.rounds import PERIOD_DAYS, find_overdue, plan_near, plan_round
from audit_lambda.words import say_instant
from sql.replays import RECORDS, decode_record, gather, is_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from audit_lambda.inventory import Inventory, Looks
    from audit_lambda.objects import Progress
    from audit_lambda.reading import Store
    from audit_lambda.report import CheckResult
    from audit_lambda.rounds import Reach
    from audit_lambda.spans import Span
    from sql.replays import Replays

FIGURE: Final = "objects_looked_at"
_FIRST: Final = "no earlier audit has left an inventory; this one does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """
    What looking at the objects gave: the group `integrity`, when each day was looked at, and what `keep_stock` is to leave.

    Shapes: `inventories` are those that changed, by their key; `looks` are of the days looked at now. `is_undivided`: an inventory of an older
    form was taken over.
    """

    results: list[CheckResult]
    figure: Figure
    inventories: Mapping[str, bytes]
    looks: Looks
    is_undivided: bool


@dataclass(slots=True)
class _Kept:
    """What earlier audits left: None for looks where none has; `undivided` is by day, what was not taken over yet."""

    looks: Looks | None
    undivided: dict[str, Inventory]


def take_stock(
    store: Store,
    span: Span,
    *,
    reach: Reach,
    now_us: int,
    expiry_days: Mapping[str, int],
    pace: Pace,
    on_progress: Callable[[Progress], None],
) -> Stock:
    """
    The group `integrity` for a span, and what to keep.

    Raises: InventoryDamaged; whatever the store refuses a listing or a record with.
    """
    kept = _read_kept(store)
    store = legible = LegibleStore(store)
    looks = dict(kept.looks or {})
    leave = Leave(replays=cache(lambda: _read_replays(store)), expiry_days=expiry_days)
    inspection = Inspection(store, span=span, now_us=now_us, leave=leave, pace=pace, on_progress=on_progress)
    known = _survey(store, inspection, looks) if span.kind != "hourly" or reach != "near" else None
    days = _plan_days(span, reach, known=known, looks=looks, now_us=now_us)
    taken = _Taken(store, inspection, kept, looks)
    # The others first: they take seconds, and reading may take all there is.
    for day in takewhile(lambda _: pace.may_look(), days.others):
        taken.look_at(day, is_near=False)
    for day in takewhile(lambda _: pace.may_list(), days.near):
        taken.look_at(day, is_near=True)
    inspection.left = [day for day in days.near if day not in taken.looks]
    looks |= taken.looks
    if overdue := find_overdue(known or (), looks, now_us=now_us) if reach == "round" else []:
        inspection.add("present", overdue[0], _say_overdue(overdue, looks), "warning")
    why = _FIRST if kept.looks is None else ""
    results = inspection.results(
        {"unchanged": why, "present": " ".join(filter(None, [why, _say_looked(days.near, taken.looks, looks)]))}
    )
    return Stock(
        results=[*results, legible.result(unread=next(each.why for each in results if each.name == "readable"))],
        figure=_draw(looks if known is not None else taken.looks),
        inventories=taken.inventories | _not_looked_at(kept, taken.looks),
        looks=taken.looks | {day: looks[day] for day in kept.undivided if day not in taken.looks},
        is_undivided=bool(kept.undivided),
    )


@dataclass(frozen=True, slots=True)
class _Days:
    """The days of a span, with those that late data may touch, and others whose turn it is."""

    near: list[str]
    others: list[str]


def _plan_days(span: Span, reach: Reach, *, known: set[str] | None, looks: Looks, now_us: int) -> _Days:
    if reach == "whole":
        return _Days(sorted(known or ()), [])
    near = plan_near(kind=span.kind, from_us=span.from_us, to_us=span.to_us, known=known)
    return _Days(near, plan_round(known or (), looks, near=near, now_us=now_us) if reach == "round" else [])


def keep_stock(store: Store, stock: Stock) -> None:
    """
    Leave what the next audit is to know; in a versioned bucket what was before can be brought back.

    Raises: InventoryDamaged; whatever the store refuses with.
    """
    for key, content in stock.inventories.items():
        store.put_record(key, content)
    # Another audit may have looked at other days meanwhile.
    stored = store.read_record(LOOKED_KEY)
    store.put_record(LOOKED_KEY, encode_looks(({} if stored is None else decode_looks(stored)) | stock.looks))
    if stock.is_undivided:
        store.put_record(UNDIVIDED_KEY, encode_inventory({}))


class _Taken:
    """The days looked at, and what is to be kept of them."""

    def __init__(self, store: Store, inspection: Inspection, kept: _Kept, looks: Looks) -> None:
        self._store, self._inspection, self._kept, self._before = store, inspection, kept, dict(looks)
        self.looks: Looks = {}
        self.inventories: dict[str, bytes] = {}

    def look_at(self, day: str, *, is_near: bool) -> None:
        """Look at a day, with what is known of it."""
        key = inventory_key(day)
        stored = self._store.read_record(key)
        before = self._kept.undivided.get(day) if stored is None else decode_inventory(key, stored)
        if before is None and day in self._before and self._before[day].object_count:
            said = f"{key} is gone: what changed or vanished of that day before is no longer noticed; this audit begins a new one"
            self._inspection.add("present", key, said, "warning")
        self.looks[day], inventory = self._inspection.look_at(day, before, is_near=is_near)
        content = encode_inventory(inventory)
        if content != stored and (inventory or stored is not None):
            self.inventories[key] = content


def _read_kept(store: Store) -> _Kept:
    stored, undivided = store.read_record(LOOKED_KEY), store.read_record(UNDIVIDED_KEY)
    looks = None if stored is None else decode_looks(stored)
    days = {} if undivided is None else divide_inventory(decode_inventory(UNDIVIDED_KEY, undivided))
    pending = {day: inventory for day, inventory in days.items() if day not in (looks or {})}
    if pending:
        looks = (looks or {}) | {day: Look(0, len(inventory), 0) for day, inventory in pending.items()}
    return _Kept(looks=looks, undivided=pending)


def _not_looked_at(kept: _Kept, looks: Looks) -> dict[str, bytes]:
    return {inventory_key(day): encode_inventory(some) for day, some in kept.undivided.items() if day not in looks}


def _survey(store: Store, inspection: Inspection, looks: Looks) -> set[str]:
    """The days that the lake has anything of, or had when an audit looked; what lies beside them is said."""
    found = survey(store)
    for foreign in found.foreign:
        inspection.add_foreign(foreign)
    return found.days | looks.keys()


def _read_replays(store: Store) -> Replays:
    """Raises: ManifestDamaged."""
    keys = [key for key in store.list_level(RECORDS)[1] if is_record(key)]
    return gather(decode_record(key, stored) for key in keys if (stored := store.read_record(key)) is not None)


def _say_looked(near: list[str], looked: Looks, looks: Looks) -> str:
    others = sorted(looked.keys() - set(near))
    said = (
        f"Looked at: {_days([day for day in near if day in looked])}"
        + (f", and in turn {_days(others)}" if others else "")
        + "."
    )
    if not looks:
        return said
    oldest = min(looks, key=lambda day: (looks[day].looked_us, day))
    looked_us = looks[oldest].looked_us
    when = f"looked at {say_instant(looked_us)}" if looked_us else "in the inventory of an earlier version"
    return f"{said} Of {len(looks)} days known the one not looked at for longest is {oldest}: {when}."


def _days(days: list[str]) -> str:
    if not days:
        return "no day"
    return days[0] if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def _say_overdue(overdue: list[str], looks: Looks) -> str:
    when = f"since {say_instant(looks[overdue[0]].looked_us)}" if overdue[0] in looks else "yet"
    days = "1 day of the lake was" if len(overdue) == 1 else f"{len(overdue)} days of the lake were"
    return f"{days} not looked at for {PERIOD_DAYS} days or more, {overdue[0]} not {when}: daily audits had no time, or did not run"


def _draw(looks: Looks) -> Figure:
    rows = tuple((day, look.looked_us, look.object_count, look.found_count) for day, look in sorted(looks.items()))
    question = "When were the objects of each day of the lake last looked at?"
    return Figure(FIGURE, question, ("day", "looked_us", "object_count", "found_count"), rows)
