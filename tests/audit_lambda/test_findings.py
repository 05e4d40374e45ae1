"""A check's rows as findings."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from audit_lambda.findings import FINDING_COLUMNS, SEVERITIES, VERDICTS, Finding, Severity, Verdict, decode_findings

ROW = ("hole", "BTC-USD", None, 1, 2, 10, 19, Decimal(10), "disconnected")


def test_a_row_is_a_finding_and_a_sum_without_places_a_number() -> None:
    assert [
        Finding(
            check="trades",
            group="completeness",
            severity="hole",
            product_id="BTC-USD",
            session=None,
            first_us=1,
            last_us=2,
            first_id=10,
            last_id=19,
            amount=10,
            what="disconnected",
        )
    ] == decode_findings("trades", "completeness", [ROW])


def test_a_severity_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="completeness/trades gave the severity 'bad'"):
        decode_findings("trades", "completeness", [("bad", *ROW[1:])])


def test_the_columns_are_the_findings_fields_in_their_order() -> None:
    fields = [name for name in Finding.__dataclass_fields__ if name not in {"check", "group"}]
    assert list(FINDING_COLUMNS) == fields


def test_severities_and_verdicts_go_from_harmless_to_worst() -> None:
    assert ("notice", "warning", "healed", "hole", "damage") == SEVERITIES == get_args(Severity)
    assert ("whole", "healed", "unproven", "holes", "damaged") == VERDICTS == get_args(Verdict)
