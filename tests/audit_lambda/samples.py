"""Reports and findings as the tests of what an audit tells want them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from audit_lambda.findings import Finding
from audit_lambda.report import CheckResult, Report, Slo
from audit_lambda.spans import decode_event
from sql.hours import hour_start_us

if TYPE_CHECKING:
    from audit_lambda.findings import Severity

NOW_US: Final = hour_start_us("2026/11/23/06")
HOURLY: Final = decode_event({"span": "hourly", "at": "2026-11-23T05:35:00Z"}, now_us=NOW_US)
DAILY: Final = decode_event({"span": "daily", "at": "2026-11-23T01:50:00Z"}, now_us=NOW_US)
ASKED: Final = decode_event({"from": "2026-11-20", "to": "2026-11-20T12:00:00.5"}, now_us=NOW_US)


def finding(severity: Severity, amount: int, **changes: Any) -> Finding:
    made = Finding(
        check="trade_ids",
        group="completeness",
        severity=severity,
        product_id="BTC-USD",
        session=None,
        first_us=HOURLY.from_us,
        last_us=HOURLY.from_us,
        first_id=5,
        last_id=4 + amount,
        amount=amount,
        what=f"{amount} trade ids",
    )
    return replace(made, **changes)


def report(*findings: Finding, **changes: Any) -> Report:
    by_check: dict[tuple[str, Any], list[Finding]] = {}
    for each in findings:
        by_check.setdefault((each.check, each.group), []).append(each)
    checks = tuple(
        CheckResult(
            name=name,
            group=group,
            question="?",
            thresholds={},
            state="found",
            found_count=len(found),
            found_amount=sum(each.amount for each in found),
            findings=tuple(found),
        )
        for (name, group), found in by_check.items()
    )
    made = Report(
        lake="ticklake",
        engine="Athena",
        from_us=HOURLY.from_us,
        to_us=HOURLY.to_us,
        made_us=HOURLY.to_us + 1,
        verdict="whole",
        slo=Slo(target="0.9999", expected=100_000, missing=0, share="1", budget_used="0"),
        checks=checks,
        figures=(),
        scanned_bytes=12_000_000,
    )
    return replace(made, **changes)


NOT_RUN: Final = CheckResult(
    name="readable", group="integrity", question="?", thresholds={}, state="not_run", why="time was\nup"
)
