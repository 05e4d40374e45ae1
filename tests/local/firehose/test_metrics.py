"""Metrics by AWS's names."""

from __future__ import annotations

import pytest

from local.firehose.metrics import UNITS, Metrics


def test_a_minute_has_its_statistics() -> None:
    metrics = Metrics()
    for amount, now_ms in ((4, 60_000), (2, 119_999), (9, 120_000)):
        metrics.record("IncomingBytes", amount, now_ms)
    first, second = metrics.statistics("IncomingBytes")
    assert (60_000, 6, 2, 2, 4) == (
        first.minute_ms,
        first.total,
        first.samples_count,
        first.minimum,
        first.maximum,
    )
    assert (120_000, 9) == (second.minute_ms, second.total)
    assert (15, ["IncomingBytes"]) == (metrics.total("IncomingBytes"), list(metrics.names()))
    assert () == metrics.statistics("IncomingRecords")


def test_a_name_that_aws_does_not_have_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no metric of AWS/Firehose"):
        Metrics().record("FailedProcessing.Records", 1, 0)
    assert "FailedProcessing.Records" not in UNITS


def test_a_day_of_minutes_is_kept() -> None:
    metrics = Metrics()
    for minute in range(1500):
        metrics.record("IncomingBytes", 1, minute * 60_000)
    kept = metrics.statistics("IncomingBytes")
    assert (1440, 60 * 60_000) == (len(kept), kept[0].minute_ms)
