"""
CloudWatch in memory, as far as this project's alarms use it: metrics by the minute, alarms over them, the embedded metric format, and the
`=` of a log's filter patterns.

Laws: pure; time is an argument. An alarm looks at a few periods more than it evaluates, and takes older real values before it fills
in missing ones; that is why an alarm on silence comes later than its periods say.
Source: Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data" (its tables are tested in
test_cloudwatch.py) and "Embedded metric format specification"; CloudWatch Logs, "Filter pattern syntax for metric filters".
"""

from __future__ import annotations

import json
import operator
import re
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MINUTE_MS: Final = 60_000
EXTRA_PERIODS: Final = 2  # the guide's tables show five values for three evaluated ones
COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}
Key = tuple[str, str, frozenset[tuple[str, str]]]  # namespace, metric, dimensions


@dataclass(frozen=True, slots=True)
class Sample:
    """What one call told of a metric: a single value, or a minute's statistics."""

    at_ms: int
    total: float
    maximum: float


class CloudWatch:
    """The metrics of one account."""

    def __init__(self) -> None:
        self._samples: defaultdict[Key, list[Sample]] = defaultdict(list)

    def put(self, namespace: str, metric: str, dimensions: Mapping[str, str], sample: Sample) -> None:
        """Take one sample."""
        self._samples[namespace, metric, frozenset(dimensions.items())].append(sample)

    def put_emf(self, line: str | bytes) -> None:
        """Take the metrics of one log line; a line without any is none."""
        tree: dict[str, Any] = json.loads(line)
        about = tree.get("_aws", {"CloudWatchMetrics": []})
        for directive in about["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(tree[name]) for name in names}
                for metric in directive["Metrics"]:
                    value = float(tree[metric["Name"]])
                    self.put(
                        directive["Namespace"], metric["Name"], dimensions, Sample(about["Timestamp"], value, value)
                    )

    def statistic(self, key: Key, statistic: str, start_ms: int, end_ms: int) -> float | None:
        """One period's value; None if nothing was told."""
        found = [sample for sample in self._samples.get(key, []) if start_ms <= sample.at_ms < end_ms]
        if not found:
            return None
        if statistic == "Sum":
            return sum(sample.total for sample in found)
        assert statistic == "Maximum", f"no alarm used {statistic} so far"
        return max(sample.maximum for sample in found)

    def points(self, alarm: Mapping[str, Any], now_ms: int) -> list[float | None]:
        """The values that an alarm of these properties looks at, oldest first, None where there is none."""
        if "Metrics" not in alarm:
            return self._points(alarm, alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"], now_ms)
        expression, *inputs = alarm["Metrics"]
        ids = ", ".join(each["Id"] for each in inputs)
        assert f"MAX([{ids}])" == expression["Expression"], "no other expression was used so far"
        series = [
            self._points(
                each["MetricStat"]["Metric"],
                each["MetricStat"]["Stat"],
                each["MetricStat"]["Period"],
                alarm["EvaluationPeriods"],
                now_ms,
            )
            for each in inputs
        ]
        return [max((v for v in values if v is not None), default=None) for values in zip(*series, strict=True)]

    def _points(
        self, metric: Mapping[str, Any], statistic: str, period_s: int, periods: int, now_ms: int
    ) -> list[float | None]:
        width_ms = int(period_s) * 1000
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", []))
        key = (metric["Namespace"], metric["MetricName"], dimensions)
        end_ms = now_ms - now_ms % width_ms
        starts = range(end_ms - (int(periods) + EXTRA_PERIODS) * width_ms, end_ms, width_ms)
        return [self.statistic(key, statistic, start_ms, start_ms + width_ms) for start_ms in starts]

    def fires(self, alarm: Mapping[str, Any], now_ms: int) -> bool:
        """Whether an alarm of these (resolved) properties is in ALARM now."""
        wanted = int(alarm["EvaluationPeriods"])
        return is_alarm(
            self.points(alarm, now_ms),
            breaches=lambda value: COMPARE[alarm["ComparisonOperator"]](value, float(alarm["Threshold"])),
            wanted=wanted,
            to_alarm=int(alarm.get("DatapointsToAlarm", wanted)),
            missing_breaches={"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]],
        )


def is_alarm(
    points: list[float | None],
    *,
    breaches: Callable[[float], bool],
    wanted: int,
    to_alarm: int,
    missing_breaches: bool,
) -> bool:
    """The verdict over the evaluation range: the newest real values, filled up only if there are too few of them."""
    newest = points[-wanted:]
    real = [point for point in (newest if None not in newest else points) if point is not None][-wanted:]
    count = sum(breaches(point) for point in real) + (wanted - len(real)) * missing_breaches
    return count >= to_alarm


def matches(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether a JSON filter pattern of the form `{ ($.a = "x*") || ($.b = "y") }` finds an event."""
    terms = re.findall(r'\(\$\.(\w+) = "([^"]*)"\)', pattern)
    rebuilt = "{ " + " || ".join(f'($.{name} = "{wanted}")' for name, wanted in terms) + " }"
    assert rebuilt == pattern, "no other pattern was used so far"
    return any(fnmatchcase(str(event.get(name, "")), wanted) for name, wanted in terms)
