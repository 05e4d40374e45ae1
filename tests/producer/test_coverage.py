from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import fastjsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import load_schema
from producer.continuity import Continuity, Repeat
from producer.coverage import HELD_MAX, Coverage
from producer.line import encode_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VALID_COVERAGE = fastjsonschema.compile(load_schema("testimony/coverage"))
START_US = int(datetime(2025, 11, 24, 15, 8, tzinfo=UTC).timestamp()) * 1_000_000
WS: Final = "exchange_ws"


def at(second: float) -> str:
    """The exchange's clock so many seconds after 15:08."""
    return encode_instant(START_US + round(second * 1_000_000))


class Day:
    """One connection's events, and the lines they finished."""

    def __init__(self, *products: str, stall_s: float = 15.0) -> None:
        self.products = products or ("A-B",)
        self.coverage = Coverage(stall_s=stall_s)
        self.lines: list[dict[str, Any]] = []
        self.trade_id = 0
        self.on()

    def keep(self, lines: Sequence[dict[str, Any]]) -> None:
        for line in lines:
            VALID_COVERAGE(line)
        self.lines += lines

    def on(self, source: Any = WS, products: Sequence[str] | None = None, event_time: str | None = None) -> None:
        self.keep(self.coverage.on_watch(source, products or self.products, event_time))

    def tick(self, second: float, product_id: str = "A-B") -> None:
        self.trade_id += 1
        self.keep(self.coverage.ticker(product_id, self.trade_id, at(second)))

    def beat(self, *seconds: float) -> None:
        for second in seconds:
            for product_id in self.products:
                self.keep(self.coverage.heartbeat(product_id, at(second)))

    def beats(self, from_s: int, to_s: int) -> None:
        self.beat(*range(from_s, to_s))

    def flush(self) -> None:
        self.keep(self.coverage.flush())

    def of(self, minute: str, product_id: str = "A-B") -> dict[str, Any]:
        (line,) = [line for line in self.lines if (line["product_id"], line["minute"][11:16]) == (product_id, minute)]
        return line

    def minutes(self, product_id: str = "A-B") -> list[str]:
        return [line["minute"][11:16] for line in self.lines if line["product_id"] == product_id]


def test_every_product_on_watch_gets_a_line_also_one_without_ticks() -> None:
    day = Day("A-B", "C-D")
    day.beats(-1, 31)
    day.tick(30.5)
    day.tick(31.75)
    day.beats(31, 63)

    assert {
        "product_id": "A-B",
        "minute": "2025-11-24T15:08:00Z",
        "ticks": 2,
        "first_trade_id": 1,
        "last_trade_id": 2,
        "longest_silence_ms": 30_500,
        "watched_ms": {WS: 60_000},
        "heartbeats": 60,
        "whole": True,
    } == day.of("15:08")
    quiet = day.of("15:08", "C-D")
    assert (0, None, 60_000, 60, True) == tuple(
        quiet[key] for key in ("ticks", "first_trade_id", "longest_silence_ms", "heartbeats", "whole")
    )


def test_a_minute_is_finished_two_seconds_into_the_next() -> None:
    day = Day("A-B", "C-D")
    day.beats(50, 62)
    assert [] == day.minutes()
    day.tick(59.9, "C-D")  # late, within the grace
    day.beat(62)

    assert ["15:08"] == day.minutes()
    assert 1 == day.of("15:08", "C-D")["ticks"]
    day.tick(59.95)
    assert 0 == day.of("15:08")["ticks"]
    assert {"no_open_minute": 1} == day.coverage.uncounted


def test_the_first_minute_is_not_whole_and_says_from_when() -> None:
    day = Day()
    day.beats(20, 123)

    assert ({WS: 40_000}, False) == (day.of("15:08")["watched_ms"], day.of("15:08")["whole"])
    assert day.of("15:09")["whole"]


