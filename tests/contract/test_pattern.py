from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import load_schema, pattern
from contract.pattern import integer_pattern, is_book_in_order, second_of, text_pattern, ticker_pattern
from contract.reasons import LineRefused
from tests.contract.mutations import TICKER

FRAME = json.dumps(json.loads(TICKER)["message"], separators=(",", ":"))
DECIMALS = st.from_regex(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?", fullmatch=True)


def groups(*captured: str) -> tuple[str | None, ...]:
    found = re.fullmatch(ticker_pattern(captured), FRAME)
    assert found
    return found.groups()


def test_the_patterns_decimal_is_the_rows() -> None:
    decimal = (pattern._INTEGER_PART + pattern._FRACTION_PART).replace("}+", "}").replace(")?+", ")?")
    assert load_schema("row")["properties"]["price"]["pattern"] == f"^{decimal}$"


def test_the_book_is_always_cut_out() -> None:
    assert ("101.24", "101", "101.26", "101") == groups()


def test_fields_are_cut_out_in_the_order_of_the_text() -> None:
    product_id, price, *_, instant, second, trade_id = groups("trade_id", "second", "time", "price", "product_id")
    assert ("ABC-USD", "101.25", "7001") == (product_id, price, trade_id)
    assert ("2026-11-23T02:30:18.987654Z", "2026-11-23T02:30:18") == (instant, second)


def test_the_pieces_make_the_frame() -> None:
    body, *_, happened, micros, tail = groups("body", "happened", "micros", "tail")
    assert FRAME == f'{{"type":"ticker"{body},"side":"{happened}.{micros}Z"{tail}}}'


@given(st.integers(0, 2 * 10**18), st.booleans())
def test_an_integer_is_matched_if_its_digits_cannot_pass_the_maximum(number: int, above_zero: bool) -> None:
    schema = {"minimum": int(above_zero), "maximum": 2**63 - 1}
    matched = re.fullmatch(integer_pattern(schema), str(number))
    assert (number < 10**18 and number >= int(above_zero)) == (matched is not None)


@pytest.mark.parametrize("text", ["ABC-USD", "A-B-C", "A" * 20 + "-B", "A-", "a-b", "AB", "A" * 21 + "-B", "A" * 65])
@pytest.mark.parametrize("more", ["", "-" + "-".join(["C" * 20] * 2), "-" + "-".join(["C" * 20] * 3)])
def test_a_text_is_matched_as_its_schema_says(text: str, more: str) -> None:
    schema = load_schema("frames/ticker")["definitions"]["product_id"]
    good = re.search(schema["pattern"], text + more) and len(text + more) <= schema["maxLength"]
    assert bool(good) == bool(re.fullmatch(f'"{text_pattern(schema)}"', f'"{text + more}"'))


def test_a_second_is_counted_from_the_epoch() -> None:
    assert 1_795_401_018 == second_of(b"2026-11-23T02:30:18")


@pytest.mark.parametrize(
    "text",
    [b"2026-02-30T02:30:18", b"0001-01-01T00:00:00", b"2026-11-23 02:30:18", b"20 6-11-23T02:30:18", b"\xff" * 19],
)
def test_what_is_no_second_is_not_one(text: bytes) -> None:
    with pytest.raises(LineRefused):
        second_of(text)


@given(DECIMALS, DECIMALS)
def test_a_book_is_in_order_by_value_not_by_text(bid: str, ask: str) -> None:
    pieces = [part.encode() for decimal in (bid, ask) for part in (decimal, decimal.partition(".")[0])]
    assert (Decimal(bid) <= Decimal(ask)) == is_book_in_order(*pieces)
