"""Lambda's way in: what is logged, what is raised."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from compact_lambda import handler as module
from compact_lambda.run import CompactionFailed
from infra.environment import SettingsRefused
from tests.compact_lambda.lakes import aws, failing
from tests.compact_lambda.test_settings import TOLD
from tests.compact_lambda.test_tables import glue_with_history
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path

MINUTES_15 = 900_000
LONG_AGO = 300 - 86_400 * 200  # these tests read the clock: their hours are closed whenever they run


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return MINUTES_15


def test_each_hour_is_a_line_and_the_metrics_are_the_last(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1, LONG_AGO), ticker(2, LONG_AGO + 3600)])
    with caplog.at_level(logging.INFO, logger="compact_lambda"):
        answer = module.compact(lake.place, lake="ticklake", remaining_ms=lambda: MINUTES_15)
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "compact_lambda"]
    assert ["hour_compacted", "hour_compacted", None] == [line.get("event") for line in lines]
    assert (2, "ticklake") == (lines[-1]["HoursCompacted"], lines[-1]["Lake"])
    assert (2, 0) == (answer["compacted"], answer["waiting"])


def test_a_failed_hour_is_raised_once_the_metrics_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1, LONG_AGO)])
    lake.athena.before = failing("UNLOAD")
    with caplog.at_level(logging.INFO, logger="compact_lambda"), pytest.raises(CompactionFailed, match="1 hours"):
        module.compact(lake.place, lake="ticklake", remaining_ms=lambda: MINUTES_15)
    assert 1 == json.loads(caplog.records[-1].getMessage())["HoursFailed"]


def test_the_function_finds_its_buckets_and_athena_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in TOLD.items():
        monkeypatch.setenv(name, text)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        for name in ("TICKLAKE_LAKE_BUCKET", "TICKLAKE_WORK_BUCKET"):
            s3.create_bucket(Bucket=TOLD[name])
        boto3.client("athena").create_work_group(Name=TOLD["TICKLAKE_WORKGROUP"], Configuration={})
        glue_with_history(TOLD["TICKLAKE_DATABASE"])
        answer = module.handler({}, Context())
    assert (0, 0) == (answer["compacted"], answer["waiting"])


def test_without_its_settings_it_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKLAKE_LAKE_BUCKET", raising=False)
    with pytest.raises(SettingsRefused, match="TICKLAKE_LAKE_BUCKET"):
        module.handler({}, Context())
