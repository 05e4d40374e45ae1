"""
What one compaction tells the operator: a JSON line per hour, and each metric once, with its unit and meaning, in one line of CloudWatch's
embedded metric format.

Laws: pure; the dimension is the lake (its database). Everything is told each run, so that a sum of nothing is 0 and not absent. Text from
outside is JSON-escaped and cut, so that it can neither pass for a metric nor flood the log.
Refuses to know: the clock, and where lines are printed.
Source: CloudWatch, "Embedded metric format specification".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from compact_lambda.run import HourDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from compact_lambda.run import HourNotDone, Outcome

NAMESPACE: Final = "ticklake"
TEXT_LIMIT_CHARS: Final = 1_000
Unit = Literal["Count", "Bytes", "Seconds"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a run."""

    name: str
    unit: Unit
    meaning: str
    read: Callable[[Outcome], float]


METRICS: Final = (
    Metric("Compactions", "Count", "runs that ended, with or without failed hours; none for long is an alarm of its own", lambda _: 1),
    Metric("HoursCompacted", "Count", "hours that count from now on", lambda out: len(out.done)),
    Metric("HoursReopened", "Count", "those of them that had been compacted before: rows came late",
           lambda out: sum(hour.reopened for hour in out.done)),
    Metric("HoursFailed", "Count", "hours that could have been compacted and were not; the run ends in an error",
           lambda out: len(out.failures)),
    Metric("HoursWaiting", "Count", "closed hours left for the next run, failed ones among them, as far as they are known",
           lambda out: len(out.waiting)),
    Metric("HoursFrozen", "Count", "hours with late rows whose objects are gone: those rows are not folded in",
           lambda out: len(out.frozen)),
    Metric("OldestWaitingAge", "Seconds", "for how long the oldest of HoursWaiting could have been compacted; 0 where none waits",
           lambda out: int(out.oldest_age.total_seconds())),
    Metric("ObjectsNotLookedInto", "Count", "objects of processed that the run had no time to look into; the next run goes on with them",
           lambda out: out.unread_count),
    Metric("TradesCompacted", "Count", "trades of the hours compacted", lambda out: sum(hour.trades for hour in out.done)),
    Metric("CopiesCompacted", "Count", "rows delivered that these trades were made of",
           lambda out: sum(hour.delivered for hour in out.done)),
    Metric("HistorySwept", "Count", "objects of history deleted that no manifest named for a day", lambda out: len(out.swept)),
    Metric("CompactionScanned", "Bytes", "what Athena scanned, which it bills", lambda out: out.scanned_bytes),
)  # fmt: skip


def hour_line(hour: HourDone | HourNotDone) -> str:
    """What became of one hour, as one JSON line."""
    event = "hour_compacted" if isinstance(hour, HourDone) else "hour_taken" if hour.taken else "hour_failed"
    cut = {name: value[:TEXT_LIMIT_CHARS] if isinstance(value, str) else value for name, value in asdict(hour).items()}
    return json.dumps({"event": event} | cut)


def metrics_line(out: Outcome, *, lake: str, now_ms: int) -> str:
    """One line of CloudWatch's embedded metric format."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Lake"]],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in METRICS],
    }
    line: dict[str, Any] = {"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}, "Lake": lake}
    line |= {"ViewBeginsAt": out.first_hour, "Frozen": list(out.frozen[:100])}
    return json.dumps(line | {metric.name: metric.read(out) for metric in METRICS})
