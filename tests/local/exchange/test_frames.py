import json
import re

import fastjsonschema

from contract import load_schema
from local.exchange.frames import (
    encode_error,
    encode_heartbeat,
    encode_match,
    encode_status,
    encode_subscriptions,
)
from local.exchange.tick import Trade

TRADE = Trade(881613, "14.7775", "0.04", "2021-04-17T16:43:30.244075Z", "buy")


def test_a_heartbeat_reads_as_recorded() -> None:
    frame = encode_heartbeat("ADA-EUR", sequence=1935971303, last_trade_id=9035771, now_us=1_666_700_858_227_412)
    assert frame == (
        b'{"type":"heartbeat","last_trade_id":9035771,"product_id":"ADA-EUR","sequence":1935971303,'
        b'"time":"2022-10-25T12:27:38.227412Z"}'
    )
    fastjsonschema.validate(load_schema("frames/heartbeat"), json.loads(frame))


def test_an_error_reads_as_recorded() -> None:
    assert b'{"type":"error","message":"Failed to subscribe","reason":"Invalid product ID provided"}' == encode_error(
        "Failed to subscribe", "Invalid product ID provided"
    )


def test_an_ack_reads_as_recorded() -> None:
    frame = encode_subscriptions({"ticker": ["BTC-USD", "ETH-USD"], "heartbeat": ["BTC-USD"]})
    assert frame == (
        b'{"type":"subscriptions","channels":['
        b'{"name":"ticker","product_ids":["BTC-USD","ETH-USD"],"account_ids":null},'
        b'{"name":"heartbeat","product_ids":["BTC-USD"],"account_ids":null}]}'
    )
    fastjsonschema.validate(load_schema("frames/subscriptions"), json.loads(frame))


def test_a_match_names_the_maker_and_two_orders() -> None:
    message = json.loads(encode_match("BAND-GBP", TRADE, sequence=333938798, last=False))
    uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    assert uuid.fullmatch(message.pop("maker_order_id"))
    assert uuid.fullmatch(message.pop("taker_order_id"))
    assert {
        "type": "match",
        "trade_id": 881613,
        "side": "sell",
        "size": "0.04",
        "price": "14.7775",
        "product_id": "BAND-GBP",
        "sequence": 333938798,
        "time": "2021-04-17T16:43:30.244075Z",
    } == message


def test_the_first_match_after_a_subscribe_says_so() -> None:
    assert "last_match" == json.loads(encode_match("BAND-GBP", TRADE, sequence=1, last=True))["type"]


def test_a_status_lists_products() -> None:
    assert [{"id": "BTC-USD"}] == json.loads(encode_status([{"id": "BTC-USD"}]))["products"]
