"""The fast way against the slow one: whatever it recognises must become, byte for byte, the row that parsing would have made."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from contract.reasons import LineRefused
from tests.contract.mutations import TICKER, VALUE, VALUES, line_of, mutated, tick
from transform_lambda import fast
from transform_lambda.decode import decode_line
from transform_lambda.fast import recognise_line, recognise_records
from transform_lambda.partition import HOUR_US, decide_hour, partition_keys
from transform_lambda.row import Row, build_row

RECORDINGS = Path(__file__).parents[2] / "../shared/data/exchange"
ARRIVAL_US = 1_795_401_020_000_000
OLD_TICKER = (ROOT / "examples/line/line.ticker_before_2022.pass.json").read_bytes().rstrip(b"\n")
PASSING = [path.read_bytes().rstrip(b"\n") for path in sorted((ROOT / "examples/line").glob("*.pass.json"))]
FAILING = [path.read_bytes().rstrip(b"\n") for path in sorted((ROOT / "examples/line").glob("*.fail.*"))]


def slow_row(text: bytes) -> Row | None:
    try:
        return build_row(decode_line(text))
    except LineRefused:
        return None


def unmarked(row: Row) -> Row:
    return Row(row.text, row.kind, row.source, row.happened_us, row.receive_time_us)


def compare(seed: int, line_count: int) -> tuple[int, int]:
    """How many mutated lines were recognised, and how many of them were not the original; each must equal its parsed row."""
    dice = random.Random(seed)
    recognised = changed = 0
    for _ in range(line_count):
        original = line_of(tick(dice))
        text = mutated(original, dice)
        row = recognise_line(text)
        if row is not None:
            assert unmarked(row) == slow_row(text), text
            recognised += 1
            changed += text != original
    return recognised, changed


@pytest.mark.parametrize("seed", range(2))
def test_what_is_recognised_among_mutated_lines_gets_the_parsed_row(seed: int) -> None:
    recognised, changed = compare(seed, 12_000)
    assert recognised >= changed > 480  # enough of them survive for the comparison to mean something


@pytest.mark.slow
def test_two_million_more_mutated_lines() -> None:
    assert compare(2_026, 2_000_000)[1] > 80_000


@given(st.data())
def test_any_value_in_any_place_is_recognised_only_as_it_would_be_parsed(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from([TICKER, OLD_TICKER]))
    value = data.draw(st.sampled_from(list(VALUE.finditer(line))))
    new = data.draw(
        st.one_of(st.sampled_from(VALUES), st.from_regex(rb'"?[0-9.]{0,25}"?', fullmatch=True), st.binary(max_size=30))
    )
    text = (line[: value.start()] + new + line[value.end() :]).replace(b"\n", b"")
    row = recognise_line(text)
    assert row is None or unmarked(row) == slow_row(text)


@pytest.mark.parametrize("line", [TICKER, OLD_TICKER, TICKER.replace(b'"side":"buy"', b'"side":"sell"')])
def test_a_ticker_in_coinbases_order_is_recognised(line: bytes) -> None:
    row = recognise_line(line)
    assert row
    assert slow_row(line) == unmarked(row)


@pytest.mark.parametrize("line", PASSING)
def test_a_passing_example_is_recognised_as_it_is_parsed_or_not_at_all(line: bytes) -> None:
    row = recognise_line(line)
    assert row is None or unmarked(row) == slow_row(line)


@pytest.mark.parametrize("line", FAILING)
def test_a_failing_example_is_never_recognised(line: bytes) -> None:
    assert [None] == list(recognise_records([line + b"\n"], [ARRIVAL_US]))
    assert recognise_line(line) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 8), st.integers(0, 8))
def test_a_book_is_judged_by_value_not_by_text(bid: int, ask: int, bid_decimals: int, ask_decimals: int) -> None:
    def written(number: int, decimals: int) -> bytes:
        digits = str(number).rjust(decimals + 1, "0")
        return (digits[:-decimals] + "." + digits[-decimals:] if decimals else digits).encode()

    line = TICKER.replace(b'"101.24"', b'"%b"' % written(bid, bid_decimals)).replace(
        b'"101.26"', b'"%b"' % written(ask, ask_decimals)
    )
    row = recognise_line(line)
    assert slow_row(line) == (row and unmarked(row))


def lines_at(*times: str) -> bytes:
    return b"".join(TICKER.replace(b"02:30:18.987654", at.encode()) + b"\n" for at in times)


def test_a_pack_of_one_hour_is_recognised_whole() -> None:
    text = lines_at("02:00:00.000000", "02:30:18.987654", "02:59:59.999999")
    (verdict,) = recognise_records([text], [ARRIVAL_US])
    assert verdict
    assert text.count(b"\n") == verdict.row_count == verdict.rows.count(b"\n")
    rows = [row.text for line in text.splitlines() if (row := slow_row(line))]
    assert b"".join(row + b"\n" for row in rows) == verdict.rows
    assert partition_keys("ticker", 1_795_401_018 // 3600) == verdict.partition


def test_a_pack_of_two_hours_is_left_to_the_slow_way() -> None:
    assert [None] == list(recognise_records([lines_at("01:59:59.999999", "02:00:00.000000")], [ARRIVAL_US]))


def test_a_pack_with_one_unknown_line_is_left_to_the_slow_way_and_its_neighbours_are_not() -> None:
    known = TICKER + b"\n"
    records = [known, known + b"?\n" + known, known * 2, b"\n", b"x" + known, known]
    found = [verdict and verdict.row_count for verdict in recognise_records(records, [ARRIVAL_US] * len(records))]
    assert [1, None, 2, None, None, 1] == found


def test_garbage_before_a_line_is_not_overlooked() -> None:
    assert [None, None] == list(recognise_records([b"x" + TICKER + b"\n", TICKER + b"x\n"], [ARRIVAL_US] * 2))


def test_the_oldest_receive_time_of_a_pack_is_kept() -> None:
    older = TICKER.replace(b'"receive_time":"2026-11-23T02:30:19.123456', b'"receive_time":"2026-11-23T02:30:19.123455')
    (verdict,) = recognise_records([TICKER + b"\n" + older + b"\n" + TICKER + b"\n"], [ARRIVAL_US])
    assert verdict
    assert 1_795_401_019_123_455 == verdict.oldest_receive_time_us


@given(
    st.lists(st.integers(-2 * HOUR_US, 50 * HOUR_US).map(lambda age_us: ARRIVAL_US - age_us), min_size=1, max_size=3),
    st.integers(0, 3 * HOUR_US),
)
def test_a_recognised_record_goes_where_each_of_its_lines_would_go(happened_us: list[int], spread_us: int) -> None:
    texts = [with_event_time(us) for us in happened_us]
    arrivals_us = [ARRIVAL_US + index * spread_us for index in range(len(texts))]
    for text, us, arrival_us, verdict in zip(
        texts, happened_us, arrivals_us, recognise_records(texts, arrivals_us), strict=True
    ):
        hour = decide_hour(kind="ticker", source="exchange_ws", happened_us=us, arrival_us=arrival_us)
        assert slow_row(text[:-1])
        assert verdict is None or partition_keys("ticker", hour) == verdict.partition


def with_event_time(us: int) -> bytes:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return TICKER.replace(b"2026-11-23T02:30:18.987654", at.strftime("%Y-%m-%dT%H:%M:%S.%f").encode()) + b"\n"


def test_more_records_than_a_chunk_are_all_answered() -> None:
    texts = [TICKER.replace(b'"n":42', b'"n":%d' % n) + b"\n" for n in range(500)]
    rows = [verdict.rows for verdict in recognise_records(texts, [ARRIVAL_US] * 500) if verdict]
    assert list(range(500)) == [json.loads(row)["n"] for row in rows]


def test_the_memo_does_not_grow_for_ever() -> None:
    for second in range(2 * fast._MEMO_LIMIT):
        assert recognise_line(with_event_time(ARRIVAL_US - second * 1_000_000)[:-1])
    assert len(fast._HAPPENED) <= fast._MEMO_LIMIT


@pytest.mark.parametrize(("name", "step"), [("ticker_2025-11-24.jsonl.gz", 75), ("ticker_2021_illiquid.jsonl", 1)])
def test_recorded_frames_are_recognised_and_get_their_parsed_rows(name: str, step: int) -> None:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("the recorded Coinbase traffic is not on this machine; it is not ours to publish")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as frames:
        for frame in islice(frames, 0, 2000 * step, step):
            line = line_of(frame.rstrip(b"\n"))
            row = recognise_line(line)
            assert row
            assert slow_row(line) == unmarked(row)
