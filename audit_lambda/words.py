"""
A report in words: the sentence under its verdict, its objective and budget, its span; and text of a lake made visible.

Laws: pure; a share is rounded down and a budget up, so that no rounding makes a lake look better than it is; what steers a terminal or a
browser's direction of writing is written out, not obeyed.
Refuses to know: HTML, mail, terminals.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from sql.hours import EPOCH

if TYPE_CHECKING:
    from audit_lambda.findings import Verdict
    from audit_lambda.report import CheckResult, Evidence, Report, Slo

VERDICT_WORDS: Final[dict[Verdict, str]] = {
    "whole": "Whole",
    "healed": "Healed",
    "unproven": "Unproven",
    "holes": "Holes",
    "damaged": "Damaged",
}
LONGEST_TEXT: Final = 500
# Controls, zero-width and directional characters, separators of lines, tags, and halves of surrogate pairs.
_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACE: Final = re.compile("[\t\n\r]+")
_NAMED_MOST: Final = 3
_FROM_HERE_TIMES: Final = 10


def say_why(report: Report) -> str:
    """One or two sentences: why the verdict is what it is, and what was not looked at."""
    return f"{_WHYS[report.verdict](report)}{_not_run(report)}"


def _whole(report: Report) -> str:
    slo = report.slo
    here = f"All {_count(slo.expected, 'trade id')} are here" if slo.expected else _quiet(report.evidence)
    suspicious = sum(f.severity == "warning" for check in report.checks for f in check.findings)
    aside = f" {_count(suspicious, 'thing')} {'looks' if suspicious == 1 else 'look'} odd, below." if suspicious else ""
    return f"{here}, and nothing contradicts it.{aside}"


def _quiet(evidence: Evidence | None) -> str:
    if evidence is not None and evidence.minutes:
        return f"No trade came in {_count(evidence.minutes, 'minute')} of a product that somebody watched"
    if evidence is not None and evidence.prices:
        return f"{_count(evidence.prices, 'polled price')} {'is' if evidence.prices == 1 else 'are'} here"
    return "No trade was to be expected"


def _healed(report: Report) -> str:
    healed = _sum_of_figure(report, "products", "healed")
    by_itself = f"that did not come by {'itself' if healed == 1 else 'themselves'}"
    trades = f"{_count(healed, 'trade')} {by_itself}" if healed else "What did not come by itself"
    return f"{trades} {'was' if healed in {0, 1} else 'were'} fetched afterwards. Nothing is missing now."


def _unproven(report: Report) -> str:
    asked = sum(check.state != "not_run" for check in report.checks)
    if not asked:
        return "No check was run, so this says nothing yet."
    if report.evidence is not None and not report.evidence.is_any:
        if report.evidence.why:
            return f"Whether there was anything to be judged could not be asked: {visible(report.evidence.why.rstrip('.'))}."
        return "Nothing was to be judged in this time: no trade is known, and nobody testified to having watched."
    return "Nothing that was looked at is missing, but not everything was looked at."


def _holes(report: Report) -> str:
    slo = report.slo
    if not slo.missing:
        return "Something is missing, and it is named below."
    are = "is" if slo.missing == 1 else "are"
    return f"{slo.missing:,} of {_count(slo.expected, 'trade id')} {are} missing, and the holes are named below."


def _damaged(report: Report) -> str:
    slo = report.slo
    missing = f" {slo.missing:,} of {_count(slo.expected, 'trade id')} are missing." if slo.missing else ""
    damaged = [check for check in report.checks if any(f.severity == "damage" for f in check.findings)]
    if not damaged:
        return f"What the lake holds is not what it was sent.{missing}"
    checks = "check" if len(damaged) == 1 else "checks"
    return f"The lake contradicts itself or its producers: see the {checks} {_names(damaged)}.{missing}"


_WHYS: Final = {"whole": _whole, "healed": _healed, "unproven": _unproven, "holes": _holes, "damaged": _damaged}


def _names(checks: list[CheckResult]) -> str:
    named = [visible(check.name).replace("_", " ") for check in checks[:_NAMED_MOST]]
    left = len(checks) - len(named)
    return ", ".join(named) + (f" and {left} more" if left else "")


def _not_run(report: Report) -> str:
    said = ""
    for state, how in (("not_run", "not run"), ("partly", "run in part")):
        count = sum(check.state == state for check in report.checks)
        if count and not (state == "not_run" and count == len(report.checks)):
            said += f" {count} of {len(report.checks)} checks {'was' if count == 1 else 'were'} {how}."
    return said


def _sum_of_figure(report: Report, name: str, column: str) -> int:
    """The sum over a figure's column; 0 where the report has no such figure."""
    for figure in report.figures:
        if figure.name == name and column in figure.columns:
            place = figure.columns.index(column)
            return sum(row[place] for row in figure.rows if isinstance(row[place], int))
    return 0


