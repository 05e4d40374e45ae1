"""What every file of infra/queries and infra/views keeps to, whatever it asks."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from infra import HISTORY, QUERIES, ROOT, VIEWS
from local.lake.answers import run_query
from local.lake.folder import open_lake
from sql.dialect import is_exact_quotient, is_instant
from sql.glue import read_table
from sql.prices import load_prices
from sql.questions import decode_value, list_queries, load_query, plan_query, query_from_sql
from sql.views import load_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sql.engine import Answer

FILES = sorted([*QUERIES.glob("*.sql"), *VIEWS.glob("*.sql"), *HISTORY.glob("*.sql")])
PARAMETER_TYPES = {
    "product": "text",
    "from_us": "instant",
    "to_us": "instant",
    "interval_us": "duration",
    "top": "count",
    "linger_us": "duration",
    # The price list's names.
    **dict.fromkeys(load_prices()["prices"], "number"),
}


@pytest.fixture(params=FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def sql_file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(params=list_queries())
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@cache
def parsed(path: Path) -> exp.Expr:
    """A file's one statement. Caller must: not change it."""
    (statement,) = sqlglot.parse(path.read_text(), read="athena")
    assert statement is not None
    return statement


@pytest.fixture(scope="module")
def answer_of_nothing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Answer]:
    """A question's answer on an empty lake; asked once, however many tests look at it."""

    @cache
    def ask(name: str) -> Answer:
        with open_lake(tmp_path_factory.mktemp("empty")) as lake:
            return run_query(lake, load_query(name), {})

    return ask


def test_line_one_is_the_question(sql_file: Path) -> None:
    assert re.fullmatch(r"-- [A-Z][^?]*\?", sql_file.read_text().splitlines()[0])


def test_each_question_is_asked_once() -> None:
    questions = [path.read_text().splitlines()[0] for path in FILES]
    assert len(questions) == len(set(questions))


@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_it_is_one_statement_that_comes_back_the_same_from_its_own_dialect(sql_file: Path, dialect: str) -> None:
    (statement,) = sqlglot.parse(sql_file.read_text(), read=dialect)
    assert statement is not None
    again = sqlglot.parse_one(statement.sql(dialect, comments=False), read=dialect)
    assert statement.sql(dialect, comments=False) == again.sql(dialect, comments=False)


def test_nothing_in_it_is_a_command_the_parser_gave_up_on(sql_file: Path) -> None:
    assert not list(parsed(sql_file).find_all(exp.Command))


def test_a_division_is_an_exact_quotient_or_one_of_doubles(sql_file: Path) -> None:
    """Anything else is truncated between integers in Athena, and a double in DuckDB."""
    for division in parsed(sql_file).find_all(exp.Div):
        assert division.parent is not None
        doubles = [cast for cast in division.find_all(exp.Cast) if cast.to.this == exp.DType.DOUBLE]
        assert is_exact_quotient(division.parent) or _of_instant(division.parent) or doubles, division.sql("athena")


def _of_instant(node: exp.Expr) -> bool:
    return isinstance(node, exp.Mul) and node.parent is not None and is_instant(node.parent)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.sql")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_is_counted_that_also_filters_a_count(path: Path) -> None:
    """Trino 476 takes count(x) and count(*) FILTER (WHERE x) of one SELECT for the same, and answers one of them twice."""
    for select in parsed(path).find_all(exp.Select):
        counted = {count.this.sql() for each in select.expressions for count in each.find_all(exp.Count)}
        filters = {each.expression.this.sql() for node in select.expressions for each in node.find_all(exp.Filter)}
        assert not counted & filters


def test_no_timestamp_has_a_zone_and_none_is_finer_than_a_view_of_athena_can_hold(sql_file: Path) -> None:
    statement = parsed(sql_file)
    assert not re.search(r"from_unixtime|from_iso8601|AT TIME ZONE|TIMESTAMP\(|now\(|current_", sql_file.read_text())
    # Trino's date_add refuses more than 2^31 - 1 units, which milliseconds since 1970 are.
    assert not list(statement.find_all(exp.DateAdd))
    for interval in statement.find_all(exp.Interval):
        assert interval.parent is not None
        assert interval.parent.parent is not None
        assert is_instant(interval.parent.parent), interval.parent.parent.sql("athena")


