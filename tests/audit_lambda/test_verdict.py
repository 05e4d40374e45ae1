"""The verdict is the worst finding's; the objective is judged day by day, in integers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.findings import VERDICTS, Finding, Severity
from audit_lambda.report import CheckResult, Evidence, Slo, SloDay
from audit_lambda.verdict import TARGET, decide_verdict, judge_slo

if TYPE_CHECKING:
    from audit_lambda.findings import Verdict

NOT_RUN = CheckResult("lines", "conservation", "?", {}, "not_run", why="no such table")
PASSED = CheckResult("sessions", "completeness", "?", {}, "passed")
# As written here, from harmless to worst.
MAKES: dict[Severity, Verdict] = {
    "notice": "whole",
    "warning": "whole",
    "healed": "healed",
    "hole": "holes",
    "damage": "damaged",
}


def found(*severities: Severity) -> CheckResult:
    findings = tuple(
        Finding("trades", "completeness", severity, "BTC-USD", None, None, None, 1, 2, 2, "") for severity in severities
    )
    return CheckResult("trades", "completeness", "?", {}, "found", found_count=len(findings), findings=findings)


@pytest.mark.parametrize("severity", get_args(Severity))
def test_each_severity_makes_its_verdict(severity: Severity) -> None:
    assert MAKES[severity] == decide_verdict([PASSED, found(severity)])


@given(st.lists(st.sampled_from(get_args(Severity)), min_size=1))
def test_the_worst_of_many_decides(severities: list[Severity]) -> None:
    worst = max((MAKES[severity] for severity in severities), key=VERDICTS.index)
    assert worst == decide_verdict([found(*severities)])
    assert worst == decide_verdict([found(severity) for severity in severities])


@pytest.mark.parametrize(
    ("severity", "verdict"),
    [("notice", "unproven"), ("healed", "unproven"), ("hole", "holes"), ("damage", "damaged")],
)
def test_with_a_check_that_was_not_run_nothing_is_whole_and_nothing_worse_is_hidden(
    severity: Severity, verdict: Verdict
) -> None:
    assert verdict == decide_verdict([NOT_RUN, found(severity)])
    assert verdict == decide_verdict([replace(found(severity), state="partly")])


def test_who_asks_nothing_proves_nothing() -> None:
    assert "unproven" == decide_verdict([])
    assert "whole" == decide_verdict([PASSED])


@pytest.mark.parametrize("evidence", [Evidence(1, 0, 0), Evidence(0, 1, 0), Evidence(0, 0, 1), None])
def test_a_trade_a_watched_minute_or_a_polled_price_can_be_judged(evidence: Evidence | None) -> None:
    assert "whole" == decide_verdict([PASSED], evidence=evidence)


def test_where_there_was_nothing_to_judge_nothing_is_whole_and_nothing_worse_is_hidden() -> None:
    assert "unproven" == decide_verdict([PASSED], evidence=Evidence(0, 0, 0))
    assert "unproven" == decide_verdict([found("healed")], evidence=Evidence(0, 0, 0))
    assert "damaged" == decide_verdict([found("damage")], evidence=Evidence(0, 0, 0))


def test_the_default_objective_is_four_nines() -> None:
    assert Decimal("99.99") == TARGET * 100


def test_a_days_budget_is_a_ten_thousandth_of_its_ids() -> None:
    slo = judge_slo([("2026-11-23", 1_200_000, 30), ("2026-11-24", 1_200_000, 0)], target=TARGET)
    assert slo == Slo(
        target="0.9999",
        expected=2_400_000,
        missing=30,
        share="0.9999875",
        budget_used="0.125",
        met=True,
        days=(
            SloDay("2026-11-23", 1_200_000, 30, "0.999975", "0.25", met=True),
            SloDay("2026-11-24", 1_200_000, 0, "1", "0", met=True),
        ),
    )


def test_a_good_day_does_not_make_up_for_a_bad_one() -> None:
    slo = judge_slo([("2026-11-23", 10_000, 2), ("2026-11-24", 90_000, 0)], target=TARGET)
    assert ("0.2", False, [False, True]) == (slo.budget_used, slo.met, [day.met for day in slo.days])


def test_what_is_rounded_is_rounded_to_the_worse_and_decides_nothing() -> None:
    (day,) = judge_slo([("2026-11-23", 30_000_000_000_001, 3_000_000_000)], target=TARGET).days
    assert ("0.9999", "1", True) == (day.share, day.budget_used, day.met)
    (day,) = judge_slo([("2026-11-23", 29_999_999_999_999, 3_000_000_000)], target=TARGET).days
    assert ("0.999899999999", "1.000000000001", False) == (day.share, day.budget_used, day.met)


def test_all_of_the_budget_may_be_used_and_no_more() -> None:
    days = judge_slo([("a", 20_000, 2), ("b", 20_000, 3)], target=TARGET).days
    assert [("1", True), ("1.5", False)] == [(day.budget_used, day.met) for day in days]


def test_a_target_of_all_has_no_budget() -> None:
    days = judge_slo([("a", 5, 0), ("b", 5, 1)], target=Decimal(1)).days
    assert [("0", True), (None, False)] == [(day.budget_used, day.met) for day in days]


def test_where_no_trade_was_expected_nothing_is_said() -> None:
    assert Slo("0.9999", 0, 0, None, None, met=None) == judge_slo([], target=TARGET)
