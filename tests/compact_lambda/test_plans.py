"""In which order, until when, what to sweep, where the view begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compact_lambda.bucket import Stored
from compact_lambda.contents import Kept
from compact_lambda.plans import (
    RESERVE_MS,
    SWEEP_AGE,
    WINDOW_HOURS,
    Window,
    find_oldest_age,
    may_begin,
    plan_first_hour,
    plan_sweep,
    plan_windows,
)
from sql.history import GRACE, Manifest, history_key
from sql.hours import HOUR_US, hour_start_us, lake_hour

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
HOUR = "2026/11/23/02"


def key(hour: str, name: str = "a", kind: str = "ticker") -> str:
    return f"processed/coinbase/{kind}/{hour}/{name}.parquet"


def test_nothing_unknown_is_one_empty_window() -> None:
    assert [Window(keys=(), until=None)] == plan_windows([])


def test_windows_are_of_so_many_hours_oldest_first_whatever_kind_the_objects_are() -> None:
    objects = [key("2026/11/23/05"), key("2026/11/23/02", kind="trade"), key("2026/11/23/03"), key("2026/11/23/02")]
    assert [
        Window(keys=(objects[3], objects[1], objects[2]), until="2026/11/23/04"),
        Window(keys=(objects[0],), until=None),
    ] == plan_windows(objects, window_hours=2)


def test_a_month_is_one_window_and_a_year_is_not() -> None:
    hours = [lake_hour(hour_start_us("2026/01/01/00") + number * HOUR_US) for number in range(365 * 24)]
    windows = plan_windows(map(key, hours))
    assert [WINDOW_HOURS] * 11 + [365 * 24 - 11 * WINDOW_HOURS] == [len(window.keys) for window in windows]


@pytest.mark.parametrize(
    ("waiting", "unread", "expected"),
    [
        (set(), [], "2026/11/23/11"),
        ({"2026/11/23/02", "2026/11/23/07", "unknown"}, [], "2026/11/23/01"),
        ({"2026/11/23/02"}, [key("2026/11/20/00")], "2026/11/19/23"),
        ({"2026/11/23/13"}, [], "2026/11/23/11"),
    ],
)
def test_the_view_begins_an_hour_before_all_that_it_has_to_show(
    waiting: set[str], unread: list[str], expected: str
) -> None:
    assert expected == plan_first_hour(waiting, unread, now=NOW)


def test_an_hour_is_begun_only_with_time_to_end_it() -> None:
    assert [True, True, False] == [may_begin(None), may_begin(RESERVE_MS), may_begin(RESERVE_MS - 1)]


def test_the_oldest_age_counts_from_when_the_hour_could_have_been_compacted() -> None:
    assert timedelta(0) == find_oldest_age((), now=NOW)
    assert timedelta(hours=9, minutes=10) - GRACE == find_oldest_age(("2026/11/23/07", HOUR), now=NOW)
    assert timedelta(0) == find_oldest_age(("2026/11/23/12",), now=NOW)


OLD, YOUNG = NOW - SWEEP_AGE - timedelta(seconds=1), NOW - SWEEP_AGE + timedelta(seconds=1)
NAMED = history_key(HOUR, "named", part=0)


def stored(name: str, changed_at: datetime) -> Stored:
    return Stored(key=name, tag="t", changed_at=changed_at, size_bytes=1)


@pytest.mark.parametrize(
    ("name", "written_at", "named_at", "expected"),
    [
        (NAMED, OLD, OLD, False),
        (history_key(HOUR, "other", part=0), OLD, OLD, True),
        (history_key(HOUR, "other", part=0), YOUNG, OLD, False),  # somebody may be about to name it
        (history_key(HOUR, "other", part=0), OLD, YOUNG, False),  # somebody may still read it
        (history_key("2026/11/23/03", "other", part=0), OLD, OLD, True),
        (history_key("2026/11/23/03", "other", part=0), YOUNG, OLD, False),
    ],
)
def test_what_no_manifest_names_is_swept_once_it_and_the_manifest_are_old(
    name: str, written_at: datetime, named_at: datetime, expected: bool
) -> None:
    manifest = Manifest(HOUR, hour_start_us(HOUR), "named", 1, (NAMED,), {})
    kept = {HOUR: Kept(manifest=manifest, tag="t", changed_at=named_at)}
    assert ([name] if expected else []) == plan_sweep([stored(name, written_at)], kept, now=NOW)
