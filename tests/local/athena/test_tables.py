from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from local.athena.tables import find_table_objects, list_tables, plan_scan
from sql.glue import read_table
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path


def read(root: Path, name: str, columns: str, *, with_path: bool = False) -> list[tuple[Any, ...]]:
    scan = plan_scan(name, root, bucket="b", with_path=with_path)
    return duckdb.connect().sql(f"SELECT {columns} FROM ({scan.sql}) ORDER BY ALL").fetchall()


@pytest.mark.parametrize("name", list_tables())
def test_a_table_without_objects_is_empty_and_has_its_columns(tmp_path: Path, name: str) -> None:
    scan = plan_scan(name, tmp_path, bucket="b", with_path=True)
    table = read_table(name)
    expected = [column.name for column in (*table.columns, *table.partitions)] + ["$path"]
    assert (expected, 0) == (duckdb.connect().sql(scan.sql).columns, scan.size_bytes)


def test_objects_are_found_as_athena_finds_them(tmp_path: Path) -> None:
    folder = tmp_path / "processed/coinbase/ticker/2026/11/23/02"
    for name in ("a", "deeper/b", ".hidden", "_temporary/c", "deeper/.d"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (tmp_path / "processed/coinbase/ticker/x").touch()  # in no hour
    (tmp_path / "processed/coinbase/strange/2026/11/23/02").mkdir(parents=True)
    (tmp_path / "processed/coinbase/strange/2026/11/23/02/e").touch()  # of a kind that is not projected
    found = find_table_objects(read_table("delivered"), tmp_path)
    assert ["a", "deeper/b"] == [path.relative_to(folder).as_posix() for path in found]


def test_rows_say_the_partition_and_object_they_lie_in(tmp_path: Path) -> None:
    key = put(tmp_path, "a", [ticker(1)])
    put(tmp_path, "b", [ticker(2)], kind="mixed", hour="2026/11/23/03")
    assert [(1, "ticker", "2026/11/23/02"), (2, "mixed", "2026/11/23/03")] == read(
        tmp_path, "delivered", "trade_id, lake_kind, lake_hour"
    )
    rows = read(tmp_path, "delivered", '"$path"', with_path=True)
    assert (f"s3://b/{key}",) in rows
    assert (tmp_path / key).stat().st_size < plan_scan("delivered", tmp_path, bucket="b", with_path=False).size_bytes


def test_manifests_are_json_and_other_fields_of_theirs_are_not_seen(tmp_path: Path) -> None:
    manifest = tmp_path / "compacted/coinbase/2026/11/23/02/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"hour_start_us": 1, "generation": "g", "trades": 2, "inputs": {"k": ["h"]}}) + "\n")
    assert [(1, "g", 2, "2026/11/23/02")] == read(
        tmp_path, "compacted", "hour_start_us, generation, trades, event_hour"
    )


def test_text_is_a_line_a_row_zipped_or_not(tmp_path: Path) -> None:
    folder = tmp_path / "raw/coinbase/2026/11/23/02"
    folder.mkdir(parents=True)
    (folder / "a").write_text('{"v":1,"x":"a,b"}\n{"v":2}\n')
    (folder / "b.gz").write_bytes(gzip.compress(b'{"v":3}\n'))
    assert [('{"v":1,"x":"a,b"}',), ('{"v":2}',), ('{"v":3}',)] == read(tmp_path, "raw", "line")
