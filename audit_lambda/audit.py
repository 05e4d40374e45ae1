"""
An audit: every check asked of one engine, what each found, the verdict, the objective and the figures.

Laws: a check that the engine could not answer is in the report as not run, with the reason, and the others are asked all the same; nothing
is asked before every value is known to be one. `now` is an argument.
Refuses to know: which engine it is, what the checks ask, files and buckets, HTML.
"""

# ruff: noqa: N818  # errors are named for what is wrong, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from audit_lambda.checks import EVIDENCE, SCOPE, load_checks, load_figures, load_question, load_slo, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from audit_lambda.report import CheckResult, Evidence, Figure, Report, Slo
from audit_lambda.verdict import TARGET, decide_verdict, judge_slo
from sql.engine import EngineFailed, encode_cell
from sql.hours import EPOCH
from sql.questions import ValueRefused, decode_instant_us, plan_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from sqlglot import exp

    from audit_lambda.checks import Check
    from sql.engine import Answer, Engine
    from sql.questions import Query

_US: Final = timedelta(microseconds=1)
_WANTED: Final = "an instant of 1970 or later is wanted, such as 2026-11-23 or 2026-11-23T02:30 (UTC)"


class ThresholdUnknown(Exception):
    """A threshold for a check that is none, or that has no such parameter."""

    def __init__(self, *, name: str, known: Sequence[str]) -> None:
        self.name = name
        super().__init__(f"No check has the threshold {name}. Thresholds are: {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Progress:
    """One question of `count` is answered: `found` findings, or None where it could not be asked (or is no check)."""

    number: int
    count: int
    name: str
    found: int | None
    why: str = ""


def ignore_progress(_: Progress) -> None:
    """Tell nobody."""


def audit_lake(
    engine: Engine,
    *,
    lake: str,
    values: Mapping[str, str],
    now: datetime,
    thresholds: Mapping[str, str] | None = None,
    settle: str | None = None,
    target: Decimal = TARGET,
    on_progress: Callable[[Progress], None] = ignore_progress,
    extra: Sequence[CheckResult] = (),
) -> Report:
    """
    The report of one audit of the lake that the engine is connected to.

    Shapes: `values` may have `product`, `from` and `to`, as a person writes them; left out, all products, from the beginning, until now. `thresholds`
    are by `check.parameter`, such as `trades.lead`; `extra` are checks that were made beside SQL.
    Clock: nothing after `now` is judged, and what was received within `settle` before it may still be on its way (a duration, for every check
    that has this threshold and is not told otherwise; None: as the files say).
    Raises: ThresholdUnknown, ValueRefused, ParameterUnknown.
    """
    asked = _Asked(engine, on_progress)
    from_us, to_us = _decode_span(values, now)
    scope = _scope(values, to_us=to_us, now=now, settle=settle)
    figures, slo = load_figures(), load_slo()
    own = _divide({**_settled(settle), **(thresholds or {})})
    plans = _plan_checks(scope, own)
    asked.count = len(plans) + len(figures) + 2
    results = [*(_run(asked, check, plan, own.get(check.name, {})) for check, plan in plans), *extra]
    objective = _objective(asked, slo, scope, target)
    evidence = _weigh(asked, load_question(EVIDENCE), scope, objective)
    return Report(
        lake=lake,
        engine=engine.name,
        from_us=from_us,
        to_us=to_us,
        made_us=_us(now),
        verdict=decide_verdict(results, evidence=evidence),
        slo=objective,
        checks=tuple(results),
        figures=tuple(_draw(asked, figure, scope) for figure in figures),
        scanned_bytes=asked.scanned_bytes,
        evidence=evidence,
    )


def refuse_nonsense(
    *, values: Mapping[str, str], now: datetime, thresholds: Mapping[str, str], settle: str | None
) -> None:
    """
    Nothing, where audit_lake takes these values: to be told before anything is read.

    Raises: ThresholdUnknown, ValueRefused, ParameterUnknown.
    """
    _, to_us = _decode_span(values, now)
    scope = _scope(values, to_us=to_us, now=now, settle=settle)
    _plan_checks(scope, _divide({**_settled(settle), **thresholds}))


def list_thresholds() -> dict[str, str]:
    """Every threshold, `check.parameter`, and its default."""
    return {f"{check.name}.{name}": text for check in load_checks() for name, text in check.thresholds.items()}


def _scope(values: Mapping[str, str], *, to_us: int, now: datetime, settle: str | None) -> dict[str, str]:
    return {**values, "to": _instant(to_us), "now": _instant(_us(now))} | ({"settle": settle} if settle else {})


def _plan_checks(scope: Mapping[str, str], own: Mapping[str, Mapping[str, str]]) -> list[tuple[Check, exp.Query]]:
    return [(check, _plan_check(check, tuple({**scope, **own.get(check.name, {})}.items()))) for check in load_checks()]


# Planned once for refuse_nonsense and for the audit after it.
@lru_cache(maxsize=32)
def _plan_check(check: Check, values: tuple[tuple[str, str], ...]) -> exp.Query:
    return plan_check(check, dict(values))


def _settled(settle: str | None) -> dict[str, str]:
    return {name: settle for name in list_thresholds() if settle and name.endswith(".settle")}


def _divide(thresholds: Mapping[str, str]) -> dict[str, dict[str, str]]:
    known = list_thresholds()
    own: dict[str, dict[str, str]] = {}
    for name, text in thresholds.items():
        if name not in known:
            raise ThresholdUnknown(name=name, known=sorted(known))
        check, _, parameter = name.partition(".")
        own.setdefault(check, {})[parameter] = text
    return own


def _decode_span(values: Mapping[str, str], now: datetime) -> tuple[int, int]:
    bounds = {"from": 0, "to": _us(now)}
    for name in values.keys() & bounds.keys():
        decoded = decode_instant_us(values[name])
        if decoded is None:
            raise ValueRefused(parameter=name, value=values[name], why=_WANTED)
        bounds[name] = decoded
    return bounds["from"], min(bounds["to"], _us(now))


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // _US


def _instant(instant_us: int) -> str:
    return (EPOCH + instant_us * _US).isoformat()


class _Asked:
    """An engine, and the count of what it was asked."""

    def __init__(self, engine: Engine, on_progress: Callable[[Progress], None]) -> None:
        self._engine, self._on_progress = engine, on_progress
        self.number, self.count = 0, 0
        self.scanned_bytes: int | None = None

    def ask(self, question: exp.Query) -> Answer:
        answer = self._engine.ask(question)
        if answer.scanned_bytes is not None:
            self.scanned_bytes = (self.scanned_bytes or 0) + answer.scanned_bytes
        return answer

    def tell(self, name: str, found: int | None, why: str = "") -> None:
        self.number += 1
        self._on_progress(Progress(self.number, self.count, name, found, why))


def _run(asked: _Asked, check: Check, plan: exp.Query, own: Mapping[str, str]) -> CheckResult:
    question, thresholds = check.query.question, {**check.thresholds, **own}
    try:
        rows = asked.ask(plan).rows
    except EngineFailed as failed:
        asked.tell(check.name, None, failed.why)
        return CheckResult(check.name, check.group, question, thresholds, "not_run", why=failed.why)
    findings = decode_findings(check.name, check.group, [row[: len(FINDING_COLUMNS)] for row in rows])
    count, amount = map(int, rows[0][len(FINDING_COLUMNS) :]) if rows else (0, 0)
    asked.tell(check.name, count)
    return CheckResult(
        name=check.name,
        group=check.group,
        question=question,
        thresholds=thresholds,
        state="found" if rows else "passed",
        found_count=count,
        found_amount=amount,
        findings=tuple(findings),
    )


def _objective(asked: _Asked, query: Query, scope: Mapping[str, str], target: Decimal) -> Slo:
    try:
        rows = asked.ask(_plan(query, scope)).rows
    except EngineFailed as failed:
        asked.tell(query.name, None, failed.why)
        return Slo(format(target, "f"), 0, 0, None, None, why=failed.why)
    asked.tell(query.name, None)
    return judge_slo([(str(day), int(expected), int(missing)) for day, expected, missing in rows], target=target)


def _weigh(asked: _Asked, query: Query, scope: Mapping[str, str], slo: Slo) -> Evidence:
    try:
        rows = asked.ask(_plan(query, scope)).rows
    except EngineFailed as failed:
        asked.tell(query.name, None, failed.why)
        return Evidence(slo.expected, 0, 0, why=failed.why)
    asked.tell(query.name, None)
    minutes, prices = (sum(int(row[place]) for row in rows) for place in (0, 1))
    return Evidence(slo.expected, minutes, prices, why=slo.why)


def _draw(asked: _Asked, query: Query, scope: Mapping[str, str]) -> Figure:
    try:
        answer = asked.ask(_plan(query, scope))
    except EngineFailed as failed:
        asked.tell(query.name, None, failed.why)
        return Figure(query.name, query.question, (), (), why=failed.why)
    asked.tell(query.name, None)
    rows = tuple(tuple(map(encode_cell, row)) for row in answer.rows)
    return Figure(query.name, query.question, answer.columns, rows)


def _plan(query: Query, scope: Mapping[str, str]) -> exp.Query:
    known = {parameter.name for parameter in query.parameters} & {*SCOPE, "settle"}
    return plan_query(query, {name: text for name, text in scope.items() if name in known})
