"""
A report as the page's script reads it: figures by name, price lists as numbers, findings worst first, every text visible and bounded.

Laws: pure; a figure that is absent is an empty list, never a failure; at most MOST_ON_PAGE findings and MOST_STATES letters of the heat map, and
all are counted.
Refuses to know: HTML, how a page draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from audit_lambda.findings import SEVERITIES
from audit_lambda.words import LONGEST_TEXT, visible

if TYPE_CHECKING:
    from audit_lambda.findings import Finding
    from audit_lambda.report import CheckResult, Report

MOST_ON_PAGE: Final = 5_000
MOST_STATES: Final = 4_000_000
# Checks that flag what a price did; those of holes are seen as holes.
_FLAGGING: Final = frozenset({"consistency", "candles"})
# Texts that our own SQL makes: letters of states, lists of numbers.
_LONG: Final = dict.fromkeys(("states", "places", "lows", "highs", "closes"), MOST_STATES)
# The longest integer that JavaScript holds exactly.
_SAFE: Final = 2**53 - 1

Row = dict[str, Any]


def decode_page(report: Report, *, most: int = MOST_ON_PAGE) -> dict[str, Any]:
    """What the page's script draws. Shapes: JSON values only; times in microseconds since the epoch."""
    found = sorted(
        (finding for check in report.checks for finding in check.findings),
        key=lambda f: (-SEVERITIES.index(f.severity), -f.amount),
    )
    strips, products, refusals = (figure_rows(report, name) for name in ("minutes", "products", "refusals"))
    return {
        "made": report.made_us,
        "strips": _strips(strips),
        "strips_in_all": _in_all(strips, "products_in_all"),
        "prices": [series for row in figure_rows(report, "prices") if (series := _series(row))],
        "products": products,
        "products_in_all": _in_all(products, "products_in_all"),
        "latency": figure_rows(report, "latency"),
        "refusals": refusals,
        "refusals_in_all": _in_all(refusals, "lines_in_all"),
        "checks": [_check(check) for check in report.checks],
        "findings": [_finding(finding) for finding in found[:most]],
        "findings_in_all": sum(check.found_count for check in report.checks),
        "unanswered": {
            **{figure.name: visible(figure.why) for figure in report.figures if figure.why},
            **({"error budget": visible(report.slo.why)} if report.slo.why else {}),
        },
        "flags": [
            {"product": visible(f.product_id), "at": f.first_us, "check": visible(f.check), "what": visible(f.what)}
            for f in found
            if f.group in _FLAGGING and f.product_id is not None and f.first_us is not None
        ],
    }


def figure_rows(report: Report, name: str) -> list[Row]:
    """A figure's rows by column, their text visible; none where the report has no such figure."""
    for figure in report.figures:
        if figure.name == name:
            return [
                {
                    column: _cell(cell, _LONG.get(column, LONGEST_TEXT))
                    for column, cell in zip(figure.columns, row, strict=True)
                }
                for row in figure.rows
            ]
    return []


def _cell(cell: Any, longest: int = LONGEST_TEXT) -> Any:
    if isinstance(cell, str):
        return visible(cell, longest)
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) > _SAFE:
        return str(cell)
    return cell


def _in_all(rows: list[Row], column: str) -> int:
    return rows[0][column] if rows else 0


def _strips(rows: list[Row]) -> list[Row]:
    strips, letters = [], 0
    for row in rows:
        letters += len(row["states"])
        if letters > MOST_STATES:
            break
        strips.append(
            {"product": row["product_id"], "start": row["start_us"], "cell": row["cell_us"], "states": row["states"]}
        )
    return strips


def _series(row: Row) -> Row | None:
    """One product's points as numbers; None where it has none."""
    if not row["places"]:
        return None
    lists = {name: [float(text) for text in row[name].split(",")] for name in ("lows", "highs", "closes")}
    places = [int(text) for text in row["places"].split(",")]
    return {"product": row["product_id"], "start": row["start_us"], "width": row["width_us"], "places": places, **lists}


def _check(check: CheckResult) -> Row:
    worst = max((f.severity for f in check.findings), key=SEVERITIES.index, default=None)
    return {
        "name": visible(check.name),
        "group": check.group,
        "question": visible(check.question),
        "thresholds": {visible(name): visible(value) for name, value in check.thresholds.items()},
        "state": check.state,
        "why": visible(check.why),
        "worst": worst,
        "found_count": check.found_count,
        "found_amount": check.found_amount,
    }


def _finding(finding: Finding) -> Row:
    return {
        "check": visible(finding.check),
        "severity": finding.severity,
        "product": None if finding.product_id is None else visible(finding.product_id),
        "session": None if finding.session is None else visible(finding.session),
        "first_us": finding.first_us,
        "last_us": finding.last_us,
        "first_id": _cell(finding.first_id),
        "last_id": _cell(finding.last_id),
        "amount": finding.amount,
        "what": visible(finding.what),
    }
