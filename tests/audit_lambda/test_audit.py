"""An audit asks every check, says which it could not ask, and refuses values before it asks anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from audit_lambda.audit import Progress, ThresholdUnknown, audit_lake, list_thresholds
from audit_lambda.checks import load_checks, load_figures, load_question, load_slo
from audit_lambda.report import CheckResult, Evidence, decode_report, encode_report
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from producer.continuity import Continuity
from sql.dialect import ATHENA
from sql.engine import Answer, EngineFailed
from sql.questions import ValueRefused, plan_query
from tests.audit_lambda.whole import FIRST, PRODUCTS, Producer, at, deliver
from tests.local.lake.trades import HOUR, SESSION, put, us

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlglot import exp

QUIET_NOW = datetime(2025, 3, 4, tzinfo=UTC)
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


def watched(question: exp.Query) -> list[tuple[Any, ...]]:
    """Nothing is found, and somebody watched for an hour."""
    return [(Decimal(60), Decimal(0))] if ["minutes", "prices"] == question.named_selects else []


def nothing(_: exp.Query) -> list[tuple[Any, ...]]:
    return []


def refuse(_: exp.Query) -> list[tuple[Any, ...]]:
    raise EngineFailed(engine="telling", why="it is Sunday")


def one_finding(question: exp.Query) -> list[tuple[Any, ...]]:
    row = ("hole", "BTC-USD", None, 1, 2, 10, 19, Decimal(10), "disconnected", Decimal(5_000), Decimal(50_000))
    return [row] if "found_count" in question.named_selects else []


def test_a_lake_without_findings_is_whole_every_check_is_told_of_and_nothing_after_now_is_judged() -> None:
    engine, told = TellingEngine(watched), list[Progress]()
    values = {"from": "2026-11-23", "to": "2027-01-01"}
    thresholds = {"trades.settle": "77ms"}
    report = audit_lake(engine, lake="lake", values=values, now=NOW, thresholds=thresholds, on_progress=told.append)
    count = len(load_checks()) + len(load_figures()) + 2
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
    assert len(engine.asked) == len(load_checks()) + len(load_figures()) + 2
    assert report.evidence is not None
    assert "it is Sunday" == report.evidence.why


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
    assert ("unproven", True, None) == (report.verdict, report.is_empty, report.slo.met)
    assert report == decode_report(json.loads(json.dumps(encode_report(report))))


def test_where_nothing_was_to_be_judged_nothing_is_proven() -> None:
    report = audit_lake(TellingEngine(nothing), lake="lake", values={}, now=NOW)
    assert ("unproven", True, Evidence(0, 0, 0)) == (report.verdict, report.is_empty, report.evidence)
    assert {"passed"} == {check.state for check in report.checks}


def test_what_is_found_is_said_though_nothing_else_was_there() -> None:
    report = audit_lake(TellingEngine(one_finding), lake="lake", values={}, now=NOW)
    assert ("holes", False, Evidence(0, 0, 0)) == (report.verdict, report.is_empty, report.evidence)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of one product, watched for ten minutes in which nobody traded, by a producer that has closed."""
    root = tmp_path_factory.mktemp("quiet") / "lake"
    producer = Producer(FIRST, Continuity())
    producer.open(0)
    for seconds in range(1, 600):
        producer.second(seconds, None)
    producer.close(600)
    deliver(root, "one", [line for _, line in producer.lines], at(600))
    return root


@pytest.mark.parametrize(
    ("span", "settle", "verdict"),
    [
        ({}, "1ms", "whole"),
        ({"product": PRODUCTS[0], "from": "2025-03-03T02:52"}, "1ms", "whole"),
        ({}, "3d", "unproven"),
    ],
)
def test_a_quiet_product_that_somebody_watched_is_whole_and_what_nobody_watched_is_not(
    quiet: Path, span: dict[str, str], settle: str, verdict: str
) -> None:
    with open_lake(quiet) as lake:
        report = audit_lake(LakeEngine(lake), lake="lake", values=span, now=QUIET_NOW, settle=settle)
    assert verdict == report.verdict
    assert (verdict == "unproven") == report.is_empty
    assert [] == [check for check in report.checks if check.state == "not_run"]


@pytest.mark.parametrize("span", [{"product": "ZZZ-USD"}, {"from": "2025-03-03T04:00"}, {"to": "2025-03-03T02:00"}])
def test_beside_what_was_watched_there_is_nothing_to_judge(quiet: Path, span: dict[str, str]) -> None:
    with open_lake(quiet) as lake:
        ask = LakeEngine(lake).ask
        ((minutes, prices),) = ask(
            plan_query(load_question("evidence"), {"now": QUIET_NOW.isoformat(), "settle": "1ms", **span})
        ).rows
        days = ask(plan_query(load_slo(), {"now": QUIET_NOW.isoformat(), "settle": "1ms", **span})).rows
    assert (0, 0, 0) == (minutes, prices, sum(int(expected) for _, expected, _ in days))


def test_polled_prices_alone_are_something_to_judge(tmp_path: Path) -> None:
    row = {"kind": "spot", "product_id": "BTC-USD", "session": SESSION, "n": 0, "source": "spot_rest", "price": "1.5"}
    at_us = us(HOUR)
    put(tmp_path, "one", [row | {"event_time_us": at_us, "receive_time_us": at_us}], kind="spot")
    with open_lake(tmp_path) as lake:
        ask = LakeEngine(lake).ask
        ((minutes, prices),) = ask(plan_query(load_question("evidence"), {"now": NOW.isoformat()})).rows
    assert (0, 1) == (minutes, prices)
