"""Hive's types, and what a JSON value becomes in each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.hive_types import arrow_type, coerce_value, openx_timestamp


@pytest.mark.parametrize(
    ("hive", "arrow"),
    [
        ("string", pa.string()),
        ("VARCHAR(10)", pa.string()),
        ("bigint", pa.int64()),
        ("int", pa.int32()),
        ("decimal(38,18)", pa.decimal128(38, 18)),
        ("decimal", pa.decimal128(10, 0)),
        ("timestamp", pa.timestamp("ms")),
        ("array<int>", pa.list_(pa.int32())),
        ("map<string,array<double>>", pa.map_(pa.string(), pa.list_(pa.float64()))),
        (
            "struct<a:int,b:struct<c:decimal(3,1),d:map<string,int>>>",
            pa.struct(
                [
                    pa.field("a", pa.int32()),
                    pa.field(
                        "b",
                        pa.struct(
                            [pa.field("c", pa.decimal128(3, 1)), pa.field("d", pa.map_(pa.string(), pa.int32()))]
                        ),
                    ),
                ]
            ),
        ),
    ],
)
def test_a_hive_type_has_an_arrow_type(hive: str, arrow: pa.DataType) -> None:
    assert arrow == arrow_type(hive)


@pytest.mark.parametrize("hive", ["", "text", "array<int", "decimal(x)", "struct<a>"])
def test_what_is_no_hive_type_is_refused(hive: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        arrow_type(hive)


@pytest.mark.parametrize(
    ("value", "hive", "held"),
    [
        ("0.10", "string", "0.10"),
        (1.5, "string", "1.5"),
        (True, "string", "true"),
        ({"a": [1]}, "string", '{"a":[1]}'),
        (7, "bigint", 7),
        ("7", "int", 7),
        (1, "double", 1.0),
        ("1.5", "float", 1.5),
        (True, "boolean", True),
        ("FALSE", "boolean", False),
        ("0.100000000000000001", "decimal(38,18)", Decimal("0.100000000000000001")),
        (2, "decimal(3,1)", Decimal("2.0")),
        ("2026-11-23", "date", date(2026, 11, 23)),
        ("aGk=", "binary", b"hi"),
        (["1", 2], "array<int>", [1, 2]),
        ({"a": 1}, "map<string,string>", [("a", "1")]),
        ({"a": "1", "x": 2}, "struct<a:int,b:string>", {"a": 1, "b": None}),
        (None, "bigint", None),
    ],
)
def test_a_value_is_held_by_its_column(value: Any, hive: str, held: Any) -> None:
    assert held == coerce_value(value, hive, openx_timestamp)


@pytest.mark.parametrize(
    ("value", "hive"),
    [
        ("seven", "bigint"),
        (7.5, "bigint"),
        (True, "int"),
        (2**63, "bigint"),
        (-(2**31) - 1, "int"),
        (128, "tinyint"),
        ("abc", "double"),
        (False, "double"),
        ("yes", "boolean"),
        (1, "boolean"),
        ("1e3", "decimal(3,0)"),
        ("NaN", "decimal(3,0)"),
        ("x", "decimal(3,0)"),
        (True, "decimal(3,0)"),
        (20261123, "date"),
        ("soon", "date"),
        ("?", "binary"),
        (5, "binary"),
        ("a", "array<int>"),
        (["a"], "array<int>"),
        ([1], "map<string,int>"),
        ("a", "struct<a:int>"),
        ("soon", "timestamp"),
        (True, "timestamp"),
        ([1], "timestamp"),
        (1e300, "timestamp"),
        (float("inf"), "timestamp"),
    ],
)
def test_a_value_that_does_not_fit_is_a_value_error(value: Any, hive: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        coerce_value(value, hive, openx_timestamp)


_NOON = datetime(2026, 11, 23, 12, 0, 0, 500_000)  # noqa: DTZ001 -- a Hive timestamp has no zone


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T12:00:00.5Z",
        "2026-11-23 12:00:00.500",
        "2026-11-23T13:00:00.5+01:00",
        1_795_435_200.5,
        1_795_435_200_500,
        "1795435200.5",
    ],
)
def test_openx_reads_many_forms_of_one_instant(value: Any) -> None:
    assert _NOON == openx_timestamp(value)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 -- a zone is added
def test_openx_reads_what_python_writes(moment: datetime) -> None:
    assert moment == openx_timestamp(moment.replace(tzinfo=UTC).isoformat())
