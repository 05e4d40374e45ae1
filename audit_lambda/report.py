"""
What an audit says: its verdict first, then every check with what it found, and the figures that a page draws. As JSON and back.

Laws: a check that could not run is in the report, with the reason, and the verdict is not better for it; all findings are counted, also where
only the first are named.
Refuses to know: engines, HTML, where reports are kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from audit_lambda.findings import SEVERITIES, Finding, Group, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
# `partly`: a part of what it asks was not looked at, and `why` says why; its findings are of the rest, and of what was left.
State = Literal["passed", "found", "partly", "not_run"]
# States in which something was not looked at, so that nothing can be called whole.
UNPROVEN: Final[frozenset[State]] = frozenset({"partly", "not_run"})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """
    One check: what it asked, with which thresholds, and what it found.

    Shapes: `findings` are the worst and largest, at most MOST_FINDINGS; `found_count` counts all, `found_amount` sums all their amounts.
    `why` says why it was not run, or only in part.
    """

    name: str
    group: Group
    question: str
    thresholds: Mapping[str, str]
    state: State
    why: str = ""
    found_count: int = 0
    found_amount: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SloDay:
    """One UTC day (`2026-11-23`) of the objective; fields as in Slo."""

    day: str
    expected: int
    missing: int
    share: str | None
    budget_used: str | None
    met: bool


@dataclass(frozen=True, slots=True)
class Slo:
    """
    The objective, a share of each UTC day's trade ids, and what its error budget (the rest) went to.

    Shapes: `days` in order, those with trade ids; `met` says whether every one of them met the target; without days nothing is known
    and it is None, as is everything where the question could not be answered (`why` says so).
    Units: `target` and `share` are fractions of trade ids, decimals as text (`0.9999`); `budget_used` 1 is all of it: of all days together, in
    `days` of each. `share` is rounded down and `budget_used` up, in the twelfth place; `met` is exact. None where no trade id was to be expected.
    """

    target: str
    expected: int
    missing: int
    share: str | None
    budget_used: str | None
    met: bool | None = None
    days: tuple[SloDay, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What there was to be judged: trade ids to be expected, minutes of a product that somebody testified to having watched, polled prices.

    `why` says why something of it was not counted, where a question could not be answered.
    """

    trades: int
    minutes: int
    prices: int
    why: str = ""

    @property
    def is_any(self) -> bool:
        """Whether a check could have contradicted anything."""
        return self.trades + self.minutes + self.prices > 0


@dataclass(frozen=True, slots=True)
class Figure:
    """
    The answer to one of infra/queries/audit/figures: cells are str, int, float, bool or None (decimals and times as text).

    `why` says why it has no answer, where the engine gave none.
    """

    name: str
    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """
    One audit of one lake over from_us..to_us (end excluded). Units: microseconds since the epoch.

    `evidence` is None in reports of before it was asked for.
    """

    lake: str
    engine: str
    from_us: int
    to_us: int
    made_us: int
    verdict: Verdict
    slo: Slo
    checks: tuple[CheckResult, ...]
    figures: tuple[Figure, ...]
    scanned_bytes: int | None = None
    evidence: Evidence | None = None
    format: int = FORMAT

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found and nothing was there to be judged: a lake before its first producer, a time that nobody watched."""
        told = self.evidence
        return self.verdict == "unproven" and told is not None and not told.is_any and not told.why

    def worst(self) -> Severity | None:
        """The worst severity found, or None."""
        found = [finding.severity for check in self.checks for finding in check.findings]
        return max(found, key=SEVERITIES.index, default=None)


def encode_report(report: Report) -> dict[str, Any]:
    """A report as JSON has it."""
    return asdict(report)


def decode_report(stored: Mapping[str, Any]) -> Report:
    """
    A report that encode_report made.

    Raises: KeyError, TypeError, ValueError where it is none, or one of another format.
    """
    if stored["format"] != FORMAT:
        raise ValueError(f"it is a report of format {stored['format']!r}, and this version reads {FORMAT}")
    checks = tuple(
        CheckResult(**{**check, "findings": tuple(Finding(**finding) for finding in check["findings"])})
        for check in stored["checks"]
    )
    figures = tuple(
        Figure(**{**figure, "columns": tuple(figure["columns"]), "rows": tuple(map(tuple, figure["rows"]))})
        for figure in stored["figures"]
    )
    slo = Slo(**{**stored["slo"], "days": tuple(SloDay(**day) for day in stored["slo"]["days"])})
    told = stored.get("evidence")
    evidence = None if told is None else Evidence(**told)
    return Report(**{**stored, "slo": slo, "checks": checks, "figures": figures, "evidence": evidence})
