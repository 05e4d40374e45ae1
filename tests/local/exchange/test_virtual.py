import json

import pytest

from local.exchange.actions import Refused
from local.exchange.faults import Disconnect, Drop, RefuseConnections, RestDown, RestStorm, SlowAccept
from local.exchange.settings import Settings
from local.exchange.virtual import VirtualConnection, VirtualExchange

PRODUCTS = ("BTC-USD", "ETH-USD")


def joined(exchange: VirtualExchange) -> VirtualConnection:
    connection = exchange.connect()
    assert isinstance(connection, VirtualConnection)
    exchange.subscribe(connection, PRODUCTS)
    return connection


def told_by_rest(exchange: VirtualExchange, product_id: str) -> list[int]:
    """Every trade REST tells, page by page."""
    ids: list[int] = []
    after: dict[str, int] = {}
    while page := exchange.rest_trades(product_id, **after):
        assert isinstance(page, list)
        ids += [trade["trade_id"] for trade in page]
        after = {"after": ids[-1]}
    return ids


def run(seed: int) -> list[tuple[int, bytes]]:
    exchange = VirtualExchange(seed=seed, products=PRODUCTS, faults=[Drop(share=0.05), Disconnect(from_s=20)])
    connection = joined(exchange)
    exchange.advance(30)
    return [(one.at_us, one.frame) for one in connection.take()]


def test_the_same_seed_lives_the_same_life() -> None:
    assert run(5) == run(5) != run(6)


def test_frames_and_heartbeats_come_in_their_true_order() -> None:
    exchange = VirtualExchange(seed=1, products=PRODUCTS)
    connection = joined(exchange)
    exchange.advance(20)
    received = connection.take()
    assert [one.at_us for one in received] == sorted(one.at_us for one in received)
    last: dict[str, int] = {}
    beats = 0
    for one in received:
        message = json.loads(one.frame)
        if message["type"] == "ticker":
            last[message["product_id"]] = message["trade_id"]
        if message["type"] == "heartbeat":
            beats += 1
            assert message["last_trade_id"] == last[message["product_id"]]
    assert 40 == beats
    assert [] == connection.take()


def test_a_closed_connection_keeps_what_came_before() -> None:
    exchange = VirtualExchange(seed=1, products=PRODUCTS, faults=[Disconnect(from_s=5, code=1001)])
    connection = joined(exchange)
    exchange.advance(10)
    assert connection.closed is not None
    assert 1001 == connection.closed.code
    assert connection.take()[-1].at_us <= exchange.now_us - 5_000_000
    exchange.send(connection, "{}")
    assert [] == connection.take()


def test_a_client_can_go() -> None:
    exchange = VirtualExchange(seed=1, products=PRODUCTS)
    connection = joined(exchange)
    exchange.close(connection)
    exchange.advance(5)
    assert 0 == exchange.truth.heartbeat_count


def test_a_refused_connection_is_told() -> None:
    assert Refused(503) == VirtualExchange(faults=[RefuseConnections(status=503)]).connect()


@pytest.mark.parametrize("seed", range(40))
def test_what_was_missed_can_be_had_from_rest_and_nothing_else_was_lost(seed: int) -> None:
    faults = (Drop(share=0.05, rest_holds=0.5), Disconnect(from_s=15, code=1000))
    settings = Settings(seed=seed, faults=faults, limits=False)
    exchange = VirtualExchange(seed=seed, products=PRODUCTS, settings=settings)
    connection = joined(exchange)
    exchange.advance(20)
    received = connection.take()
    connection = joined(exchange)
    exchange.advance(10)
    received += connection.take()
    got: dict[str, set[int]] = {product_id: set() for product_id in PRODUCTS}
    for one in received:
        message = json.loads(one.frame)
        if message["type"] == "ticker":
            got[message["product_id"]].add(message["trade_id"])
    for product_id in PRODUCTS:
        told = set(told_by_rest(exchange, product_id))
        truth = exchange.truth.of(product_id)
        assert got[product_id] == set(truth.sent)
        assert told == set(truth.had - truth.withheld)
        assert set(truth.healable) == told - got[product_id]


def test_a_slow_accept_tells_when_the_connection_is_ready() -> None:
    exchange = VirtualExchange(faults=[SlowAccept(delay_s=2.5)])
    connection = exchange.connect()
    assert isinstance(connection, VirtualConnection)
    assert exchange.now_us + 2_500_000 == connection.ready_us


def test_rest_that_fails_is_told_by_its_status() -> None:
    exchange = VirtualExchange(faults=[RestDown(to_s=1), RestStorm(from_s=1, to_s=2, status=429)])
    assert 0 == exchange.rest_trades("BTC-USD")
    exchange.advance(1)
    assert 429 == exchange.rest_trades("BTC-USD")
    exchange.advance(1)
    assert isinstance(exchange.rest_trades("BTC-USD", limit=1), list)
