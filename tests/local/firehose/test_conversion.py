"""JSON records to Parquet by a table's columns."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.firehose.config import Column, Conversion, TableSchema
from local.firehose.conversion import MALFORMED, PARSE_ERROR, convert_records

if TYPE_CHECKING:
    from local.firehose.effects import Converted


def _conversion(*columns: tuple[str, str], **changes: Any) -> Conversion:
    schema = TableSchema(database="d", table="t", columns=tuple(Column(name, kind) for name, kind in columns))
    return Conversion(schema=schema, **changes)


_AB = _conversion(("a", "bigint"), ("b", "string"))


def _rows(converted: Converted) -> list[dict[str, Any]]:
    assert converted.body is not None
    return pq.read_table(io.BytesIO(converted.body)).to_pylist()


def test_keys_become_columns_and_the_rest_is_left_out() -> None:
    converted = convert_records([b'{"a":1,"b":"x","c":2}\n', b'{"b":null}'], _AB)
    assert [{"a": 1, "b": "x"}, {"a": None, "b": None}] == _rows(converted)
    assert (2, []) == (converted.rows_count, list(converted.failures))


def test_several_documents_may_stand_in_one_record() -> None:
    converted = convert_records([b'{"a":1}\n{"a":2}\n', b'{"a":3}{"a":4}'], _AB)
    assert [1, 2, 3, 4] == [row["a"] for row in _rows(converted)]
    assert 4 == converted.rows_count


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"not json",
        b"[1]",
        b'[{"a":1}]',
        b"7",
        b'{"a":',
        b'{"a":NaN}',
        b'{"a":1}{"a":',
        b"\xff",
        b'{"a":1}\n[2]',
    ],
)
def test_malformed_json_fails_its_own_record_only(body: bytes) -> None:
    converted = convert_records([b'{"a":1}', body, b'{"a":2}'], _AB)
    assert [1, 2] == [row["a"] for row in _rows(converted)]
    [failure] = converted.failures
    assert (1, PARSE_ERROR, "Encountered malformed JSON.") == (failure.index, failure.code, failure.message)


def test_a_value_that_does_not_fit_fails_its_whole_record_and_no_other() -> None:
    converted = convert_records([b'{"a":1}', b'{"a":2}\n{"a":"x"}', b'{"a":3}'], _AB)
    assert [1, 3] == [row["a"] for row in _rows(converted)]
    [failure] = converted.failures
    assert (1, MALFORMED) == (failure.index, failure.code)
    assert "column a (bigint)" in failure.message


def test_nothing_that_converts_makes_no_object() -> None:
    converted = convert_records([b"x"], _AB)
    assert (None, 0, 1) == (converted.body, converted.rows_count, len(converted.failures))


def test_a_number_in_a_text_column_becomes_text() -> None:
    assert [{"a": None, "b": "1.50"}, {"a": None, "b": "2"}] == _rows(
        convert_records([b'{"b":"1.50"}', b'{"b":2}'], _AB)
    )


def test_openx_ignores_case_unless_told_otherwise() -> None:
    strict = _conversion(("a", "bigint"), case_insensitive=False)
    assert [{"a": 1}] == _rows(convert_records([b'{"A":1}'], _conversion(("a", "bigint"))))
    assert [{"a": None}] == _rows(convert_records([b'{"A":1}'], strict))


def test_openx_maps_keys_and_dots() -> None:
    mapped = _conversion(("ts", "bigint"), key_of_column={"ts": "timestamp"})
    dotted = _conversion(("a_b", "bigint"), dots_to_underscores=True)
    assert [{"ts": 1}] == _rows(convert_records([b'{"timestamp":1}'], mapped))
    assert [{"a_b": 1}] == _rows(convert_records([b'{"a.b":1}'], dotted))


def test_hive_reads_timestamps_by_its_formats() -> None:
    hive = _conversion(("t", "timestamp"), deserializer="hive", timestamp_formats=("millis",))
    [row] = _rows(convert_records([b'{"t":1000}'], hive))
    assert 1 == row["t"].second


@pytest.mark.parametrize(
    ("compression", "codec"), [("SNAPPY", "SNAPPY"), ("GZIP", "GZIP"), ("UNCOMPRESSED", "UNCOMPRESSED")]
)
def test_pages_are_compressed_as_the_stream_says(compression: str, codec: str) -> None:
    converted = convert_records([b'{"a":1}'], _conversion(("a", "bigint"), compression=compression))
    assert converted.body is not None
    assert codec == pq.ParquetFile(io.BytesIO(converted.body)).metadata.row_group(0).column(0).compression


def test_nested_columns_keep_their_shape() -> None:
    nested = _conversion(("s", "struct<x:int,y:array<string>>"), ("m", "map<string,double>"), ("d", "decimal(38,18)"))
    [row] = _rows(convert_records([b'{"s":{"x":1,"y":["a"]},"m":{"k":1},"d":"0.000000000000000001"}'], nested))
    assert {"x": 1, "y": ["a"]} == row["s"]
    assert [("k", 1.0)] == row["m"]
    assert "0.000000000000000001" == format(row["d"], "f")


_values = (
    st.none() | st.integers() | st.text(max_size=5) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.lists(st.fixed_dictionaries({}, optional={"a": _values, "b": _values}), max_size=12))
def test_every_record_becomes_a_row_or_a_failure_and_never_both(documents: list[dict[str, Any]]) -> None:
    documents = [
        document for document in documents if not isinstance(document.get("a"), int) or abs(document["a"]) < 2**63
    ]
    bodies = [orjson.dumps(document) for document in documents if _fits_json(document)]
    converted = convert_records(bodies, _AB)
    assert len(bodies) == converted.rows_count + len(converted.failures)
    assert converted.rows_count == (0 if converted.body is None else len(_rows(converted)))


def _fits_json(document: dict[str, Any]) -> bool:
    """Whether JSON's numbers can hold it: orjson writes 64 bits."""
    return all(not isinstance(value, int) or -(2**63) <= value < 2**64 for value in document.values())


def test_text_is_utf8_in_the_file() -> None:
    converted = convert_records(['{"b":"€"}'.encode()], _AB)
    assert converted.body is not None
    assert pa.string() == pq.read_schema(io.BytesIO(converted.body)).field("b").type
    assert "€" == _rows(converted)[0]["b"]


_EVERY_TYPE = _conversion(
    *[(f"c{at}", kind) for at, kind in enumerate(
        ["string", "boolean", "tinyint", "int", "bigint", "float", "double", "decimal(2,1)", "decimal(38,18)", "timestamp", "date",
         "binary", "array<int>", "map<string,decimal(3,2)>", "struct<a:timestamp,b:array<string>>"]
    )]
)  # fmt: skip
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "9.96", "99.99", "1e30", "-1e-30", "123456789012345678901.5", "0001-01-01T00:00:00Z", "9999-12-31 23:59:59",
                       "2026-11-23", "AAAA", "true", "Infinity", "7"])
    | st.text(max_size=4)
)  # fmt: skip
_json_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([f"c{at}" for at in range(15)]), _json_values, max_size=3), max_size=4))
def test_no_json_value_in_any_column_breaks_more_than_its_own_record(documents: list[dict[str, Any]]) -> None:
    converted = convert_records([orjson.dumps(document) for document in documents], _EVERY_TYPE)
    assert len(documents) == converted.rows_count + len(converted.failures)
    if converted.body is not None:
        assert converted.rows_count == pq.ParquetFile(io.BytesIO(converted.body)).metadata.num_rows
