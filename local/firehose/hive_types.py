"""
Hive's type names to Arrow types, and one JSON value to what such a column holds.

Laws: text stays the text it is; a number in a text column becomes its JSON text; a value that a column cannot hold is a ValueError, which
costs its record, never its neighbours.
Refuses to know: rows, files. Source: Amazon Athena, "Data types"; Amazon Data Firehose, "Convert input data format" (OpenX JSON SerDe:
ISO 8601, `yyyy-MM-dd HH:mm:ss`, epoch seconds, milliseconds or floats); what a value of the wrong kind does is a guess.
"""
# ruff: noqa: N818  # errors are named for what happened

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DECIMAL = re.compile(r"decimal(?:\((\d+)(?:,(\d+))?\))?")
_SIMPLE: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
    "binary": pa.binary(),
}
_BITS: Mapping[str, int] = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32, "bigint": 64}
_DECIMAL_DIGITS = 38
_WIDE = Context(prec=2 * _DECIMAL_DIGITS + 10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLIS_FROM = (
    10_000_000_000  # an epoch number this large counts milliseconds: as seconds it would lie beyond the year 2286
)


@lru_cache(maxsize=256)
def arrow_type(hive_type: str) -> pa.DataType:
    """
    The Arrow type of a Hive type's name.

    Raises: ValueError for a name that is no Hive type.
    """
    name = hive_type.strip().lower()
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name.startswith(("char(", "varchar(")):
        return pa.string()
    if match := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(match[1] or 10), int(match[2] or 0))
    if name.startswith("array<"):
        return pa.list_(arrow_type(_inside(name, "array")))
    if name.startswith("map<"):
        key, value = _split(_inside(name, "map"), ",")
        return pa.map_(arrow_type(key), arrow_type(value))
    if name.startswith("struct<"):
        fields = [_split(field, ":") for field in _split(_inside(name, "struct"), ",")]
        return pa.struct([pa.field(field, arrow_type(kind)) for field, kind in fields])
    raise ValueError(f"{hive_type!r} is no Hive type")


def _inside(name: str, outer: str) -> str:
    if not name.endswith(">"):
        raise ValueError(f"{name!r} is no Hive type")
    return name[len(outer) + 1 : -1]


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that stand outside every bracket; for ':' only the first counts."""
    parts: list[str] = []
    depth, start = 0, 0
    for index, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == separator and depth == 0 and not (separator == ":" and parts):
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


class ValueUnfit(ValueError):
    """A JSON value that its column cannot hold."""


def coerce_value(value: Any, hive_type: str, timestamp_of: Callable[[Any], datetime]) -> Any:
    """
    One JSON value as its column holds it; null stays null.

    Raises: ValueError (most often ValueUnfit) if the column cannot hold it.
    """
    if value is None:
        return None
    name = hive_type.strip().lower()
    if name in _BITS:
        return _integer(value, _BITS[name])
    if name.startswith(("array<", "map<", "struct<")):
        return _nested(value, name, timestamp_of)
    if name.startswith("decimal"):
        return _decimal(value, arrow_type(name))
    if name == "timestamp":
        return timestamp_of(value)
    simple: Callable[[Any], Any] = _COERCIONS.get(name, _text)
    return simple(value)


def openx_timestamp(value: Any) -> datetime:
    """A timestamp as the OpenX SerDe reads it: ISO 8601, a SQL timestamp, or an epoch number."""
    if isinstance(value, bool):
        raise ValueUnfit("a boolean is no timestamp")
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueUnfit("it is no timestamp")
    seconds = value / 1000 if abs(value) >= _MILLIS_FROM else value
    try:
        return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueUnfit("the timestamp lies outside the calendar") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _integer(value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueUnfit(f"{value!r} is no whole number")
    number = int(value)
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueUnfit(f"{number} does not fit {bits} bits")
    return number


def _floating(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueUnfit(f"{value!r} is no number")
    return float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise ValueUnfit(f"{value!r} is no boolean")


def _decimal(value: Any, kind: pa.DataType) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueUnfit(f"{value!r} is no decimal")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueUnfit(f"{value!r} is no decimal") from error
    assert isinstance(kind, pa.Decimal128Type), "decimal types are 128 bits wide"
    # Ten digits more than any decimal holds, so that rounding is exact; beyond them a number does not fit anyway.
    if not number.is_finite() or number.adjusted() > _DECIMAL_DIGITS:
        raise ValueUnfit(f"{value!r} does not fit decimal({kind.precision},{kind.scale})")
    rounded = _WIDE.quantize(number, Decimal(1).scaleb(-kind.scale))
    if rounded and rounded.adjusted() >= kind.precision - kind.scale:
        raise ValueUnfit(f"{value!r} does not fit decimal({kind.precision},{kind.scale})")
    return rounded


def _date(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueUnfit(f"{value!r} is no date")
    return date.fromisoformat(value.strip()[:10])


def _binary(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueUnfit(f"{value!r} is no binary text")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueUnfit("it is not base64") from error


def _nested(value: Any, name: str, timestamp_of: Callable[[Any], datetime]) -> Any:
    if name.startswith("array<"):
        if not isinstance(value, list):
            raise ValueUnfit(f"{type(value).__name__} is no array")
        return [coerce_value(item, _inside(name, "array"), timestamp_of) for item in value]
    if not isinstance(value, dict):
        raise ValueUnfit(f"{type(value).__name__} is no object")
    if name.startswith("map<"):
        key_type, value_type = _split(_inside(name, "map"), ",")
        return [
            (coerce_value(key, key_type, timestamp_of), coerce_value(item, value_type, timestamp_of))
            for key, item in value.items()
        ]
    fields = [_split(field, ":") for field in _split(_inside(name, "struct"), ",")]
    return {field: coerce_value(value.get(field), kind, timestamp_of) for field, kind in fields}


_COERCIONS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": _boolean,
    "float": _floating,
    "double": _floating,
    "date": _date,
    "binary": _binary,
}