def test_a_minute_cut_short_by_shutdown_says_so() -> None:
    day = Day()
    day.beats(0, 60)
    day.beat(60, 61)
    day.flush()

    assert [True, False] == [line["whole"] for line in day.lines]
    assert {WS: 1_000} == day.of("15:09")["watched_ms"]
    day.flush()
    assert 2 == len(day.lines)


def test_a_stall_is_not_watched() -> None:
    day = Day()
    day.beats(0, 20)
    day.beats(40, 63)

    assert ({WS: 39_000}, False) == (day.of("15:08")["watched_ms"], day.of("15:08")["whole"])
    assert 20_000 == day.of("15:08")["longest_silence_ms"]


def test_a_pause_shorter_than_a_stall_is_watched() -> None:
    day = Day()
    day.beats(0, 30)
    day.beats(44, 63)

    assert day.of("15:08")["whole"]


def test_an_outage_gives_no_lines_for_the_minutes_nobody_watched() -> None:
    day = Day()
    day.beats(0, 30)
    day.beats(7_200, 7_330)

    assert ["15:08", "17:08", "17:09"] == day.minutes()
    assert {WS: 29_000} == day.of("15:08")["watched_ms"]


def test_a_reconnect_is_a_break_however_short() -> None:
    day = Day()
    day.beats(0, 30)
    day.coverage.off_watch(WS)
    day.on()
    day.beat(29.9)
    day.beats(30, 63)

    assert ({WS: 59_100}, False) == (day.of("15:08")["watched_ms"], day.of("15:08")["whole"])


def test_polling_is_told_apart_from_the_websocket() -> None:
    day = Day()
    day.beats(0, 20)
    day.coverage.off_watch(WS)
    day.on("exchange_rest")
    for second in range(25, 46):
        day.keep(day.coverage.poll(START_US + second * 1_000_000))
    day.tick(7.25)  # what the poll found is a trade of a while ago
    day.coverage.off_watch("exchange_rest")
    day.on()
    day.beats(46, 63)

    assert {WS: 19_000 + 14_000, "exchange_rest": 20_000} == day.of("15:08")["watched_ms"]
    assert (1, 34) == (day.of("15:08")["ticks"], day.of("15:08")["heartbeats"])


def test_only_one_source_is_on_watch_over_a_product() -> None:
    day = Day()
    day.beats(0, 30)
    day.on("exchange_rest")
    day.keep(day.coverage.poll(START_US + 31_000_000))
    day.coverage.off_watch(WS)  # it is not on watch any more
    day.keep(day.coverage.poll(START_US + 41_000_000))
    day.flush()

    assert {WS: 29_000, "exchange_rest": 10_000} == day.of("15:08")["watched_ms"]


def test_a_product_asked_for_later_is_watched_from_then_on() -> None:
    day = Day()
    day.beats(0, 30)
    day.on(WS, ["C-D"])
    day.beats(30, 63)

    assert {WS: 30_000} == day.of("15:08", "C-D")["watched_ms"]
    assert day.of("15:08")["whole"]


def test_a_known_time_begins_the_watch() -> None:
    day = Day()
    day.on(WS, ["A-B"], at(0))
    day.beats(1, 20)
    day.coverage.off_watch(WS, ["A-B"])
    day.on(WS, ["A-B"], at(20.5))
    day.beats(21, 63)
    assert {WS: 19_000 + 39_500} == day.of("15:08")["watched_ms"]


def test_an_old_last_ticker_sent_again_counts_in_no_minute_and_moves_no_clock() -> None:
    day = Day("A-B", "C-D", "E-F")
    for product_id, second in (("A-B", -7_200), ("C-D", -7_195), ("E-F", -3)):
        day.tick(second, product_id)
    day.beats(0, 63)

    assert ["15:08"] == day.minutes()
    assert {0} == {line["ticks"] for line in day.lines}
    assert {"no_open_minute": 3} == day.coverage.uncounted


