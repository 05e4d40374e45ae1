"""A lake's answers: columns and rows, and sentences for what cannot be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.lake.answers import run_query
from local.lake.folder import open_lake
from sql.dialect import SqlRefused
from sql.questions import QueryFailed, query_from_sql
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path


def test_a_result_has_columns_and_rows(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(7)])
    with open_lake(tmp_path) as lake:
        result = run_query(lake, query_from_sql("SELECT trade_id, product_id FROM ticks"), {})
    assert ("trade_id", "product_id") == result.columns
    assert [(7, "BTC-USD")] == result.rows


def test_what_the_engine_cannot_answer_is_a_sentence(tmp_path: Path) -> None:
    with open_lake(tmp_path) as lake, pytest.raises(QueryFailed, match="no_such_column"):
        run_query(lake, query_from_sql("SELECT no_such_column FROM ticks"), {})


def test_sql_of_another_sort_is_refused_before_the_engine_sees_it(tmp_path: Path) -> None:
    with open_lake(tmp_path) as lake, pytest.raises(SqlRefused):
        run_query(lake, query_from_sql("DROP VIEW ticks"), {})
