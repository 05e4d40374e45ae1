"""What a compaction tells, and that every metric is told."""

from __future__ import annotations

import json
from datetime import timedelta

from compact_lambda.metrics import METRICS, TEXT_LIMIT_CHARS, hour_line, metrics_line
from compact_lambda.run import HourDone, HourNotDone, Outcome

DONE = HourDone(
    event_hour="2026/11/23/02", delivered=30, trades=20, inputs=3, reopened=True, scanned_bytes=7, took_ms=5
)
FAILED = HourNotDone(event_hour="2026/11/23/03", why='no "rows"\nat all', taken=False)
TAKEN = HourNotDone(event_hour="2026/11/23/04", why="theirs", taken=True)
OUT = Outcome(
    done=[DONE, DONE],
    not_done=[FAILED, TAKEN],
    waiting=("2026/11/23/03",),
    frozen=("2026/11/01/00",),
    unread_count=9,
    swept=("a", "b", "c"),
    oldest_age=timedelta(minutes=3),
    scanned_bytes=77,
    first_hour="2026/11/23/02",
)


def test_each_metric_has_its_value_and_unit_in_one_line() -> None:
    line = metrics_line(OUT, lake="ticklake", now_ms=1_700_000_000_000)
    told = json.loads(line)
    assert {
        "Compactions": 1,
        "HoursCompacted": 2,
        "HoursReopened": 2,
        "HoursFailed": 1,
        "HoursWaiting": 1,
        "HoursFrozen": 1,
        "OldestWaitingAge": 180,
        "ObjectsNotLookedInto": 9,
        "TradesCompacted": 40,
        "CopiesCompacted": 60,
        "HistorySwept": 3,
        "CompactionScanned": 77,
    } == {metric.name: told[metric.name] for metric in METRICS}
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert ("ticklake", [["Lake"]], "ticklake") == (directive["Namespace"], directive["Dimensions"], told["Lake"])
    assert {metric.name: metric.unit for metric in METRICS} == {m["Name"]: m["Unit"] for m in directive["Metrics"]}
    assert "\n" not in line


def test_a_run_without_work_tells_zeros() -> None:
    told = json.loads(metrics_line(Outcome(), lake="ticklake", now_ms=0))
    assert {0, 1} == {told[metric.name] for metric in METRICS}
    assert 1 == told["Compactions"]


def test_an_hour_is_one_line_of_json_whatever_its_reason_holds() -> None:
    assert {"event": "hour_compacted", "event_hour": "2026/11/23/02", "trades": 20}.items() <= json.loads(
        hour_line(DONE)
    ).items()
    assert FAILED.why == json.loads(hour_line(FAILED))["why"]
    assert "\n" not in hour_line(FAILED)
    assert "hour_taken" == json.loads(hour_line(TAKEN))["event"]
    long = HourNotDone(event_hour="h", why="x" * 10_000, taken=False)
    assert TEXT_LIMIT_CHARS == len(json.loads(hour_line(long))["why"])
