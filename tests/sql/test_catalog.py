"""What the catalog is to hold, decided without one."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import sqlglot

from infra import REPLAY
from sql.catalog import (
    COUNTED,
    FIRST_HOUR,
    MARK,
    MOVED,
    NamedQuery,
    StoredView,
    decode_view,
    load_named_queries,
    plan_base_views,
    plan_named_queries,
    plan_views,
)
from sql.compaction import plan_uncompacted_view
from sql.dialect import ATHENA
from sql.glue import read_table
from sql.questions import list_queries
from sql.views import load_views, table_names

COLUMNS = tuple(c.name for c in (*read_table("delivered").columns, *read_table("delivered").partitions))


def table(select: str, **changes: Any) -> dict[str, Any]:
    envelope = base64.b64encode(json.dumps({"originalSql": select, "columns": []}).encode()).decode()
    columns = [{"Name": "x", "Type": "bigint"}]
    stored = {"ViewOriginalText": f"/* Presto View: {envelope} */", "StorageDescriptor": {"Columns": columns}}
    return stored | changes


def moved(hour: str, columns: tuple[str, ...] = COLUMNS) -> StoredView:
    return StoredView(plan_uncompacted_view(hour).partition(" AS ")[2], columns)


def counted() -> sqlglot.exp.Query:
    create = sqlglot.parse_one((REPLAY / "processed.sql").read_text(), read=ATHENA)
    assert isinstance(create, sqlglot.exp.Create)
    assert isinstance(create.expression, sqlglot.exp.Query)
    return create.expression


def all_stored(hour: str = FIRST_HOUR) -> dict[str, StoredView]:
    views = {name: StoredView(view.select.sql(ATHENA), ()) for name, view in load_views().items()}
    return {COUNTED: StoredView(counted().sql(ATHENA), ()), MOVED: moved(hour), **views}


def actions(stored: dict[str, StoredView]) -> dict[str, str]:
    return {step.name: step.action for step in plan_views(stored) if step.action != "keep"}


def test_in_an_empty_catalog_every_view_is_made_after_those_it_is_made_of() -> None:
    steps = plan_views({})
    assert [COUNTED, MOVED, *load_views()] == [step.name for step in steps]
    assert {"make"} == {step.action for step in steps}
    for at, step in enumerate(steps[2:], 2):
        made_of = table_names(load_views()[step.name].select) & {*load_views(), MOVED, COUNTED}
        assert made_of <= {earlier.name for earlier in steps[:at]}
        create = sqlglot.parse_one(step.statement, read=ATHENA)
        assert load_views()[step.name].select == create.expression
    assert counted() == sqlglot.parse_one(steps[0].statement, read=ATHENA).expression
    assert f"'{FIRST_HOUR}'" in steps[1].statement
    assert [step.statement for step in steps[:2]] == plan_base_views()


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert {} == actions(all_stored())


def test_athenas_own_way_to_write_a_select_is_no_change() -> None:
    stored = all_stored()
    hour = f"SELECT *\nFROM\n  processed\nWHERE (\"lake_hour\" >= '{FIRST_HOUR}')\n"
    assert {} == actions(stored | {MOVED: StoredView(hour, COLUMNS)})


def test_brackets_that_change_what_is_said_are_a_change() -> None:
    stored = all_stored()
    sql = stored["sessions"].select_sql
    assert sql is not None
    assert "copy_rank = 1" in sql
    other = sql.replace("WHERE copy_rank = 1", "WHERE (copy_rank = 1 OR n = 0) AND n = 1")
    assert {"sessions": "change"} == actions(stored | {"sessions": StoredView(other, ())})


def test_a_view_is_made_anew_with_one_that_it_is_made_of() -> None:
    stored = all_stored()
    del stored["copies"]
    assert {"copies": "make", "ticks": "change"} == actions(stored)
    del stored[COUNTED]
    assert {COUNTED: "make", MOVED: "change", "gaps": "change"}.items() <= actions(stored).items()


def test_where_compaction_has_left_it_the_view_stays() -> None:
    steps = plan_views(all_stored("2026/11/23/01"))
    assert {"keep"} == {step.action for step in steps}
    assert "from 2026/11/23/01 on" in steps[1].note


def test_a_column_that_the_table_has_now_makes_it_anew_from_the_same_hour() -> None:
    stored = all_stored() | {MOVED: moved("2026/11/23/01", COLUMNS[1:])}
    step = plan_views(stored)[1]
    assert ("change", True) == (step.action, "'2026/11/23/01'" in step.statement)
    assert {MOVED: "change", "copies": "change", "ticks": "change"} == actions(stored)


@pytest.mark.parametrize("text", [None, "SELECT * FROM processed", "lake_hour >= '2026/11/23/01' OR '2026/11/23/02'"])
def test_a_moved_view_that_nobody_understands_is_left_and_said(text: str | None) -> None:
    step = plan_views(all_stored() | {MOVED: StoredView(text, COLUMNS)})[1]
    assert ("keep", True) == (step.action, "is left as it is" in step.note)


def test_a_views_select_is_read_out_of_its_envelope() -> None:
    assert StoredView("SELECT 1 AS x", ("x",)) == decode_view(table("SELECT 1 AS x"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1",
        "/* Presto View: e30= */",
        "/* Presto View: x */",
        "/* Presto View: W10= */",
        "/* Presto View: bnVsbA== */",
    ],
)
def test_an_envelope_that_holds_no_select_is_none(text: str) -> None:
    assert decode_view(table("", ViewOriginalText=text)).select_sql is None


def test_every_question_is_a_named_query_that_runs_as_it_stands() -> None:
    queries = load_named_queries()
    assert list(list_queries()) == [query.name for query in queries]
    for query in queries:
        tree = sqlglot.parse_one(query.sql, read=ATHENA)
        assert not list(tree.find_all(sqlglot.exp.Placeholder))
        assert query.sql.startswith(f"-- {query.description}\n")
        assert 1 <= len(query.name) <= 128
        assert len(query.description) <= 1024


def test_named_queries_of_ours_are_made_changed_and_removed_and_others_left() -> None:
    wanted = load_named_queries()
    kept = replace(wanted[0], id="1")
    old = replace(wanted[1], id="2", sql=f"SELECT 1\n{MARK}")
    gone = NamedQuery("gone", "", f"SELECT 1\n{MARK}", id="3")
    twice = replace(wanted[0], id="4")
    somebodys = NamedQuery(wanted[2].name, "", "SELECT 2", id="5")
    steps = plan_named_queries([kept, old, gone, twice, somebodys])
    done = [(step.action, step.query.name, step.query.id) for step in steps if step.action != "keep"]
    assert ("change", wanted[1].name, "2") in done
    assert ("make", wanted[2].name, "") in done
    assert [("remove", wanted[0].name, "4"), ("remove", "gone", "3")] == [each for each in done if each[0] == "remove"]
    assert len(wanted) - 2 == sum(action == "make" for action, _, _ in done)


def test_the_same_named_queries_again_are_nothing_to_do() -> None:
    stored = [replace(query, id=str(at)) for at, query in enumerate(load_named_queries())]
    assert {"keep"} == {step.action for step in plan_named_queries(stored)}
