"""
A good ticker frame recognised without parsing it, at about the price of parsing it.

Laws: what is recognised here the transform will make a row of; None says nothing (refusal_of is the authority).
Refuses to know: frames that stand otherwise than Coinbase writes them today.
"""

from __future__ import annotations

import re
from typing import Final

from contract.pattern import is_book_in_order, second_of, ticker_pattern
from contract.reasons import LineRefused

_FRAME: Final = re.compile(ticker_pattern({"product_id", "price", "time", "second", "trade_id"}).encode())


def recognise_ticker(frame: bytes) -> tuple[str, int, str, str] | None:
    """Product, trade id, event time and price of a websocket ticker that is good beyond doubt, or None."""
    found = _FRAME.fullmatch(frame)
    if found is None:
        return None
    product_id, price, bid, bid_integer, ask, ask_integer, event_time, second, trade_id = found.groups()
    try:
        second_of(second)
    except LineRefused:
        return None
    if not is_book_in_order(bid, bid_integer, ask, ask_integer):
        return None
    return product_id.decode(), int(trade_id), event_time.decode(), price.decode()
