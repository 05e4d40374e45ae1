"""
Which column of the lake comes from which field of a message, and by which rule.

Laws: one table per form, in the order in which a row is written; an absent field gives no column (the lake reads null). A ticker's
order is that of Coinbase's frame, so that a reader who recognises the frame may copy its text; JSON gives the order no meaning. A
trade's side is the maker's: the taker's is the other one.
Refuses to know: lines, the columns that come from the envelope, and where rows go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from contract.rules import check_book, check_number, check_price, parse_instant_us

# The contract's schema of a message, by the line's kind; a ticker may be a websocket frame (it has a "type") or a REST body.
Form = Literal["ticker", "rest_ticker", "rest_trade", "spot", "gap", "coverage", "session", "unreadable"]
# (column, the message's field, the rule that gives the column's value)
Column = tuple[str, str, Callable[[str, Any], object]]

_TAKER_OF_MAKER: Final = {"buy": "sell", "sell": "buy"}


def _as_is(_: str, value: Any) -> Any:
    return value


def _taker_of_maker(_: str, side: str) -> str:
    return _TAKER_OF_MAKER[side]


COLUMNS: Final[dict[Form, tuple[Column, ...]]] = {
    "ticker": (
        ("sequence", "sequence", _as_is),
        ("product_id", "product_id", _as_is),
        ("price", "price", check_price),
        ("open_24h", "open_24h", check_number),
        ("volume_24h", "volume_24h", check_number),
        ("low_24h", "low_24h", check_number),
        ("high_24h", "high_24h", check_number),
        ("volume_30d", "volume_30d", check_number),
        ("best_bid", "best_bid", check_number),
        ("best_bid_size", "best_bid_size", check_number),
        ("best_ask", "best_ask", check_number),
        ("best_ask_size", "best_ask_size", check_number),
        ("taker_side", "side", _as_is),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "last_size", check_number),
    ),
    "rest_ticker": (
        ("price", "price", check_price),
        ("volume_24h", "volume", check_number),
        ("best_bid", "bid", check_number),
        ("best_ask", "ask", check_number),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "size", check_number),
    ),
    "rest_trade": (
        ("price", "price", check_price),
        ("taker_side", "side", _taker_of_maker),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "size", check_number),
    ),
    "spot": (("price", "amount", check_price),),
    "gap": (("product_id", "product_id", _as_is), ("trade_id", "first_missing_trade_id", _as_is)),
    "coverage": (("product_id", "product_id", _as_is), ("event_time_us", "minute", parse_instant_us)),
    "session": (),
    "unreadable": (),
}


def read_columns(form: Form, message: dict[str, Any]) -> dict[str, Any]:
    """
    The columns that the message gives.

    Caller must: pass a message that its form's schema accepts.
    Raises: LineRefused with a value rule's reason.
    """
    body = message["data"] if form == "spot" else message
    columns: dict[str, Any] = {}
    for column, field, rule in COLUMNS[form]:
        value = body.get(field)
        if value is not None:
            columns[column] = rule(field, value)
    check_book(columns.get("best_bid"), columns.get("best_ask"))
    return columns
