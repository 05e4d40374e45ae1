"""What a redrive asks: every line looked for, in few and short statements, no hour read that cannot matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import ROOT
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.athena import STATEMENT_LIMIT_BYTES
from sql.dialect import ATHENA
from sql.redriving import LONGEST_RUN, RUNS_A_QUESTION, Hours, Wanted, hours_of, plan_present, plan_set_aside
from tests.local.lake.trades import SESSION, put, ticker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlglot import exp

FILES = sorted((ROOT / "redrive").glob("*.sql"))
HOUR_US = 3_600_000_000
AT_US = 493_000 * HOUR_US  # 2026/03/29/16


def wanted(ns: Iterable[int], session: str = SESSION, kind: str = "ticker", since_us: int = AT_US) -> list[Wanted]:
    return [Wanted(session, n, kind, since_us) for n in ns]


def runs_of(question: exp.Query) -> list[tuple[str, int, int]]:
    text = re.search(r"SPLIT\('([^']*)'", question.sql(ATHENA))
    assert text is not None
    split = [part.split("/") for part in text[1].split(",")]
    return [(session, int(first), int(last)) for session, first, last in split]


@settings(max_examples=20)  # sqlglot takes longer than all the rest
@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 30))), st.integers(1, 4))
def test_the_runs_are_exactly_the_lines(names: list[tuple[str, int]], runs: int) -> None:
    questions = plan_present([Wanted(session, n, "ticker", AT_US) for session, n in names], runs=runs)
    found = [run for question in questions for run in runs_of(question)]
    assert sorted(set(names)) == [(session, n) for session, first, last in found for n in range(first, last + 1)]
    assert all(len(runs_of(question)) <= runs for question in questions)


def test_neighbours_are_one_run_and_a_run_is_no_longer_than_a_sequence() -> None:
    (question,) = plan_present(wanted([*range(LONGEST_RUN + 1), 20_000]))
    assert [(SESSION, 0, 9_999), (SESSION, 10_000, 10_000), (SESSION, 20_000, 20_000)] == runs_of(question)


def test_no_statement_is_longer_than_athena_takes() -> None:
    far = range(10**18, 10**18 + 2 * (RUNS_A_QUESTION + 1), 2)
    first, second = plan_present(wanted(far))
    assert STATEMENT_LIMIT_BYTES > len(first.sql(ATHENA).encode())
    assert 1 == len(runs_of(second))


def test_only_hours_and_kinds_that_can_matter_are_read() -> None:
    (question,) = plan_present([*wanted([1]), *wanted([2], kind="gap", since_us=AT_US + 5 * HOUR_US)])
    assert "lake_hour >= '2026/03/29/15'" in question.sql(ATHENA)
    assert "lake_kind IN ('gap', 'mixed', 'ticker')" in question.sql(ATHENA)
    assert [] == plan_present([])


def test_rows_are_found_and_refused_ones_are_not(tmp_path: Path) -> None:
    rows = [ticker(1), ticker(2), ticker(2), ticker(5)]
    put(tmp_path, "a", rows)
    put(tmp_path, "b", [ticker(3)], kind="mixed", hour="2026/11/25/00")
    put(tmp_path, "c", [ticker(4, kind="refused", detail='{"line":"x"}')], kind="mixed")
    put(tmp_path, "d", [ticker(1, session=SESSION[::-1])])
    looked_for = wanted(range(1, 5), since_us=us_of(rows)) + wanted([9], session=SESSION[::-1], since_us=us_of(rows))
    with open_lake(tmp_path) as lake:
        answers = [LakeEngine(lake).ask(question) for question in plan_present(looked_for, runs=1)]
        aside = LakeEngine(lake).ask(plan_set_aside(Hours()))
        none = LakeEngine(lake).ask(plan_set_aside(Hours(first="2026/11/23/03")))
    assert [(SESSION, 1), (SESSION, 2), (SESSION, 3)] == sorted(row for answer in answers for row in answer.rows)
    assert [('{"line":"x"}',)] == aside.rows
    assert [] == none.rows


def us_of(rows: list[dict[str, int]]) -> int:
    return min(row["event_time_us"] for row in rows)


def test_hours_are_those_that_lie_in_the_span_in_part() -> None:
    hours = hours_of(AT_US + 1, AT_US + HOUR_US + 1)
    assert Hours("2026/03/29/16", "2026/03/29/17") == hours
    assert ["2026/03/29/16"] == [hour for hour in ("2026/03/29/15", "2026/03/29/16", "2026/03/29/18") if hour in hours]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_each_file_is_one_question_that_comes_back_the_same(path: Path, dialect: str) -> None:
    text = path.read_text()
    assert re.fullmatch(r"-- [A-Z][^?]*\?", text.splitlines()[0])
    (statement,) = sqlglot.parse(text, read=dialect)
    assert statement is not None
    assert statement == sqlglot.parse_one(statement.sql(dialect), read=dialect)
