"""
What one audit tells CloudWatch: each metric once, with its unit and meaning, and a report as one line of the embedded metric format.

Laws: pure; dimensions are the lake (its database) and the span (hourly, daily, asked), never a product: CloudWatch bills a metric for each.
What a report cannot say (a share of nothing) is left out of the line, not told as 0.
Refuses to know: the clock, and where the line is printed.
Source: CloudWatch, "Embedded metric format specification".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from audit_lambda.findings import VERDICTS
from audit_lambda.report import UNPROVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit_lambda.findings import Severity
    from audit_lambda.report import Report
    from audit_lambda.spans import Kind

NAMESPACE: Final = "ticklake"
Unit = Literal["Count", "Bytes", "Percent", "None"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `read` answers None where there is nothing to tell."""

    name: str
    unit: Unit
    meaning: str
    read: Callable[[Report], float | None]


def found(report: Report, severity: Severity, *, groups: frozenset[str] | None = None) -> int:
    """How much of a severity the named findings mean together; of these groups of checks only, if any are said."""
    return sum(
        finding.amount
        for check in report.checks
        for finding in check.findings
        if finding.severity == severity and (groups is None or finding.group in groups)
    )


_IDS: Final = frozenset({"completeness", "conservation"})
METRICS: Final = (
    Metric("Audits", "Count", "audits that ran to their end; none for long is an alarm of its own", lambda _: 1),
    Metric("AuditVerdict", "None", "0 whole, 1 healed, 2 unproven, 3 holes, 4 damaged", lambda report: VERDICTS.index(report.verdict)),
    Metric("AuditMissingUnnamed", "Count", "ids and lines that are neither in the lake nor in a gap or refusal that names them",
           lambda report: found(report, "damage", groups=_IDS)),
    Metric("AuditMissingNamed", "Count", "ids and lines that are missing and named, with a reason",
           lambda report: found(report, "hole", groups=_IDS)),
    Metric("AuditDamage", "Count", "all that damage findings mean: rows, lines, objects", lambda report: found(report, "damage")),
    Metric("AuditWarnings", "Count", "findings that look wrong while nothing proves it",
           lambda report: sum(f.severity == "warning" for check in report.checks for f in check.findings)),
    Metric("AuditChecksNotRun", "Count", "checks that could not run, or only in part",
           lambda report: sum(check.state in UNPROVEN for check in report.checks)),
    Metric("AuditBudgetUsed", "Percent", "how much of the span's error budget is used: 100 is all of it; none where no trade was expected",
           lambda report: None if report.slo.budget_used is None else 100 * float(report.slo.budget_used)),
    Metric("AuditScanned", "Bytes", "what the engine read, which Athena bills; none where it does not say",
           lambda report: report.scanned_bytes),
)  # fmt: skip


def metrics_line(report: Report, kind: Kind, *, now_ms: int) -> str:
    """One line of CloudWatch's embedded metric format."""
    told = [(metric, value) for metric in METRICS if (value := metric.read(report)) is not None]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Lake", "Span"]],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric, _ in told],
    }
    line: dict[str, Any] = {"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}}
    line |= {
        "Lake": report.lake,
        "Span": kind,
        "Verdict": report.verdict,
        "FromUs": report.from_us,
        "ToUs": report.to_us,
    }
    return json.dumps(line | {metric.name: value for metric, value in told})
