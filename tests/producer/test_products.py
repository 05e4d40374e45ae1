from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import SettingsError
from producer.products import SubscribePlan, is_pattern, parse_shard, plan_products, shard_products, spread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LISTED: list[dict[str, Any]] = [
    {"id": "ETH-USD", "status": "online", "trading_disabled": False},
    {"id": "BTC-USD", "status": "online", "trading_disabled": False},
    {"id": "BTC-EUR", "status": "online"},
    {"id": "1INCH-USD", "status": "online", "trading_disabled": False},
    {"id": "EOS-USD", "status": "delisted", "trading_disabled": True},
    {"id": "YFI-USD", "status": "offline", "trading_disabled": False},
    {"id": "MKR-USD", "status": "online", "trading_disabled": True},
    {"id": "$(rm)-USD", "status": "online"},
    {"id": None, "status": "online"},
    {"status": "online"},
]
MANY = [f"P{number}-USD" for number in range(2_000)]


def test_wildcards_take_only_what_is_online() -> None:
    plan = plan_products(["*-USD"], LISTED)

    assert ("1INCH-USD", "BTC-USD", "ETH-USD") == plan.wanted
    assert ((), ()) == (plan.unknown, plan.offline)


def test_all_is_everything_online() -> None:
    expected = ("1INCH-USD", "BTC-EUR", "BTC-USD", "ETH-USD")

    assert expected == plan_products(["all"], LISTED).wanted == plan_products(["*"], LISTED).wanted


def test_patterns_keep_their_order_and_each_product_stands_once() -> None:
    assert ("ETH-USD", "BTC-EUR", "BTC-USD") == plan_products(["eth-usd", "BTC-*", "BTC-USD"], LISTED).wanted


def test_an_unknown_id_is_named_and_the_rest_goes_on() -> None:
    plan = plan_products(["BTC-USD", "NOPE-USD", "*-GBP", "BTC", "[A-Z]*"], LISTED)

    assert ("BTC-USD",) == plan.wanted
    assert ("NOPE-USD", "*-GBP", "BTC", "[A-Z]*") == plan.unknown


def test_what_is_not_trading_is_named_and_only_the_delisted_is_left_out() -> None:
    plan = plan_products(["EOS-USD", "YFI-USD", "MKR-USD"], LISTED)

    assert ("YFI-USD", "MKR-USD") == plan.wanted
    assert ("EOS-USD", "YFI-USD", "MKR-USD") == plan.offline
    assert () == plan.unknown


def test_the_recorded_list_is_understood(recorded: Path) -> None:
    listed = json.loads((recorded / "rest/exchange_products_2021-04-17.json").read_text())

    assert 162 == len(plan_products(["ALL"], listed).wanted)


@pytest.mark.parametrize(("text", "expected"), [("BTC-USD", True), ("*-USD", True), ("BTC-*", True), ("*", True)])
def test_patterns_are_told_by_their_form(text: str, expected: bool) -> None:
    assert expected == is_pattern(text)


