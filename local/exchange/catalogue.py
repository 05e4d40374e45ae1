"""
The products of the generated market: invented numbers near those of late 2025, thick and thin, in several quotes.

Laws: constants only. Prices, increments and rates are shaped after recordings of 2021 and 2025; ids are the venue's.
Refuses to know: today's prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Product:
    """
    One product and how it trades.

    Units: `base_price` in the quote currency; `typical_size` in the base currency; `volatility` is the standard
    deviation of a day's log return; `spread_ticks` the mean extra spread in quote increments; places count decimals.
    """

    product_id: str
    base_price: float
    price_places: int
    book_places: int  # best_bid and best_ask may carry more decimals than the quote increment (SOL-USD: 3 against 2)
    base_places: int
    trades_per_s: float
    typical_size: float
    spread_ticks: float
    first_trade_id: int
    first_sequence: int
    volatility: float = 0.03


# Rates: 5.9, 4.4 and 3.5 trades a second are the means of nine days of November 2025; the thin ones trade by the minute.
CATALOGUE: Final[dict[str, Product]] = {
    product.product_id: product
    for product in (
        Product("BTC-USD", 87_000, 2, 2, 8, 5.9, 0.0015, 3, 912_000_000, 116_900_000_000),
        Product("ETH-USD", 2_900, 2, 2, 8, 4.4, 0.06, 8, 738_000_000, 90_300_000_000, 0.04),
        Product("SOL-USD", 137, 2, 3, 8, 3.5, 0.6, 1, 300_500_000, 26_100_000_000, 0.05),
        Product("XRP-USD", 2.2, 4, 4, 6, 2.4, 90, 2, 214_000_000, 31_200_000_000, 0.05),
        Product("DOGE-USD", 0.15, 5, 5, 1, 1.5, 900, 1, 172_000_000, 22_700_000_000, 0.06),
        Product("ADA-USD", 0.42, 4, 4, 8, 0.8, 300, 1, 121_000_000, 17_800_000_000, 0.05),
        Product("LINK-USD", 13, 3, 3, 2, 0.7, 9, 3, 93_000_000, 14_600_000_000, 0.05),
        Product("LTC-USD", 84, 2, 2, 8, 0.5, 0.9, 2, 118_000_000, 15_900_000_000, 0.04),
        Product("AVAX-USD", 13.6, 2, 2, 8, 0.4, 6, 1, 71_000_000, 12_300_000_000, 0.05),
        Product("USDT-USD", 1, 5, 5, 2, 0.4, 800, 1, 88_000_000, 9_400_000_000, 0.0003),
        Product("SHIB-USD", 0.0000083, 8, 8, 0, 0.3, 4_000_000, 1, 97_000_000, 11_000_000_000, 0.06),
        Product("PEPE-USD", 0.00000468, 8, 8, 0, 0.3, 8_000_000, 1, 41_000_000, 7_900_000_000, 0.08),
        Product("BTC-EUR", 75_000, 2, 2, 8, 0.9, 0.002, 150, 101_000_000, 27_400_000_000),
        Product("ETH-EUR", 2_500, 2, 2, 8, 0.5, 0.07, 20, 84_000_000, 21_500_000_000, 0.04),
        Product("BTC-GBP", 66_000, 2, 2, 8, 0.3, 0.002, 400, 73_000_000, 18_200_000_000),
        Product("ETH-GBP", 2_200, 2, 2, 8, 0.15, 0.08, 60, 52_000_000, 13_300_000_000, 0.04),
        Product("BTC-USDT", 87_000, 2, 2, 8, 0.4, 0.002, 200, 36_000_000, 16_100_000_000),
        Product("ETH-BTC", 0.0333, 5, 5, 8, 0.3, 0.15, 2, 47_000_000, 10_800_000_000, 0.02),
        Product("SOL-BTC", 0.001575, 7, 7, 8, 0.05, 2, 3, 8_900_000, 4_200_000_000, 0.03),
        Product("SOL-ETH", 0.0472, 5, 5, 8, 0.02, 2, 4, 2_100_000, 1_900_000_000, 0.03),
        Product("1INCH-USD", 0.19, 3, 3, 2, 0.03, 250, 1, 19_000_000, 3_300_000_000, 0.05),
        Product("CRV-EUR", 0.37, 3, 3, 2, 0.01, 150, 2, 1_700_000, 1_200_000_000, 0.06),
        Product("SKL-GBP", 0.0094, 4, 4, 1, 0.008, 4_000, 1, 1_100_000, 620_000_000, 0.06),
        Product("BAND-BTC", 0.0000049, 8, 8, 2, 0.004, 30, 2, 410_000, 380_000_000, 0.06),
    )
}


def describe_product(product_id: str, product: Product | None = None) -> dict[str, Any]:
    """
    One element of GET /products, as the vendor's reference shows it since 2022.

    Shapes: a product known only from a recording gets the finest increments.
    """
    base, _, quote = product_id.rpartition("-")
    price_places, base_places = (product.price_places, product.base_places) if product else (8, 8)
    return {
        "id": product_id,
        "base_currency": base,
        "quote_currency": quote,
        "quote_increment": _increment(price_places),
        "base_increment": _increment(base_places),
        "display_name": f"{base}-{quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def _increment(places: int) -> str:
    return f"0.{'1'.rjust(places, '0')}" if places else "1"
