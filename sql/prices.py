"""
The price list of infra/prices.yaml as data: a line of a bill, and what one query costs by it.

Laws: amounts are exact decimals of stated prices; nothing is rounded before it is shown.
Refuses to know: lakes, engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

import yaml

from infra import PRICES

GB: Final = 2**30
TB: Final = 2**40
# Athena bills a query that scanned less as if it had scanned this; DDL is free (Amazon Athena pricing).
QUERY_MINIMUM_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill: so much of a unit, at a price. `verified`: somebody compared the price with a price list."""

    name: str
    amount: Decimal
    unit: str
    cost: Decimal
    verified: bool


@cache
def load_prices() -> dict[str, Any]:
    """The price list as data."""
    loaded: dict[str, Any] = yaml.safe_load(PRICES.read_text(encoding="utf-8"))
    return loaded


def query_cost(scanned_bytes: int) -> Decimal:
    """What Athena bills for a query that scanned so much, in US dollars at list price."""
    return (
        Decimal(max(scanned_bytes, QUERY_MINIMUM_BYTES)) / TB * Decimal(load_prices()["prices"]["athena_tb"]["price"])
    )


def price_item(name: str, amount: Decimal | int, unit: str, price: str) -> Item:
    """So much of a unit at the price of this name."""
    listed = load_prices()["prices"][price]
    cost = Decimal(amount) * Decimal(listed["price"])
    return Item(name=name, amount=Decimal(amount), unit=unit, cost=cost, verified=bool(listed["verified"]))