@pytest.mark.parametrize(
    "text", ["", "BTC", "btc-usd", "BTC-USD\n", "[A]*", "BTC/USD", "../*", "-", "BTC-", "ÄÖ-USD", "A" * 99]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    assert not is_pattern(text)


def test_a_shard_is_written_as_which_of_how_many() -> None:
    assert (2, 4) == parse_shard("2/4")


@pytest.mark.parametrize(
    "text", ["", "0/4", "5/4", "1/0", "-1/4", "1", "1/4/4", "a/b", " 1/4", "1/4\n", "\u0661/4", "1/99999"]
)
def test_a_shard_that_cannot_be_is_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 2/4"):
        parse_shard(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_divide_the_products_among_them(count: int) -> None:
    shards = [shard_products(MANY, index, count) for index in range(1, count + 1)]

    assert Counter(MANY) == Counter(each for shard in shards for each in shard)
    assert all(0.8 / count < len(shard) / len(MANY) < 1.2 / count for shard in shards)


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_a_shard_that_is_added_takes_its_part_and_nothing_else_moves(count: int) -> None:
    added = set(shard_products(MANY, count + 1, count + 1))
    for index in range(1, count + 1):
        assert set(shard_products(MANY, index, count)) - added == set(shard_products(MANY, index, count + 1))

    assert 0.8 / (count + 1) < len(added) / len(MANY) < 1.2 / (count + 1)


def test_a_shard_has_the_same_products_for_ever() -> None:
    products = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD")

    assert [("ETH-USD",), ("BTC-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD")] == [
        shard_products(products, index, 2) for index in (1, 2)
    ]


@given(
    products=st.lists(st.integers(0, 10_000).map(lambda each: f"P{each}-USD"), unique=True),
    per_connection=st.integers(1, 50),
    per_message=st.integers(1, 20),
)
def test_spreading_loses_nothing_and_keeps_the_limits(
    products: list[str], per_connection: int, per_message: int
) -> None:
    connections = spread(products, per_connection=per_connection, per_message=per_message)

    assert sorted(products) == sorted(each for hand in connections for message in hand for each in message)
    for hand in connections:
        assert sum(map(len, hand)) <= per_connection
        assert all(1 <= len(message) <= per_message for message in hand)


def test_the_first_products_go_to_different_connections() -> None:
    assert ((("A-B", "E-F"),), (("C-D", "G-H"),)) == spread(
        ("A-B", "C-D", "E-F", "G-H"), per_connection=2, per_message=100
    )


class Exchange:
    """Refuses a message whole for one bad product; acknowledges by listing everything subscribed so far."""

    def __init__(self, bad: set[str], *, names: bool) -> None:
        self.bad = bad
        self.names = names
        self.subscribed: set[str] = set()
        self.asked_count = 0

    def answer(self, asks: Sequence[tuple[str, ...]], plan: SubscribePlan) -> None:
        for ask in asks:
            self.asked_count += 1
            if found := [each for each in ask if each in self.bad]:
                plan.refused(f"{found[0] if self.names else ''} is not a valid product")
            else:
                self.subscribed |= set(ask)
                plan.accepted(self.subscribed)

    def run(self, plan: SubscribePlan) -> None:
        for _ in range(10_000):
            if plan.is_done:
                return
            asks = plan.next_asks()
            assert asks, "nothing to ask and not done"
            self.answer(asks, plan)
        raise AssertionError("the plan never ends")


def test_a_product_that_the_refusal_names_is_bad_at_once_and_the_rest_is_asked_again() -> None:
    plan = SubscribePlan([("A-B", "X-Y", "C-D"), ("E-F",)])
    assert [("A-B", "X-Y", "C-D"), ("E-F",)] == plan.next_asks()
    plan.refused("X-Y is not a valid product")
    plan.accepted({"E-F"})

    assert {"X-Y": "X-Y is not a valid product"} == plan.bad
    assert [("A-B", "C-D")] == plan.next_asks()
    plan.accepted({"A-B", "C-D", "E-F"})
    assert plan.is_done
    assert {"A-B", "C-D", "E-F"} == plan.good


def test_a_refusal_that_names_nothing_is_halved() -> None:
    plan = SubscribePlan([("A-B", "C-D", "E-F", "X-Y")])
    plan.next_asks()
    plan.refused("Invalid product ID provided")

    assert [("A-B", "C-D")] == plan.next_asks()
    assert [] == plan.next_asks()
    plan.accepted({"A-B", "C-D"})
    assert [("E-F", "X-Y")] == plan.next_asks()
    plan.refused("Invalid product ID provided")
    assert [("E-F",)] == plan.next_asks()
    plan.accepted({"A-B", "C-D", "E-F"})
    assert [("X-Y",)] == plan.next_asks()
    plan.refused("Invalid product ID provided")
    assert plan.is_done
    assert {"X-Y": "Invalid product ID provided"} == plan.bad


def test_a_refusal_of_one_of_several_messages_blames_none_without_asking() -> None:
    plan = SubscribePlan([("A-B",), ("X-Y",)])
    plan.next_asks()
    plan.refused(" is not a valid product")
    assert {} == plan.bad
    plan.accepted({"A-B"})  # the answer to the first message came after the refusal of the second

    assert [("X-Y",)] == plan.next_asks()


def test_a_product_named_that_nobody_asked_for_is_not_believed() -> None:
    plan = SubscribePlan([("A-B", "C-D")])
    plan.next_asks()
    plan.refused("X-Y is not a valid product")

    assert {} == plan.bad
    assert [("A-B",)] == plan.next_asks()


def test_a_product_that_is_subscribed_is_not_bad() -> None:
    plan = SubscribePlan([("A-B",), ("C-D",)])
    plan.next_asks()
    plan.accepted({"A-B"})
    plan.refused("A-B is not a valid product")

    assert {"A-B"} == plan.good
    assert "A-B" not in plan.bad


def test_an_ack_of_a_part_leaves_the_rest_unanswered() -> None:
    plan = SubscribePlan([("A-B", "C-D")])
    plan.next_asks()
    plan.accepted({"A-B"})

    assert ("C-D",) == plan.unanswered
    assert not plan.is_done


def test_a_new_connection_is_asked_for_everything_but_the_bad() -> None:
    plan = SubscribePlan([("A-B", "X-Y"), ("C-D", "E-F")])
    plan.next_asks()
    plan.refused("X-Y is not a valid product")
    plan.accepted({"C-D"})
    plan.reconnected()

    assert [("A-B",), ("C-D", "E-F")] == plan.next_asks()
    assert set() == plan.good


@pytest.mark.parametrize("names", [True, False])
@given(data=st.data())
def test_bad_products_are_found_and_void_nothing(names: bool, data: st.DataObject) -> None:
    products = data.draw(st.lists(st.integers(0, 999).map(lambda each: f"P{each}-USD"), unique=True, max_size=60))
    bad = set(data.draw(st.lists(st.sampled_from(products), max_size=6))) if products else set[str]()
    per_message = data.draw(st.integers(1, 30))
    exchange = Exchange(bad, names=names)
    plan = SubscribePlan(spread(products, per_connection=1_000, per_message=per_message)[0] if products else ())
    rounds = data.draw(st.integers(0, 5))
    for _ in range(rounds):  # and the connection may break on the way
        exchange.answer(plan.next_asks(), plan)
    if data.draw(st.booleans()):
        exchange.subscribed = set()
        plan.reconnected()
    exchange.run(plan)

    assert set(products) - bad == plan.good == exchange.subscribed
    assert bad == set(plan.bad)
    message_count = -(-len(products) // per_message)
    assert exchange.asked_count <= 10 + 4 * message_count + 20 * len(bad)
