"""A Parquet footer read without a library says what the library says, and no bytes make it fail otherwise than by refusing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.parquet import FooterUnreadable, ParquetColumn, read_columns
from sql.glue import read_table
from tests.audit_lambda.stored import columns_of

if TYPE_CHECKING:
    from pathlib import Path


def footer(schema: pa.Schema, **options: Any) -> bytes:
    packed = io.BytesIO()
    pq.write_table(schema.empty_table(), packed, **options)
    stored = packed.getvalue()
    return stored[-8 - int.from_bytes(stored[-8:-4], "little") : -8]


ROWS = pa.schema(list(columns_of("delivered").items()))
HISTORY = pa.schema(list(columns_of("history").items()))


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.string(), "string"),
        (pa.binary(), "binary"),
        (pa.int64(), "bigint"),
        (pa.int32(), "int"),
        (pa.uint64(), "unknown"),
        (pa.float64(), "double"),
        (pa.float32(), "float"),
        (pa.bool_(), "boolean"),
        (pa.date32(), "date"),
        (pa.timestamp("us"), "timestamp"),
        (pa.timestamp("ns"), "timestamp"),
        (pa.time64("us"), "time"),
        (pa.decimal128(38, 18), "decimal(38,18)"),
        (pa.decimal128(5, 2), "decimal(5,2)"),
        (pa.list_(pa.int64()), "group"),
        (pa.struct([("a", pa.struct([("b", pa.int64())]))]), "group"),
        (pa.map_(pa.string(), pa.int64()), "group"),
    ],
    ids=str,
)
def test_a_column_is_said_as_hive_would_say_it(arrow: pa.DataType, hive: str) -> None:
    found = read_columns(footer(pa.schema([("a", pa.int64()), ("ü", arrow), ("z", pa.string())])))
    assert ["a", "ü", "z"] == [column.name for column in found]
    assert ("bigint", hive, "string") == tuple(column.type for column in found)


def test_a_timestamp_of_the_old_kind_is_one() -> None:
    old = footer(pa.schema([("at", pa.timestamp("ns"))]), use_deprecated_int96_timestamps=True)
    assert [ParquetColumn("at", "timestamp")] == read_columns(old)


@pytest.mark.parametrize("schema", [ROWS, HISTORY], ids=["rows", "history"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_our_own_tables_come_back_as_they_are(schema: pa.Schema, version: str) -> None:
    found = read_columns(footer(schema, version=version))
    assert schema.names == [column.name for column in found]
    assert {"string", "bigint", "timestamp", "decimal(38,18)"} >= {column.type for column in found}


def test_another_writers_history_comes_back_too(tmp_path: Path) -> None:
    """DuckDB's footer: without Arrow's annotations, and with its own way to carry decimals."""
    path = tmp_path / "x.parquet"
    types = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.timestamp("us"): "TIMESTAMP"}
    columns = ", ".join(
        f"CAST(NULL AS {types.get(field.type, 'DECIMAL(38, 18)')}) AS {field.name}" for field in HISTORY
    )
    duckdb.sql(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
    stored = path.read_bytes()
    found = read_columns(stored[-8 - int.from_bytes(stored[-8:-4], "little") : -8])
    assert [ParquetColumn(c.name, c.type) for c in read_table("history").columns] == found


@given(at=st.integers(0, 10_000), kept=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_flipped_or_cut_footer_makes_it_fail(at: int, kept: int, byte: int) -> None:
    stored = bytearray(GOOD)
    stored[at % len(stored)] = byte
    try:
        read_columns(bytes(stored[: kept % (2 * len(stored))]))
    except FooterUnreadable:
        return


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(stored: bytes) -> None:
    try:
        read_columns(stored)
    except FooterUnreadable:
        return


def test_what_is_nested_for_ever_or_counts_for_ever_is_refused() -> None:
    for hostile in (
        b"\x1c" * 100_000,
        b"\x19" * 100_000,
        b"\x19\xfc" + b"\xff" * 9 + b"\x01",
        b"\x1b\xff\xff\xff\xff\x0f\xcc",
    ):
        with pytest.raises(FooterUnreadable):
            read_columns(hostile)


GOOD = footer(HISTORY)
