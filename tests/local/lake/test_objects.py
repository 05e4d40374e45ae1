"""Which files are objects of a table, and how their lines are read."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.lake.answers import run_query
from local.lake.folder import LakeDamaged, open_lake
from local.lake.objects import ERRORS_PATTERN, ERRORS_PREFIX, find_objects
from sql.glue import read_table
from sql.questions import QueryFailed, query_from_sql

if TYPE_CHECKING:
    from pathlib import Path

HOUR = "errors/coinbase/processing-failed/2026/11/23/02"


def put(root: Path, key: str, body: bytes = b"") -> Path:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def envelope(raw: bytes) -> bytes:
    return json.dumps({"rawData": base64.b64encode(raw).decode(), "errorCode": "x"}).encode() + b"\n"


def test_objects_are_found_by_their_keys_and_in_their_order(tmp_path: Path) -> None:
    expected = [put(tmp_path, f"{HOUR}/{name}") for name in ("a-1", "b-2.gz", "ünïcode")]
    for key in (
        "errors/coinbase/processing-failed/2026/11/23/x",
        f"{HOUR}/deeper/x",
        "errors/other/x",
        "raw/coinbase/2026/11/23/02/x",
    ):
        put(tmp_path, key)
    assert expected == find_objects(tmp_path, prefix=ERRORS_PREFIX, pattern=ERRORS_PATTERN)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert not find_objects(tmp_path / "nowhere", prefix=ERRORS_PREFIX, pattern=ERRORS_PATTERN)


def test_only_parquet_files_are_rows(tmp_path: Path) -> None:
    put(tmp_path, "processed/coinbase/ticker/2026/11/23/02/x.parquet.tmp", b"half")
    put(tmp_path, "processed/coinbase/ticker/2026/11/23/02/_SUCCESS")
    with open_lake(tmp_path) as lake:
        assert not run_query(lake, query_from_sql("SELECT * FROM processed"), {}).rows


def test_a_damaged_object_is_named(tmp_path: Path) -> None:
    put(tmp_path, "processed/coinbase/ticker/2026/11/23/02/damaged.parquet", b"not Parquet")
    with pytest.raises(LakeDamaged, match=r"damaged\.parquet'[^\n]*\. Move that object aside"):
        open_lake(tmp_path)


def test_an_object_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    put(tmp_path, "raw/coinbase/2026/11/23/02/a.gz")
    (tmp_path / "raw/coinbase/2026/11/23/02/b.gz").symlink_to(tmp_path / "nothing")
    with pytest.raises(LakeDamaged, match=r"b\.gz'\. Move that object aside"):
        open_lake(tmp_path)


def test_a_damaged_object_beside_good_ones_is_named_when_it_is_read(tmp_path: Path) -> None:
    key = "processed/coinbase/ticker/2026/11/23/02"
    good = pa.table(
        {
            column.name: pa.array([], pa.int64() if column.type == "bigint" else pa.string())
            for column in read_table("delivered").columns
        }
    )
    (tmp_path / key).mkdir(parents=True)
    pq.write_table(good, tmp_path / key / "a.parquet")
    put(tmp_path, f"{key}/b.parquet", b"not Parquet")
    with open_lake(tmp_path) as lake, pytest.raises(QueryFailed, match=r"b\.parquet"):
        run_query(lake, query_from_sql("SELECT * FROM processed"), {})
    put(tmp_path, f"{HOUR}/cut", gzip.compress(envelope(b"x" * 9_000))[:-30])
    with open_lake(tmp_path) as lake, pytest.raises(QueryFailed, match="The SELECT could not be answered"):
        run_query(lake, query_from_sql("SELECT * FROM refusals"), {})


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["x", "x.gz", "it's [odd]*.txt"])
def test_error_lines_are_read_by_what_they_are_not_by_their_name(tmp_path: Path, name: str, zipped: bool) -> None:
    body = envelope(b"one") + envelope(b"two")
    put(tmp_path, f"{HOUR}/{name}", gzip.compress(body) if zipped else body)
    with open_lake(tmp_path) as lake:
        rows = run_query(
            lake, query_from_sql("SELECT line, error_type, lake_hour FROM refusals ORDER BY line"), {}
        ).rows
    assert [(line, "processing-failed", "2026/11/23/02") for line in ("one", "two")] == rows


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * 1_024_000,
        b'{"quotes":"\\"","comma":",","pipe":"|","tab":"\\t"}',
        b"\x01\x00\xff",
        b"",
        "ü✓".encode(),
        b"'; DROP VIEW errors; --",
    ],
    ids=["longest", "delimiters", "binary", "empty", "unicode", "sql"],
)
def test_any_line_is_one_row(tmp_path: Path, raw: bytes) -> None:
    put(tmp_path, f"{HOUR}/x", envelope(raw) + envelope(b"after"))
    with open_lake(tmp_path) as lake:
        rows = run_query(lake, query_from_sql("SELECT envelope FROM errors"), {}).rows
        lines = run_query(lake, query_from_sql("SELECT line FROM refusals"), {}).rows
    assert [raw, b"after"] == [base64.b64decode(json.loads(text)["rawData"]) for (text,) in rows]
    assert ("after",) in lines
    assert 2 == len(lines)


def test_an_empty_error_object_has_no_lines(tmp_path: Path) -> None:
    put(tmp_path, f"{HOUR}/empty")
    put(tmp_path, f"{HOUR}/full", envelope(b"x"))
    with open_lake(tmp_path) as lake:
        assert [("x",)] == run_query(lake, query_from_sql("SELECT line FROM refusals"), {}).rows


def test_the_table_finds_its_own_objects(tmp_path: Path) -> None:
    table = read_table("delivered")
    expected = put(tmp_path, "processed/coinbase/mixed/2026/11/23/02/x.parquet")
    assert [expected] == find_objects(tmp_path, prefix=table.prefix, pattern=table.key_pattern)
