"""
Which hour of the lake a row goes to: the late-data rule.

A row goes to the hour it HAPPENED when it is a healed or backfilled trade, or when it is at most a day old on arrival. Otherwise (the
last tick of a sleepy product, sent again on subscribe) it goes to the hour it ARRIVED, and so does anything from more than an hour in
the future. That keeps the partitions that are open at one time under Firehose's quota of 500.
Laws: a pure function of the row's facts and Firehose's arrival time; UTC; the sum of all hours is all rows.
Refuses to know: what a row holds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from contract.rules import FIRST_YEAR, LAST_YEAR, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_US: Final = 3_600_000_000
LATE_US: Final = 24 * HOUR_US
EARLY_US: Final = HOUR_US
MIXED: Final = "mixed"  # lake_kind of a pack whose rows have no hour and kind in common (infra/pipeline.yaml names it)
REPAIRS: Final = frozenset({"rest_heal", "rest_backfill"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decide_hour(*, kind: str, source: str, happened_us: int, arrival_us: int) -> int:
    """
    The hour, counted from the epoch, whose partition the row belongs to.

    Clock: `happened_us` is the exchange's (our socket's where there is none), `arrival_us` Firehose's; both limits are inclusive.
    """
    age_us = arrival_us - happened_us
    repaired = kind == "trade" or source in REPAIRS
    on_time = age_us >= -EARLY_US and (repaired or age_us <= LATE_US)
    return (happened_us if on_time else arrival_us) // HOUR_US


def decide_common_hour(*, second_us: int, first_arrival_us: int, last_arrival_us: int) -> int | None:
    """
    The hour that decide_hour gives whatever happened in this second and arrived between these times; None if it is not one hour.

    Caller must: not ask for repairs.
    """
    last_us = second_us + SECOND_US - 1
    if last_us < first_arrival_us - LATE_US or second_us > last_arrival_us + EARLY_US:
        hour = first_arrival_us // HOUR_US
        return hour if hour == last_arrival_us // HOUR_US else None
    on_time = second_us >= last_arrival_us - LATE_US and last_us <= first_arrival_us + EARLY_US
    return second_us // HOUR_US if on_time else None


@lru_cache(maxsize=1024)
def partition_keys(kind: str, hour: int) -> Mapping[str, str]:
    """
    What Firehose writes the prefix with: text, none of it empty (it refuses null and empty keys).

    Caller must: not change what it gets (it is cached).
    """
    at = time.gmtime(hour * 3600)
    return {
        "kind": kind,
        "year": f"{at.tm_year:04}",
        "month": f"{at.tm_mon:02}",
        "day": f"{at.tm_mday:02}",
        "hour": f"{at.tm_hour:02}",
    }


def read_arrival_us(arrival: object) -> int | None:
    """
    Firehose's approximateArrivalTimestamp in microseconds, or None where it says nothing usable.

    Units: a number is milliseconds (what Direct PUT sends); AWS's own samples also show ISO text.
    """
    if isinstance(arrival, int):
        arrival_us = arrival * 1000
    elif isinstance(arrival, str):
        try:
            at = datetime.fromisoformat(arrival)
        except ValueError:
            return None
        arrival_us = (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)
    else:
        return None
    return arrival_us if _FIRST_US <= arrival_us < _END_US else None


_FIRST_US: Final = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_END_US: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
