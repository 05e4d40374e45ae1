"""
Which days of a lake an audit looks at: those of its span and those that late data may touch, and in each daily audit some of the others, in turn.

Laws: pure; every day is looked at again within PERIOD, if an audit runs each day and has its time: a 28th of the days each time, oldest look
first, and all whose turn has come. A day of which something was found is looked at daily until nothing is. What was left out is told.
Refuses to know: objects, stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from audit_lambda.places import DAY_US, day_of
from sql.hours import HOUR_US

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from audit_lambda.inventory import Look
    from audit_lambda.spans import Kind

# near: the span's days. round: these, and others in turn. whole: every day there is.
Reach = Literal["near", "round", "whole"]
REACH_OF: Final[Mapping[Kind, Reach]] = {"hourly": "near", "daily": "round", "asked": "near"}
PERIOD_DAYS: Final = 28
# How far before its span rows may still come: a ticker is late by a day at most (contract/dictionary.md, Late data), on clocks that differ by
# up to an hour, and lies in its hour; healed trades come later, and are looked for once a day.
LEAD_US: Final[Mapping[Kind, int]] = {"hourly": 26 * HOUR_US, "daily": 7 * DAY_US, "asked": 7 * DAY_US}
# A daily audit that is late does not make a day overdue.
_SLACK_DAYS: Final = 2


def plan_near(*, kind: Kind, from_us: int, to_us: int, known: Collection[str] | None) -> list[str]:
    """
    The days of a span, and of the time before it that late data may touch, oldest first.

    Shapes: `known` are the days that a lake has anything of; None where nobody looked, and every day of the calendar is taken.
    """
    first_us = max(0, from_us - LEAD_US[kind])
    first, last = day_of(first_us), day_of(max(first_us, to_us - 1))
    if known is None:
        return sorted({day_of(at_us) for at_us in range(first_us, to_us, HOUR_US)} | {last})
    return sorted(day for day in known if first <= day <= last)


def plan_round(known: Collection[str], looks: Mapping[str, Look], *, near: Collection[str], now_us: int) -> list[str]:
    """The other days that it is the turn of: first those with findings, then those not looked at for longest."""
    others = sorted(set(known) - set(near), key=lambda day: (_looked_us(looks, day), day))
    share = -(-len(others) // PERIOD_DAYS)
    due_us = now_us - (PERIOD_DAYS - 1) * DAY_US
    found = [day for day in others if day in looks and looks[day].found_count]
    turn = [day for place, day in enumerate(others) if place < share or _looked_us(looks, day) <= due_us]
    return list(dict.fromkeys([*found, *turn]))


def find_overdue(known: Iterable[str], looks: Mapping[str, Look], *, now_us: int) -> list[str]:
    """The days that were not looked at for longer than PERIOD, or never, oldest look first."""
    limit_us = now_us - (PERIOD_DAYS + _SLACK_DAYS) * DAY_US
    late = [day for day in known if _looked_us(looks, day) < limit_us]
    return sorted(late, key=lambda day: (_looked_us(looks, day), day))


def _looked_us(looks: Mapping[str, Look], day: str) -> int:
    return looks[day].looked_us if day in looks else -1
