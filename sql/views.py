"""
The views of infra/views as syntax trees, and the way to put them, and a bound on the hour, into a query.

Laws: a bound on lake_hour stands on the scan itself. On a view that keeps one row per trade no engine may push it there (a copy in
another hour could have won), so the views a query names are written into it before it is bounded.
Refuses to know: DuckDB, files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from infra import VIEWS
from sql.dialect import ATHENA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Tables whose keys name an hour. That of history is the hour a trade happened, which is never after the one it lies in otherwise; so an
# earlier hour of `compacted` says nothing of a trade that is asked for. (Athena lists a prefix for every hour it is not kept from.)
_HOUR_COLUMNS: Final = {
    "processed": "lake_hour",
    "uncompacted": "lake_hour",
    "history": "event_hour",
    "compacted": "event_hour",
}


@dataclass(frozen=True, slots=True)
class View:
    """One file of infra/views: its name, the question on its first line, its SELECT."""

    name: str
    question: str
    select: exp.Query


@cache
def load_views() -> Mapping[str, View]:
    """Every view by its name, a view after those it is made of."""
    views = {path.stem: _read_view(path) for path in sorted(VIEWS.glob("*.sql"))}
    ordered: dict[str, View] = {}
    while len(ordered) < len(views):
        ready = {
            name: view for name, view in views.items() if not (table_names(view.select) & views.keys()) - ordered.keys()
        }
        assert ready.keys() > ordered.keys(), "views that are made of each other"
        ordered |= ready
    return ordered


def _read_view(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    create = sqlglot.parse_one(text, read=ATHENA)
    assert isinstance(create, exp.Create), path.name
    assert isinstance(create.expression, exp.Query), path.name
    assert create.this.name == path.stem, path.name
    return View(name=path.stem, question=text.splitlines()[0].removeprefix("--").strip(), select=create.expression)


def expand_views(query: exp.Query) -> exp.Query:
    """The query with every view it names written into it, down to the tables; `query` is left as it was."""
    return expand_in_place(query.copy())


def expand_in_place(query: exp.Query) -> exp.Query:
    """The same without a copy, which costs more than all the rest: for a query that nobody else has."""
    for table in list(_named_tables(query)):
        view = load_views().get(table.name)
        if view is not None:
            table.replace(_subquery(expand_views(view.select), table))
    return query


def bound_hours(query: exp.Query, *, first_hour: str) -> exp.Query:
    """
    The query reading no hour before `first_hour` (`yyyy/MM/dd/HH`); `query` is left as it was.

    Caller must: have its views expanded.
    """
    bounded = query.copy()
    for table in list(_named_tables(bounded)):
        if table.name in _HOUR_COLUMNS:
            whole = exp.select("*").from_(exp.to_table(table.name))
            hours = exp.GTE(this=exp.column(_HOUR_COLUMNS[table.name]), expression=exp.Literal.string(first_hour))
            table.replace(_subquery(whole.where(hours, copy=False), table))
    return bounded


def _subquery(select: exp.Query, table: exp.Table) -> exp.Subquery:
    subquery = select.subquery(alias=table.alias_or_name, copy=False)
    for key in ("joins", "pivots", "laterals", "sample"):
        if table.args.get(key):
            subquery.set(key, table.args[key])
    return subquery


def _named_tables(query: exp.Query) -> Iterator[exp.Table]:
    """Each place where the query reads a table that it does not define itself in a WITH."""
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    return (
        t for t in query.find_all(exp.Table) if isinstance(t.this, exp.Identifier) and not t.db and t.name not in own
    )


def table_names(query: exp.Query) -> set[str]:
    """The names of the tables and views that a query reads."""
    return {table.name for table in _named_tables(query)}
