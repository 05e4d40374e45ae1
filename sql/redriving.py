"""
What a redrive asks of a lake, for either engine: lines that were set aside among rows, and which lines are rows by now.

Laws: the SQL is that of infra/redrive; a row lies in no hour before it happened and was received (late-data rule), so hours are bounded from
below and no row is missed; no statement grows longer than Athena takes.
Refuses to know: what a line says, error objects, engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra import ROOT
from sql.hours import EPOCH, lake_hour
from sql.questions import decode_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sql.questions import Query

# A sequence of Trino has no more entries (its documentation, "Array functions").
LONGEST_RUN: Final = 10_000
# A run of names is at most 68 bytes as text, and Athena takes statements of 262,144 (StartQueryExecution, API reference).
RUNS_A_QUESTION: Final = 3_000
_MIXED: Final = "mixed"  # the partition of packs that Firehose did not divide


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of arrival, both ends among them, as keys write them."""

    first: str = "1970/01/01/00"
    last: str = "9999/12/31/23"

    def __contains__(self, hour: str) -> bool:
        return self.first <= hour <= self.last


def hours_of(from_us: int, to_us: int) -> Hours:
    """The hours that lie, in part at least, in from_us..to_us. Units: microseconds since the epoch; `to_us` does not count itself."""
    return Hours(lake_hour(from_us), lake_hour(to_us - 1))


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """A line to look for. `since_us`: when it happened or was received, whichever is earlier, in microseconds since the epoch."""

    session: str
    n: int
    kind: str
    since_us: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Lines of one session without a hole between."""

    session: str
    first: int
    last: int
    kinds: frozenset[str]
    since_us: int


def load_question(name: str) -> Query:
    """A question of infra/redrive: `present` or `set_aside`."""
    return decode_query(name, (ROOT / "redrive" / f"{name}.sql").read_text(encoding="utf-8"))


def plan_set_aside(hours: Hours) -> exp.Query:
    """The SELECT of refused lines that were set aside among rows."""
    return plan_query(load_question("set_aside"), {"first_hour": hours.first, "last_hour": hours.last})


def plan_present(wanted: Iterable[Wanted], *, runs: int = RUNS_A_QUESTION) -> list[exp.Query]:
    """The SELECTs that together say which of these lines are rows; each answers with names, `(session, n)`."""
    waiting = iter(list(_runs(sorted(wanted))))
    return [_plan(some) for some in iter(lambda: tuple(islice(waiting, runs)), ())]


def _runs(wanted: Sequence[Wanted]) -> Iterator[_Run]:
    last: _Run | None = None
    for each in wanted:
        if (
            last
            and each.session == last.session
            and each.n in {last.last, last.last + 1}
            and each.n - last.first < LONGEST_RUN
        ):
            kinds, since_us = last.kinds | {each.kind}, min(last.since_us, each.since_us)
            last = _Run(last.session, last.first, each.n, kinds, since_us)
            continue
        if last:
            yield last
        last = _Run(each.session, each.n, each.n, frozenset({each.kind}), each.since_us)
    if last:
        yield last


def _plan(runs: Sequence[_Run]) -> exp.Query:
    since = EPOCH + timedelta(microseconds=min(each.since_us for each in runs))
    names = ",".join(f"{each.session}/{each.first}/{each.last}" for each in runs)
    planned = plan_query(load_question("present"), {"lines": names, "from": since.isoformat()})
    assert isinstance(planned, exp.Select)
    kinds = sorted({kind for each in runs for kind in each.kinds} | {_MIXED})
    return planned.where(exp.column("lake_kind", table="processed").isin(*kinds))
