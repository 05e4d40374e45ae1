from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.candle_compare import (
    MINUTE_US,
    PAGE_MINUTES,
    SEVERITY_OF,
    Candle,
    CandlesUnreadable,
    Ids,
    Minute,
    MinuteIds,
    Reason,
    Tolerance,
    compare_minute,
    decode_candles,
    join_ids,
    list_findings,
    plan_pages,
)

START_US = 1_795_399_200_000_000
NOW_US = START_US + 24 * 60 * MINUTE_US
OURS = Candle(*map(Decimal, ("100", "102.5", "99.5", "101", "12.50000000")))
JOINED, APART = Ids(10, 19, joined=True), Ids(10, 19, joined=False)


def candle(**changes: str) -> Candle:
    fields = {"open": "100", "high": "102.5", "low": "99.5", "close": "101", "volume": "12.5"} | changes
    return Candle(**{name: Decimal(text) for name, text in fields.items()})


def minute(**changes: Any) -> Minute:
    known: dict[str, Any] = {
        "product_id": "BTC-USD",
        "start_us": START_US,
        "ours": OURS,
        "ids": APART,
        "hole": "",
        "watched": True,
    }
    return Minute(**(known | changes))


def test_a_body_becomes_exact_candles_by_their_minutes() -> None:
    body = b"[[1795399260,0.00000011,9.1e-07,1.10,0.3,3728.67857634],[1795399200,1,2,1.5,2,0.1]]"
    first = Candle(*map(Decimal, ("1.10", "9.1e-07", "0.00000011", "0.3", "3728.67857634")))
    second = Candle(*map(Decimal, ("1.5", "2", "1", "2", "0.1")))
    assert {START_US + MINUTE_US: first, START_US: second} == decode_candles(body)


def test_a_candle_without_volume_is_no_candle() -> None:
    assert {} == decode_candles(b"[[1795399200,1,2,1.5,2,0]]")


def test_recorded_candles_are_read(recorded: Any) -> None:
    lines = (recorded / "rest" / "exchange_candles_BTC-USD_1h_2020-03.jsonl").read_text().splitlines()
    read = decode_candles(f"[{','.join(lines)}]".encode())
    assert len(lines) == len(read)
    assert Decimal("3728.67857634") == read[1_584_316_800_000_000].volume
    assert all(
        each.low <= min(each.open, each.close) <= max(each.open, each.close) <= each.high for each in read.values()
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"message":"x"}',
        b"[1]",
        b"[[1,2,3]]",
        b'[[1,2,3,4,5,"6"]]',
        b"[[1,2,3,4,5,NaN]]",
        b"\xff",
    ],
)
def test_what_holds_no_candles_is_refused(body: bytes) -> None:
    with pytest.raises(CandlesUnreadable):
        decode_candles(body)


@given(st.sets(st.integers(0, 3_000)))
def test_pages_hold_every_minute_and_none_is_too_long(minutes: set[int]) -> None:
    starts = [START_US + n * MINUTE_US for n in sorted(minutes)]
    pages = plan_pages(starts)
    assert all(1 == sum(start <= at < end for start, end in pages) for at in starts)
    assert all(end - start == PAGE_MINUTES * MINUTE_US and start in starts for start, end in pages)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, Ids(10, 12, joined=True)),  # the first of the span
        (1, Ids(13, 13, joined=True)),
        (2, Ids(None, None, joined=True)),  # quiet: 13 and 14 follow each other
        (3, Ids(14, 20, joined=False)),  # six trades, seven ids
        (4, Ids(21, 22, joined=False)),  # 23 is missing behind it
        (5, Ids(None, None, joined=False)),
        (6, Ids(24, 24, joined=False)),
        (7, Ids(None, None, joined=False)),  # nothing comes after
    ],
)
def test_ids_join_where_none_is_missing_within_before_or_after(at: int, expected: Ids) -> None:
    held = {0: (3, 10, 12), 1: (1, 13, 13), 3: (6, 14, 20), 4: (2, 21, 22), 6: (1, 24, 24)}
    known = [MinuteIds(START_US + n * MINUTE_US, *of_minute) for n, of_minute in held.items()]
    assert expected == join_ids(known, START_US + at * MINUTE_US)


