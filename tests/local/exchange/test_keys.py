import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from local.exchange.core import Exchange
from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.keys import BAD_REQUEST, UNAUTHORIZED, KnownKey
from local.exchange.market import Market
from local.exchange.rules import Session
from local.exchange.settings import Settings

NOW_US = 1_763_956_800_000_000
KNOWN = KnownKey("key-1", base64.b64encode(b"not a secret: a test vector").decode(), "open sesame")
SIGNED = {
    # printf '1763956800GET/users/self/verify' | openssl dgst -sha256 -hmac 'not a secret: a test vector' -binary | base64
    "signature": "Us/cYycEsG2MoSjDhDUGbnL7UNK8Bt+kEd6QCMgZYZw=",
    "key": "key-1",
    "passphrase": "open sesame",
    "timestamp": "1763956800",
}
CALL = {"type": "subscribe", "channels": [{"name": "ticker", "product_ids": ["BTC-USD"]}]}


def sign(timestamp: str) -> dict[str, str]:
    digest = hmac.new(b"not a secret: a test vector", f"{timestamp}GET/users/self/verify".encode(), hashlib.sha256)
    return {**SIGNED, "timestamp": timestamp, "signature": base64.b64encode(digest.digest()).decode()}


def test_a_message_without_a_key_is_let_through() -> None:
    assert None is KNOWN.judge(CALL, NOW_US)


@pytest.mark.parametrize("message", [SIGNED, sign("1763956829.5"), sign("1763956770")])
def test_a_signed_message_is_let_through_within_thirty_seconds(message: dict[str, str]) -> None:
    assert None is KNOWN.judge({**CALL, **message}, NOW_US)


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ({**SIGNED, "signature": SIGNED["signature"].lower()}, (BAD_REQUEST, "invalid signature")),
        ({**SIGNED, "signature": ""}, (BAD_REQUEST, "invalid signature")),
        ({**SIGNED, "signature": "ü"}, (BAD_REQUEST, "invalid signature")),
        ({**SIGNED, "timestamp": "1763956801"}, (BAD_REQUEST, "invalid signature")),
        (sign("1763956831"), (BAD_REQUEST, "request timestamp expired")),
        (sign("1763956769"), (BAD_REQUEST, "request timestamp expired")),
        (sign("yesterday"), (BAD_REQUEST, "invalid timestamp")),
        ({**SIGNED, "timestamp": 1763956800}, (BAD_REQUEST, "invalid timestamp")),
        ({**SIGNED, "key": "key-2"}, (UNAUTHORIZED, "Invalid API Key")),
        ({"signature": SIGNED["signature"]}, (UNAUTHORIZED, "Invalid API Key")),
        ({**SIGNED, "passphrase": "open barley"}, (UNAUTHORIZED, "Invalid Passphrase")),
    ],
)
def test_a_message_that_is_signed_wrong_is_refused(message: dict[str, Any], refusal: tuple[str, str]) -> None:
    assert refusal == KNOWN.judge({**CALL, **message}, NOW_US)


def test_a_refused_message_subscribes_to_nothing_and_is_answered_nothing_of_itself() -> None:
    session = Session(NOW_US)
    text = json.dumps({**CALL, **SIGNED, "passphrase": "open barley"})
    reply = session.receive(text, valid=["BTC-USD"], now_us=NOW_US, known_key=KNOWN)
    assert (True, False, {}) == (reply.refused, reply.signed, session.subscribed)
    assert {"type": "error", "message": UNAUTHORIZED, "reason": "Invalid Passphrase"} == json.loads(reply.frame)


@pytest.mark.parametrize(("message", "signed_count"), [({**CALL, **SIGNED}, 1), (CALL, 0)])
def test_the_truth_counts_what_was_signed_and_obeyed(message: dict[str, Any], signed_count: int) -> None:
    market = Market(seed=1, start_us=NOW_US, busy=1.0, product_ids=("BTC-USD",))
    exchange = Exchange(market, Settings(known_key=KNOWN), now_us=NOW_US)
    connection = exchange.connect(NOW_US)
    exchange.receive(connection.connection, json.dumps(message), NOW_US)  # type: ignore[union-attr]
    assert signed_count == exchange.truth.copy().signed_call_count
    assert 0 == exchange.truth.refused_call_count


def test_a_secret_that_is_no_base64_is_refused_when_it_is_said() -> None:
    with pytest.raises(ExchangeSettingsWrong, match="no base64"):
        KnownKey("key-1", "?", "open sesame")
    assert "open sesame" not in repr(KNOWN)
