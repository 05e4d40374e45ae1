from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import LineRefused
from contract.rules import check_book, check_number, check_price, parse_instant_us, second_of_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Hypothesis wants its bounds without a zone.
FIRST = datetime(2014, 1, 1, tzinfo=UTC).replace(tzinfo=None)
LAST = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC).replace(tzinfo=None)
DECIMALS = st.from_regex(r"(?:0|[1-9][0-9]{0,22})(?:\.[0-9]{1,20})?", fullmatch=True)


@given(st.datetimes(FIRST, LAST))
def test_every_microsecond_is_exact(at: datetime) -> None:
    text = at.isoformat(timespec="microseconds") + "Z"
    assert (at.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) == parse_instant_us("time", text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-11-23T02:30:18Z", 0),
        ("2026-11-23T02:30:18.9Z", 900_000),
        ("2026-11-23T02:30:18.86Z", 860_000),
        ("2026-11-23T02:30:18.000001Z", 1),
        ("2026-11-23T02:30:18.9999999Z", 999_999),
        ("2026-11-23T02:30:18.999999999Z", 999_999),
    ],
)
def test_fractions_of_any_length_are_cut_to_microseconds(text: str, micros: int) -> None:
    assert 1_795_401_018_000_000 + micros == parse_instant_us("time", text)


def test_the_last_nanosecond_of_a_day_stays_in_its_day() -> None:
    midnight_us = parse_instant_us("time", "2026-11-24T00:00:00Z")
    assert midnight_us - 1 == parse_instant_us("time", "2026-11-23T23:59:59.999999999Z")


@pytest.mark.parametrize("text", ["2024-02-29T00:00:00Z", "2014-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z"])
def test_the_edges_of_our_calendar_are_inside(text: str) -> None:
    assert (
        datetime.fromisoformat(text).timestamp()
        == parse_instant_us("time", text) // 1_000_000 + int("999999" in text) * 0.999999
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-02-29T00:00:00Z", "time_invalid"),
        ("2026-02-30T00:00:00Z", "time_invalid"),
        ("2026-00-10T00:00:00Z", "time_invalid"),
        ("2026-10-00T00:00:00Z", "time_invalid"),
        ("2026-11-23T24:00:00Z", "time_invalid"),
        ("2026-11-23T23:60:00Z", "time_invalid"),
        ("2026-11-23T23:59:60Z", "time_invalid"),
        ("2013-12-31T23:59:59.999999999Z", "time_out_of_range"),
        ("2100-01-01T00:00:00Z", "time_out_of_range"),
        ("0001-01-01T00:00:00.000000Z", "time_out_of_range"),
        ("0000-00-00T00:00:00Z", "time_out_of_range"),
    ],
)
def test_what_names_no_instant_of_ours_is_refused(text: str, reason: str) -> None:
    with pytest.raises(LineRefused, match="time: ") as refused:
        parse_instant_us("time", text)
    assert reason == refused.value.reason


def test_every_second_has_ten_digits() -> None:
    assert (10, 10) == (
        len(str(second_of_text("2014-01-01T00:00:00"))),
        len(str(second_of_text("2099-12-31T23:59:59"))),
    )


@given(DECIMALS)
def test_a_decimal_passes_unchanged_or_is_beyond_38_18(text: str) -> None:
    integer, _, fraction = text.partition(".")
    fits = len(integer) <= 20 and len(fraction) <= 18
    if fits:
        assert text == check_number("last_size", text)
    else:
        with pytest.raises(LineRefused) as refused:
            check_number("last_size", text)
        assert "decimal_out_of_range" == refused.value.reason


@pytest.mark.parametrize("text", ["0", "0.0", "0.000000000000000000", "-0", "-0.0", "-1", "-86000.5"])
def test_a_price_is_above_zero(text: str) -> None:
    with pytest.raises(LineRefused, match=f"price is {text}") as refused:
        check_price("price", text)
    assert "price_not_positive" == refused.value.reason


@pytest.mark.parametrize("text", ["0.000000000000000001", "10", "100.00", "0.30000000000000004"])
def test_a_price_keeps_the_exchanges_own_text(text: str) -> None:
    assert text == check_price("price", text)


@pytest.mark.parametrize("text", ["-1", "-0", "-0.00000000"])
def test_a_size_has_no_sign(text: str) -> None:
    with pytest.raises(LineRefused) as refused:
        check_number("last_size", text)
    assert "number_negative" == refused.value.reason


def test_a_size_may_be_zero() -> None:
    assert "0.00000000" == check_number("last_size", "0.00000000")


@given(DECIMALS, DECIMALS)
def test_a_book_is_crossed_exactly_when_the_ask_is_lower(best_bid: str, best_ask: str) -> None:
    if Decimal(best_ask) >= Decimal(best_bid):
        check_book(best_bid, best_ask)
    else:
        with pytest.raises(LineRefused) as refused:
            check_book(best_bid, best_ask)
        assert "book_crossed" == refused.value.reason


def test_an_empty_book_is_no_fault() -> None:
    check_book(None, None)


@pytest.mark.parametrize("book", [("1", None), (None, "1")])
def test_half_a_book_is_refused(book: tuple[str | None, str | None]) -> None:
    with pytest.raises(LineRefused) as refused:
        check_book(*book)
    assert "book_half_missing" == refused.value.reason
