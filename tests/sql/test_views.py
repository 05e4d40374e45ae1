"""Views written into a query, and the bound on the hours it reads."""

# the expected value stands on the left

from __future__ import annotations

import pytest
from sqlglot import exp

from sql.dialect import parse_select
from sql.views import bound_hours, expand_views, load_views, table_names

TRADES = {"history", "compacted", "uncompacted"}


def names(sql: str) -> set[str]:
    return table_names(expand_views(parse_select(sql))) - {""}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM ticks", TRADES),
        ("SELECT * FROM refusals", {"processed", "errors"}),
        ("SELECT * FROM ticks AS a JOIN gaps AS b ON a.product_id = b.product_id", {"processed", *TRADES}),
        ("SELECT (SELECT count(*) FROM ticks) AS x", TRADES),
        ("WITH ticks AS (SELECT 1 AS x) SELECT * FROM ticks", set()),
        ("WITH mine AS (SELECT * FROM ticks) SELECT * FROM mine", TRADES),
        ("SELECT * FROM other.ticks", set()),
        ("SELECT 1 AS ticks", set()),
    ],
)
def test_a_query_reads_tables_once_its_views_are_written_out(sql: str, expected: set[str]) -> None:
    assert expected == names(sql)


def test_a_view_keeps_the_name_it_had_in_the_query() -> None:
    expanded = expand_views(parse_select("SELECT ticks.price, t.price FROM ticks CROSS JOIN ticks AS t"))
    assert {"ticks", "t"} <= {subquery.alias for subquery in expanded.find_all(exp.Subquery)}


def test_the_query_itself_is_left_as_it_was() -> None:
    query = parse_select("SELECT * FROM ticks")
    expand_views(query)
    assert "SELECT * FROM ticks" == query.sql("athena")


def test_the_bound_stands_on_every_scan_and_below_every_window() -> None:
    sql = bound_hours(
        expand_views(parse_select("SELECT * FROM ticks JOIN coverage USING (product_id)")), first_hour="2026/11/23/01"
    ).sql("athena")
    for table, column in (("processed", "lake_hour"), ("uncompacted", "lake_hour"), ("history", "event_hour")):
        bounded = f"(SELECT * FROM {table} WHERE {column} >= '2026/11/23/01') AS {table}"
        assert 1 == sql.count(f"FROM {table}") == sql.count(bounded)
    assert 3 == sql.count("(SELECT * FROM compacted WHERE event_hour >= '2026/11/23/01')")
    assert "JOIN compacted" not in sql


def test_views_that_other_views_are_made_of_come_first() -> None:
    seen: set[str] = set()
    for name, view in load_views().items():
        assert not (table_names(view.select) & load_views().keys()) - seen
        seen.add(name)
    assert {"copies", "ticks", "gaps", "coverage", "sessions", "refusals"} == seen
