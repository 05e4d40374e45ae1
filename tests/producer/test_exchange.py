from __future__ import annotations

import json

import pytest

from producer.exchange import (
    ExchangeError,
    Heartbeat,
    Other,
    Subscriptions,
    Ticker,
    Unreadable,
    decode_frame,
    encode_subscribe,
)
from producer.line import MAX_FRAME_BYTES


def test_a_subscribe_names_the_products_in_each_channel() -> None:
    assert json.loads(encode_subscribe(["BTC-USD", "1INCH-USD"])) == {
        "type": "subscribe",
        "channels": [
            {"name": "ticker", "product_ids": ["BTC-USD", "1INCH-USD"]},
            {"name": "heartbeat", "product_ids": ["BTC-USD", "1INCH-USD"]},
        ],
    }


def test_a_ticker_is_read() -> None:
    frame = (
        b'{"type":"ticker","product_id":"A-B","trade_id":7,"time":"2026-01-01T00:00:00.000000Z","price":"1.10","x":[]}'
    )

    assert Ticker("A-B", 7, "2026-01-01T00:00:00.000000Z", "1.10") == decode_frame(frame)


@pytest.mark.parametrize("value", ['"7"', "7.0", "true", "null", "[]"])
def test_a_trade_id_of_the_wrong_type_is_no_trade_id(value: str) -> None:
    frame = f'{{"type":"ticker","product_id":"A-B","trade_id":{value},"time":"t","price":"1"}}'

    assert Ticker("A-B", 0, "t", "1") == decode_frame(frame.encode())


def test_texts_of_the_wrong_type_are_empty() -> None:
    frame = b'{"type":"ticker","product_id":5,"trade_id":1,"time":{},"price":1.5}'

    assert Ticker("", 1, "", "") == decode_frame(frame)


def test_the_other_types_are_read() -> None:
    assert Heartbeat("A-B", 0) == decode_frame(b'{"type":"heartbeat","product_id":"A-B","last_trade_id":0}')
    assert ExchangeError("Failed to subscribe", "") == decode_frame(b'{"message":"Failed to subscribe","type":"error"}')
    assert Other("auction") == decode_frame(b'{"type":"auction"}')
    ack = {"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["A-B"], "account_ids": None}]}
    assert Subscriptions(frozenset({("ticker", "A-B")})) == decode_frame(json.dumps(ack).encode())


@pytest.mark.parametrize(
    "channels", ["null", "7", '[7, null, {"name": 3}]', '[{"name": "ticker", "product_ids": null}]']
)
def test_a_strange_ack_is_an_empty_ack(channels: str) -> None:
    message = decode_frame(f'{{"type":"subscriptions","channels":{channels}}}'.encode())

    assert Subscriptions(frozenset()) == message


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "frame_not_json"),
        (b'{"type":"ticker","price', "frame_not_json"),
        (b"NaN", "frame_not_json"),
        (b'{"a":1}{"b":2}', "frame_not_json"),
        (b'{"type":"tick\xff"}', "frame_not_utf8"),
        (b"[1]", "frame_not_object"),
        (b'"ticker"', "frame_not_object"),
        (b"{}", "frame_not_object"),
        (b'{"type":7}', "frame_not_object"),
        (b'{"type":"ticker","x":"' + b"a" * MAX_FRAME_BYTES + b'"}', "frame_too_long"),
    ],
)
def test_what_cannot_be_read_is_named(frame: bytes, reason: str) -> None:
    assert Unreadable(reason) == decode_frame(frame)  # type: ignore[arg-type]