def test_a_last_ticker_sent_again_within_its_minute_counts_and_proves_no_watching() -> None:
    day = Day()
    day.beats(0, 20)
    day.coverage.off_watch(WS)
    day.on()
    day.tick(24)
    day.beats(28, 63)

    assert (1, {WS: 19_000 + 32_000}) == (day.of("15:08")["ticks"], day.of("15:08")["watched_ms"])


def test_wild_times_move_no_clock() -> None:
    day = Day()
    day.beats(0, 30)
    for event_time in ("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "", "yesterday"):
        day.keep(day.coverage.ticker("A-B", 90, event_time))
        day.keep(day.coverage.ticker("A-B", 91, event_time))
    day.tick(3_600)  # an hour ahead, once
    day.tick(29.5)
    day.tick(3_601)  # and once more, but not twice in a row
    day.tick(29.6)
    day.beats(30, 63)

    assert day.of("15:08")["whole"]
    assert 2 == day.of("15:08")["ticks"]
    assert {"time_unreadable": 8, "no_open_minute": 2} == day.coverage.uncounted


def test_a_cascade_with_one_wild_time_confirms_nothing() -> None:
    day = Day()
    day.beats(0, 30)
    for _ in range(20):
        day.tick(3_600)
    day.beats(30, 63)

    assert ["15:08"] == day.minutes()
    assert {"no_open_minute": 20} == day.coverage.uncounted


def test_what_came_while_the_clock_was_in_doubt_is_counted_once_it_is_not() -> None:
    day = Day()
    day.tick(0)  # perhaps sent again
    day.tick(1)
    day.tick(1)
    day.tick(2)
    day.beats(3, 63)

    assert (4, {WS: 59_000}) == (day.of("15:08")["ticks"], day.of("15:08")["watched_ms"])


def test_what_is_held_in_doubt_is_bounded() -> None:
    day = Day()
    for _ in range(HELD_MAX + 10):
        day.keep(day.coverage.ticker("A-B", 1, at(5)))
    day.flush()

    assert {"no_open_minute": HELD_MAX + 10} == day.coverage.uncounted


def test_a_clock_that_steps_back_a_little_keeps_one_line_per_minute() -> None:
    day = Day()
    day.beats(0, 65)
    day.beats(20, 130)

    assert ["15:08", "15:09"] == day.minutes()
    assert all(line["whole"] or line["minute"].startswith("2025-11-24T15:08") for line in day.lines)


def test_a_clock_that_steps_back_far_is_followed_and_finished_minutes_stay_finished() -> None:
    day = Day()
    day.beats(0, 130)
    day.beats(3_600, 3_670)  # an hour ahead, confirmed
    day.beats(130, 200)
    day.beats(200, 260)
    day.beats(3_600, 3_730)

    assert sorted(set(day.minutes())) == sorted(day.minutes())
    assert {"15:08", "15:09", "15:11", "16:08", "16:09"} <= set(day.minutes())


def test_an_old_ticker_never_steps_the_clock_back() -> None:
    day = Day()
    day.tick(10)
    day.beats(0, 30)
    day.tick(-3_600)
    day.tick(-3_599)
    day.beats(30, 63)

    assert day.of("15:08")["whole"]
    assert ["15:08"] == day.minutes()


def test_a_trade_of_a_product_nobody_asked_for_is_counted_as_that() -> None:
    day = Day()
    day.beats(0, 5)
    day.tick(5, "X-Y")

    assert {"not_on_watch": 1} == day.coverage.uncounted


def test_a_malformed_second_is_no_tick_of_the_minute() -> None:
    day = Day()
    day.beats(0, 58)
    for text in ("2025-11-24T15:08:61.000000Z", "2025-11-24T15:08:-1.000000Z", "2025-11-24T15:08:1x.000000Z"):
        day.keep(day.coverage.ticker("A-B", 5, text))

    assert {"time_unreadable": 3} == day.coverage.uncounted


def test_a_stall_longer_than_a_minute_may_be_allowed() -> None:
    day = Day(stall_s=300)
    day.beat(0, 1, 200, 201)
    day.flush()

    assert ["15:08", "15:09", "15:10", "15:11"] == day.minutes()
    assert [True, True, True, False] == [line["whole"] for line in day.lines]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("tick", "tick", "tick", "beat", "beat", "poll", "on", "off", "rest", "junk")),
        st.sampled_from(("A-B", "C-D")),
        st.one_of(
            st.integers(0, 3_000), st.sampled_from((-7_200_000, -200_000, -70_000, -20, 20_000, 70_000, 3_600_000))
        ),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS)
