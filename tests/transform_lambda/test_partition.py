from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_lambda.partition import HOUR_US, decide_common_hour, decide_hour, partition_keys, read_arrival_us

ARRIVAL_US = 1_795_401_020_000_000  # 2026-11-23T02:30:20Z
ARRIVAL_HOUR = ARRIVAL_US // HOUR_US
DAY_US = 24 * HOUR_US


def hour_of(happened_us: int, kind: str = "ticker", source: str = "exchange_ws") -> int:
    return decide_hour(kind=kind, source=source, happened_us=happened_us, arrival_us=ARRIVAL_US)


def test_a_fresh_tick_goes_to_the_hour_it_happened() -> None:
    assert ARRIVAL_HOUR - 1 == hour_of(ARRIVAL_US - HOUR_US)


def test_a_tick_of_exactly_a_day_ago_goes_to_the_hour_it_happened() -> None:
    assert ARRIVAL_HOUR - 24 == hour_of(ARRIVAL_US - DAY_US)


def test_a_microsecond_older_it_goes_to_the_hour_it_arrived() -> None:
    assert ARRIVAL_HOUR == hour_of(ARRIVAL_US - DAY_US - 1)


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("trade", "rest_heal"),
        ("trade", "rest_backfill"),
        ("trade", "simulated"),
        ("ticker", "rest_heal"),
        ("gap", "rest_backfill"),
    ],
)
def test_a_healed_or_backfilled_row_goes_to_the_hour_it_happened_however_old(kind: str, source: str) -> None:
    assert 16071 * 24 == hour_of(16071 * DAY_US, kind, source)


@pytest.mark.parametrize("kind", ["ticker", "trade"])
def test_an_hour_ahead_is_a_slow_clock(kind: str) -> None:
    assert ARRIVAL_HOUR + 1 == hour_of(ARRIVAL_US + HOUR_US, kind)


@pytest.mark.parametrize("kind", ["ticker", "trade"])
def test_more_than_an_hour_ahead_goes_to_the_hour_it_arrived(kind: str) -> None:
    assert ARRIVAL_HOUR == hour_of(ARRIVAL_US + HOUR_US + 1, kind)


@given(st.integers(0, 2 * ARRIVAL_US), st.sampled_from(["ticker", "spot", "gap", "coverage", "session"]))
def test_rows_that_are_no_repair_open_at_most_26_hours(happened_us: int, kind: str) -> None:
    assert hour_of(happened_us, kind) - ARRIVAL_HOUR in range(-24, 2)


@given(
    st.integers(-2 * 3600, 27 * 3600),
    st.lists(st.integers(0, 2 * HOUR_US), min_size=1, max_size=3),
    st.integers(0, 999_999),
)
def test_a_common_hour_is_the_hour_of_each(age_s: int, later_us: list[int], micros: int) -> None:
    arrivals_us = [ARRIVAL_US + each for each in later_us]
    second_us = ARRIVAL_US - age_s * 1_000_000
    common = decide_common_hour(
        second_us=second_us, first_arrival_us=min(arrivals_us), last_arrival_us=max(arrivals_us)
    )
    hours = {
        decide_hour(kind="ticker", source="exchange_ws", happened_us=second_us + micros, arrival_us=each)
        for each in arrivals_us
    }
    assert common is None or {common} == hours


@pytest.mark.parametrize(
    ("age_s", "hours_before"), [(0, 0), (3600, 1), (23 * 3600, 23), (25 * 3600, 0), (-2 * 3600, 0)]
)
def test_a_common_hour_is_found_away_from_the_limits(age_s: int, hours_before: int) -> None:
    second_us = ARRIVAL_US - age_s * 1_000_000
    common = decide_common_hour(second_us=second_us, first_arrival_us=ARRIVAL_US, last_arrival_us=ARRIVAL_US + 1000)
    assert ARRIVAL_HOUR - hours_before == common


def test_keys_are_text_of_fixed_length() -> None:
    assert {"kind": "ticker", "year": "2026", "month": "01", "day": "02", "hour": "03"} == partition_keys(
        "ticker", 20455 * 24 + 3
    )


@pytest.mark.parametrize(
    "arrival",
    [
        1795401020000,
        "2026-11-23T02:30:20Z",
        "2026-11-23T02:30:20.000Z",
        "2026-11-23T03:30:20+01:00",
        "2026-11-23T02:30:20",
    ],
)
def test_an_arrival_is_read_as_milliseconds_or_iso_text(arrival: object) -> None:
    assert ARRIVAL_US == read_arrival_us(arrival)


@pytest.mark.parametrize(
    "arrival",
    [None, "", "soon", "0001-01-01T00:00:00+14:00", 1795401020.5, {}, -1, 0, 10**30, True, "9999-12-31T23:59:59-14:00"],
)
def test_an_arrival_that_says_nothing_is_none(arrival: object) -> None:
    assert read_arrival_us(arrival) is None
