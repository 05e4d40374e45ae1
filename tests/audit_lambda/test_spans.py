from __future__ import annotations

from typing import Any

import pytest

from audit_lambda.spans import LENGTH_US, EventRefused, Span, decode_event, latest_folder, report_folder
from sql.hours import hour_start_us, lake_hour
from tests.audit_lambda.samples import ASKED, DAILY, HOURLY, NOW_US


def test_an_hour_is_audited_with_the_two_before_it() -> None:
    assert ("2026/11/23/02", "2026/11/23/05") == (lake_hour(HOURLY.from_us), lake_hour(HOURLY.to_us))
    assert 3 * 3_600_000_000 == HOURLY.to_us - HOURLY.from_us == LENGTH_US["hourly"]


def test_a_day_is_audited_whole_after_it_ended() -> None:
    assert ("2026/11/22/00", "2026/11/23/00") == (lake_hour(DAILY.from_us), lake_hour(DAILY.to_us))


@pytest.mark.parametrize("at", ["2026-11-23T05:00:00Z", "2026-11-23T05:59:59.999999Z", "2026-11-23T06:35:00+01:00"])
def test_the_same_hour_is_the_same_span_whenever_in_it_the_schedule_calls(at: str) -> None:
    assert HOURLY == decode_event({"span": "hourly", "at": at}, now_us=NOW_US)


def test_an_event_without_an_instant_means_now() -> None:
    now_us = hour_start_us("2026/11/23/05") + 1
    assert HOURLY == decode_event({"span": "hourly"}, now_us=now_us)


def test_a_span_that_somebody_asks_for_is_taken_as_it_is() -> None:
    assert Span("asked", hour_start_us("2026/11/20/00"), hour_start_us("2026/11/20/12") + 500_000) == ASKED


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({}, "`from` is 'None'"),
        ({"span": "weekly"}, "no span 'weekly'"),
        ({"span": ["hourly"]}, "no span"),
        ({"span": "daily", "at": "yesterday"}, "`at` is 'yesterday'"),
        ({"span": "daily", "at": 5}, "`at` is '5'"),
        ({"span": "daily", "at": "1970-01-01T12:00"}, "no lake reaches back"),
        ({"span": "daily", "at": "2026-11-24T00:00"}, "2026-11-24T00:00 has not come yet"),
        ({"from": "2026-11-23", "to": "2026-11-23"}, "not before"),
        ({"from": "2026-11-23"}, "`to` is 'None'"),
    ],
)
def test_an_event_that_says_no_span_is_refused_with_the_forms_that_do(event: dict[str, Any], why: str) -> None:
    with pytest.raises(EventRefused, match=why) as refused:
        decode_event(event, now_us=NOW_US)
    assert '{"span": "hourly" or "daily"' in str(refused.value)


def test_a_report_lies_under_the_newest_hour_or_the_day_that_it_is_about() -> None:
    assert "reports/coinbase/hourly/2026/11/23/04/" == report_folder(HOURLY)
    assert "reports/coinbase/daily/2026/11/22/" == report_folder(DAILY)
    assert "reports/coinbase/asked/20261120T000000Z-20261120T120000.500000Z/" == report_folder(ASKED)
    assert "reports/coinbase/daily/latest/" == latest_folder("daily")