def test_whatever_the_clock_does_lines_are_valid_single_and_every_tick_is_accounted_for(
    events: list[tuple[str, str, int]],
) -> None:
    day = Day("A-B", "C-D")
    coverage, at_ms, ticks = day.coverage, 0, 0
    for what, product_id, step_ms in events:
        at_ms += step_ms
        if what == "tick":
            ticks += 1
            day.tick(at_ms / 1000, product_id)
        elif what == "junk":
            ticks += 1
            day.keep(coverage.ticker(product_id, 1, f"{at_ms}"))
        elif what == "beat":
            day.keep(coverage.heartbeat(product_id, at(at_ms / 1000)))
        elif what == "poll":
            day.keep(coverage.poll(START_US + at_ms * 1000))
        elif what == "off":
            coverage.off_watch(WS, [product_id])
        else:
            day.on(WS if what == "on" else "exchange_rest", [product_id])
    day.flush()

    seen = Counter((line["product_id"], line["minute"]) for line in day.lines)
    assert {1} >= set(seen.values())
    assert ticks == sum(line["ticks"] for line in day.lines) + coverage.uncounted.total()
    for line in day.lines:
        watched_ms = sum(line["watched_ms"].values())
        assert line["whole"] == (watched_ms == 60_000)
        assert line["longest_silence_ms"] <= watched_ms <= 60_000
        assert watched_ms or line["ticks"]


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(("A-B", "C-D", None)), st.integers(0, 14_000)), min_size=5))
def test_an_orderly_day_is_counted_as_one_counts_it_by_hand(steps: list[tuple[str | None, int]]) -> None:
    day = Day("A-B", "C-D")
    day.beat(0, 0.001)
    at_ms, expected = 1, Counter[tuple[str, str]]()
    for product_id, step_ms in steps:
        at_ms += step_ms
        if product_id is None:
            day.beat(at_ms / 1000)
        else:
            day.tick(at_ms / 1000, product_id)
            expected[product_id, at(at_ms / 1000)[:16]] += 1
    day.flush()

    assert expected == Counter({(line["product_id"], line["minute"][:16]): line["ticks"] for line in day.lines})
    assert at_ms == sum(
        line["watched_ms"][WS] for line in day.lines if line["product_id"] == "A-B" and line["watched_ms"]
    )
    assert not day.coverage.uncounted


def test_a_recorded_night_is_accounted_for(recorded: Path) -> None:
    continuity, day = Continuity(), Day("BTC-USD", "ETH-USD", "SOL-USD")
    fresh = 0
    with gzip.open(recorded / "exchange/ticker_2025-11-24.jsonl.gz", "rt") as frames:
        for text in frames:
            tick = json.loads(text)
            step = continuity.observe(tick["product_id"], tick["trade_id"], tick["time"])
            if not isinstance(step, Repeat):
                fresh += 1
                day.keep(day.coverage.ticker(tick["product_id"], tick["trade_id"], tick["time"]))
    day.flush()

    assert fresh == sum(line["ticks"] for line in day.lines) + day.coverage.uncounted.total()
    assert 10 > day.coverage.uncounted.total()
    assert 200 < sum(line["whole"] for line in day.lines)
