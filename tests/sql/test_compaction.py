"""An hour's compaction as SQL: the same for both engines, and what history, view and code have to agree on."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from infra import HISTORY, VIEWS
from local.lake.history import NEAR_US
from sql.compaction import HourPlan, plan_hour, plan_insert, plan_uncompacted_view
from sql.dialect import to_duckdb
from sql.glue import read_table
from sql.hours import hour_start_us
from tests.local.lake.trades import HOUR, us

HOUR_PLAN = HourPlan(event_hour="2026/11/23/02", start_us=us(HOUR), inputs={"a": ("2026/11/23/02",)})


@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_on_athena_the_same_select_is_an_insert_of_the_tables_columns(dialect: str) -> None:
    insert = sqlglot.parse_one(plan_insert(HOUR_PLAN, generation="g1"), read=dialect)
    assert isinstance(insert, exp.Insert)
    table = read_table("history")
    names = [column.name for column in (*table.columns, *table.partitions)]
    assert names == [column.name for column in insert.this.expressions]
    assert names == insert.expression.named_selects
    assert {"processed"} == {each.name for each in insert.expression.find_all(exp.Table)}
    assert "lake_hour >= '2026/11/23/01'" in insert.sql(dialect)
    assert not list(insert.find_all(exp.Placeholder))


def test_the_view_of_what_is_not_compacted_begins_where_it_is_told() -> None:
    sql = plan_uncompacted_view("2026/11/23/02")
    assert "CREATE OR REPLACE VIEW uncompacted AS SELECT * FROM processed WHERE lake_hour >= '2026/11/23/02'" == sql


def test_view_hour_and_code_mean_the_same_minute() -> None:
    for path in (VIEWS / "ticks.sql", HISTORY / "hour.sql"):
        assert {str(NEAR_US)} == set(re.findall(r"[+-] (\d{6,9})\b", path.read_text()))


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
