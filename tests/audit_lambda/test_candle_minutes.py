"""Which products' minutes are asked for together, and what a minute knows; the questions themselves are asked in test_candles.py."""

from __future__ import annotations

from typing import Any

import pytest

from audit_lambda.candle_compare import MINUTE_US
from audit_lambda.candle_minutes import Product, plan_batches, read_minutes
from sql.engine import Answer

COLUMNS = ("product_id", "start_us", "trades", "first_id", "last_id", "open_price", "high_price", "low_price", "close_price", "volume", "watched")  # fmt: skip


def answer(*rows: tuple[Any, ...]) -> Answer:
    return Answer(columns=COLUMNS, types=("varchar",) * len(COLUMNS), rows=list(rows))


def minute(at: int, first_id: int, last_id: int, product_id: str = "BTC-USD") -> tuple[Any, ...]:
    return (product_id, at * MINUTE_US, last_id - first_id + 1, first_id, last_id, 1, 1, 1, 1, 1, True)


@pytest.mark.parametrize("day", range(6))
def test_every_product_has_its_turn_once_whatever_day_it_is(day: int) -> None:
    products = [Product(f"P{n}-USD", n * 100) for n in range(9)]
    batches = plan_batches(products, from_us=day * 86_400_000_000, most=1_000)
    assert products == sorted((each for batch in batches for each in batch), key=lambda each: each.product_id)
    assert all(batch == sorted(batch, key=lambda each: each.product_id) for batch in batches)
    assert all(sum(each.minutes for each in batch) <= 1_000 for batch in batches)


def test_another_product_is_first_the_next_day() -> None:
    products = [Product(f"P{n:02d}-USD", 1_440) for n in range(50)]
    days = (plan_batches(products, from_us=day * 86_400_000_000, most=10_000) for day in range(50))
    assert len({batches[0][0].product_id for batches in days}) > 40


def test_a_product_with_more_than_there_is_room_for_is_alone() -> None:
    products = [Product("A-USD", 5), Product("B-USD", 50), Product("C-USD", 5)]
    assert [products[1]] in plan_batches(products, from_us=0, most=10)


def test_minutes_come_by_product_and_only_whole_ones() -> None:
    rows = answer(minute(0, 1, 3), minute(1, 4, 6), minute(2, 7, 9), minute(1, 1, 1, "ETH-USD"))
    found = dict(read_minutes(rows, {}, (MINUTE_US, 3 * MINUTE_US)))
    assert {"BTC-USD": [1, 2], "ETH-USD": [1]} == {
        name: [each.start_us // MINUTE_US for each in minutes] for name, minutes in found.items()
    }


def test_a_minute_knows_every_reason_of_the_holes_that_touch_it() -> None:
    holes = {"BTC-USD": [(0, MINUTE_US, "stalled"), (MINUTE_US + 5, MINUTE_US + 9, "disconnected")]}
    rows = answer(minute(0, 1, 3), minute(1, 4, 6), minute(2, 7, 9))
    ((_, minutes),) = read_minutes(rows, holes, (0, 3 * MINUTE_US))
    assert ["stalled", "disconnected and stalled", ""] == [each.hole for each in minutes]


def test_a_minute_without_a_trade_has_no_figures_and_no_ids() -> None:
    empty = ("BTC-USD", 0, 0, None, None, None, None, None, None, None, True)
    ((_, (only,)),) = read_minutes(answer(empty), {}, (0, MINUTE_US))
    assert (None, None, True) == (only.ours, only.ids.first_id, only.watched)
