"""
Who is told of an audit, and in which words: a notice if the lake is worse than the audit before said, or better again.

Laws: pure; a hole that was filled wakes nobody, so whole and healed are one level here; what stays as bad as it was is not said again. Text
of the lake is made visible and cut (words.py), so that it cannot begin a line of its own. A notice names where the report lies and carries no credentials.
Refuses to know: SNS, S3.
Source: Amazon SNS API reference, Publish (a subject is ASCII, at most 100 characters, without line breaks; a message 256 KB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit_lambda.findings import SEVERITIES
from audit_lambda.report import UNPROVEN
from audit_lambda.words import say_budget, say_objective, say_share, say_span, say_why, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from audit_lambda.findings import Finding, Verdict
    from audit_lambda.report import CheckResult, Report
    from audit_lambda.spans import Kind

MOST_SHOWN: Final = 10
SUBJECT_LIMIT_CHARS: Final = 100
LEVELS: Final[Mapping[Verdict, int]] = {"whole": 0, "healed": 0, "unproven": 1, "holes": 2, "damaged": 3}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is published."""

    subject: str
    message: str


def decide_notice(report: Report, kind: Kind, *, before: Report | None, page: str) -> Notice | None:
    """
    The notice that a report calls for, or None.

    `before` is the newest report of the same kind that could be read; without one the lake counts as whole so far. Nobody is told of
    an audit that somebody asked for, who has its answer, nor of one of older hours than the newest report's. `page` says where the report lies.
    """
    if kind == "asked" or (before is not None and before.to_us > report.to_us):
        return None
    if report.is_empty and (
        before is None or before.is_empty
    ):  # no producer has begun yet, or it was told that none is heard
        return None
    level, level_before = LEVELS[report.verdict], LEVELS[before.verdict] if before is not None else 0
    if level == level_before:
        return None
    # Not to know is no recovery.
    if report.verdict == "unproven":
        change = "not known"
    elif before is not None and before.is_empty:
        change = "something to judge now"
    else:
        change = "worse" if level > level_before else "better again"
    subject = f"ticklake {visible(report.lake)}: {report.verdict} ({kind} audit, {change})"
    return Notice(subject=_ascii(subject)[:SUBJECT_LIMIT_CHARS], message="\n".join(_lines(report, kind, before, page)))


def _lines(report: Report, kind: Kind, before: Report | None, page: str) -> Iterator[str]:
    yield f"The {kind} audit of the lake {visible(report.lake)}, {say_span(report)}, says: {report.verdict}."
    yield say_why(report)
    if before is not None:
        yield f"The audit before, {say_span(before)}, said: {before.verdict}."
    yield f"{say_share(report.slo)} {say_objective(report.slo)} {say_budget(report.slo)}"
    yield from _findings(report)
    for check in report.checks:
        if check.state in UNPROVEN:
            yield f"{'Not run' if check.state == 'not_run' else 'Run in part'}: {check.name} ({visible(check.why)})."
    yield f"\nThe report: {page}"
    yield "What to do: docs/operations.md#the-audit"


def _findings(report: Report) -> Iterator[str]:
    """The worst findings in words, from holes upward, and how many more there are."""
    bad = [(check, each) for check in report.checks for each in check.findings if each.severity in {"hole", "damage"}]
    bad.sort(key=lambda pair: (-SEVERITIES.index(pair[1].severity), -pair[1].amount))
    if bad:
        yield "\nFound:"
    for check, finding in bad[:MOST_SHOWN]:
        yield f"- {_finding(check, finding)}"
    if len(bad) > MOST_SHOWN:
        yield f"- and {len(bad) - MOST_SHOWN} more in the report"


def _finding(check: CheckResult, finding: Finding) -> str:
    about = " ".join(visible(name) for name in (finding.product_id, finding.session) if name)
    return f"{finding.severity}, {check.group}/{check.name}{', ' + about if about else ''}: {visible(finding.what)}"


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")
