from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from transform_lambda.partition import partition_keys
from transform_lambda.record import transform_records
from transform_lambda.verdict import Accepted, Refused

LINES = ROOT / "examples/line"
SESSION = "01JDB3M8ZK4Q6W7X8Y9ABCDEFG"
ARRIVAL_US = 1_795_410_000_000_000  # 2026-11-23T05:00Z, two and a half hours after the examples
HOUR_02 = partition_keys("ticker", 1_795_401_018 // 3600)
MIXED_05 = {"kind": "mixed", "year": "2026", "month": "11", "day": "23", "hour": "05"}
TICKER = (LINES / "line.ticker.pass.json").read_bytes().rstrip(b"\n")
SPOT = (LINES / "line.spot.pass.json").read_bytes().rstrip(b"\n")
BAD = (LINES / "line.price_not_positive-zero.fail.json").read_bytes().rstrip(b"\n")
NOT_UTF8 = (LINES / "line.line_not_utf8.fail.txt").read_bytes().rstrip(b"\n")


def verdict_on(text: bytes, arrival_us: int | None = ARRIVAL_US) -> Accepted | Refused:
    (verdict,) = transform_records([base64.b64encode(text).decode()], [arrival_us])
    return verdict


def accepted(text: bytes, arrival_us: int | None = ARRIVAL_US) -> tuple[Accepted, list[dict[str, Any]]]:
    verdict = verdict_on(text, arrival_us)
    assert isinstance(verdict, Accepted)
    assert verdict.rows.endswith(b"\n")
    return verdict, [json.loads(row) for row in verdict.rows.splitlines()]


def reasons(text: bytes) -> list[str]:
    verdict = verdict_on(text)
    assert isinstance(verdict, Refused)
    return [refusal.reason for refusal in verdict.refusals]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_one_line_is_one_row_with_or_without_its_newline(end: bytes) -> None:
    verdict, rows = accepted(TICKER + end)
    assert (1, 42, HOUR_02) == (len(rows), rows[0]["n"], verdict.partition)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_pack_of_one_kind_and_hour_keeps_its_partition(end: bytes) -> None:
    verdict, rows = accepted(TICKER + b"\n" + TICKER.replace(b'"n":42', b'"n":43') + end)
    assert ([42, 43], HOUR_02, 2, 0) == (
        [row["n"] for row in rows],
        verdict.partition,
        verdict.row_count,
        len(verdict.set_aside),
    )


def test_two_kinds_in_a_pack_are_mixed_at_the_hour_of_arrival() -> None:
    verdict, rows = accepted(TICKER + b"\n" + SPOT)
    assert (["ticker", "spot"], MIXED_05) == ([row["kind"] for row in rows], verdict.partition)


def test_two_hours_in_a_pack_are_mixed_at_the_hour_of_arrival() -> None:
    verdict, rows = accepted(TICKER + b"\n" + TICKER.replace(b"T02:30:18.9", b"T01:30:18.9"))
    assert (2, MIXED_05) == (len(rows), verdict.partition)


def test_a_bad_line_is_set_aside_without_sinking_its_neighbours() -> None:
    verdict, rows = accepted(b"\n".join([TICKER, BAD, SPOT]) + b"\n")
    assert (["ticker", "refused", "spot"], MIXED_05, 2) == (
        [row["kind"] for row in rows],
        verdict.partition,
        verdict.row_count,
    )
    detail = json.loads(rows[1].pop("detail"))
    assert {"session": SESSION, "n": 42, "kind": "refused"} == rows[1]
    assert {"reason": "price_not_positive", "detail": "price is 0.00", "line": BAD.decode()} == detail
    assert ["price_not_positive"] == [refusal.reason for refusal in verdict.set_aside]


def test_a_bad_line_among_500_sets_only_itself_aside() -> None:
    lines = [TICKER.replace(b'"n":42', b'"n":%d' % n) for n in range(500)]
    lines[250] = lines[250][:100]
    verdict, rows = accepted(b"\n".join(lines))
    assert (499, 500, "refused", 250) == (verdict.row_count, len(rows), rows[250]["kind"], rows[250]["n"])


def test_a_set_aside_line_that_is_not_utf8_can_be_recovered() -> None:
    _, rows = accepted(NOT_UTF8 + b"\n" + TICKER)
    detail = json.loads(rows[0]["detail"])
    assert ("line_not_utf8", NOT_UTF8) == (detail["reason"], base64.b64decode(detail["line_base64"]))


def test_a_set_aside_line_without_a_name_is_a_row_without_a_name() -> None:
    _, rows = accepted(b"?\n" + TICKER)
    assert {"kind", "detail"} == set(rows[0])


def test_a_blank_line_inside_a_pack_is_a_bad_line() -> None:
    verdict, rows = accepted(TICKER + b"\n\n" + TICKER)
    assert (["ticker", "refused", "ticker"], "mixed") == ([row["kind"] for row in rows], verdict.partition["kind"])


def test_a_pack_whose_lines_are_all_bad_is_refused_whole() -> None:
    assert ["price_not_positive", "line_not_json", "line_not_utf8"] == reasons(b"\n".join([BAD, b"{", NOT_UTF8]))


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_an_empty_record_is_refused(text: bytes) -> None:
    assert ["line_not_json"] == reasons(text)


def test_a_megabyte_of_newlines_is_refused_line_by_line() -> None:
    assert 1_000_000 == len(reasons(b"\n" * 1_000_000))


@pytest.mark.parametrize("bad", [b"", b"x", b"\xff"])
def test_a_good_line_among_a_flood_of_bad_ones_is_refused_with_them_before_memory_is_full(bad: bytes) -> None:
    verdict = verdict_on(TICKER + b"\n" + (bad + b"\n") * 100_000)
    assert isinstance(verdict, Refused)
    assert [("response_full", 42, 100_001)] == [
        (refusal.reason, refusal.n, refusal.line_count) for refusal in verdict.refusals
    ]


@pytest.mark.parametrize("encoded", ["%%%", "YQ", "YQ=", "Y Q==", "é", None, 17, b"YQ=="])
def test_data_that_is_not_base64_text_is_refused(encoded: object) -> None:
    (verdict,) = transform_records([encoded], [ARRIVAL_US])
    assert isinstance(verdict, Refused)
    assert ["line_not_json"] == [refusal.reason for refusal in verdict.refusals]


def test_without_an_arrival_time_the_receive_time_stands_in() -> None:
    assert "02" == accepted(TICKER, None)[0].partition["hour"]
    assert ("mixed", "02") == tuple(accepted(TICKER + b"\n" + BAD, None)[0].partition[key] for key in ("kind", "hour"))


def test_a_sleepy_products_last_tick_goes_to_the_hour_it_arrived() -> None:
    old = TICKER.replace(b'"time":"2026-11-23T02', b'"time":"2026-11-20T02')
    assert {"kind": "ticker", "year": "2026", "month": "11", "day": "23", "hour": "05"} == accepted(old)[0].partition


def test_a_healed_trade_of_last_year_goes_to_the_hour_it_happened() -> None:
    trade = (LINES / "line.trade.pass.json").read_bytes().replace(b'"time":"2026-11-23T02', b'"time":"2025-11-23T02')
    assert {"kind": "trade", "year": "2025", "month": "11", "day": "23", "hour": "02"} == accepted(trade)[0].partition


def test_the_oldest_receive_time_is_kept() -> None:
    older = TICKER.replace(b'"receive_time":"2026-11-23T02:30:19', b'"receive_time":"2026-11-23T02:30:11')
    assert 1_795_401_011_123_456 == accepted(b"\n".join([TICKER, older, BAD, TICKER]))[0].oldest_receive_time_us


@given(
    st.lists(st.one_of(st.sampled_from([TICKER, SPOT, BAD, NOT_UTF8]), st.binary(max_size=40)), min_size=1, max_size=8)
)
def test_every_line_is_one_row_or_one_refusal_in_order(pieces: list[bytes]) -> None:
    text = b"\n".join(pieces)
    line_count = text.removesuffix(b"\n").count(b"\n") + 1
    verdict = verdict_on(text)
    if isinstance(verdict, Refused):
        assert line_count == len(verdict.refusals)
    else:
        assert (
            line_count == verdict.row_count + len(verdict.set_aside) == verdict.rows.count(b"\n") == verdict.line_count
        )
