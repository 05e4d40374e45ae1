"""Which days an audit looks at, and that each comes round again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from audit_lambda.inventory import Look
from audit_lambda.places import DAY_US, day_of
from audit_lambda.rounds import PERIOD_DAYS, find_overdue, plan_near, plan_round
from sql.hours import EPOCH, HOUR_US, hour_start_us

AT_US = hour_start_us("2026/11/23/02")
DAYS = [day_of(AT_US - n * DAY_US) for n in range(40)]


def test_an_hourly_audit_looks_at_the_days_that_late_data_may_touch() -> None:
    near = plan_near(kind="hourly", from_us=AT_US - 3 * HOUR_US, to_us=AT_US, known=None)
    assert ["2026/11/21", "2026/11/22", "2026/11/23"] == near
    at_night = plan_near(kind="hourly", from_us=AT_US - 5 * HOUR_US, to_us=AT_US - 2 * HOUR_US, known=None)
    assert ["2026/11/21", "2026/11/22"] == at_night, "an end that is excluded is not looked at"


def test_a_daily_audit_looks_a_week_back_where_there_is_anything() -> None:
    day_us = AT_US - 2 * HOUR_US
    near = plan_near(kind="daily", from_us=day_us - DAY_US, to_us=day_us, known={*DAYS, "2030/01/01"})
    assert ("2026/11/15", "2026/11/22", 8) == (near[0], near[-1], len(near))
    assert [] == plan_near(kind="daily", from_us=day_us - DAY_US, to_us=day_us, known=set())


def test_an_audit_from_the_beginning_looks_at_every_day_there_is() -> None:
    assert sorted(DAYS) == plan_near(kind="asked", from_us=0, to_us=AT_US, known=DAYS)


def looked(days_ago: int, found: int = 0) -> Look:
    return Look(looked_us=AT_US - days_ago * DAY_US, object_count=1, found_count=found)


def test_first_come_those_with_findings_then_those_looked_at_longest_ago() -> None:
    looks = {day: looked(n % 20) for n, day in enumerate(DAYS)} | {DAYS[5]: looked(1, found=2), DAYS[7]: looked(26)}
    assert [DAYS[5], DAYS[7], DAYS[39]] == plan_round(DAYS, looks, near=[], now_us=AT_US)
    assert [DAYS[5], DAYS[39], DAYS[19]] == plan_round(DAYS, looks, near=[DAYS[7]], now_us=AT_US)


def test_all_whose_turn_has_come_are_looked_at_and_new_days_are_such() -> None:
    looks = {day: looked(3) for day in DAYS[:10]} | {day: looked(27) for day in DAYS[10:20]}
    assert sorted(DAYS[20:]) + sorted(DAYS[10:20]) == plan_round(DAYS, looks, near=[], now_us=AT_US)


def test_a_day_is_overdue_when_its_turn_passed_by_more_than_a_late_audit() -> None:
    looks = {DAYS[0]: looked(29), DAYS[1]: looked(31), DAYS[2]: looked(40)}
    assert [DAYS[3], DAYS[2], DAYS[1]] == find_overdue(DAYS[:4], looks, now_us=AT_US)
    assert [] == find_overdue(DAYS[:1], looks, now_us=AT_US)


@settings(max_examples=20)
@given(count=st.integers(0, 400), late_us=st.lists(st.integers(0, 3 * HOUR_US), min_size=70, max_size=70))
def test_each_day_comes_round_within_the_period_and_no_audit_has_much_more_than_its_share(
    count: int, late_us: list[int]
) -> None:
    """Seventy daily audits of a lake that gains a day each time, begun with all days looked at in turn."""
    first = EPOCH + timedelta(days=20_000)
    name = [f"{first + timedelta(days=n):%Y/%m/%d}" for n in range(count + 70)]
    begin_us = 20_000 * DAY_US + count * DAY_US
    looks = {day: Look(begin_us - (n % PERIOD_DAYS) * DAY_US, 1, 0) for n, day in enumerate(name[:count])}
    for audit, late in enumerate(late_us):
        now_us = begin_us + (audit + 1) * DAY_US + late
        known, near = name[: count + audit + 1], name[max(0, count + audit - 8) : count + audit + 1]
        others = plan_round(known, looks, near=near, now_us=now_us)
        assert len(others) <= 2 * (count + audit) // PERIOD_DAYS + 2
        looks |= {day: Look(now_us, 1, 0) for day in [*near, *others]}
        assert all(now_us - looks[day].looked_us <= (PERIOD_DAYS + 1) * DAY_US for day in known)
        assert [] == find_overdue(known, looks, now_us=now_us)
