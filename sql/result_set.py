"""
Athena's result set as values: its pages, its columns' types, each cell's text decoded exactly.

Laws: a null is no empty text; a type that has no exact value here stays Athena's own text; text that is none of its type is said, never
guessed.
Refuses to know: how pages are fetched, what was asked.
Source: Amazon Athena API reference (GetQueryResults, ColumnInfo, Datum).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def read_pages(pages: Iterator[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[list[dict[str, str]]]]:
    """The columns, and every row but the header, which stands once, at the top of the first page."""
    columns: list[dict[str, Any]] = []
    rows: list[list[dict[str, str]]] = []
    for number, page in enumerate(pages):
        result = page["ResultSet"]
        columns = columns or result["ResultSetMetadata"].get("ColumnInfo", [])
        found = [row.get("Data", []) for row in result.get("Rows", [])]
        header = [{"VarCharValue": column["Name"]} for column in columns]
        rows += found[1:] if number == 0 and found[:1] == [header] else found
    return columns, rows


def column_type(column: Mapping[str, Any]) -> str:
    """A column's type as an Answer names it. Shapes: one ColumnInfo."""
    if column["Type"] == "decimal":
        return f"decimal({column['Precision']},{column['Scale']})"
    return str(column["Type"])


def decode_rows(
    rows: list[list[dict[str, str]]], names: tuple[str, ...], types: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """Every row as values of its columns' types. Raises: EngineFailed for a cell that is none of its type."""
    for row in rows:
        try:
            yield tuple(decode_value(cell.get("VarCharValue"), kind) for cell, kind in zip(row, types, strict=True))
        except (ValueError, ArithmeticError, LookupError) as error:
            cells = dict(zip(names, (cell.get("VarCharValue") for cell in row), strict=False))
            why = f"a row of its answer cannot be read by the types it states ({error}): {cells}"
            raise EngineFailed(engine="Athena", why=why) from error


def decode_value(text: str | None, kind: str) -> Any:
    """
    One VarCharValue as a value of its column's type; None, which is no text at all, is null.

    Raises: ValueError, ArithmeticError or LookupError for text that is none of that type.
    """
    if text is None:
        return None
    return _DECODERS.get(kind.partition("(")[0], str)(text)


def _decode_instant(text: str) -> datetime:
    """`2026-11-23 02:30:19.123`, with or without a zone after it, in UTC without one."""
    day, clock, *zone = text.split(" ")
    if len(clock.partition(".")[2]) > len("123456"):
        raise ValueError(f"{text} is finer than a microsecond")
    instant = datetime.fromisoformat(f"{day} {clock}")
    if not zone:
        return instant
    of_zone = datetime.fromisoformat(f"{day} 00:00:00{zone[0]}").tzinfo if zone[0][0] in "+-" else ZoneInfo(zone[0])
    return instant.replace(tzinfo=of_zone).astimezone(UTC).replace(tzinfo=None)


# By Athena's name for a type, without what stands in brackets; any other type (array, row, map, json, varbinary …) stays text.
_DECODERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "decimal": Decimal,
    "double": float,
    "float": float,
    "real": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "date": date.fromisoformat,
    "timestamp": _decode_instant,
    "timestamp with time zone": _decode_instant,
}
