"""
What findings make of a lake, and how much of its error budget a day has used.

Laws: the worst finding decides; notices and warnings decide nothing; a check that was not run can be found whole by nobody, and neither can a
lake of which nothing was to be judged. Shares are
of integers and compared as integers: no rounding decides whether an objective is met, and what is rounded is rounded to the worse side.
Refuses to know: SQL, what a finding is about.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Final

from audit_lambda.findings import VERDICTS
from audit_lambda.report import UNPROVEN, Slo, SloDay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from audit_lambda.findings import Severity, Verdict
    from audit_lambda.report import CheckResult, Evidence

TARGET: Final = Decimal("0.9999")
_PLACES: Final = Decimal("0.000000000001")
_EXACT: Final = Context(prec=60)
_MAKES: Final[Mapping[Severity, Verdict]] = {
    "notice": "whole",
    "warning": "whole",
    "healed": "healed",
    "hole": "holes",
    "damage": "damaged",
}


def decide_verdict(checks: Iterable[CheckResult], *, evidence: Evidence | None = None) -> Verdict:
    """
    The verdict: of the worst finding, and no better than unproven where a check was not run (or none was asked), or where there was nothing that
    a check could have contradicted. None for evidence: that was not asked.
    """
    results = list(checks)
    verdicts: list[Verdict] = [_MAKES[finding.severity] for result in results for finding in result.findings]
    nothing = evidence is not None and not evidence.is_any
    if nothing or not results or any(result.state in UNPROVEN for result in results):
        verdicts.append("unproven")
    return max(verdicts, key=VERDICTS.index, default="whole")


def judge_slo(days: Sequence[tuple[str, int, int]], *, target: Decimal) -> Slo:
    """
    The objective over these days.

    Shapes: each day is its name, the trade ids to be expected, and how many of them are missing; `target` lies in 0..1.
    """
    judged = tuple(
        SloDay(
            day,
            expected,
            missing,
            _share(expected, missing),
            _used(expected, missing, target),
            _is_met(expected, missing, target),
        )
        for day, expected, missing in days
        if expected
    )
    expected, missing = sum(day.expected for day in judged), sum(day.missing for day in judged)
    return Slo(
        target=format(target, "f"),
        expected=expected,
        missing=missing,
        share=_share(expected, missing),
        budget_used=_used(expected, missing, target),
        met=all(day.met for day in judged) if judged else None,
        days=judged,
    )


def _is_met(expected: int, missing: int, target: Decimal) -> bool:
    return missing <= _EXACT.multiply(Decimal(expected), 1 - target)


def _share(expected: int, missing: int) -> str | None:
    if not expected:
        return None
    return _plain(_EXACT.divide(Decimal(expected - missing), Decimal(expected)).quantize(_PLACES, ROUND_FLOOR))


def _used(expected: int, missing: int, target: Decimal) -> str | None:
    """The part of the budget that is used; a target of 1 has no budget, and the first missing id is more than all of it."""
    budget = _EXACT.multiply(Decimal(expected), 1 - target)
    if not expected or (missing and not budget):
        return None
    return _plain(_EXACT.divide(Decimal(missing), budget).quantize(_PLACES, ROUND_CEILING)) if missing else "0"


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
