"""
The checks of infra/queries/audit: one question a file, the folder its group, thresholds its parameters, each row of its answer a finding.

Laws: a check is a SELECT of FINDING_COLUMNS in Athena's dialect, the same on both engines; what it finds too much of is counted, not cut silently.
Refuses to know: engines, what a finding makes of the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from sqlglot import exp

from audit_lambda.findings import FINDING_COLUMNS, Group
from infra import AUDIT_QUERIES
from sql.questions import decode_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sql.questions import Query

FIGURES: Final = "figures"
SLO: Final = "slo"
EVIDENCE: Final = "evidence"
# Parameters that say what is audited, and when; the others are thresholds.
SCOPE: Final = frozenset({"product", "from", "to", "now"})
# A check's rows that a report names; all of them are counted.
MOST_FINDINGS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Check:
    """One file: infra/queries/audit/<group>/<name>.sql."""

    group: Group
    query: Query

    @property
    def name(self) -> str:
        """The file's name."""
        return self.query.name

    @property
    def thresholds(self) -> dict[str, str]:
        """Each threshold's default, as it is written in the file."""
        return {p.name: p.default for p in self.query.parameters if p.name not in SCOPE}


def load_checks() -> tuple[Check, ...]:
    """Every check, group by group, in the order of names."""
    return tuple(
        Check(group=group, query=_read(group, path.stem))
        for group in get_args(Group)
        for path in sorted((AUDIT_QUERIES / group).glob("*.sql"))
    )


def load_figures() -> tuple[Query, ...]:
    """The questions whose answers a report shows beside its findings, in the order of names."""
    return tuple(_read(FIGURES, path.stem) for path in sorted((AUDIT_QUERIES / FIGURES).glob("*.sql")))


def load_slo() -> Query:
    """The question of how many trade ids were to be expected each day, and how many are missing."""
    return load_question(SLO)


def load_question(name: str) -> Query:
    """A question of the folder that is neither check nor figure: what somebody has to know beside them."""
    return _read("", name)


def _read(folder: str, name: str) -> Query:
    return decode_query(name, (AUDIT_QUERIES / folder / f"{name}.sql").read_text(encoding="utf-8"))


def plan_check(check: Check, values: Mapping[str, str]) -> exp.Query:
    """
    The check with its values in it, for either engine: its first MOST_FINDINGS rows, worst and largest first, each with the two totals
    `found_count` and `found_amount` of all its rows after FINDING_COLUMNS.

    Raises: SqlRefused, ParameterUnknown, ValueRefused.
    """
    known = {p.name for p in check.query.parameters}
    inner = plan_query(check.query, {name: value for name, value in values.items() if name in known})
    rank = "CASE severity WHEN 'damage' THEN 0 WHEN 'hole' THEN 1 WHEN 'healed' THEN 2 WHEN 'warning' THEN 3 ELSE 4 END"
    return (
        exp.select(*FINDING_COLUMNS, "count(*) OVER () AS found_count", "sum(amount) OVER () AS found_amount")
        .from_(inner.subquery("findings", copy=False), copy=False)
        .order_by(rank, "amount DESC", "product_id", "session", "first_id", "first_us", "what", copy=False)
        .limit(MOST_FINDINGS, copy=False)
    )
