"""Statements on a folder, without calls around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from local.athena.engine import Outcome, Running, Where
from local.athena.errors import StatementFailed, StatementStopped
from local.athena.guesses import Guesses
from local.athena.statements import decode_statement
from sql.dialect import parse_select
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlglot import exp


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    put(tmp_path, "a", [ticker(n) for n in (2, 1)])
    return tmp_path.resolve()


def started(lake: Path, text: str, views: Mapping[str, str] | None = None, guesses: Guesses | None = None) -> Running:
    queries: dict[str, exp.Query] = {name: parse_select(select) for name, select in (views or {}).items()}
    where = Where(lake, "b", "d", guesses or Guesses())
    return Running(where, decode_statement(text), queries, query_name="20261123_000000_00001_abcde")


def run(lake: Path, text: str, views: Mapping[str, str] | None = None, **guesses: Any) -> Outcome:
    return started(lake, text, views, Guesses(**guesses)).run()


def names(outcome: Outcome) -> list[str]:
    return [column["Name"] for column in outcome.columns]


def test_views_are_made_of_views_and_tables(lake: Path) -> None:
    views = {"outer_one": "SELECT max(x) AS y FROM d.inner_one", "inner_one": "SELECT trade_id AS x FROM delivered"}
    outcome = run(lake, "SELECT y FROM outer_one", views)
    assert ([(2,)], ["y"]) == (outcome.rows, names(outcome))
    assert outcome.scanned_bytes == sum(path.stat().st_size for path in lake.rglob("*.parquet"))
    with pytest.raises(StatementFailed, match="INVALID_VIEW"):
        run(lake, "SELECT * FROM a", {"a": "SELECT * FROM b", "b": "SELECT * FROM a"})


def test_a_view_may_name_the_path_of_a_table(lake: Path) -> None:
    views = {"placed": 'SELECT trade_id, "$path" AS object FROM delivered'}
    (count,) = run(lake, "SELECT count(DISTINCT object) FROM placed", views).rows
    assert count > (0,)
    assert "$path" not in names(run(lake, "SELECT * FROM delivered", views))


def test_an_expression_without_a_name_is_named_by_its_place(lake: Path) -> None:
    assert ["_col0", "trades", "price", "_col3"] == names(
        run(lake, "SELECT count(*), count(*) AS Trades, price, 1 + 1 FROM d.delivered GROUP BY price")
    )
    assert "kind" == names(run(lake, "SELECT * FROM delivered"))[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND: Table 'awsdatacatalog.d.nowhere' does not exist"),
        ("SELECT nothing FROM delivered", "COLUMN_NOT_FOUND"),
        ("SELECT CAST(price AS BIGINT) FROM (SELECT 'x' AS price)", "INVALID_CAST_ARGUMENT"),
        ("CREATE VIEW v AS SELECT nothing FROM delivered", "COLUMN_NOT_FOUND"),
        ("INSERT INTO history (price) SELECT 1, 2", "MISMATCHED_COLUMN_TYPES"),
        ("INSERT INTO history (prize, event_hour) SELECT 1, 'h'", "MISMATCHED_COLUMN_TYPES"),
        ("INSERT INTO history (trade_id) SELECT 1", "HIVE_PARTITION_VALUE_UNSUPPORTED"),
        ("UNLOAD (SELECT 1 AS x) TO 's3://other/x/' WITH (format = 'PARQUET')", "is no folder of s3://b/"),
        ("UNLOAD (SELECT 1 AS x) TO 's3://b/../x/' WITH (format = 'PARQUET')", "is no folder of s3://b/"),
        ("UNLOAD (SELECT 1 AS x) TO 's3://b/processed/' WITH (format = 'PARQUET')", "HIVE_PATH_ALREADY_EXISTS"),
    ],
)
def test_what_cannot_be_done_fails_with_athenas_word_and_writes_nothing(lake: Path, text: str, reason: str) -> None:
    before = sorted(lake.rglob("*"))
    with pytest.raises(StatementFailed) as failed:
        run(lake, text)
    assert reason in failed.value.reason
    assert before == sorted(lake.rglob("*"))


def test_nothing_outside_the_folder_can_be_read(lake: Path) -> None:
    with pytest.raises(StatementFailed):
        run(lake, "SELECT * FROM read_text('/etc/hostname')")


def test_an_hour_is_unloaded_in_order_and_its_timestamps_have_milliseconds(lake: Path) -> None:
    outcome = run(
        lake,
        "UNLOAD (SELECT trade_id, CAST('2026-11-23 02:00:00.123456' AS TIMESTAMP) AS at FROM delivered ORDER BY trade_id)"
        " TO 's3://b/aside/x/' WITH (format = 'PARQUET', compression = 'ZSTD')",
    )
    assert (2, 1) == (outcome.update_count, len(outcome.written))
    (path,) = (lake / "aside/x").iterdir()
    assert outcome.written == (path.relative_to(lake).as_posix(),)
    assert path.name.startswith("20261123_000000_00001_abcde_")
    rows = pq.ParquetFile(path).read()
    assert [1, 2] == rows["trade_id"].to_pylist()
    assert {"2026-11-23 02:00:00.123000"} == {str(at)[:26] for at in rows["at"].to_pylist()}
    assert {"ZSTD"} == {pq.ParquetFile(path).metadata.row_group(0).column(0).compression}


def test_a_statement_that_was_stopped_writes_nothing(lake: Path) -> None:
    running = started(lake, "INSERT INTO history (trade_id, event_hour) SELECT trade_id, 'h' FROM delivered")
    running.stop()
    with pytest.raises(StatementStopped):
        running.run()
    assert not (lake / "history").exists()
