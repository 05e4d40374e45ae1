"""
What Athena's catalog is to hold beside the tables: the views, in the order they are made of each other, and the questions as named queries.

Laws: what is as it should be is left alone; a view that compaction has moved keeps its hour, whatever else changes; a view is made anew when one
that it is made of is, since Athena keeps the columns it had; only named queries that carry our mark are changed or removed.
Refuses to know: Glue's and Athena's clients.
Source: Amazon Athena user guide, CREATE VIEW; the envelope in Glue's ViewOriginalText (`/* Presto View: base64 of JSON */`) as Athena writes it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from infra import REPLAY, VIEWS
from sql.compaction import plan_uncompacted_view
from sql.dialect import ATHENA
from sql.glue import read_table
from sql.questions import bind_values, list_queries, load_query
from sql.views import load_views, table_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Action = Literal["make", "change", "keep", "remove"]

COUNTED: Final = "processed"  # of `delivered`, what counts
MOVED: Final = "uncompacted"  # the view that compaction makes anew, from a later hour on each time
FIRST_HOUR: Final = "2014/01/01/00"  # where the tables' projection may begin (LakeFirstHour); Coinbase's first trade is of December 2014
MARK: Final = "-- Made by `ticklake deploy`, which also changes it back: save it under another name to keep a change."
_HOUR: Final = re.compile(r"\d{4}/\d{2}/\d{2}/\d{2}")
_ENVELOPE: Final = re.compile(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/")


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view as the catalog has it. `select_sql` is None where its envelope says nothing that is understood."""

    select_sql: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewStep:
    """What becomes of one view. `note` says more, where there is more to say."""

    action: Action
    name: str
    statement: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A question in Athena's list. `id` is empty for one that is not there yet."""

    name: str
    description: str
    sql: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class QueryStep:
    """What becomes of one named query."""

    action: Action
    query: NamedQuery


# ---------------------------------------------------------------------- views


def decode_view(table: Mapping[str, Any]) -> StoredView:
    """A view of Athena's out of Glue's description of a table."""
    columns = tuple(column["Name"] for column in table.get("StorageDescriptor", {}).get("Columns", []))
    match = _ENVELOPE.fullmatch(table.get("ViewOriginalText", "").strip())
    try:
        select_sql = json.loads(base64.b64decode(match[1]))["originalSql"] if match else None
    except (binascii.Error, ValueError, KeyError, TypeError):
        select_sql = None
    return StoredView(select_sql if isinstance(select_sql, str) else None, columns)


def plan_views(stored: Mapping[str, StoredView]) -> list[ViewStep]:
    """What is to be done so that every view is there and as its file says, those first that others are made of."""
    counted = _plan_view(COUNTED, _read_statement(REPLAY / f"{COUNTED}.sql"), stored.get(COUNTED), anew=False)
    steps = [counted, _plan_moved(stored.get(MOVED), anew=counted.action != "keep")]
    for view in load_views().values():
        made_of = {step.name for step in steps if step.action != "keep"} & table_names(view.select)
        statement = _read_statement(VIEWS / f"{view.name}.sql")
        steps.append(_plan_view(view.name, statement, stored.get(view.name), anew=bool(made_of)))
    return steps


def plan_base_views() -> list[str]:
    """The statements of the views that only Athena has, where nothing is compacted: at home tables of the same names."""
    return [step.statement for step in plan_views({})[:2]]


def _plan_view(name: str, statement: str, before: StoredView | None, *, anew: bool) -> ViewStep:
    if before is None:
        return ViewStep("make", name, statement)
    same = not anew and _is_same(before.select_sql, statement)
    return ViewStep("keep" if same else "change", name, statement)


def _plan_moved(before: StoredView | None, *, anew: bool) -> ViewStep:
    hours = set(_HOUR.findall(before.select_sql or "")) if before is not None else {FIRST_HOUR}
    if len(hours) != 1:
        note = "from which hour on it reads cannot be told, so it is left as it is; `DROP VIEW uncompacted` and the same command again make it anew"
        return ViewStep("keep", MOVED, "", note)
    (hour,) = hours
    statement = plan_uncompacted_view(hour)
    if before is None:
        return ViewStep("make", MOVED, statement)
    table = read_table("delivered")
    columns = tuple(column.name for column in (*table.columns, *table.partitions))
    same = not anew and _is_same(before.select_sql, statement) and columns == before.columns
    note = f"from {hour} on, where compaction has left it" if hour != FIRST_HOUR else ""
    return ViewStep("keep" if same else "change", MOVED, statement, note)


@cache
def _read_statement(path: Path) -> str:
    """The statement of a view's file, as it is written there, without the lines above it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def _is_same(stored_sql: str | None, statement: str) -> bool:
    """Whether a view's SELECT says what the statement does, but for how it is written (Athena writes it anew)."""
    stored, wanted = _read_bare(stored_sql or ""), _read_bare(statement)
    return stored is not None and isinstance(wanted, exp.Create) and stored == wanted.expression


@lru_cache(maxsize=64)
def _read_bare(sql: str) -> exp.Expr | None:
    """What SQL says, without its brackets and quotes: what they hold together stays together in the tree. None where it is no SQL."""
    try:
        bare = sqlglot.parse_one(sql, read=ATHENA)
    except SqlglotError:
        return None
    for paren in list(bare.find_all(exp.Paren)):
        paren.replace(paren.this)
    for name in bare.find_all(exp.Identifier):
        name.set("quoted", False)
    return bare


# ---------------------------------------------------------------------- named queries


def plan_named_queries(stored: Iterable[NamedQuery]) -> list[QueryStep]:
    """What is to be done so that every question of infra/queries is in the list, with its defaults in it; ours that has no file any more goes."""
    ours = [query for query in stored if query.sql.endswith(MARK)]
    wanted = load_named_queries()
    steps = []
    for query in wanted:
        same_name = [each for each in ours if each.name == query.name]
        before = same_name[0] if same_name else None
        steps.append(_plan_query(query, before))
        steps += [QueryStep("remove", extra) for extra in same_name[1:]]
    names = {query.name for query in wanted}
    return steps + [QueryStep("remove", query) for query in ours if query.name not in names]


def _plan_query(wanted: NamedQuery, before: NamedQuery | None) -> QueryStep:
    if before is None:
        return QueryStep("make", wanted)
    same = (before.sql, before.description) == (wanted.sql, wanted.description)
    return QueryStep(
        "keep" if same else "change", NamedQuery(wanted.name, wanted.description, wanted.sql, id=before.id)
    )


@cache
def load_named_queries() -> tuple[NamedQuery, ...]:
    """Every question of infra/queries as a person may run it: its own words above it, its defaults in it, its views by their names."""
    return tuple(_named_query(name) for name in list_queries())


def _named_query(name: str) -> NamedQuery:
    query = load_query(name)
    told = [f"-- {parameter.name}: {parameter.default}" for parameter in query.parameters]
    select = bind_values(query, {}).sql(ATHENA, pretty=True, comments=False)
    return NamedQuery(name, query.question, "\n".join([f"-- {query.question}", *told, select, MARK]))
