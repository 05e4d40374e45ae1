"""
One closed hour into `history`, as SQL for either engine: near which hours objects hold trades, the hour, its check; and Athena's statements.

Laws: the same inputs make the same generation; the SQL is that of infra/history, for both engines; on Athena an hour is made of the very
objects it names, so that what arrives meanwhile is neither in it nor missing from it.
Refuses to know: which hours are to be compacted (sql/history.py), files, engines.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from infra import HISTORY
from sql.dialect import ATHENA
from sql.glue import read_table
from sql.hours import EPOCH, HOUR_US
from sql.questions import decode_query, plan_query
from sql.views import table_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sql.questions import Query

# Athena refuses a longer statement (StartQueryExecution, API reference: QueryString); the rest of a statement is well under the difference.
NAMED_LIMIT_BYTES: Final = 262_144 - 32_768
_LAYOUT: Final = "1"  # part of a generation's name: another layout of the same rows is another generation


@dataclass(frozen=True, slots=True)
class HourPlan:
    """One hour to compact, and from which objects, each with the hours near which it holds trades."""

    event_hour: str
    start_us: int
    inputs: Mapping[str, tuple[str, ...]]

    @property
    def generation(self) -> str:
        """The name of what these inputs make: the same ones, the same name."""
        text = "\n".join([_LAYOUT, self.event_hour, *sorted(self.inputs)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_question(name: str) -> Query:
    """A question of infra/history: `near`, `hour` or `verify`."""
    return decode_query(name, (HISTORY / f"{name}.sql").read_text(encoding="utf-8"))


def plan_near() -> exp.Query:
    """The SELECT of near which hours each object holds trades, for either engine."""
    return plan_query(load_question("near"), {})


def plan_hour(plan: HourPlan, *, generation: str) -> exp.Query:
    """The SELECT of one hour, for either engine."""
    return plan_query(load_question("hour"), _values(plan, generation))


def plan_check(plan: HourPlan, *, generation: str) -> exp.Query:
    """The SELECT that compares one hour of history with its objects, for either engine; `read_check` reads its row."""
    return plan_query(load_question("verify"), _values(plan, generation))


def _values(plan: HourPlan, generation: str) -> dict[str, str]:
    instants = [EPOCH + timedelta(microseconds=us) for us in (plan.start_us, plan.start_us + HOUR_US)]
    return {"from": instants[0].isoformat(), "to": instants[1].isoformat(), "generation": generation}


@dataclass(frozen=True, slots=True)
class Check:
    """How many rows of trades were delivered near one hour, how many trades history has of it, and what is wrong with them."""

    delivered: int
    trades: int
    wrong: tuple[str, ...]


def read_check(row: Sequence[int]) -> Check:
    """What the row of `plan_check` says."""
    delivered, rows, trades, missing, unexpected, unlike = map(int, row)
    complaints = {
        f"it has {rows} rows for {trades} trades": rows != trades,
        f"{missing} trades are missing": missing,
        f"{unexpected} trades are not of it": unexpected,
        f"{unlike} rows are as no copy was delivered": unlike,
    }
    return Check(delivered=delivered, trades=trades, wrong=tuple(text for text, is_so in complaints.items() if is_so))


def plan_near_of(keys: Collection[str], *, bucket: str) -> exp.Query:
    """The SELECT of near which hours these objects of a bucket hold trades; its answer may name others of their hours too."""
    near = plan_near()
    assert isinstance(near, exp.Select)
    return near.where(*_are(keys, bucket=bucket))


def plan_check_of(plan: HourPlan, *, generation: str, bucket: str) -> exp.Query:
    """`plan_check` of a bucket's objects, on Athena."""
    return _of_objects(plan_check(plan, generation=generation), plan, bucket=bucket)


def plan_unload(plan: HourPlan, *, generation: str, bucket: str, folder: str) -> str:
    """
    The statement by which Athena writes the hour into the folder, an S3 URL that ends with a slash.

    It is no INSERT INTO history: Athena writes those under `event_hour=…/`, wherever a projected table says that its partitions are, and
    Trino drops the ORDER BY of an INSERT.
    Source: Athena user guide, UNLOAD: each file is sorted as the SELECT says; the folder has to be empty; a failed one leaves what it wrote.
    Of INSERT: one of Athena's engineers, in trinodb/trino pull request 25657 (May 2025).
    Caller must: give every try a folder of its own.
    """
    select = _of_objects(plan_hour(plan, generation=generation), plan, bucket=bucket).sql(ATHENA, comments=False)
    to = exp.Literal.string(folder).sql(ATHENA)
    return f"UNLOAD ({select}) TO {to} WITH (format = 'PARQUET', compression = 'ZSTD')"


def _of_objects(query: exp.Query, plan: HourPlan, *, bucket: str) -> exp.Query:
    """The query reading of `uncompacted` the plan's objects only, and of history its hour."""
    # `uncompacted` is a view there that may have moved on: the hour is read from the rows themselves.
    inputs = exp.select("*").from_("delivered").where(*_are(plan.inputs.keys(), bucket=bucket))
    hour = exp.select("*").from_("history").where(exp.column("event_hour").eq(exp.Literal.string(plan.event_hour)))
    bounded = query.copy()
    for table in list(bounded.find_all(exp.Table)):
        if select := {"uncompacted": inputs, "history": hour}.get(table.name):
            table.replace(select.subquery(alias=table.alias_or_name))
    assert "uncompacted" not in table_names(bounded)
    return bounded


def _are(keys: Collection[str], *, bucket: str) -> list[exp.Expr]:
    """That a row lies in one of these objects of `delivered`, or, where they are too many to be named, in one of their hours."""
    paths = [f"s3://{bucket}/{key}" for key in sorted(keys)]
    matches = [re.match(read_table("delivered").key_pattern, key) for key in keys]
    columns = {"lake_kind": {m[1] for m in matches if m}, "lake_hour": {m[2] for m in matches if m}}
    if sum(len(path.encode()) + 4 for path in paths) <= NAMED_LIMIT_BYTES:
        columns["$path"] = set(paths)
    return [
        exp.column(exp.to_identifier(name, quoted=name == "$path")).isin(*map(exp.Literal.string, sorted(values)))
        for name, values in columns.items()
    ]


def plan_uncompacted_view(first_hour: str) -> str:
    """The statement by which Athena's view `uncompacted` is made anew; hours are counted from `first_hour` on."""
    create = sqlglot.parse_one((HISTORY / "uncompacted.sql").read_text(encoding="utf-8"), read=ATHENA)
    for placeholder in list(create.find_all(exp.Placeholder)):
        placeholder.replace(exp.Literal.string(first_hour))
    return create.sql(ATHENA, comments=False)
