"""The evaluator against the tables of CloudWatch's own guide."""

from __future__ import annotations

import json

import pytest

from tests.infra.cloudwatch import MINUTE_MS, CloudWatch, Sample, is_alarm, matches

# "Configuring how CloudWatch alarms treat missing data": 3 periods, 3 to alarm; 0 is good, X breaches, - is missing.
THREE_OF_THREE = [
    ("0-X--", False, False),
    ("----0", False, False),
    ("-----", True, False),
    ("0XX-X", True, True),
    ("--X--", True, False),
]
# The same page's second table: 3 periods, 2 to alarm.
TWO_OF_THREE = [
    ("0-X-X", True, True),
    ("00X0X", True, True),
    ("0-X--", True, False),
    ("----0", True, False),
    ("---X-", True, False),
]


@pytest.mark.parametrize(("row", "breaching", "not_breaching"), THREE_OF_THREE)
def test_three_of_three_as_the_guide_says(row: str, breaching: bool, not_breaching: bool) -> None:
    assert (breaching, not_breaching) == (verdict(row, 3, missing=True), verdict(row, 3, missing=False))


@pytest.mark.parametrize(("row", "breaching", "not_breaching"), TWO_OF_THREE)
def test_two_of_three_as_the_guide_says(row: str, breaching: bool, not_breaching: bool) -> None:
    assert (breaching, not_breaching) == (verdict(row, 2, missing=True), verdict(row, 2, missing=False))


def verdict(row: str, to_alarm: int, *, missing: bool) -> bool:
    points = [None if sign == "-" else float(sign == "X") for sign in row]
    return is_alarm(points, breaches=lambda value: value > 0, wanted=3, to_alarm=to_alarm, missing_breaches=missing)


def test_statistics_are_of_one_period() -> None:
    watch = CloudWatch()
    for minute, value in ((0, 1.0), (1, 5.0), (5, 9.0)):
        watch.put("n", "m", {"d": "v"}, Sample(minute * MINUTE_MS, value, value))
    key = ("n", "m", frozenset({("d", "v")}))
    assert 6 == watch.statistic(key, "Sum", 0, 5 * MINUTE_MS)
    assert 5 == watch.statistic(key, "Maximum", 0, 5 * MINUTE_MS)
    assert watch.statistic(key, "Sum", 6 * MINUTE_MS, 9 * MINUTE_MS) is None


def test_a_log_line_tells_its_metrics() -> None:
    directive = {"Namespace": "n", "Dimensions": [["d"]], "Metrics": [{"Name": "m", "Unit": "Count"}]}
    line = {"_aws": {"Timestamp": 7, "CloudWatchMetrics": [directive]}, "d": "v", "m": 3}
    watch = CloudWatch()
    watch.put_emf(json.dumps(line))
    watch.put_emf('{"event": "refused"}')
    assert 3 == watch.statistic(("n", "m", frozenset({("d", "v")})), "Sum", 0, 8)


@pytest.mark.parametrize(("code", "found"), [("S3.AccessDenied", True), ("S3.NoSuchBucket", False), ("", False)])
def test_a_pattern_finds_its_words(code: str, found: bool) -> None:
    pattern = '{ ($.errorCode = "*AccessDenied*") || ($.errorCode = "*KMS*") }'
    assert found == matches(pattern, {"errorCode": code})
