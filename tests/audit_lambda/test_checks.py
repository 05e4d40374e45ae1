"""What every file of infra/queries/audit keeps to, whatever it asks; and a check's plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from audit_lambda.checks import (
    EVIDENCE,
    MOST_FINDINGS,
    SCOPE,
    Check,
    load_checks,
    load_figures,
    load_question,
    load_slo,
    plan_check,
)
from audit_lambda.findings import FINDING_COLUMNS
from infra import AUDIT_QUERIES
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.dialect import is_exact_quotient, is_instant
from sql.glue import read_table
from sql.questions import decode_query, decode_value

if TYPE_CHECKING:
    from pathlib import Path

    from sql.questions import Query

CHECKS = load_checks()
# Asked beside the checks: by audit.py and candles.py.
OTHERS = tuple(load_question(name) for name in (EVIDENCE, "candle_minutes", "candle_products"))
QUERIES = (*(check.query for check in CHECKS), *load_figures(), load_slo(), *OTHERS)
TABLES = ("delivered", "errors", "raw", "history", "compacted")


@pytest.fixture(params=CHECKS, ids=lambda check: check.name)
def check(request: pytest.FixtureRequest) -> Check:
    value: Check = request.param
    return value


@pytest.fixture(params=QUERIES, ids=lambda query: query.name)
def query(request: pytest.FixtureRequest) -> Query:
    value: Query = request.param
    return value


def test_every_file_of_the_folder_is_a_check_a_figure_or_the_objective() -> None:
    assert {path.stem for path in AUDIT_QUERIES.rglob("*.sql")} == {query.name for query in QUERIES}


def test_a_checks_name_is_its_own() -> None:
    names = [check.name for check in CHECKS]
    assert sorted(set(names)) == sorted(names)
    assert [] == [name for name in names if not re.fullmatch("[a-z_]+", name)]


def test_line_one_is_the_question_and_declarations_follow_it(query: Query) -> None:
    lines = query.sql.splitlines()
    assert re.fullmatch(r"-- [A-Z][^?]*\?", lines[0])
    declared = lines[1 : 1 + len(query.parameters)]
    assert [p.placeholder for p in query.parameters] == [line.split()[1].removeprefix(":") for line in declared]


def test_parameters_are_declared_where_they_are_used_and_their_defaults_decode(query: Query) -> None:
    used = {each.name for each in sqlglot.parse_one(query.sql, read="athena").find_all(exp.Placeholder)}
    assert used == {parameter.placeholder for parameter in query.parameters}
    for parameter in query.parameters:
        decode_value(parameter, parameter.default)


def test_the_sql_keeps_to_what_both_engines_have(query: Query) -> None:
    (statement,) = sqlglot.parse(query.sql, read="athena")
    assert statement is not None
    assert not list(statement.find_all(exp.Command))
    assert not re.search(r"from_unixtime|from_iso8601|AT TIME ZONE|TIMESTAMP\(|now\(|current_|approx_", query.sql)
    if query.name == "spikes":
        return  # it divides columns that are doubles already
    for division in statement.find_all(exp.Div):
        assert division.parent is not None
        instant = isinstance(division.parent, exp.Mul) and is_instant(division.parent.parent or division)
        doubles = [cast for cast in division.find_all(exp.Cast) if cast.to.this == exp.DType.DOUBLE]
        assert is_exact_quotient(division.parent) or instant or doubles, division.sql("athena")


def test_a_check_gives_the_columns_of_a_finding(check: Check) -> None:
    statement = sqlglot.parse_one(check.query.sql, read="athena")
    assert isinstance(statement, exp.Query)
    assert list(FINDING_COLUMNS) == statement.named_selects


def test_what_is_asked_is_not_a_threshold(check: Check) -> None:
    assert not SCOPE & check.thresholds.keys()
    assert {p.name for p in check.query.parameters} - SCOPE == check.thresholds.keys()


@pytest.mark.slow
def test_every_column_is_one_that_its_table_has_and_no_other_could_be_meant(check: Check) -> None:
    """DuckDB would take an alias in WHERE, GROUP BY or beside it in SELECT; Athena does not, and neither does this."""
    schema: dict[str, object] = {}
    for name in TABLES:
        table = read_table(name)
        schema[name] = {column.name: column.type for column in (*table.columns, *table.partitions)}
    schema["uncompacted"] = schema["processed"] = schema["delivered"]
    qualify(plan_check(check, {}), dialect="athena", schema=schema, expand_alias_refs=False)


def test_worst_and_largest_first_and_all_are_counted(tmp_path: Path) -> None:
    rows = ", ".join(
        f"('{severity}', {amount})" for severity in ("notice", "damage", "hole") for amount in range(1, 501)
    )
    sql = (
        "-- Which?\nSELECT severity, 'P' AS product_id, CAST(NULL AS VARCHAR) AS session, CAST(NULL AS BIGINT) AS first_us, "
        "CAST(NULL AS BIGINT) AS last_us, amount AS first_id, amount AS last_id, amount, 'x' AS what "
        f"FROM (VALUES {rows}) AS found (severity, amount)"
    )
    made = Check(group="completeness", query=decode_query("made", sql))
    with open_lake(tmp_path) as lake:
        answer = LakeEngine(lake).ask(plan_check(made, {"from": "2026-11-23", "nothing": "1"}))
    assert (*FINDING_COLUMNS, "found_count", "found_amount") == answer.columns
    assert MOST_FINDINGS == len(answer.rows)
    severities = [(row[0], row[7]) for row in answer.rows]
    assert [("damage", 500), ("hole", 500)] == [severities[0], severities[500]]
    assert {(1_500, 3 * 500 * 501 // 2)} == {row[9:] for row in answer.rows}
