"""
The Hive JSON SerDe's TimestampFormats: Joda patterns, or the word millis.

Laws: the formats are tried in order, then java.sql.Timestamp's own form; what none reads is a ValueError.
Refuses to know: columns. Source: Amazon Data Firehose API reference, HiveJsonSerDe.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from local.firehose.hive_types import ValueUnfit

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_STRPTIME = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "M": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "SSS": "%f",
    "SSSSSS": "%f",
    "a": "%p",
    "Z": "%z",
    "ZZ": "%z",
    "EEE": "%a",
    "EEEE": "%A",
    "DDD": "%j",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def timestamp_reader(formats: tuple[str, ...]) -> Callable[[Any], datetime]:
    """What reads a value by these formats, in UTC without a zone."""
    readers = [_millis if pattern == "millis" else _by_pattern(strptime_pattern(pattern)) for pattern in formats]

    def read(value: Any) -> datetime:
        for reader in (*readers, _sql_timestamp):
            try:
                return reader(value)
            except (ValueError, TypeError):
                continue
        raise ValueError(f"{value!r} is no timestamp in any of the formats")

    return read


def strptime_pattern(joda: str) -> str:
    """
    A Joda pattern as strptime knows it.

    Raises: ValueError for a letter that has no counterpart.
    """
    parts = []
    for match in _TOKEN.finditer(joda):
        quoted, letter = match.groups()
        if letter and match[0] not in _STRPTIME:
            raise ValueError(f"the timestamp format {joda!r} uses {match[0]}, which is not supported")
        literal = quoted.replace("''", "'") if quoted else "'" if quoted is not None else match[0]
        parts.append(_STRPTIME[match[0]] if letter else literal.replace("%", "%%"))
    return "".join(parts)


def _by_pattern(pattern: str) -> Callable[[Any], datetime]:
    def read(value: Any) -> datetime:
        moment = datetime.strptime(value, pattern)  # noqa: DTZ007 -- a format without a zone is UTC, said in the next line
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment

    return read


def _millis(value: Any) -> datetime:
    if isinstance(value, bool):
        raise ValueUnfit("a boolean is no timestamp")
    return (_EPOCH + timedelta(milliseconds=int(value))).replace(tzinfo=None)


def _sql_timestamp(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueUnfit(f"{value!r} is no timestamp")
    moment = datetime.fromisoformat(value.strip())
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
