"""The check `partitions`: rows where the late-data rule puts them pass, whatever their lateness; rows moved elsewhere are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, Finding, decode_findings
from contract.rules import SECOND_US
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.hours import HOUR_US, lake_hour
from tests.local.lake.trades import HOUR, SESSION, put, ticker, us
from transform_lambda.partition import MIXED, decide_hour

if TYPE_CHECKING:
    from pathlib import Path

(CHECK,) = (check for check in load_checks() if check.name == "partitions")
HOUR_START_US = us(HOUR)
DAY_US = 24 * HOUR_US


def find(root: Path, **values: str) -> list[Finding]:
    with open_lake(root) as lake:
        rows = LakeEngine(lake).ask(plan_check(CHECK, {"to": "2027-06-01", **values})).rows
    return decode_findings("partitions", "integrity", [row[: len(FINDING_COLUMNS)] for row in rows])


def row(n: int, *, happened_us: int = HOUR_START_US, received_us: int | None = None, **changes: Any) -> dict[str, Any]:
    received_us = happened_us if received_us is None else received_us
    return ticker(n, event_time_us=happened_us, receive_time_us=received_us, **changes)


LATENESS = st.integers(-3 * HOUR_US, 40 * DAY_US)


@settings(max_examples=6)
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(
                [("ticker", "exchange_ws"), ("trade", "rest_heal"), ("ticker", "rest_heal"), ("coverage", "producer")]
            ),
            LATENESS,
            st.integers(0, 10 * DAY_US),
            st.booleans(),
        ),
        min_size=20,
        max_size=30,
    )
)
def test_rows_where_the_transform_puts_them_pass(lines: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """However late a line was received after it happened, and however long it then waited in a journal."""
    root = tmp_path_factory.mktemp("lake")
    for n, ((kind, source), late_us, waited_us, undivided) in enumerate(lines):
        received_us = HOUR_START_US + late_us
        arrival_us = received_us + waited_us
        made = row(n, received_us=received_us, kind=kind, source=source)
        hour = arrival_us // HOUR_US
        if not undivided:
            hour = decide_hour(kind=kind, source=source, happened_us=HOUR_START_US, arrival_us=arrival_us)
        put(root, f"{n}", [made], kind=MIXED if undivided else kind, hour=lake_hour(hour * HOUR_US))
    assert [] == find(root)


@pytest.mark.parametrize(
    ("kind", "hour", "severity", "said"),
    [
        ("trade", "2026/11/23/02", "damage", "which is for another kind"),
        ("ticker", "2026/11/23/01", "damage", "before the hour of what happened: 2026/11/23/02 to 2026/11/23/02"),
        (
            "ticker",
            "2026/11/23/03",
            "warning",
            "later than the hour of what happened, and not for its arrival: 2026/11/23/02",
        ),
        ("ticker", "2026/11/22/00", "damage", "before the hour"),
        (MIXED, "2026/11/22/23", "damage", "before the hour"),
    ],
)
def test_rows_that_lie_elsewhere_are_found(tmp_path: Path, kind: str, hour: str, severity: str, said: str) -> None:
    put(tmp_path, "moved", [row(5), row(6), row(9, happened_us=HOUR_START_US + 1)], kind=kind, hour=hour)
    put(tmp_path, "right", [row(7)])
    (finding,) = find(tmp_path)
    assert (severity, SESSION, 5, 9, 3) == (
        finding.severity,
        finding.session,
        finding.first_id,
        finding.last_id,
        finding.amount,
    )
    assert (HOUR_START_US, HOUR_START_US + 1) == (finding.first_us, finding.last_us)
    assert finding.what.startswith(f"3 rows of kind ticker lie under processed/coinbase/{kind}/{hour}")
    assert said in finding.what


def test_a_healed_trade_in_the_hour_it_arrived_lies_too_late(tmp_path: Path) -> None:
    late = row(1, received_us=HOUR_START_US + 3 * DAY_US, kind="trade", source="rest_heal")
    put(tmp_path, "a", [late], kind="trade", hour=lake_hour(HOUR_START_US + 3 * DAY_US))
    assert ["warning"] == [finding.severity for finding in find(tmp_path)]


def test_only_the_hours_audited_are_judged(tmp_path: Path) -> None:
    put(tmp_path, "a", [row(1)], hour="2026/11/23/04")
    assert 1 == len(find(tmp_path, **{"from": "2026-11-23T04", "to": "2026-11-23T05"}))
    assert [] == find(tmp_path, **{"from": "2026-11-23T05"})
    assert [] == find(tmp_path, to="2026-11-23T04")


def test_clocks_that_differ_are_a_threshold(tmp_path: Path) -> None:
    ahead = row(1, received_us=HOUR_START_US + HOUR_US + 120 * SECOND_US, happened_us=HOUR_START_US - 2 * DAY_US)
    put(tmp_path, "a", [ahead])
    assert [] == find(tmp_path)
    assert ["warning"] == [finding.severity for finding in find(tmp_path, skew="1m")]


def test_what_has_no_time_and_what_lies_under_no_hour_is_not_judged(tmp_path: Path) -> None:
    put(tmp_path, "a", [row(1) | {"kind": "refused", "event_time_us": None, "receive_time_us": None}], kind=MIXED)
    put(tmp_path, "b", [row(2)], hour="2026/13/40/99")
    assert [] == find(tmp_path)
