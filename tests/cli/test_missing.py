from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cli.missing import HealPlan, Held, earliest, earliest_hour, hole_of, plan_heal, plan_stretch, stretch_of
from producer.continuity import Edge
from producer.fetched import Fetched
from producer.intervals import IntervalSet
from producer.seeking import Found

NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001  # engines' timestamps are UTC without a zone
NEVER = Found(None, None)


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def row(first: int, last: int, **changes: Any) -> dict[str, Any]:
    return {
        "product_id": "A-B",
        "reason": "disconnected",
        "status": "open",
        "first_missing_trade_id": first,
        "last_missing_trade_id": last,
        "missing": last - first + 1,
        "before_trade_id": first - 1,
        "before_time": at(first - 1),
        "after_trade_id": last + 1,
        "after_time": at(last + 1),
        **changes,
    }


def held(first: int, last: int) -> Held:
    return Held(first, last, at(first), at(last))


def fetched(*ranges: tuple[int, int]) -> Fetched:
    found = Fetched()
    for first, last in ranges:
        for trade_id in range(first, last + 1):
            found.add("A-B", trade_id)
    return found


def firsts(plan: HealPlan) -> dict[str, list[int]]:
    return {name: [hole.first for hole in getattr(plan, name)] for name in ("take", "absurd", "left", "on_the_way")}


def test_a_hole_misses_what_neither_the_lake_holds_nor_was_fetched_lately() -> None:
    hole, on_the_way = hole_of(row(10, 29), [held(1, 12), held(20, 20)], IntervalSet([(28, 40)]))

    assert ([(13, 19), (21, 27)], 2) == (list(hole.missing), on_the_way)
    assert (20, 14) == (hole.expected, hole.counted)
    assert (Edge(9, "2026-11-20T12:00:09Z"), Edge(30, "2026-11-20T12:00:30Z")) == (hole.before, hole.after)


def test_a_hole_of_which_polling_saw_a_part_never_misses_more_than_it_names() -> None:
    hole, _ = hole_of(row(10, 29, missing=5), [], IntervalSet())

    assert 20 == hole.expected


def test_an_edge_that_is_not_known_stays_unknown() -> None:
    unknown = dict.fromkeys(("before_trade_id", "before_time", "after_time"))
    hole, _ = hole_of(row(10, 29, **unknown), [], IntervalSet())

    assert (None, Edge(30, None)) == (hole.before, hole.after)


def test_an_absurd_hole_is_named_and_the_others_are_taken() -> None:
    plan = plan_heal([row(10, 19), row(100, 10**9), row(2 * 10**9, 2 * 10**9 + 4)], {}, Fetched(), max_trades=1_000)

    assert {"take": [10, 2 * 10**9], "absurd": [100], "left": [], "on_the_way": []} == firsts(plan)
    assert not plan.is_complete


def test_what_one_run_may_not_fetch_is_left_for_the_next() -> None:
    plan = plan_heal([row(10, 19), row(30, 39), row(50, 52)], {}, Fetched(), max_trades=13)

    assert {"take": [10, 50], "absurd": [], "left": [30], "on_the_way": []} == firsts(plan)


def test_a_hole_of_before_the_first_hour_that_the_tables_know_is_outside_unless_it_only_wants_its_receipt() -> None:
    rows = [row(10, 19), row(30, 39), row(3_590, 3_599), row(3_605, 3_609), row(9_000, 9_001, before_time=None)]
    lake = {"A-B": [held(30, 39)]}
    plan = plan_heal(rows, lake, Fetched(), max_trades=1_000, first_hour="2026/11/20/13")

    assert [10, 3_590] == [hole.first for hole in plan.outside]
    assert {"take": [30, 3_605, 9_000], "absurd": [], "left": [], "on_the_way": []} == firsts(plan)
    assert not plan.is_complete
    assert "2026/11/20/12" == earliest_hour(plan.outside)


def test_a_hole_whose_trades_are_in_the_lake_gets_its_receipt_and_one_whose_are_on_the_way_waits() -> None:
    lake = {"A-B": [held(10, 19), held(30, 34)]}
    plan = plan_heal([row(10, 19), row(30, 39)], lake, fetched((35, 39)), max_trades=100)

    assert {"take": [10], "absurd": [], "left": [], "on_the_way": [30]} == firsts(plan)
    assert 0 == len(plan.take[0].missing)


def test_trades_matter_from_an_hour_before_the_first_edge_or_from_ever() -> None:
    assert "2026-11-20T11:00:09" == earliest([row(30, 39), row(10, 19)])
    assert earliest([row(10, 19), row(30, 39, before_time=None)]) is None
    assert earliest([]) is None


START = Found(Edge(9, "t9"), Edge(10, "t10"))


def stretch(end: Found | None, lake: list[Held], named: list[dict[str, Any]]) -> tuple[int, int, object, object]:
    newest = Found(Edge(99, "t99"), None)
    found = stretch_of("A-B", START, end, lake, named, newest=lambda: newest)
    assert found is not None
    return found.first, found.last, found.before, found.after


def test_a_stretch_goes_to_the_time_asked_for_or_to_the_lakes_first_trade_or_to_the_newest() -> None:
    assert (10, 49, Edge(9, "t9"), Edge(50, "t50")) == stretch(
        Found(Edge(48, "t"), Edge(50, "t50")), [held(20, 30)], []
    )
    assert (10, 19, Edge(9, "t9"), Edge(20, "2026-11-20T12:00:20Z")) == stretch(None, [held(20, 30)], [])
    assert (10, 99, Edge(9, "t9"), None) == stretch(None, [], [])
    assert (10, 77, Edge(9, "t9"), None) == stretch(Found(Edge(77, "t"), None), [], [])
    assert stretch_of("A-B", Found(Edge(9, "t"), None), None, [], [], newest=lambda: NEVER) is None


def test_a_backfill_that_was_cut_short_goes_on_to_the_end_of_the_hole_it_had_named() -> None:
    assert 60 == stretch(None, [held(40, 60), held(61, 80)], [row(10, 60)])[1]
    assert 60 == stretch(None, [held(10, 60)], [row(10, 60)])[1]


def test_what_nobody_named_becomes_holes_with_the_edges_that_are_known() -> None:
    found = stretch_of("A-B", START, Found(Edge(98, "t98"), Edge(100, "t100")), [], [], newest=lambda: NEVER)
    assert found is not None
    lake, rows = [held(20, 29), held(90, 99)], [row(50, 59), row(200, 210)]
    named, unnamed = plan_stretch(found, rows, lake, IntervalSet([(60, 64)]))

    assert [(50, 59)] == [(hole.first, hole.last) for hole in named]
    assert [(10, 19), (30, 49), (65, 89)] == [(hole.first, hole.last) for hole in unnamed]
    assert {"process_down"} == {hole.reason for hole in unnamed}
    assert [Edge(9, "t9"), Edge(29, "2026-11-20T12:00:29Z"), Edge(64, None)] == [hole.before for hole in unnamed]
    assert [Edge(20, "2026-11-20T12:00:20Z"), Edge(50, None), Edge(90, "2026-11-20T12:01:30Z")] == [
        hole.after for hole in unnamed
    ]


def test_a_named_hole_at_an_empty_stretch_still_gets_its_receipt() -> None:
    found = stretch_of("A-B", START, None, [held(10, 60)], [], newest=lambda: NEVER)
    assert found is not None
    named, unnamed = plan_stretch(found, [row(10, 60)], [held(10, 60)], IntervalSet())

    assert (0, [0], []) == (len(found), [len(hole.missing) for hole in named], unnamed)
