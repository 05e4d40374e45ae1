"""
A lake's answer to a question: the question in DuckDB's words, asked, and what comes back as an Arrow table.

Laws: the SQL is the one that Athena runs, rewritten by sqlglot; what the engine complains of is said without the SQL that it quotes.
Refuses to know: terminals, files of answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from sql.dialect import complaint, to_duckdb
from sql.questions import QueryFailed, plan_query
from sql.views import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from local.lake.folder import Lake
    from sql.questions import Query


@dataclass(frozen=True, slots=True)
class Result:
    """An answer. Decimals are exact, times are UTC without a zone."""

    table: pa.Table

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.table.column_names)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as Python values: int, Decimal, datetime, str, None."""
        return list(zip(*(column.to_pylist() for column in self.table.columns), strict=True))


def run_query(lake: Lake, query: Query, values: Mapping[str, str]) -> Result:
    """
    The lake's answer. `values` are text as a person writes it (`1m`, `2026-11-23T02:30Z`); what is left out is the default.

    Raises: SqlRefused, ParameterUnknown, ValueRefused, QueryFailed.
    """
    planned = plan_query(query, values)
    try:
        if "errors" in table_names(planned):
            lake.judge_errors()
        return Result(table=lake.connection.sql(to_duckdb(planned)).to_arrow_table())
    except duckdb.Error as error:
        raise QueryFailed(query=query, why=complaint(error)) from error