def test_parameters_are_declared_where_they_are_used_and_nowhere_else(name: str) -> None:
    query = load_query(name)
    used = {placeholder.name for placeholder in sqlglot.parse_one(query.sql, read="athena").find_all(exp.Placeholder)}
    assert used == {parameter.placeholder for parameter in query.parameters}
    assert len(used) == len(query.parameters)


def test_a_parameter_has_one_type_in_all_files_and_a_default_that_decodes(name: str) -> None:
    for parameter in load_query(name).parameters:
        assert PARAMETER_TYPES[parameter.placeholder] == parameter.type
        decode_value(parameter, parameter.default)


def test_declarations_stand_right_under_the_question(name: str) -> None:
    query = load_query(name)
    lines = query.sql.splitlines()[1 : 1 + len(query.parameters)]
    assert [parameter.placeholder for parameter in query.parameters] == [
        line.split()[1].removeprefix(":") for line in lines
    ]


def test_every_query_answers_on_an_empty_lake(name: str, answer_of_nothing: Callable[[str], Answer]) -> None:
    assert not answer_of_nothing(name).rows


def test_a_query_with_its_values_is_athena_sql_without_placeholders_or_views(name: str) -> None:
    planned = plan_query(load_query(name), {})
    again = sqlglot.parse_one(planned.sql("athena"), read="athena")
    assert not list(again.find_all(exp.Placeholder))
    names = {table.name for table in again.find_all(exp.Table)} - {cte.alias for cte in again.find_all(exp.CTE)}
    assert names - {""} <= {"processed", "uncompacted", "history", "compacted", "errors", "raw", "objects"}


@pytest.mark.parametrize("question", [*list_queries(), *(f"SELECT * FROM {view}" for view in load_views())])
def test_every_column_is_one_that_its_table_has_and_no_other_could_be_meant(question: str) -> None:
    """DuckDB would take an alias in WHERE, GROUP BY or beside it in SELECT; Athena does not, and neither does this check."""
    schema: dict[str, object] = {}
    for name in ("delivered", "errors", "raw", "history", "compacted", "objects"):
        table = read_table(name)
        schema[name] = {column.name: column.type for column in (*table.columns, *table.partitions)}
    schema["uncompacted"] = schema["processed"] = schema["delivered"]
    query = query_from_sql(question) if " " in question else load_query(question)
    planned = plan_query(query, {})
    qualify(planned, dialect="athena", schema=schema, expand_alias_refs=False)


@pytest.mark.parametrize(
    "word",
    ["FIRST", "LAST", "ESCAPE", "SKIP", "VALUES", "NORMALIZE", "GROUPING", "EXTRACT", "TRIM", "TRUE", "CURRENT_TIME"],
)
def test_no_name_is_a_word_that_athena_reserves(word: str) -> None:
    for path in FILES:
        names = {identifier.name.upper() for identifier in parsed(path).find_all(exp.Identifier)}
        assert word not in names, path.name


def test_columns_have_no_bare_names_of_clocks_or_sides(name: str, answer_of_nothing: Callable[[str], Answer]) -> None:
    columns = answer_of_nothing(name).columns
    assert not {"side", "time", "timestamp", "size", "data"} & set(columns)
    assert len(columns) == len(set(columns))


def test_no_column_is_of_a_type_that_athena_has_not(name: str, answer_of_nothing: Callable[[str], Answer]) -> None:
    """DuckDB's sums of integers are 128 bits wide (here: decimals without places); Athena's are not, so a file casts or counts."""
    assert not [kind for kind in answer_of_nothing(name).types if kind.startswith("decimal") and kind.endswith(",0)")]


@pytest.mark.parametrize("view", sorted(path.stem for path in VIEWS.glob("*.sql")))
def test_a_view_names_its_columns_and_its_hour(view: str, tmp_path: Path) -> None:
    assert not any(isinstance(column, exp.Star) for column in load_views()[view].select.selects)
    with open_lake(tmp_path) as lake:
        columns = [row[0] for row in lake.connection.execute(f"DESCRIBE {view}").fetchall()]
    assert "lake_hour" in columns
    assert len(columns) == len(set(columns))
