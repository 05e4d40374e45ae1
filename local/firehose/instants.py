"""
Java's DateTimeFormatter patterns, as Firehose evaluates them in `!{timestamp:...}`.

Laws: 'quoted' text is literal and '' is one quote; a letter that Java does not know, or that is not written here, is refused when the
stream is created, never when an object is named. English names, ISO weeks.
Refuses to know: prefixes, time zones (it is given a datetime that already has its zone).
Source: java.time.format.DateTimeFormatter, "Patterns for Formatting and Parsing"; Amazon Data Firehose, "Understand custom prefixes for
Amazon S3 objects".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'")
# Unquoted letters that AWS was seen to refuse (probed by others).
REFUSED_LETTERS = frozenset("CIJPRTUVbfijloprt")


def _padded(value: int, count: int) -> str:
    return str(value).zfill(count)


def _year(value: int, count: int) -> str:
    return str(value % 100).zfill(2) if count == 2 else str(value).zfill(count)  # noqa: PLR2004 -- "yy" is the two-digit year


def _month(moment: datetime, count: int) -> str:
    named = {3: moment.strftime("%b"), 4: moment.strftime("%B"), 5: moment.strftime("%B")[0]}
    return named.get(count) or _padded(moment.month, count)


def _weekday(moment: datetime, count: int) -> str:
    named = {4: moment.strftime("%A"), 5: moment.strftime("%A")[0]}
    return named.get(count) or moment.strftime("%a")


def _weekday_number(moment: datetime, count: int) -> str:
    return _weekday(moment, count) if count >= 3 else _padded(moment.isoweekday(), count)  # noqa: PLR2004 -- Java's rule for e and c


def _quarter(moment: datetime, count: int) -> str:
    quarter = (moment.month - 1) // 3 + 1
    return f"Q{quarter}" if count == 3 else _padded(quarter, count)  # noqa: PLR2004 -- Java's rule for Q


def _fraction(moment: datetime, count: int) -> str:
    return f"{moment.microsecond:06d}000"[:count].ljust(count, "0")


def _milli_of_day(moment: datetime) -> int:
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1000 + moment.microsecond // 1000


def _offset(moment: datetime, count: int, *, zulu: bool) -> str:
    offset = moment.utcoffset()
    seconds = 0 if offset is None else int(offset.total_seconds())
    if zulu and seconds == 0:
        return "Z"
    sign = "-" if seconds < 0 else "+"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    if count == 1:
        return f"{sign}{hours:02d}" + (f"{minutes:02d}" if minutes else "")
    return f"{sign}{hours:02d}:{minutes:02d}" if count in {3, 5} else f"{sign}{hours:02d}{minutes:02d}"


_LETTERS: Mapping[str, Callable[[datetime, int], str]] = {
    "A": lambda moment, count: _padded(_milli_of_day(moment), count),
    "D": lambda moment, count: _padded(moment.timetuple().tm_yday, count),
    "E": _weekday,
    "F": lambda moment, count: _padded((moment.day - 1) // 7 + 1, count),
    "G": lambda moment, count: "Anno Domini" if count == 4 else "A" if count == 5 else "AD",  # noqa: ARG005, PLR2004
    "H": lambda moment, count: _padded(moment.hour, count),
    "K": lambda moment, count: _padded(moment.hour % 12, count),
    "L": _month,
    "M": _month,
    "N": lambda moment, count: _padded(_milli_of_day(moment) * 1_000_000 + moment.microsecond % 1000 * 1000, count),
    "Q": _quarter,
    "S": _fraction,
    "W": lambda moment, count: _padded((moment.day + moment.replace(day=1).weekday() - 1) // 7 + 1, count),
    "X": lambda moment, count: _offset(moment, count, zulu=True),
    "Y": lambda moment, count: _year(moment.isocalendar().year, count),
    "Z": lambda moment, count: _offset(moment, 3 if count == 5 else 2, zulu=count == 5),  # noqa: PLR2004 -- Java: ZZZZZ is XXX
    "a": lambda moment, count: "AM" if moment.hour < 12 else "PM",  # noqa: ARG005, PLR2004 -- noon
    "c": _weekday_number,
    "d": lambda moment, count: _padded(moment.day, count),
    "e": _weekday_number,
    "h": lambda moment, count: _padded(moment.hour % 12 or 12, count),
    "k": lambda moment, count: _padded(moment.hour or 24, count),
    "m": lambda moment, count: _padded(moment.minute, count),
    "n": lambda moment, count: _padded(moment.microsecond * 1000, count),
    "q": _quarter,
    "s": lambda moment, count: _padded(moment.second, count),
    "u": lambda moment, count: _year(moment.year, count),
    "w": lambda moment, count: _padded(moment.isocalendar().week, count),
    "x": lambda moment, count: _offset(moment, count, zulu=False),
    "y": lambda moment, count: _year(moment.year, count),
    "z": lambda moment, count: moment.tzname() or "",  # noqa: ARG005
}


def unusable_letters(pattern: str) -> str:
    """The unquoted letters of a pattern that no instant can be written with; empty if all are good."""
    letters = (match[2] for match in _TOKEN.finditer(pattern) if match[2])
    return "".join(sorted({letter for letter in letters if letter not in _LETTERS}))


def has_open_quote(pattern: str) -> bool:
    """Whether a quote is never closed."""
    return any(match[0] == "'" for match in _TOKEN.finditer(pattern))


def format_instant(pattern: str, moment: datetime) -> str:
    """The moment in a Java pattern. Caller must have refused patterns with unusable letters."""
    return "".join(_format_token(match, moment) for match in _TOKEN.finditer(pattern))


def _format_token(match: re.Match[str], moment: datetime) -> str:
    quoted, letter = match.groups()
    if quoted is not None:
        return quoted.replace("''", "'") if quoted else "'"
    return _LETTERS[letter](moment, len(match[0])) if letter else match[0]
