from __future__ import annotations

import json
import random
from typing import Any

import pytest

from producer.continuity import Continuity
from producer.credentials import ApiKey
from producer.errors import FeedLost, FeedRefused, KeyRefused
from producer.ingest import Ingest
from producer.intake import Intake
from producer.ledger import Ledger
from producer.link import ACK_S, FORGIVE_S, RECONNECT_CAP_S, REMIND_S, Link
from producer.products import SubscribePlan
from producer.ratelimit import Bucket

PRODUCTS = ("A-B", "C-D", "E-F")
LOST = FeedLost(url="u", why="the connection broke")


def make(products: tuple[str, ...] = PRODUCTS, api_key: ApiKey | None = None) -> tuple[Link, Ingest]:
    ledger = Ledger()
    intake = Intake(
        continuity=Continuity(),
        ledger=ledger,
        write=lambda *_: True,
        set_aside=lambda *_: None,
    )
    ingest = Ingest(
        intake, ledger, random.Random(1), stall_s=15.0, fallback_after_s=10.0, heal_back_s=86_400.0, now=0.0
    )
    link = Link(
        ingest.add_channel(products, 0.0),
        url="u",
        plan=SubscribePlan([products]),
        connects=Bucket(rate_per_s=4.0, burst=4),
        ledger=ledger,
        rng=random.Random(1),
        api_key=api_key,
    )
    return link, ingest


def ack(*products: str) -> bytes:
    channels = [{"name": name, "product_ids": list(products)} for name in ("ticker", "heartbeat")]
    return json.dumps({"type": "subscriptions", "channels": channels}).encode()


def refusal(reason: str) -> bytes:
    return json.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason}).encode()


def asked(messages: Any) -> list[list[str]]:
    return [json.loads(message)["channels"][0]["product_ids"] for message in messages]


def test_the_first_thing_said_is_the_subscribe() -> None:
    link, _ = make()

    assert 0 == link.wait_s(0.0)
    assert [list(PRODUCTS)] == asked(link.opened(0.0, 1))
    assert "subscribing" == link.state


def test_an_acknowledgement_of_everything_makes_it_live() -> None:
    link, ingest = make()
    link.opened(0.0, 1)

    assert [] == asked(link.frame(ack(*PRODUCTS), 1, 0.1))
    assert "live" == link.state
    assert "exchange_ws" == ingest.channels[0].duty.on_duty


def test_one_bad_product_does_not_void_the_rest() -> None:
    link, _ = make()
    link.opened(0.0, 1)
    again = asked(link.frame(refusal("C-D is not a valid product"), 1, 0.1))
    assert sorted(product for ask in again for product in ask) == ["A-B", "E-F"]
    link.frame(ack("A-B", "E-F"), 1, 0.2)

    assert "live" == link.state


def test_a_bad_product_that_is_not_named_is_found_by_halving() -> None:
    link, _ = make()
    asks = asked(link.opened(0.0, 1))
    good: set[str] = set()
    for _ in range(20):
        if not asks:
            break
        (ask,) = asks
        if "E-F" in ask:
            asks = asked(link.frame(refusal("Failed to process"), 1, 0.1))
        else:
            good |= set(ask)
            asks = asked(link.frame(ack(*good), 1, 0.1))

    assert {"A-B", "C-D"} == good
    assert "live" == link.state


def test_products_that_an_acknowledgement_leaves_out_are_asked_for_again() -> None:
    link, _ = make()
    link.opened(0.0, 1)
    link.frame(ack("A-B", "C-D"), 1, 0.1)
    assert [] == asked(link.remind(1, ACK_S - 1))
    assert [["E-F"]] == asked(link.remind(1, ACK_S + 1))
    assert "live" == link.state
    assert [] == asked(link.remind(1, ACK_S + 2))
    assert [["E-F"]] == asked(link.remind(1, ACK_S + 1 + REMIND_S))


def test_a_refused_product_is_tried_again_rarely() -> None:
    link, _ = make()
    link.opened(0.0, 1)
    link.frame(refusal("C-D is not a valid product"), 1, 0.1)
    link.frame(ack("A-B", "E-F"), 1, 0.2)

    assert [] == asked(link.remind(1, FORGIVE_S - 1))
    assert [["C-D"]] == asked(link.remind(1, FORGIVE_S + 1))


def test_a_subscribe_that_is_never_answered_is_a_dead_connection() -> None:
    link, _ = make()
    link.opened(0.0, 1)

    assert link.verdict(ACK_S - 1) is None
    assert "the subscribe was not answered" in (link.verdict(ACK_S) or "")


def test_a_refusal_of_everything_is_a_lost_connection_and_all_is_asked_again() -> None:
    link, _ = make(("A-B",))
    link.opened(0.0, 1)
    with pytest.raises(FeedRefused, match="accepted no product"):
        link.frame(refusal("Internal"), 1, 0.1)

    assert [["A-B"]] == asked(link.opened(100.0, 1))


