"""Athena's result sets: every cell by its column's type, exactly; the header once, and rows that look like it kept."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sql.engine import EngineFailed
from sql.result_set import column_type, decode_rows, decode_value, read_pages

TEXT = {"Name": "t", "Type": "varchar", "Precision": 2**31 - 1, "Scale": 0}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("9007199254740993", "bigint", 9007199254740993),
        ("-1", "integer", -1),
        ("0.000000000000000001", "decimal(38,18)", Decimal("1E-18")),
        (
            "12345678901234567890.123456789012345678",
            "decimal(38,18)",
            Decimal("12345678901234567890.123456789012345678"),
        ),
        ("1.0E10", "double", 1e10),
        ("Infinity", "double", float("inf")),
        ("true", "boolean", True),
        ("false", "boolean", False),
        ("2026-11-23", "date", date(2026, 11, 23)),
        ("2026-11-23 02:30:19.123", "timestamp", at("2026-11-23T02:30:19.123000")),
        ("2026-11-23 02:30:19.123456", "timestamp", at("2026-11-23T02:30:19.123456")),
        ("2026-11-23 02:30:19.123 UTC", "timestamp with time zone", at("2026-11-23T02:30:19.123000")),
        ("2026-11-23 02:30:19.123 +01:00", "timestamp with time zone", at("2026-11-23T01:30:19.123000")),
        ("2026-11-23 02:30:19 America/New_York", "timestamp with time zone", at("2026-11-23T07:30:19")),
        ("", "varchar", ""),
        ("true", "varchar", "true"),
        ("[1, null]", "array", "[1, null]"),
        ("{a=1}", "row", "{a=1}"),
        (None, "varchar", None),
        (None, "decimal(38,18)", None),
    ],
)
def test_a_value_is_read_by_its_columns_type_and_exactly(text: str | None, kind: str, value: Any) -> None:
    assert (value, type(value)) == (decode_value(text, kind), type(decode_value(text, kind)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1.5", "bigint"), ("x", "decimal(38,18)"), ("yes", "boolean"), ("2026-11-23 02:30:19.123456789", "timestamp")],
)
def test_text_that_is_not_of_its_type_is_said_and_never_guessed(text: str, kind: str) -> None:
    with pytest.raises(EngineFailed, match="cannot be read by the types it states"):
        list(decode_rows([[{"VarCharValue": text}]], ("n",), (kind,)))


def test_a_decimal_names_its_digits() -> None:
    assert "decimal(38,18)" == column_type({"Type": "decimal", "Precision": 38, "Scale": 18})
    assert "timestamp" == column_type({"Type": "timestamp", "Precision": 3, "Scale": 0})


def page(*texts: str) -> dict[str, Any]:
    rows = [{"Data": [{"VarCharValue": text}]} for text in texts]
    return {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": [TEXT]}, "Rows": rows}}


def test_the_header_is_no_row_and_a_row_that_looks_like_it_is_one() -> None:
    columns, rows = read_pages(iter([page("t", "a", "t"), page("t", "b")]))
    assert ([TEXT], ["a", "t", "t", "b"]) == (columns, [cell["VarCharValue"] for (cell,) in rows])


def test_a_row_with_a_cell_too_many_is_said() -> None:
    with pytest.raises(EngineFailed, match="cannot be read"):
        list(decode_rows([[{}, {}]], ("t",), ("varchar",)))