def test_what_agrees_is_no_disagreement_however_its_digits_are_written() -> None:
    assert compare_minute(minute(), candle(volume="12.500000000000001"), Tolerance(), now_us=NOW_US) is None
    assert compare_minute(minute(ours=None), None, Tolerance(), now_us=NOW_US) is None


@pytest.mark.parametrize(
    ("theirs", "differences"),
    [
        ({"open": "100.01"}, "open 100 against 100.01"),
        ({"high": "103", "low": "99"}, "high 102.5 against 103, low 99.5 against 99"),
        ({"close": "100"}, "close 101 against 100"),
        ({"volume": "12.6"}, "volume 12.5 against 12.6"),
    ],
)
def test_what_differs_is_told_in_figures(theirs: dict[str, str], differences: str) -> None:
    found = compare_minute(minute(), candle(**theirs), Tolerance(), now_us=NOW_US)
    assert found is not None
    assert differences == found.differences
    wide = Tolerance(price_share=Decimal("0.01"), volume_share=Decimal("0.01"))
    assert compare_minute(minute(), candle(**theirs), wide, now_us=NOW_US) is None


MORE, LESS, OTHER = candle(volume="13"), candle(volume="12", high="102"), candle(close="100")


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (minute(), MORE, "unnamed"),
        (minute(), OTHER, "unnamed"),
        (minute(), LESS, "more_than_theirs"),
        (minute(ours=None, ids=Ids(None, None, joined=False)), MORE, "unnamed"),
        (minute(ours=None, ids=Ids(None, None, joined=True)), MORE, "ids_whole"),
        (minute(ids=JOINED), MORE, "ids_whole"),
        (minute(ids=JOINED, hole="disconnected", watched=False), OTHER, "ids_whole"),
        (minute(hole="disconnected"), MORE, "named_hole"),
        (minute(hole="refused_frame", watched=False), MORE, "named_hole"),
        (minute(watched=False), MORE, "not_watched"),
        (minute(), None, "no_candle"),
        (minute(start_us=NOW_US - 10 * MINUTE_US), MORE, "not_final"),
        (minute(start_us=NOW_US - 10 * MINUTE_US, ids=JOINED), None, "not_final"),
    ],
)
def test_each_disagreement_has_its_reason(ours: Minute, theirs: Candle | None, reason: Reason) -> None:
    found = compare_minute(ours, theirs, Tolerance(), now_us=NOW_US)
    assert found is not None
    assert reason == found.reason
    [finding] = list_findings([found])
    assert SEVERITY_OF[reason] == finding.severity
    assert (ours.start_us, ours.start_us + MINUTE_US - 1) == (finding.first_us, finding.last_us)
    assert (ours.ids.first_id, ours.ids.last_id, 1) == (finding.first_id, finding.last_id, finding.amount)


def test_known_reasons_are_told_together_and_unknown_ones_minute_by_minute_worst_first() -> None:
    minutes = [minute(start_us=START_US + n * MINUTE_US, hole="disconnected" if n < 3 else "") for n in range(5)]
    minutes.append(minute(ids=JOINED))
    found = [compare_minute(each, MORE, Tolerance(), now_us=NOW_US) for each in minutes]
    told = list_findings([each for each in found if each])
    assert [("damage", 1), ("damage", 1), ("warning", 1), ("notice", 3)] == [(f.severity, f.amount) for f in told]
    assert (
        "3 minutes differ from Coinbase's candles, and we know why: a hole is named there (disconnected)"
        == told[-1].what
    )
    assert (START_US, START_US + 3 * MINUTE_US - 1) == (told[-1].first_us, told[-1].last_us)
