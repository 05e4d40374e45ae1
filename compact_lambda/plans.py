"""
What a compaction decides beyond the rules of history: in which order objects are looked into, when to stop, what to sweep, where the view begins.

Laws: pure; the oldest first, so that a lake of years is compacted run by run; what a manifest names is never swept, and nothing young.
Refuses to know: S3, Athena, the clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sql.glue import read_table
from sql.history import GRACE, NO_HOUR, hour_of_key
from sql.hours import EPOCH, HOUR_US, hour_start_us, lake_hour

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from compact_lambda.bucket import Stored
    from compact_lambda.contents import Kept

# So many hours of `processed` are looked into by one question: a month, and a WHERE that Athena takes.
WINDOW_HOURS: Final = 31 * 24
# No hour is begun with less than this left of the function's life: two statements of seconds, or of minutes that are stopped
# (compact_lambda/patience.py), the view, the sweep.
RESERVE_MS: Final = 180_000
# How long what no manifest names is kept: for those who began to read it before it was replaced, and for a try that is still under way.
SWEEP_AGE: Final = timedelta(hours=24)
# A try that took longer does not count, since what it wrote may be swept soon.
LONGEST_TRY: Final = SWEEP_AGE / 2


@dataclass(frozen=True, slots=True)
class Window:
    """Objects to look into at once; all objects near event hours before `until` are then known, near every hour if it is None."""

    keys: tuple[str, ...]
    until: str | None


def plan_windows(unknown: Iterable[str], *, window_hours: int = WINDOW_HOURS) -> list[Window]:
    """The objects in windows of so many of their hours, oldest first; one empty window where there are none."""
    by_hour: dict[str, list[str]] = {}
    for key in sorted(unknown):
        by_hour.setdefault(hour_of_processed(key), []).append(key)
    hours = sorted(by_hour)
    cuts = hours[::window_hours]
    windows = []
    for number, first in enumerate(cuts):
        after = cuts[number + 1] if number + 1 < len(cuts) else None
        keys = [key for hour in hours if first <= hour and (after is None or hour < after) for key in by_hour[hour]]
        # A row lies in the hour it happened or a later one, or in the one before where clocks differ (contract/dictionary.md, late data).
        windows.append(Window(keys=tuple(keys), until=after and _hour_before(after)))
    return windows or [Window(keys=(), until=None)]


def hour_of_processed(key: str) -> str:
    """The partition `lake_hour` of a key of `processed`."""
    match = re.match(read_table("delivered").key_pattern, key)
    assert match, key
    return match[2]


def plan_first_hour(waiting: Collection[str], unread: Iterable[str], *, now: datetime) -> str:
    """
    From which hour on the view `uncompacted` has to read, for the event hours not served and the objects not looked into.

    It never begins after the hour before `now`: whatever arrives next lies there, or shows when its hour is compacted.
    """
    hours = {hour for hour in waiting if hour != NO_HOUR} | {hour_of_processed(key) for key in unread}
    return _hour_before(min(hours | {lake_hour((now - EPOCH) // timedelta(microseconds=1))}))


def _hour_before(hour: str) -> str:
    return lake_hour(hour_start_us(hour) - HOUR_US)


def may_begin(remaining_ms: int | None) -> bool:
    """Whether another hour may be begun; None is for ever."""
    return remaining_ms is None or remaining_ms >= RESERVE_MS


def find_oldest_age(waiting: Collection[str], *, now: datetime) -> timedelta:
    """For how long the oldest of these hours could have been compacted; nothing where none waits."""
    if not waiting:
        return timedelta(0)
    ended = EPOCH + timedelta(microseconds=hour_start_us(min(waiting)) + HOUR_US)
    return max(timedelta(0), now - ended - GRACE)


def plan_sweep(history: Sequence[Stored], kept: Mapping[str, Kept], *, now: datetime) -> list[str]:
    """
    The objects of history that no manifest names, and nobody can be reading or about to name.

    Clock: `now` is compared with S3's own times; an object is old when it and its hour's manifest are (what was replaced an hour ago is
    read by questions asked before).
    """
    return [each.key for each in history if _is_leftover(each, kept, now - SWEEP_AGE)]


def _is_leftover(each: Stored, kept: Mapping[str, Kept], before: datetime) -> bool:
    one = kept.get(hour_of_key("history", each.key) or "")
    if one is None:
        return each.changed_at < before
    return each.key not in one.manifest.objects and max(each.changed_at, one.changed_at) < before
