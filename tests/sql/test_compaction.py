"""An hour's compaction as SQL: the same for both engines, and what history, view and code have to agree on."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from infra import HISTORY, VIEWS
from sql.compaction import (
    NAMED_LIMIT_BYTES,
    Check,
    HourPlan,
    plan_check_of,
    plan_hour,
    plan_near_of,
    plan_uncompacted_view,
    plan_unload,
    read_check,
)
from sql.dialect import to_duckdb
from sql.glue import read_table
from sql.hours import hour_start_us
from tests.local.lake.trades import HOUR, us

HOUR_PLAN = HourPlan(event_hour="2026/11/23/02", start_us=us(HOUR), inputs={"a": ("2026/11/23/02",)})


INPUT = "processed/coinbase/ticker/2026/11/23/03/a.parquet"
OF_OBJECT = HourPlan(event_hour="2026/11/23/02", start_us=us(HOUR), inputs={INPUT: ("2026/11/23/02",)})


def unloaded(statement: str, dialect: str = "athena") -> exp.Select:
    """The SELECT of an UNLOAD."""
    match = re.fullmatch(
        r"UNLOAD \((.*)\) TO 's3://aside/x/' WITH \(format = 'PARQUET', compression = 'ZSTD'\)", statement
    )
    assert match is not None
    select = sqlglot.parse_one(match[1], read=dialect)
    assert isinstance(select, exp.Select)
    return select


@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_on_athena_the_same_select_is_written_aside_from_the_very_objects(dialect: str) -> None:
    select = unloaded(plan_unload(OF_OBJECT, generation="g1", bucket="lake", folder="s3://aside/x/"), dialect)
    assert [column.name for column in read_table("history").columns] == select.named_selects
    assert {"delivered"} == {each.name for each in select.find_all(exp.Table)}
    assert f"\"$path\" IN ('s3://lake/{INPUT}')" in select.sql(dialect)
    assert "lake_kind IN ('ticker')" in select.sql(dialect)
    assert "lake_hour IN ('2026/11/23/03')" in select.sql(dialect)
    assert "product_id, event_time_us, trade_id" == ", ".join(
        each.this.name for each in select.args["order"].expressions
    )
    assert not list(select.find_all(exp.Placeholder))


def test_an_hour_of_too_many_objects_to_name_is_read_by_their_kinds_and_hours() -> None:
    inputs = {f"processed/coinbase/trade/2026/11/23/02/{n:0100}.parquet": () for n in range(2_000)}
    plan = HourPlan(event_hour="2026/11/23/02", start_us=us(HOUR), inputs=inputs)
    statement = plan_unload(plan, generation="g1", bucket="lake", folder="s3://aside/x/")
    assert len(statement.encode()) < NAMED_LIMIT_BYTES
    assert "$path" not in statement
    assert "lake_kind IN ('trade') AND lake_hour IN ('2026/11/23/02')" in statement


def test_on_athena_an_hour_is_checked_in_its_own_partition_against_its_own_objects() -> None:
    check = plan_check_of(OF_OBJECT, generation="g1", bucket="lake").sql("athena")
    assert "FROM history WHERE event_hour = '2026/11/23/02'" in check
    assert f"\"$path\" IN ('s3://lake/{INPUT}')" in check
    assert "uncompacted" not in {t.name for t in sqlglot.parse_one(check, read="athena").find_all(exp.Table)}


def test_objects_are_asked_for_their_hours_by_name() -> None:
    near = plan_near_of([INPUT], bucket="lake").sql("athena", comments=False)
    assert f"\"$path\" IN ('s3://lake/{INPUT}')" in near
    assert "FROM delivered WHERE" in near


def test_a_check_names_what_is_wrong() -> None:
    assert Check(delivered=5, trades=4, wrong=()) == read_check((5, 4, 4, 0, 0, 0))
    assert (
        "it has 4 rows for 3 trades",
        "1 trades are missing",
        "2 trades are not of it",
        "3 rows are as no copy was delivered",
    ) == read_check((5, 4, 3, 1, 2, 3)).wrong


def test_the_view_of_what_is_not_compacted_begins_where_it_is_told() -> None:
    sql = plan_uncompacted_view("2026/11/23/02")
    assert "CREATE OR REPLACE VIEW uncompacted AS SELECT * FROM processed WHERE lake_hour >= '2026/11/23/02'" == sql


def test_view_and_history_mean_the_same_minute() -> None:
    for path in (VIEWS / "ticks.sql", *(HISTORY / f"{name}.sql" for name in ("hour", "near", "verify"))):
        assert {"60000000"} == set(re.findall(r"[+-] (\d{6,9})\b", path.read_text()))


def test_the_view_judges_copies_as_an_hour_does() -> None:
    orders = [
        {
            window.args["order"].sql().replace("near.", "")
            for window in sqlglot.parse_one(path.read_text(), read="athena").find_all(exp.Window)
        }
        for path in (VIEWS / "ticks.sql", HISTORY / "hour.sql")
    ]
    assert orders[0] == orders[1]
    assert 1 == len(orders[0])


def test_the_hour_reads_every_hour_it_is_given() -> None:
    assert "lake_hour >=" not in to_duckdb(plan_hour(HOUR_PLAN, generation="g"))


def test_a_generation_is_named_by_what_it_is_made_of() -> None:
    other = HourPlan(event_hour=HOUR_PLAN.event_hour, start_us=HOUR_PLAN.start_us, inputs={"b": ()})
    assert HOUR_PLAN.generation != other.generation
    assert HOUR_PLAN.generation == HourPlan("2026/11/23/02", 0, {"a": ()}).generation
    assert us(HOUR) == hour_start_us("2026/11/23/02")
