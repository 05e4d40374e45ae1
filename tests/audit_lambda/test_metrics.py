from __future__ import annotations

import json
import re
from typing import Any

import pytest

from audit_lambda.metrics import METRICS, metrics_line
from audit_lambda.report import Evidence, Slo
from infra import ROOT
from tests.audit_lambda.samples import NOT_RUN, finding, report


def told(*findings: Any, **changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(metrics_line(report(*findings, **changes), "hourly", now_ms=7))
    return line


def test_a_whole_lake_tells_that_it_was_audited_and_what_that_took() -> None:
    line = told()
    assert (1, 0, 0, 0, 12_000_000) == (
        line["Audits"],
        line["AuditVerdict"],
        line["AuditMissingUnnamed"],
        line["AuditBudgetUsed"],
        line["AuditScanned"],
    )
    assert ("ticklake", "hourly") == (line["Lake"], line["Span"])


def test_every_metric_has_its_value_at_the_root_and_dimensions_name_no_product() -> None:
    line = told(finding("damage", 5), finding("hole", 7))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert ("ticklake", [["Lake", "Span"]], 7) == (
        directive["Namespace"],
        directive["Dimensions"],
        line["_aws"]["Timestamp"],
    )
    assert [(each.name, each.unit) for each in METRICS] == [
        (each["Name"], each["Unit"]) for each in directive["Metrics"]
    ]
    assert all(isinstance(line[each.name], int | float) for each in METRICS)


def test_what_is_missing_is_told_by_whether_it_is_named() -> None:
    crossed = finding("damage", 3, check="crossed", group="consistency")
    line = told(finding("damage", 5), finding("damage", 6), finding("hole", 7), crossed, finding("warning", 9))
    assert (11, 7, 14, 1) == (
        line["AuditMissingUnnamed"],
        line["AuditMissingNamed"],
        line["AuditDamage"],
        line["AuditWarnings"],
    )


@pytest.mark.parametrize(
    ("verdict", "number"), [("whole", 0), ("healed", 1), ("unproven", 2), ("holes", 3), ("damaged", 4)]
)
def test_a_verdict_is_told_as_its_place_among_them(verdict: str, number: int) -> None:
    assert number == told(verdict=verdict)["AuditVerdict"]


def test_checks_that_could_not_run_are_counted() -> None:
    assert 1 == told(checks=(NOT_RUN,))["AuditChecksNotRun"]


def test_an_audit_of_nothing_is_unproven_and_alarms_nobody() -> None:
    line = told(verdict="unproven", evidence=Evidence(0, 0, 0), slo=Slo("0.9999", 0, 0, None, None))
    assert (2, 0, 0, 0) == tuple(
        line[name] for name in ("AuditVerdict", "AuditChecksNotRun", "AuditMissingUnnamed", "AuditDamage")
    )


def test_a_share_of_nothing_is_not_told() -> None:
    line = told(slo=Slo("0.9999", expected=0, missing=0, share=None, budget_used=None), scanned_bytes=None)
    assert not {"AuditBudgetUsed", "AuditScanned"} & line.keys()
    assert 250 == told(slo=Slo("0.9999", 10, 1, "0.9", "2.5"))["AuditBudgetUsed"]


def test_every_metric_stands_in_the_runbook_as_it_is_told() -> None:
    rows = re.findall(r"^\| `(Audit\w*)` \|", (ROOT.parent / "docs/operations.md").read_text(), flags=re.MULTILINE)
    assert [each.name for each in METRICS] == rows
