"""
The price list of infra/prices.yaml as data, and what one query costs by it.

Laws: amounts are exact decimals of stated prices; nothing is rounded before it is shown.
Refuses to know: lakes, engines.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, Final

import yaml

from infra import PRICES

TB: Final = 2**40
# Athena bills a query that scanned less as if it had scanned this; DDL is free (Amazon Athena pricing).
QUERY_MINIMUM_BYTES: Final = 10_000_000


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
