"""
A report as one HTML page: its verdict in the markup itself, figures and tables drawn by the page's own script from the data inside it.

Laws: one file that asks no network for anything, and a policy in it that lets a browser run nothing but this script; every text of a lake is
escaped, in the markup and in the data; the same report makes the same bytes.
Refuses to know: where a page is kept, who reads it, and how its figures were asked.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from audit_lambda.page_data import decode_page
from audit_lambda.words import (
    VERDICT_WORDS,
    say_budget,
    say_instant,
    say_objective,
    say_share,
    say_span,
    say_why,
    visible,
)

if TYPE_CHECKING:
    from audit_lambda.findings import Verdict
    from audit_lambda.report import Report, Slo

_PARTS: Final = Path(__file__).parent / "page_parts"
# One script, in the order its parts build on each other.
SCRIPTS: Final = ("base.js", "map.js", "prices.js", "tables.js", "main.js")
_MARKS: Final[dict[Verdict, str]] = {
    "whole": '<circle cx="24" cy="24" r="20"/><path d="M15 25l6.5 6.5L34 18"/>',
    "healed": '<circle cx="24" cy="24" r="20"/><path d="M24 15v18M15 24h18"/>',
    "unproven": '<circle cx="24" cy="24" r="20"/><path d="M18.5 19a5.5 5.5 0 1 1 8 5c-1.8 1-2.5 2-2.5 4M24 34v.5"/>',
    "holes": '<path d="M17 5.3a20 20 0 0 0-7.2 32.8M31 5.3a20 20 0 0 1 7.2 32.8M18 43a20 20 0 0 0 12 0"/>',
    "damaged": '<path d="M24 5L45 42H3z"/><path d="M24 19v10M24 35.5v.5"/>',
}
_STEPS: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def render_page(report: Report) -> str:
    """The page. Shapes: HTML in ASCII and UTF-8 alike where the lake's own texts are; at most a few megabytes, whatever the span."""
    style, script = _part("page.css"), _script()
    used, notch = _bar(report.slo)
    span = say_span(report)
    title = f"{VERDICT_WORDS[report.verdict]}: {visible(report.lake)}, {span}"
    return Template(_part("page.html")).substitute(
        policy=html.escape(policy(style=style, script=script)),
        title=html.escape(title),
        style=style,
        verdict=report.verdict,
        lake=html.escape(visible(report.lake)),
        mark=_MARKS[report.verdict],
        word=VERDICT_WORDS[report.verdict],
        why=html.escape(say_why(report)),
        share=html.escape(say_share(report.slo)),
        objective=html.escape(say_objective(report.slo)),
        budget=html.escape(say_budget(report.slo)),
        used=f"{used:.2f}",
        notch=f"{notch:.2f}",
        facts=_facts(report, span),
        colophon="Made by ticklake. The report beside this page, as JSON, says the same.",
        report=encode_inline(decode_page(report)),
        script=script,
    )


def policy(*, style: str, script: str) -> str:
    """
    What a browser may do with the page: run this script, use this style, and nothing else; text never becomes markup.

    Source: W3C, Content Security Policy Level 3; Trusted Types.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def encode_inline(value: object) -> str:
    """JSON that may stand inside a script element: with no `<`, nothing in it can end the element or open a comment."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return '(() => {\n"use strict";\n' + "\n".join(map(_part, SCRIPTS)) + "})();\n"


def _bar(slo: Slo) -> tuple[float, float]:
    """
    How much of the budget's bar is filled, and where the notch stands that says all of the budget; of 100.

    A budget used more than once fills the bar, and the notch moves in: the bar is then what was used.
    """
    used = float(slo.budget_used) if slo.budget_used is not None else float("inf") if slo.missing else 0.0
    if used > 1:
        return 100.0, 100 / used
    return max(100 * used, 1.0 if used else 0.0), 100.0


def _facts(report: Report, span: str) -> str:
    facts = {
        "Time": span,
        "Engine": visible(report.engine),
        "Made": say_instant(report.made_us),
        "Checks": f"{sum(check.state != 'not_run' for check in report.checks)} of {len(report.checks)} run",
    }
    if report.scanned_bytes is not None:
        facts["Read"] = _say_bytes(report.scanned_bytes)
    return "".join(f"<div><dt>{name}</dt><dd><bdi>{_keep(said)}</bdi></dd></div>" for name, said in facts.items())


def _keep(said: str) -> str:
    """Escaped text whose dates are not broken in two."""
    return re.sub(r"\d{4}-\d\d-\d\d", r'<span class="keep">\g<0></span>', html.escape(said))


def _say_bytes(read_bytes: int) -> str:
    return next(
        (f"{read_bytes / step:.3g} {unit}" for unit, step in _STEPS if read_bytes >= step), f"{read_bytes} bytes"
    )
