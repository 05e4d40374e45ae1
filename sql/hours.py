"""
The hours of the lake's keys.

Laws: an hour is `yyyy/MM/dd/HH` in UTC, so that the order of text is the order of time.
Refuses to know: keys, objects.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

HOUR_US: Final = 3_600_000_000
FORMAT: Final = "%Y/%m/%d/%H"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def lake_hour(instant_us: int) -> str:
    """The hour of an instant as the lake's keys write it, in UTC. Units: microseconds since the epoch."""
    return (EPOCH + timedelta(microseconds=instant_us)).strftime(FORMAT)


def hour_start_us(hour: str) -> int:
    """The start of an hour that is written as in keys, in microseconds since the epoch."""
    return (datetime.strptime(hour, FORMAT).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
