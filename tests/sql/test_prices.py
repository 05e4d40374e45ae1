from __future__ import annotations

from decimal import Decimal

import pytest

from sql.prices import QUERY_MINIMUM_BYTES, TB, load_prices, query_cost


@pytest.mark.parametrize(
    ("scanned_bytes", "cost"),
    [(TB, Decimal(5)), (TB // 4, Decimal("1.25")), (100_000_000_000, Decimal("0.4547473508864641189575195312"))],
)
def test_a_query_costs_what_it_scanned(scanned_bytes: int, cost: Decimal) -> None:
    assert cost == query_cost(scanned_bytes)


def test_a_small_query_is_billed_as_ten_megabytes() -> None:
    assert query_cost(QUERY_MINIMUM_BYTES) == query_cost(0)
    assert Decimal("0.0000454") < query_cost(1) < Decimal("0.0000456")


def test_every_price_is_a_decimal_with_a_source() -> None:
    for price in load_prices()["prices"].values():
        assert Decimal(price["price"]) > 0
        assert price["source"]
