import json
from typing import Any

import pytest

from local.exchange.rules import Session

VALID = ("BTC-USD", "ETH-USD", "SOL-USD")
SECOND_US = 1_000_000


def call(session: Session, message: Any, now_us: int = 0) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    answer: dict[str, Any] = json.loads(session.receive(text, valid=VALID, now_us=now_us).frame)
    return answer


def subscribe(*channels: Any, **root: Any) -> dict[str, Any]:
    return {"type": "subscribe", "channels": list(channels), **root}


def subscribed(session: Session) -> dict[str, list[str]]:
    return {name: list(ids) for name, ids in session.subscribed.items()}


def test_products_at_the_root_go_to_every_channel() -> None:
    session = Session(0)
    answer = call(session, subscribe("heartbeat", "ticker", product_ids=["BTC-USD", "ETH-USD"]))
    assert "subscriptions" == answer["type"]
    assert ["heartbeat", "ticker"] == [channel["name"] for channel in answer["channels"]]
    assert {"heartbeat": ["BTC-USD", "ETH-USD"], "ticker": ["BTC-USD", "ETH-USD"]} == subscribed(session)


def test_a_channel_may_bring_its_own_products() -> None:
    session = Session(0)
    call(session, subscribe("heartbeat", {"name": "ticker", "product_ids": ["SOL-USD"]}, product_ids=["BTC-USD"]))
    assert {"heartbeat": ["BTC-USD"], "ticker": ["SOL-USD"]} == subscribed(session)


def test_subscribes_add_up_and_the_ack_lists_them_all() -> None:
    session = Session(0)
    call(session, subscribe("ticker", product_ids=["BTC-USD"]))
    answer = call(session, subscribe("ticker", "matches", product_ids=["BTC-USD", "ETH-USD"]))
    assert [
        {"name": "ticker", "product_ids": ["BTC-USD", "ETH-USD"], "account_ids": None},
        {"name": "matches", "product_ids": ["BTC-USD", "ETH-USD"], "account_ids": None},
    ] == answer["channels"]


def test_only_what_is_new_is_said_to_be_added() -> None:
    session = Session(0)
    call(session, subscribe("ticker", product_ids=["BTC-USD"]))
    again = json.dumps(subscribe("ticker", product_ids=["BTC-USD", "ETH-USD", "ETH-USD"]))
    assert (("ticker", "ETH-USD"),) == session.receive(again, valid=VALID, now_us=0).added


# The texts: recorded error frames, and other people's tests against the live feed.
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (subscribe("ticker", product_ids=["BTC-USD", "NOPE-USD"]), "NOPE-USD is not a valid product"),
        (subscribe("ticker", product_ids=[]), " is not a valid product"),
        (subscribe({"name": "ticker", "product_ids": []}, product_ids=["BTC-USD"]), " is not a valid product"),
        (subscribe("ticker", product_ids="BTC-USD"), "Invalid product ID provided"),
        (subscribe("ticker", product_ids=[7]), "Invalid product ID provided"),
        ({"type": "subscribe", "product_ids": ["BTC-USD"]}, "No channels provided"),
        (subscribe(product_ids=["BTC-USD"]), "No channels provided"),
        (subscribe("heartbeat"), "You need to specify at least one product ID for channel heartbeat"),
        (
            subscribe("level2", product_ids=["BTC-USD"]),
            "level2, level3, and full channels now require authentication.",
        ),
        (subscribe("tickr", product_ids=["BTC-USD"]), "tickr is not a valid channel"),
        (subscribe(7, product_ids=["BTC-USD"]), " is not a valid channel"),
        ({"action": "subscribe"}, "Type has to be either subscribe or unsubscribe"),
        ({"type": "ping"}, "Type has to be either subscribe or unsubscribe"),
        ([], "Type has to be either subscribe or unsubscribe"),
        ("{", "Malformed JSON"),
    ],
)
def test_a_call_is_refused_whole_in_coinbases_words(message: Any, reason: str) -> None:
    session = Session(0)
    assert call(session, message) == {"type": "error", "message": "Failed to subscribe", "reason": reason}
    assert {} == subscribed(session)
    assert not session.has_subscribed


def test_one_bad_product_voids_the_whole_call_and_leaves_what_was() -> None:
    session = Session(0)
    call(session, subscribe("ticker", product_ids=["BTC-USD"]))
    call(session, subscribe("ticker", "heartbeat", product_ids=["ETH-USD", "NOPE-USD"]))
    assert {"ticker": ["BTC-USD"]} == subscribed(session)


def test_an_unsubscribe_takes_products_or_the_whole_channel() -> None:
    session = Session(0)
    call(session, subscribe("ticker", "heartbeat", product_ids=["BTC-USD", "ETH-USD"]))
    call(session, {"type": "unsubscribe", "channels": ["ticker"], "product_ids": ["BTC-USD"]})
    assert {"ticker": ["ETH-USD"], "heartbeat": ["BTC-USD", "ETH-USD"]} == subscribed(session)
    answer = call(session, {"type": "unsubscribe", "channels": ["heartbeat"]})
    assert [{"name": "ticker", "product_ids": ["ETH-USD"], "account_ids": None}] == answer["channels"]


def test_an_unsubscribe_without_channels_is_refused_by_its_name() -> None:
    answer = call(Session(0), {"type": "unsubscribe"})
    assert {"type": "error", "message": "Failed to unsubscribe", "reason": "No channels provided"} == answer


def test_forgotten_products_are_left_out_without_a_word() -> None:
    session = Session(0)
    text = json.dumps(subscribe("ticker", product_ids=["BTC-USD", "ETH-USD"]))
    reply = session.receive(text, valid=VALID, now_us=0, forgotten={"ETH-USD"})
    assert not reply.refused
    assert {"ticker": ["BTC-USD"]} == subscribed(session)


def test_five_seconds_without_a_subscribe_that_is_obeyed_is_overdue() -> None:
    session = Session(SECOND_US)
    call(session, subscribe("ticker", product_ids=["NOPE-USD"]))
    assert 6 * SECOND_US == session.next_due_us()
    assert not session.is_overdue(6 * SECOND_US - 1)
    assert session.is_overdue(6 * SECOND_US)
    call(session, subscribe("ticker", product_ids=["BTC-USD"]))
    assert not session.is_overdue(60 * SECOND_US)


def test_a_heartbeat_falls_due_each_second_per_product() -> None:
    session = Session(0)
    call(session, subscribe("heartbeat", product_ids=["BTC-USD", "ETH-USD"]), now_us=200)
    assert () == session.take_heartbeats(SECOND_US + 199)
    assert ("BTC-USD", "ETH-USD") == session.take_heartbeats(SECOND_US + 200)
    assert () == session.take_heartbeats(SECOND_US + 201)
    assert 2 * SECOND_US + 200 == session.next_due_us()


def test_heartbeats_slept_through_are_not_made_up_for() -> None:
    session = Session(0)
    call(session, subscribe("heartbeat", product_ids=["BTC-USD"]))
    assert ("BTC-USD",) == session.take_heartbeats(10 * SECOND_US + 5)
    assert 11 * SECOND_US == session.next_due_us()


def test_a_status_needs_no_product_and_comes_at_once_and_again() -> None:
    session = Session(0)
    call(session, subscribe("status"), now_us=7)
    assert session.take_status(7)
    assert not session.take_status(8)
    assert session.take_status(7 + 5 * SECOND_US)