def test_a_complaint_out_of_turn_ends_the_connection() -> None:
    link, _ = make()
    link.opened(0.0, 1)
    link.frame(ack(*PRODUCTS), 1, 0.1)

    with pytest.raises(FeedRefused, match="ErrSlowConsume"):
        link.frame(b'{"type":"error","message":"ErrSlowConsume"}', 1, 5.0)


def test_waits_grow_to_the_cap_and_it_never_gives_up() -> None:
    link, _ = make()
    now, longest = 0.0, 0.0
    for _ in range(200):
        wait = link.lost(LOST, now)
        longest = max(longest, wait)
        assert link.wait_s(now) > 0
        now += wait
        assert 0 == link.wait_s(now + 1)

    assert RECONNECT_CAP_S / 2 < longest <= RECONNECT_CAP_S


def test_a_connection_that_lived_long_starts_the_waits_small_again() -> None:
    link, _ = make()
    for _ in range(20):
        link.lost(LOST, 0.0)
    link.opened(1_000.0, 1)

    assert link.lost(LOST, 2_000.0) <= 1.0


def test_every_subscription_is_repeated_on_every_connection() -> None:
    link, _ = make()
    for at in range(5):
        assert sorted(PRODUCTS) == sorted(p for ask in asked(link.opened(at * 10.0, 1)) for p in ask)
        link.frame(ack(*PRODUCTS), 1, at * 10.0 + 1)
        link.lost(LOST, at * 10.0 + 2)


def test_silence_kills_and_the_hole_will_say_stalled() -> None:
    link, ingest = make(("A-B",))
    ingest.intake.continuity.observe("A-B", 1, "t")
    link.opened(0.0, 1)
    link.frame(ack("A-B"), 1, 0.1)
    why = link.verdict(20.0)
    assert why is not None
    link.lost(FeedLost(url="u", why=why), 20.0)
    ingest.intake.continuity.observe("A-B", 5, "t")

    assert ["stalled"] == [hole.reason for hole in ingest.intake.continuity.open_holes()]


KEY = ApiKey(key="key-1", secret=b"hush", passphrase="open sesame")


def fields(messages: Any) -> list[dict[str, str]]:
    return [{name: each for name, each in json.loads(message).items() if name != "channels"} for message in messages]


def test_without_a_key_a_subscribe_carries_no_field_of_one() -> None:
    link, _ = make()

    assert [{"type": "subscribe"}] == fields(link.opened(0.0, 7_000_000))


def test_every_subscribe_is_signed_for_its_own_instant() -> None:
    link, _ = make(api_key=KEY)

    assert [{"type": "subscribe", **KEY.sign(7_000_000)}] == fields(link.opened(0.0, 7_000_000))
    again = link.frame(refusal("C-D is not a valid product"), 8_000_000, 0.1)
    assert [{"type": "subscribe", **KEY.sign(8_000_000)}] == fields(again)
    link.frame(ack("A-B"), 9_000_000, 0.2)
    assert [{"type": "subscribe", **KEY.sign(19_000_000)}] == fields(link.remind(19_000_000, ACK_S + 0.2))
    link.frame(ack("A-B", "E-F"), 20_000_000, ACK_S + 0.3)
    forgiven = link.remind(400_000_000, FORGIVE_S + ACK_S + 1)
    assert [{"type": "subscribe", **KEY.sign(400_000_000)}] == fields(forgiven)


def authentication(reason: str) -> bytes:
    return json.dumps(
        {"type": "error", "message": "Sorry, you could not be authenticated: Bad Request", "reason": reason}
    ).encode()


def test_a_refused_key_ends_the_connection_blames_no_product_and_the_next_one_is_signed_again() -> None:
    link, _ = make(api_key=KEY)
    link.opened(0.0, 1_000_000)
    with pytest.raises(
        KeyRefused, match="The API key was not accepted, and nothing is subscribed without it"
    ) as refused:
        link.frame(authentication("invalid signature"), 1_100_000, 0.1)

    assert "invalid signature" in str(refused.value)
    assert link.lost(refused.value, 0.1) > 0
    assert "refused" in link.why
    (again,) = link.opened(100.0, 100_000_000)
    assert [list(PRODUCTS)] == asked([again])
    assert [{"type": "subscribe", **KEY.sign(100_000_000)}] == fields([again])
    assert "hush" not in str(refused.value)
    assert "sesame" not in f"{refused.value}{link.why}"


def test_a_key_that_is_wanted_and_not_there_is_asked_for() -> None:
    link, _ = make()
    link.opened(0.0, 1)
    with pytest.raises(KeyRefused, match="It wants an API key for this: give one"):
        link.frame(refusal("ticker channels now require authentication"), 1, 0.1)
