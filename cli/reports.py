"""
An audit's report as a person gets it: told on the terminal, and left in a folder as JSON and as a page.

Laws: the verdict first, then what it could not judge, then what was found, the worst first; what a lake holds reaches no terminal as a control
sequence; a report is there whole or not at all.
Refuses to know: how a lake is audited, which exit code a verdict has.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from audit_lambda.findings import SEVERITIES
from audit_lambda.page import render_page
from audit_lambda.report import encode_report
from audit_lambda.words import VERDICT_WORDS, say_budget, say_instant, say_objective, say_share, say_span, say_why
from cli.answers import print_answer, printable
from sql.engine import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from audit_lambda.findings import Finding
    from audit_lambda.report import Report

# How long lines may be on their way in a lake whose sessions have all closed: what is delivered is there.
SETTLED: Final = "1ms"
_MOST_SHOWN: Final = 40


def print_report(report: Report) -> None:
    """The verdict with its reason, what was not judged, and what was found, the worst first."""
    click.echo(printable(f"{VERDICT_WORDS[report.verdict]}. {say_why(report)}"))
    slo = report.slo
    click.echo(printable(f"{say_span(report)}. {say_share(slo)} {say_objective(slo)} {say_budget(slo)}"))
    if waits := _settles(report):
        click.echo(
            f"Not judged yet: what came in the last {' or '.join(waits)}, for more may be on its way (--settle)."
        )
    for state, said in (("not_run", "Not run"), ("partly", "Run in part")):
        for why, names in _by_reason(report, state).items():
            click.echo(printable(f"{said}: {', '.join(names)}: {why.rstrip('.')}."))
    console = Console()
    findings = sorted(
        (f for check in report.checks for f in check.findings), key=lambda f: (-SEVERITIES.index(f.severity), -f.amount)
    )
    if findings:
        click.echo()
        columns = ("severity", "check", "about", "from", "to", "first", "last", "amount", "what")
        types = (*["varchar"] * 5, "bigint", "bigint", "bigint", "varchar")
        print_answer(Answer(columns, types, [_row(finding) for finding in findings[:_MOST_SHOWN]]), console)
    count = sum(check.found_count for check in report.checks)
    if count > _MOST_SHOWN:
        click.echo(f"{count - _MOST_SHOWN} more are in the report.")


def _settles(report: Report) -> list[str]:
    """How long before now lines are not judged; none in a lake at rest, or of a time that is over."""
    if report.to_us < report.made_us:
        return []
    return sorted({check.thresholds.get("settle", SETTLED) for check in report.checks} - {SETTLED})


def _by_reason(report: Report, state: str) -> dict[str, list[str]]:
    """By the reason, which checks: one broken object may keep most of them from being asked."""
    names: dict[str, list[str]] = {}
    for check in report.checks:
        if check.state == state:
            names.setdefault(check.why, []).append(check.name)
    return names


def _row(finding: Finding) -> tuple[str | int | None, ...]:
    about = " ".join(part for part in (finding.product_id, finding.session) if part)
    times = (None if at_us is None else say_instant(at_us) for at_us in (finding.first_us, finding.last_us))
    return (
        *(finding.severity, finding.check, about, *times, finding.first_id, finding.last_id),
        *(finding.amount, finding.what),
    )


def leave_report(folder: Path, report: Report) -> None:
    """
    The report as JSON and as a page in this folder, and where that is.

    Raises: click.ClickException where it cannot be written.
    """
    try:
        _write_report(folder, report)
    except OSError as error:
        raise click.ClickException(
            printable(f"The report could not be written: {error}. Name a folder with --report.")
        ) from error
    click.echo(f"\nReport: {folder / 'report.html'}")


def _write_report(folder: Path, report: Report) -> None:
    # The page first: what reads the JSON may then rely on the page.
    _put(folder / "report.html", render_page(report).encode())
    _put(folder / "report.json", json.dumps(encode_report(report), ensure_ascii=False).encode())


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
