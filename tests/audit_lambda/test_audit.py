"""An audit asks every check, says which it could not ask, and refuses values before it asks anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from audit_lambda.audit import Progress, ThresholdUnknown, audit_lake, list_thresholds
from audit_lambda.checks import load_checks, load_figures
from audit_lambda.report import CheckResult, decode_report, encode_report
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.dialect import ATHENA
from sql.engine import Answer, EngineFailed
from sql.questions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlglot import exp

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOW_US = 1_795_478_400_000_000


class TellingEngine:
    """Answers with what it is told, and remembers the questions."""

    name = "telling"

    def __init__(self, answer: Callable[[exp.Query], list[tuple[Any, ...]]]) -> None:
        self._answer = answer
        self.asked: list[exp.Query] = []

    def ask(self, question: exp.Query) -> Answer:
        self.asked.append(question)
        return Answer(columns=(), types=(), rows=self._answer(question), scanned_bytes=10)


def nothing(_: exp.Query) -> list[tuple[Any, ...]]:
    return []


def refuse(_: exp.Query) -> list[tuple[Any, ...]]:
    raise EngineFailed(engine="telling", why="it is Sunday")


def one_finding(question: exp.Query) -> list[tuple[Any, ...]]:
    row = ("hole", "BTC-USD", None, 1, 2, 10, 19, Decimal(10), "disconnected", Decimal(5_000), Decimal(50_000))
    return [row] if "found_count" in question.named_selects else []


def test_a_lake_without_findings_is_whole_every_check_is_told_of_and_nothing_after_now_is_judged() -> None:
    engine, told = TellingEngine(nothing), list[Progress]()
    values = {"from": "2026-11-23", "to": "2027-01-01"}
    thresholds = {"trades.settle": "77ms"}
    report = audit_lake(engine, lake="lake", values=values, now=NOW, thresholds=thresholds, on_progress=told.append)
    count = len(load_checks()) + len(load_figures()) + 1
    assert ("whole", NOW_US) == (report.verdict, report.made_us)
    assert (NOW_US - 86_400_000_000, NOW_US) == (report.from_us, report.to_us)
    assert {"passed"} == {check.state for check in report.checks}
    assert (count, 10 * count) == (len(engine.asked), report.scanned_bytes)
    assert [(number, count) for number in range(1, count + 1)] == [(each.number, each.count) for each in told]
    # A threshold goes to its check alone, and into the report.
    assert 1 == sum("77000" in question.sql(ATHENA) for question in engine.asked)
    assert {"77ms"} == {check.thresholds["settle"] for check in report.checks if check.name == "trades"}


def test_a_finding_makes_the_verdict_and_what_is_not_named_is_counted() -> None:
    report = audit_lake(TellingEngine(one_finding), lake="lake", values={}, now=NOW)
    (first, *_) = report.checks
    assert ("holes", "found", 5_000, 50_000) == (report.verdict, first.state, first.found_count, first.found_amount)
    assert (10, 19, 10) == (first.findings[0].first_id, first.findings[0].last_id, first.findings[0].amount)
    assert (0, NOW_US) == (report.from_us, report.to_us)


def test_an_engine_that_fails_leaves_checks_unproven_with_the_reason_and_all_are_asked() -> None:
    engine = TellingEngine(refuse)
    extra = CheckResult("objects", "integrity", "?", {}, "passed")
    report = audit_lake(engine, lake="lake", values={}, now=NOW, extra=[extra])
    assert "unproven" == report.verdict
    assert {("not_run", "it is Sunday")} == {(check.state, check.why) for check in report.checks[:-1]}
    assert extra == report.checks[-1]
    assert "it is Sunday" == report.slo.why
    assert {"it is Sunday"} >= {figure.why for figure in report.figures}
    assert len(engine.asked) == len(load_checks()) + len(load_figures()) + 1


@pytest.mark.parametrize("values", [{"from": "yesterday"}, {"to": "soon"}])
def test_an_instant_that_is_none_is_refused_before_anything_is_asked(values: dict[str, str]) -> None:
    engine = TellingEngine(nothing)
    with pytest.raises(ValueRefused):
        audit_lake(engine, lake="lake", values=values, now=NOW)
    assert [] == engine.asked


@pytest.mark.parametrize("name", ["trades", "trades.nothing", "nothing.settle", "trades.product", "trades.now"])
def test_a_threshold_that_no_check_has_is_refused(name: str) -> None:
    engine = TellingEngine(nothing)
    with pytest.raises(ThresholdUnknown, match=r"trades\.settle"):
        audit_lake(engine, lake="lake", values={}, now=NOW, thresholds={name: "1m"})
    assert [] == engine.asked


def test_a_threshold_that_cannot_be_one_is_refused_before_anything_is_asked() -> None:
    engine = TellingEngine(nothing)
    with pytest.raises(ValueRefused):
        audit_lake(engine, lake="lake", values={}, now=NOW, thresholds={"sessions.settle": "long"})
    assert [] == engine.asked


def test_thresholds_have_defaults() -> None:
    assert "20m" == list_thresholds()["trades.settle"]


def test_an_empty_lake_is_asked_everything_and_the_report_goes_through_json(tmp_path: Path) -> None:
    with open_lake(tmp_path) as lake:
        report = audit_lake(LakeEngine(lake), lake=str(tmp_path), values={}, now=NOW)
    assert [] == [check for check in report.checks if check.state == "not_run"]
    assert [] == [figure for figure in report.figures if figure.why]
    assert ("whole", None) == (report.verdict, report.slo.met)
    assert report == decode_report(json.loads(json.dumps(encode_report(report))))
