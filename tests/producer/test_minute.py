from __future__ import annotations

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import load_schema
from producer.minute import MINUTE_MS, Minute, Tally, decode_event_ms

VALID_COVERAGE = fastjsonschema.compile(load_schema("testimony/coverage"))
TEXT = "2025-11-24T15:08:00Z"


@pytest.mark.parametrize(
    ("event_time", "expected_ms"),
    [
        ("2025-11-24T15:08:18.223332Z", 1_763_996_898_223),
        ("2025-11-24T15:08:18.86Z", 1_763_996_898_860),
        ("2025-11-24T15:08:18Z", 1_763_996_898_000),
        ("2025-11-24T15:08:18.223332999Z", 1_763_996_898_223),
    ],
)
def test_an_instant_is_read_to_the_millisecond(event_time: str, expected_ms: int) -> None:
    assert expected_ms == decode_event_ms(event_time)


@pytest.mark.parametrize(
    "event_time",
    [
        "",
        "t1",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "2013-12-31T23:59:59.999999Z",
        "2025-02-30T00:00:00.000000Z",
        "2025-11-24T24:00:00.000000Z",
        "2025-11-24T15:08:60.000000Z",
        "2025-11-24 15:08:18.223332Z",
        "2025-11-24T15:08:18.223332+00:00",
        "\uff12025-11-24T15:08:18.223332Z",
        "2025-11-24T15:08:18.223332Z\n",
    ],
)
def test_what_no_exchange_clock_shows_is_no_instant(event_time: str) -> None:
    assert decode_event_ms(event_time) is None


def test_a_quiet_minute_that_was_watched_is_evidence() -> None:
    tally = Tally(heartbeats=60)
    tally.close("exchange_ws", MINUTE_MS)
    line = tally.to_message("A-B", TEXT)

    assert {
        "product_id": "A-B",
        "minute": TEXT,
        "ticks": 0,
        "first_trade_id": None,
        "last_trade_id": None,
        "longest_silence_ms": 60_000,
        "watched_ms": {"exchange_ws": 60_000},
        "heartbeats": 60,
        "whole": True,
    } == line
    VALID_COVERAGE(line)


def test_a_minute_that_nobody_watched_gives_no_line() -> None:
    assert Tally(heartbeats=3).to_message("A-B", TEXT) is None


def test_silence_reaches_to_the_edges_of_what_was_watched_and_not_across_a_break() -> None:
    tally = Tally(ticks_ms=[5_000, 41_000], trade_ids=[7, 8])
    tally.open_ms = 1_000
    tally.close("exchange_ws", 15_000)
    tally.open_ms = 40_000
    tally.close("exchange_ws", 52_000)
    line = tally.to_message("A-B", TEXT)

    assert line is not None
    assert (11_000, {"exchange_ws": 26_000}, False) == (line["longest_silence_ms"], line["watched_ms"], line["whole"])


def test_silence_goes_on_where_another_source_takes_over_at_once() -> None:
    tally = Tally()
    tally.close("exchange_ws", 20_000)
    tally.open_ms = 20_000
    tally.close("exchange_rest", MINUTE_MS)
    line = tally.to_message("A-B", TEXT)

    assert line is not None
    assert 60_000 == line["longest_silence_ms"]
    assert {"exchange_ws": 20_000, "exchange_rest": 40_000} == line["watched_ms"]
    assert line["whole"]


@given(
    ticks_ms=st.lists(st.integers(0, MINUTE_MS - 1)),
    edges=st.lists(st.integers(0, MINUTE_MS), min_size=2, max_size=12, unique=True),
)
def test_the_longest_silence_is_that_of_a_plain_count(ticks_ms: list[int], edges: list[int]) -> None:
    edges.sort()
    tally = Tally(ticks_ms=list(ticks_ms), trade_ids=[1] * len(ticks_ms))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    for tally.open_ms, to_ms in spans:
        tally.close("exchange_ws", to_ms)
    line = tally.to_message("A-B", TEXT)
    expected = 0
    for from_ms, to_ms in spans:
        since_ms = from_ms
        for at_ms in [*sorted(each for each in ticks_ms if from_ms <= each <= to_ms), to_ms]:
            expected = max(expected, at_ms - since_ms)
            since_ms = at_ms

    assert line is not None
    VALID_COVERAGE(line)
    assert expected == line["longest_silence_ms"]


def test_a_minute_knows_its_text() -> None:
    assert "2025-11-24T15:08:" == Minute(1_763_996_898_223 // MINUTE_MS, ()).prefix