def say_share(slo: Slo) -> str:
    """What share of the trade ids is here: `99.9987 %`, rounded down to what tells it from all."""
    if slo.share is None:
        return f"Not counted: {visible(slo.why.rstrip('.'))};" if slo.why else "No trade id was to be expected;"
    return f"{_percent(Decimal(slo.share))} of {_count(slo.expected, 'trade id')} {'is' if slo.expected == 1 else 'are'} here;"


def say_objective(slo: Slo) -> str:
    """The objective, as it goes on after say_share, and on which days it was missed."""
    missed = [day for day in slo.days if not day.met]
    if len(slo.days) > 1 and missed:
        worst = min(missed, key=lambda day: Decimal(day.share or 0))
        where = f"missed on {len(missed)} of {len(slo.days)} days, most on {worst.day}"
        return f"the objective is {_percent(Decimal(slo.target))} of each day, {where}."
    return f"the objective is {_percent(Decimal(slo.target))}{' of each day' if len(slo.days) > 1 else ''}."


def say_budget(slo: Slo) -> str:
    """What is used of the error budget: how many may be missing, and how many are."""
    if slo.budget_used is None:
        return f"{slo.missing:,} missing, and no budget for it." if slo.missing else "No error budget was used."
    allowed = int((1 - Decimal(slo.target)) * slo.expected)
    used = Decimal(slo.budget_used)
    if used >= _FROM_HERE_TIMES:
        spent = f"Error budget: used {int(used.to_integral_value(ROUND_CEILING)):,} times over"
    else:
        spent = f"Error budget: {int((used * 100).to_integral_value(ROUND_CEILING)):,}\u00a0% used"
    return f"{spent}. {slo.missing:,} missing, {allowed:,} allowed."


def _percent(fraction: Decimal) -> str:
    percent = (fraction * 100).quantize(Decimal("0.0001"), ROUND_FLOOR)
    return f"{format(percent, 'f').rstrip('0').rstrip('.')}\u00a0%"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say_span(report: Report) -> str:
    """The time that was audited; of an audit from the beginning, the time that anything is known of."""
    if report.from_us:
        return _between(report.from_us, report.to_us)
    known = next((f.rows[0] for f in report.figures if f.name == "minutes" and f.rows), None)
    if known is None:
        return f"everything until {say_instant(report.to_us)}"
    _, start_us, cell_us, cells, *_ = known
    return f"{_between(start_us, start_us + cell_us * cells)}, all that is known"


def _between(from_us: int, to_us: int) -> str:
    first, last = say_instant(from_us), say_instant(to_us)
    return f"{first.removesuffix(' UTC')} to {last}"


def say_instant(at_us: int) -> str:
    """An instant to the second, in UTC; one that no calendar has is said to be one."""
    try:
        return f"{EPOCH + timedelta(microseconds=at_us):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return "the end of time"


def visible(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text of a lake as a person may see it: hidden and steering characters written out as `⟨U+202E⟩`, and cut where it is too long."""
    shown = _HIDDEN.sub(lambda match: f"\u27e8U+{ord(match[0]):04X}\u27e9", _SPACE.sub(" ", text[:longest]))
    return shown if len(text) <= longest else f"{shown}\u2026 ({len(text):,} characters)"
