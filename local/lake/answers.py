"""
A lake's answer to a question: the question in DuckDB's words, asked.

Laws: the SQL is the one that Athena runs, rewritten by sqlglot; what the engine complains of is said without the SQL that it quotes.
Refuses to know: terminals, files of answers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import duckdb
from sqlglot import exp

from sql.dialect import ATHENA, DUCKDB, complaint, to_duckdb
from sql.engine import Answer, EngineFailed
from sql.questions import QueryFailed, plan_query
from sql.views import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.lake.folder import Lake
    from sql.questions import Query


def run_query(lake: Lake, query: Query, values: Mapping[str, str]) -> Answer:
    """
    The lake's answer. `values` are text as a person writes it (`1m`, `2026-11-23T02:30Z`); what is left out is the default.

    Raises: SqlRefused, ParameterUnknown, ValueRefused, QueryFailed.
    """
    try:
        return LakeEngine(lake).ask(plan_query(query, values))
    except EngineFailed as failed:
        raise QueryFailed(query=query, why=failed.why) from failed


def _prepare(lake: Lake, planned: exp.Query) -> None:
    """Fill the tables that are only filled when somebody asks for them."""
    names = table_names(planned)
    if "errors" in names:
        lake.judge_errors()
    if "objects" in names:
        lake.list_objects()


class LakeEngine:
    """An open lake as an engine: DuckDB."""

    name = "DuckDB"

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def ask(self, question: exp.Query) -> Answer:
        """
        The lake's answer.

        Raises: EngineFailed.
        """
        try:
            _prepare(self._lake, question)
            relation = self._lake.connection.sql(to_duckdb(question))
            types = tuple(athena_type(str(column)) for column in relation.types)
            return Answer(columns=tuple(relation.columns), types=types, rows=relation.fetchall())
        except duckdb.Error as error:
            raise EngineFailed(engine=self.name, why=complaint(error)) from error


# What DuckDB calls the type of a bare NULL, and of a sum of bigints.
_OWN_TYPES: Final = {'"NULL"': "unknown", "HUGEINT": "decimal(38,0)"}


@lru_cache(maxsize=256)
def athena_type(duckdb_type: str) -> str:
    """Athena's name for a DuckDB type: `DECIMAL(38,18)` is `decimal(38,18)`, `HUGEINT` (a sum of bigints) `decimal(38,0)`."""
    if duckdb_type in _OWN_TYPES:
        return _OWN_TYPES[duckdb_type]
    return exp.DataType.build(duckdb_type, dialect=DUCKDB).sql(ATHENA).lower().replace(", ", ",")
