"""
Coinbase Exchange's frames, byte by byte as the exchange writes them: field order, quoting, decimals.

Laws: pure text; integers only where Coinbase sends integers (sequence, trade_id, last_trade_id).
Source: docs.cdp.coinbase.com/exchange/websocket-feed/channels, and recordings of 2021 and 2025.
Refuses to know: who is subscribed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson

from local.exchange.text import encode_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.exchange.tick import Trade

Refusal = Literal[
    "Failed to subscribe",
    "Failed to unsubscribe",
    "ErrSlowRead",
    "ErrSlowConsume",
    "Sorry, you could not be authenticated: Bad Request",
    "Sorry, you could not be authenticated: Unauthorized",
]


def encode_heartbeat(product_id: str, *, sequence: int, last_trade_id: int, now_us: int) -> bytes:
    """A `heartbeat`; last_trade_id 0 where no trade is known, as the sandbox gives it."""
    return (
        f'{{"type":"heartbeat","last_trade_id":{last_trade_id},"product_id":"{product_id}",'
        f'"sequence":{sequence},"time":"{encode_time(now_us)}"}}'
    ).encode()


def encode_error(message: Refusal, reason: str) -> bytes:
    """An `error`, as a refused call is answered."""
    return orjson.dumps({"type": "error", "message": message, "reason": reason})


def encode_subscriptions(subscribed: Mapping[str, list[str]]) -> bytes:
    """The ack: every current subscription of this connection, not only the call's. `account_ids` is null since 2025."""
    channels = [{"name": name, "product_ids": ids, "account_ids": None} for name, ids in subscribed.items()]
    return orjson.dumps({"type": "subscriptions", "channels": channels})


def encode_match(product_id: str, trade: Trade, *, sequence: int, last: bool) -> bytes:
    """A `match` (or the first one after a subscribe, `last_match`); `side` is the maker's."""
    maker, taker = _order_id(sequence, 1), _order_id(sequence, 2)
    return (
        f'{{"type":"{"last_match" if last else "match"}","trade_id":{trade.trade_id},"maker_order_id":"{maker}",'
        f'"taker_order_id":"{taker}","side":"{trade.maker_side}","size":"{trade.base_size}","price":"{trade.price}",'
        f'"product_id":"{product_id}","sequence":{sequence},"time":"{trade.event_time}"}}'
    ).encode()


def encode_status(products: list[dict[str, Any]]) -> bytes:
    """A `status` frame: every product; currencies are left out (nobody here trades by them)."""
    return orjson.dumps({"type": "status", "currencies": [], "products": products})


def _order_id(sequence: int, salt: int) -> str:
    """A uuid-shaped order id, the same for the same sequence."""
    digits = f"{(sequence * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
