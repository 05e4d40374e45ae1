from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from contract import ROOT, load_schema
from contract.columns import COLUMNS, Form, read_columns
from contract.reasons import LineRefused


def example(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((ROOT / f"examples/frames/{name}.today.pass.json").read_bytes())
    return message


def test_every_form_has_its_columns_and_the_row_knows_them() -> None:
    assert set(get_args(Form)) == set(COLUMNS)
    assert {column for columns in COLUMNS.values() for column, *_ in columns} <= set(load_schema("row")["properties"])


def test_a_tickers_columns_stand_in_the_order_of_its_frame() -> None:
    assert [field for field in example("ticker") if field != "type"] == [field for _, field, _ in COLUMNS["ticker"]]


def test_an_absent_field_gives_no_column() -> None:
    trade = example("rest_trade")

    assert {"price", "taker_side", "event_time_us", "trade_id", "last_size"} == set(read_columns("rest_trade", trade))
    assert {"price", "taker_side", "event_time_us", "trade_id"} == set(
        read_columns("rest_trade", {field: value for field, value in trade.items() if field != "size"})
    )


def test_a_spot_price_lies_one_level_down() -> None:
    message = {"data": {"amount": "1.5", "base": "A", "currency": "B"}}

    assert {"price": "1.5"} == read_columns("spot", message)


@pytest.mark.parametrize(("maker", "taker"), [("buy", "sell"), ("sell", "buy")])
def test_a_trades_side_is_the_makers(maker: str, taker: str) -> None:
    assert taker == read_columns("rest_trade", example("rest_trade") | {"side": maker})["taker_side"]


@pytest.mark.parametrize(
    "field",
    [
        "last_size",
        "open_24h",
        "volume_24h",
        "low_24h",
        "high_24h",
        "volume_30d",
        "best_bid",
        "best_bid_size",
        "best_ask",
        "best_ask_size",
    ],
)
@pytest.mark.parametrize(("text", "reason"), [("-1", "number_negative"), ("1" * 21, "decimal_out_of_range")])
def test_each_number_of_a_ticker_has_its_rule(field: str, text: str, reason: str) -> None:
    with pytest.raises(LineRefused, match=f"{field} is {text}") as refused:
        read_columns("ticker", example("ticker") | {field: text})
    assert reason == refused.value.reason


def test_a_book_is_judged_as_a_whole() -> None:
    with pytest.raises(LineRefused) as refused:
        read_columns("ticker", example("ticker") | {"best_bid": "2", "best_ask": "1"})
    assert "book_crossed" == refused.value.reason
