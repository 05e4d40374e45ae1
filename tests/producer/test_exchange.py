from __future__ import annotations

import json
import random

import pytest

from contract import ROOT
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
from producer.line import MAX_FRAME_BYTES, LineEncoder
from tests.contract.mutations import mutated, tick
from tests.producer.virtual import SESSION, rows_of

TODAY = json.loads((ROOT / "examples/frames/ticker.today.pass.json").read_bytes())


def test_a_subscribe_names_the_products_in_each_channel() -> None:
    assert json.loads(encode_subscribe(["BTC-USD", "1INCH-USD"])) == {
        "type": "subscribe",
        "channels": [
            {"name": "ticker", "product_ids": ["BTC-USD", "1INCH-USD"]},
            {"name": "heartbeat", "product_ids": ["BTC-USD", "1INCH-USD"]},
        ],
    }


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps(TODAY, separators=(",", ":")),
        json.dumps(TODAY, indent=1),
        json.dumps(dict(reversed(TODAY.items()))),
        json.dumps(TODAY | {"a field of tomorrow": [1, {"x": None}]}),
    ],
)
def test_a_ticker_is_read_however_it_is_written(frame: str) -> None:
    ticker = Ticker(TODAY["product_id"], TODAY["trade_id"], TODAY["time"], TODAY["price"], valid=True)

    assert ticker == decode_frame(frame.encode())


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "-101.25"},
        {"price": "0.00"},
        {"last_size": "0.-125"},
        {"time": "0001-01-01T00:00:00.000000Z"},
        {"time": "2026-02-30T02:30:18.987654Z"},
        {"best_ask": "1"},
        {"best_bid": "1" * 21},
        {"sequence": 1.0},
    ],
)
def test_a_ticker_that_the_transform_will_refuse_is_not_valid(wrong: dict[str, object]) -> None:
    message = decode_frame(json.dumps(TODAY | wrong, separators=(",", ":")).encode())

    assert isinstance(message, Ticker)
    assert (TODAY["product_id"], TODAY["trade_id"], False) == (message.product_id, message.trade_id, message.valid)


def test_a_trade_id_that_stands_twice_is_not_valid() -> None:
    frame = json.dumps(TODAY).replace('"trade_id"', '"trade_id": 1, "trade_id"')
    message = decode_frame(frame.encode())

    assert isinstance(message, Ticker)
    assert not message.valid


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_ticker_is_valid_exactly_if_the_transform_makes_a_row_of_its_line(seed: int) -> None:
    dice = random.Random(f"valid:{seed}")
    encoder = LineEncoder(SESSION)
    lines: list[bytes] = []
    valid: set[int] = set()
    while len(lines) < 4_000:
        frame = mutated(tick(dice), dice)
        message = decode_frame(frame)
        if isinstance(message, Ticker):
            if message.valid:
                valid.add(len(lines))
            lines.append(
                encoder.encode(
                    n=len(lines), kind="ticker", source="exchange_ws", receive_us=1_763_996_400_000_000, message=frame
                )
            )

    assert valid == {row["n"] for row in rows_of(lines)}
    assert 500 < len(valid) < 3_000


@pytest.mark.parametrize("value", ['"7"', "7.0", "true", "null", "[]"])
def test_a_trade_id_of_the_wrong_type_is_no_trade_id(value: str) -> None:
    frame = f'{{"type":"ticker","product_id":"A-B","trade_id":{value},"time":"t","price":"1"}}'

    assert Ticker("A-B", 0, "t", "1", valid=False) == decode_frame(frame.encode())


def test_texts_of_the_wrong_type_are_empty() -> None:
    frame = b'{"type":"ticker","product_id":5,"trade_id":1,"time":{},"price":1.5}'

    assert Ticker("", 1, "", "", valid=False) == decode_frame(frame)


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
