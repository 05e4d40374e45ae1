"""
DuckDB's values as GetQueryResults has them: text, by type, and nothing at all for null.

Laws: decimals keep their scale, timestamps have milliseconds; sums of bigints are bigints, as in Trino.
Refuses to know: where values come from.
Source: Amazon Athena API reference, ColumnInfo, Datum; what its users' libraries decode.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# DuckDB's type -> Athena's, its precision and its scale.
_TYPES: Final = {
    "BOOLEAN": ("boolean", 0, 0),
    "TINYINT": ("tinyint", 3, 0),
    "SMALLINT": ("smallint", 5, 0),
    "INTEGER": ("integer", 10, 0),
    "BIGINT": ("bigint", 19, 0),
    "HUGEINT": ("bigint", 19, 0),
    "UBIGINT": ("bigint", 19, 0),
    "FLOAT": ("float", 17, 0),
    "DOUBLE": ("double", 17, 0),
    "DATE": ("date", 0, 0),
    "TIMESTAMP": ("timestamp", 3, 0),
    "TIMESTAMP_NS": ("timestamp", 3, 0),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", 3, 0),
    "VARCHAR": ("varchar", 2**31 - 1, 0),
    "JSON": ("json", 0, 0),
    "BLOB": ("varbinary", 2**30, 0),
    '"NULL"': ("unknown", 0, 0),
}
_DECIMAL: Final = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def column_info(name: str, duckdb_type: str) -> dict[str, Any]:
    """One ColumnInfo."""
    decimal = _DECIMAL.fullmatch(duckdb_type)
    kind, precision, scale = (
        ("decimal", int(decimal[1]), int(decimal[2]))
        if decimal
        else _TYPES.get(duckdb_type, (_nested(duckdb_type), 0, 0))
    )
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind in {"varchar", "char", "json"},
    }


def _nested(duckdb_type: str) -> str:
    if duckdb_type.endswith("[]"):
        return "array"
    return {"STRUCT": "row", "MAP": "map"}.get(duckdb_type.partition("(")[0], duckdb_type.lower())


def encode_row(row: Sequence[Any]) -> dict[str, Any]:
    """One Row."""
    return {"Data": [{} if cell is None else {"VarCharValue": encode_value(cell)} for cell in row]}


def encode_value(cell: Any) -> str:
    """One value's text."""
    encode = next((encode for kind, encode in _ENCODERS.items() if isinstance(cell, kind)), str)
    return encode(cell)


def _encode_float(cell: float) -> str:
    return repr(cell) if math.isfinite(cell) else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(cell), "NaN")


def _encode_instant(cell: datetime) -> str:
    zone = " UTC" if cell.tzinfo else ""
    whole = (cell.astimezone(UTC) if zone else cell).strftime("%Y-%m-%d %H:%M:%S")
    return f"{whole}.{cell.microsecond // 1000:03}{zone}"


def _encode_nested(cell: list[Any] | dict[Any, Any]) -> str:
    if isinstance(cell, list):
        return f"[{', '.join(_texts(cell))}]"
    return "{" + ", ".join(f"{key}={value}" for key, value in zip(cell, _texts(list(cell.values())), strict=True)) + "}"


def _texts(cells: list[Any]) -> Iterator[str]:
    return ("null" if cell is None else encode_value(cell) for cell in cells)


_ENCODERS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda cell: str(cell).lower(),
    Decimal: lambda cell: format(cell, "f"),
    float: _encode_float,
    datetime: _encode_instant,
    bytes: lambda cell: cell.hex(" "),
    list: _encode_nested,
    dict: _encode_nested,
}
