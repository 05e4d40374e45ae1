from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import BodyUnreadable
from producer.line import LineEncoder
from producer.rest import (
    RestTicker,
    RestTrade,
    check_spot,
    decode_products,
    decode_ticker,
    decode_trades,
    spot_path,
    ticker_path,
    trades_path,
)
from tests.contract.mutations import mutated
from tests.producer.virtual import SESSION, rows_of

if TYPE_CHECKING:
    from pathlib import Path


def test_every_trade_keeps_its_own_bytes() -> None:
    one = (
        '{"time":"2020-01-01T00:00:00.5Z", "trade_id": 7 ,"price":"1.10000000","size":"1","side":"buy","x":"a ] , } b"}'
    )
    two = '{"trade_id":6,"time":"t","x":[1,[2]],"é":"\\u00e9"}'
    body = f" [ {one} ,\n{two}\n] ".encode()

    assert [
        RestTrade(7, "2020-01-01T00:00:00.5Z", one.encode(), valid=True),
        RestTrade(6, "t", two.encode(), valid=False),
    ] == decode_trades(body)


@pytest.mark.parametrize("seed", range(2))
def test_a_mutated_trade_is_valid_exactly_if_the_transform_makes_a_row_of_its_line(seed: int) -> None:
    dice = random.Random(f"trades:{seed}")
    encoder = LineEncoder(SESSION)
    good = b'{"trade_id":5,"side":"buy","size":"0.10000000","price":"20000.1","time":"2026-11-22T23:59:59.860000Z"}'
    lines: list[bytes] = []
    valid: set[int] = set()
    while len(lines) < 2_000:
        with suppress(BodyUnreadable):
            for trade in decode_trades(b"[%b]" % mutated(good, dice)):
                if trade.valid:
                    valid.add(len(lines))
                lines.append(
                    encoder.encode(
                        n=len(lines),
                        kind="trade",
                        source="rest_heal",
                        receive_us=1_763_996_400_000_000,
                        message=trade.raw,
                        product_id="BTC-USD",
                    )
                )

    assert valid == {row["n"] for row in rows_of(lines)}
    assert 200 < len(valid) < 1_800


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none()), max_size=8),
    st.sampled_from([None, 1]),
)
def test_the_bytes_of_a_page_are_divided_never_changed(elements: list[dict[str, object]], indent: int | None) -> None:
    whole = [{**element, "trade_id": at + 1} for at, element in enumerate(elements)]
    trades = decode_trades(json.dumps(whole, indent=indent).encode())

    assert whole == [json.loads(trade.raw) for trade in trades]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"message":"NotFound"}',
        b"[",
        b"[1]",
        b'[{"trade_id":"7"}]',
        b'[{"trade_id":0}]',
        b'[{"trade_id":7}',
        b"[{]",
        b"\xff",
    ],
)
def test_a_page_that_says_nothing_is_named(body: bytes) -> None:
    with pytest.raises(BodyUnreadable, match="cannot be read"):
        decode_trades(body)


def test_an_empty_page_is_a_page() -> None:
    assert [] == decode_trades(b" [ ] ")


def test_a_ticker_body_is_read() -> None:
    body = b'{"ask":"2","bid":"1","trade_id":5,"price":"1.5","size":"1","time":"2024-03-13T11:10:41.270099Z"}'

    assert RestTicker(5, "2024-03-13T11:10:41.270099Z", "1.5") == decode_ticker(body)
    for bad in (b"[]", b"{}", b"<html>", b'{"trade_id":true}'):
        with pytest.raises(BodyUnreadable):
            decode_ticker(bad)


def test_products_are_the_objects_with_an_id() -> None:
    assert [{"id": "A-B"}] == decode_products(b'[{"id":"A-B"},{"x":1},3]')
    with pytest.raises(BodyUnreadable):
        decode_products(b'{"message":"x"}')


def test_paths_carry_ids_escaped() -> None:
    assert "/products/BTC-USD/trades?limit=1000&after=8" == trades_path("BTC-USD", after=8)
    assert "/products/..%2Fx/ticker" == ticker_path("../x")


def test_recorded_pages_and_products_are_read(recorded: Path) -> None:
    lines = (recorded / "rest" / "exchange_trades_BTC-EUR_2020-02-17.jsonl").read_bytes().splitlines()
    trades = decode_trades(b"[" + b",".join(lines) + b"]")

    assert lines == [trade.raw for trade in trades]
    products = decode_products((recorded / "rest" / "exchange_products_2021-04-17.json").read_bytes())
    assert "SKL-EUR" in {product["id"] for product in products}


def test_without_a_cursor_the_newest_page_is_asked_for() -> None:
    assert "/products/BTC-USD/trades?limit=10" == trades_path("BTC-USD", after=None, limit=10)


def test_a_spot_price_is_asked_for_by_its_pair() -> None:
    assert "/v2/prices/BTC-USD/spot" == spot_path("BTC-USD")
    assert "/v2/prices/..%2Fx/spot" == spot_path("../x")


def test_a_line_carries_an_object_of_a_spot_price_and_nothing_else() -> None:
    check_spot(b'{"data":{"amount":"1.5","base":"A","currency":"B"}}\n')
    for bad in (b"", b"[]", b"1.5", b"<html>", b'{"data":\xff}'):
        with pytest.raises(BodyUnreadable):
            check_spot(bad)
