import math
from typing import get_args

from local.exchange.chaos import draw_faults
from local.exchange.faults import Fault, FrameFault
from local.exchange.virtual import VirtualConnection, VirtualExchange

PRODUCTS = ("BTC-USD", "SOL-USD")


def test_the_same_seed_draws_the_same_faults() -> None:
    assert draw_faults(3, duration_s=60, products=PRODUCTS) == draw_faults(3, duration_s=60, products=PRODUCTS)


def test_every_sort_of_fault_is_drawn_by_some_seed() -> None:
    drawn = {type(fault) for seed in range(200) for fault in draw_faults(seed, duration_s=60, products=PRODUCTS)}
    assert set(get_args(Fault)) == drawn


def test_the_last_third_is_calm() -> None:
    for seed in range(200):
        for fault in draw_faults(seed, duration_s=60, products=PRODUCTS):
            assert fault.to_s <= 40 or (isinstance(fault, FrameFault) and fault.to_s == math.inf)
            assert fault.from_s <= 40


def test_whatever_is_drawn_the_truth_adds_up() -> None:
    for seed in range(60):
        faults = draw_faults(seed, duration_s=30, products=PRODUCTS)
        exchange = VirtualExchange(seed=seed, products=PRODUCTS, faults=faults)
        connection: VirtualConnection | None = None
        for _ in range(30):
            if connection is None or connection.closed:
                answer = exchange.connect()
                connection = answer if isinstance(answer, VirtualConnection) else None
                if connection is not None:
                    exchange.subscribe(connection, PRODUCTS)
            exchange.advance(1)
        for product in exchange.truth.products.values():
            assert 0 == len(product.sent - product.had)
            assert 0 == len(product.garbled - product.sent)
            assert 0 == len(product.withheld - product.had)
            assert 0 == len(product.healable - product.unsent)
