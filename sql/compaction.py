"""
One closed hour into `history`, as SQL for either engine: which objects, the SELECT, Athena's INSERT and its view of what is left.

Laws: the same inputs make the same generation; the hour's SQL is infra/history/hour.sql, for both engines.
Refuses to know: which hours are to be compacted (local/lake/compact.py), files, engines.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from infra import HISTORY
from sql.dialect import ATHENA, identifier
from sql.glue import read_table
from sql.hours import EPOCH, HOUR_US, lake_hour
from sql.questions import decode_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sql.questions import Query

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


def load_hour_query() -> Query:
    """The question that makes an hour of history."""
    return decode_query("hour", (HISTORY / "hour.sql").read_text(encoding="utf-8"))


def plan_hour(plan: HourPlan, *, generation: str) -> exp.Query:
    """The SELECT of one hour, for either engine."""
    instants = [EPOCH + timedelta(microseconds=us) for us in (plan.start_us, plan.start_us + HOUR_US)]
    values = {"from": instants[0].isoformat(), "to": instants[1].isoformat(), "generation": generation}
    return plan_query(load_hour_query(), values)


def plan_insert(plan: HourPlan, *, generation: str) -> str:
    """
    The statement by which Athena compacts the hour; it counts once the hour's manifest names the generation.

    Caller must: give every try a generation of its own, since Athena leaves what a failed INSERT has written.
    """
    select = plan_hour(plan, generation=generation)
    assert isinstance(select, exp.Select)
    columns = [identifier(c.name) for c in (*read_table("history").columns, *read_table("history").partitions)]
    select = select.select(exp.alias_(exp.Literal.string(plan.event_hour), "event_hour"))
    # `uncompacted` is a view there that may have moved on: the hour is read from the rows themselves, with an hour for clocks that differ.
    first_hour = lake_hour(plan.start_us - HOUR_US)
    for table in list(select.find_all(exp.Table)):
        if table.name == "uncompacted":
            whole = exp.select("*").from_("processed").where(f"lake_hour >= '{first_hour}'")
            table.replace(whole.subquery("uncompacted"))
    return exp.insert(
        select, "history", columns=[exp.to_identifier(column.strip('"')) for column in columns], dialect=ATHENA
    ).sql(ATHENA, comments=False)


def plan_uncompacted_view(first_hour: str) -> str:
    """The statement by which Athena's view `uncompacted` is made anew; hours are counted from `first_hour` on."""
    create = sqlglot.parse_one((HISTORY / "uncompacted.sql").read_text(encoding="utf-8"), read=ATHENA)
    for placeholder in list(create.find_all(exp.Placeholder)):
        placeholder.replace(exp.Literal.string(first_hour))
    return create.sql(ATHENA, comments=False)
