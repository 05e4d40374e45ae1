from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.athena.values import column_info, encode_row, encode_value
from sql.result_set import column_type, decode_value


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (True, "true"),
        (Decimal("0.500000000000000000"), "0.500000000000000000"),
        (Decimal("1E-18"), "0.000000000000000001"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
        (datetime.fromisoformat("2026-11-23T02:30:19.123999"), "2026-11-23 02:30:19.123"),
        (datetime(2026, 11, 23, 2, 30, tzinfo=UTC), "2026-11-23 02:30:00.000 UTC"),
        (date(2026, 11, 23), "2026-11-23"),
        (b"\x01\xff", "01 ff"),
        ([1, None, "a"], "[1, null, a]"),
        ({"a": 1, "b": None}, "{a=1, b=null}"),
    ],
)
def test_values_are_text_as_athena_writes_it(cell: Any, text: str) -> None:
    assert text == encode_value(cell)


def test_null_is_no_text_at_all() -> None:
    assert {"Data": [{}, {"VarCharValue": ""}]} == encode_row([None, ""])


@pytest.mark.parametrize(
    ("duckdb_type", "kind"),
    [
        ("BIGINT", "bigint"),
        ("HUGEINT", "bigint"),
        ("DECIMAL(38,18)", "decimal(38,18)"),
        ("VARCHAR", "varchar"),
        ("TIMESTAMP", "timestamp"),
        ("DOUBLE", "double"),
        ('"NULL"', "unknown"),
        ("INTEGER[]", "array"),
        ("STRUCT(a INTEGER)", "row"),
        ("MAP(VARCHAR, INTEGER)", "map"),
        ("INTERVAL", "interval"),
    ],
)
def test_types_have_athenas_names(duckdb_type: str, kind: str) -> None:
    assert kind == column_type(column_info("x", duckdb_type))


_CELLS = st.one_of(
    st.tuples(st.just("BIGINT"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("DECIMAL(38,18)"), st.decimals("-1E20", "1E20", places=18)),
    st.tuples(st.just("DOUBLE"), st.floats(allow_nan=False)),
    st.tuples(st.just("BOOLEAN"), st.booleans()),
    st.tuples(st.just("VARCHAR"), st.text()),
    st.tuples(st.just("DATE"), st.dates()),
)


@given(_CELLS)
def test_what_is_written_here_is_read_by_the_client_as_it_was(cell: tuple[str, Any]) -> None:
    duckdb_type, value = cell
    assert value == decode_value(encode_value(value), column_type(column_info("x", duckdb_type)))
