"""Who listens: subscriptions indexed, connections forgotten and closed, silences that keep frames away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.exchange.actions import Close
from local.exchange.audience import Audience
from local.exchange.faults import Silence
from local.exchange.mischief import Mischief

if TYPE_CHECKING:
    from local.exchange.actions import Action

PRODUCTS = ("BTC-USD", "ETH-USD")
SECOND_US = 1_000_000


def listen(audience: Audience, channel: str, *product_ids: str) -> int:
    """A new connection that listens to these."""
    connection = audience.open(0)
    call = {"type": "subscribe", "channels": [{"name": channel, "product_ids": product_ids}]}
    audience.sessions[connection].receive(json.dumps(call), valid=PRODUCTS, now_us=0, forgotten=set(), known_key=None)
    audience.index()
    return connection


def test_a_frame_goes_to_those_who_subscribed_to_its_product() -> None:
    audience = Audience(None)
    both, one = listen(audience, "ticker", *PRODUCTS), listen(audience, "ticker", "BTC-USD")
    assert ((both, one), (both,), ()) == (
        audience.hearing("ticker", "BTC-USD", 0),
        audience.hearing("ticker", "ETH-USD", 0),
        audience.hearing("matches", "BTC-USD", 0),
    )
    assert (set(PRODUCTS), (both, one), True) == (audience.streamed_products(), audience.tickers, audience.is_heard)


def test_heartbeats_alone_are_no_stream() -> None:
    audience = Audience(None)
    listen(audience, "heartbeat", "BTC-USD")
    assert (False, set(), ()) == (audience.is_heard, audience.streamed_products(), audience.tickers)


def test_who_is_gone_gets_nothing_and_may_be_forgotten_twice() -> None:
    audience = Audience(None)
    connection = listen(audience, "ticker", "BTC-USD")
    audience.forget(connection)
    audience.forget(connection)
    assert ((), False) == (audience.hearing("ticker", "BTC-USD", 0), audience.is_heard)


def test_everybody_is_told_goodbye_once() -> None:
    audience = Audience(None)
    numbers = [listen(audience, "ticker", "BTC-USD") for _ in range(2)]
    actions: list[Action] = []
    audience.close_all(1001, "later", actions)
    audience.close_all(1001, "later", actions)
    assert [Close(number, 1001, "later") for number in numbers] == actions


def test_a_silence_keeps_a_products_frames_away_while_it_lasts() -> None:
    silence = Silence(from_s=1, to_s=3, product="BTC-USD")
    audience = Audience(Mischief([silence], seed=0, opened_us=0))
    connection = listen(audience, "ticker", *PRODUCTS)
    heard = [
        [audience.hearing("ticker", product_id, at_s * SECOND_US) for at_s in (0, 2, 4)] for product_id in PRODUCTS
    ]
    here = (connection,)
    assert [[here, (), here], [here, here, here]] == heard
