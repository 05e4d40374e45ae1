"""
Coinbase Exchange's REST bodies to typed messages, each with its own bytes; and the paths we ask for.

Laws: pure; an element of a page keeps the text it came with, cut out of the body, never written anew; what cannot be understood raises
`BodyUnreadable` with the reason. Whether a trade is valid the contract says, as it will say to the transform.
Refuses to know: HTTP, rate limits, and what is done with an answer.
Source: docs.cdp.coinbase.com, Exchange REST API: Get product trades, Get product ticker, Get all known trading pairs, Pagination; Coinbase
App API v2: Get spot price.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from contract.messages import refusal_of
from producer.errors import BodyUnreadable

# Default and largest page of /trades (Pagination).
PAGE_TRADES: Final = 1000
# Answers that asking again may change; None is no answer at all.
AGAIN: Final = frozenset({None, 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530})
_SCAN: Final = json.JSONDecoder()
_BETWEEN: Final = re.compile(r"[\s,]*")


class RestTrade(NamedTuple):
    """One trade of GET /products/{id}/trades; `raw` is its text as sent. Unless it is `valid` the transform will refuse its line."""

    trade_id: int
    event_time: str
    raw: bytes
    valid: bool


class RestTicker(NamedTuple):
    """The body of GET /products/{id}/ticker."""

    trade_id: int
    event_time: str
    price: str


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """
    What came back for one request; status None means no answer, with `why`.

    Clock: date_us is the exchange's, from its Date header, in microseconds since the epoch.
    """

    status: int | None
    body: bytes
    why: str = ""
    date_us: int | None = None


def trades_path(product_id: str, *, after: int | None, limit: int = PAGE_TRADES) -> str:
    """
    The page of trades with ids below `after` (None: the newest of all), newest first.

    `after` goes from the new end to the old; what `before` does is documented ambiguously, so it is never used.
    """
    cursor = "" if after is None else f"&after={after}"
    return f"/products/{quote(product_id, safe='')}/trades?limit={limit}{cursor}"


def ticker_path(product_id: str) -> str:
    """The product's last trade and book."""
    return f"/products/{quote(product_id, safe='')}/ticker"


def spot_path(product_id: str) -> str:
    """The v2 spot price; it is another host's than the other paths (producer.settings, `spot_url`)."""
    return f"/v2/prices/{quote(product_id, safe='')}/spot"


PRODUCTS_PATH: Final = "/products"


def decode_trades(body: bytes) -> list[RestTrade]:
    """
    A page of trades, in the order of the page.

    Raises: BodyUnreadable if it is not an array of objects with a trade_id.
    """
    text = _text(body).strip()
    if not text.startswith("["):
        raise BodyUnreadable(what="trades", why="it is not an array", head=text)
    trades: list[RestTrade] = []
    at = _BETWEEN.match(text, 1).end()  # type: ignore[union-attr]  # it matches nothing, too
    while not text.startswith("]", at):
        try:
            element, end = _SCAN.raw_decode(text, at)
        except (ValueError, RecursionError) as wrong:
            raise BodyUnreadable(what="trades", why=str(wrong), head=text) from wrong
        trades.append(_decode_trade(element, text[at:end]))
        at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    return trades


def _decode_trade(element: Any, raw: str) -> RestTrade:
    trade_id = element.get("trade_id") if isinstance(element, dict) else None
    if type(trade_id) is not int or trade_id <= 0:
        raise BodyUnreadable(what="trades", why="an element has no trade_id", head=raw)
    event_time = element.get("time")
    text = raw.encode()
    valid = refusal_of("trade", text) is None
    return RestTrade(trade_id, event_time if isinstance(event_time, str) else "", text, valid)


def decode_ticker(body: bytes) -> RestTicker:
    """
    A ticker body.

    Raises: BodyUnreadable if it is not an object with a trade_id.
    """
    parsed = _parse(body, "ticker")
    trade_id = parsed.get("trade_id") if isinstance(parsed, dict) else None
    if type(trade_id) is not int or trade_id <= 0:
        raise BodyUnreadable(what="ticker", why="it has no trade_id", head=_text(body))
    event_time, price = parsed.get("time"), parsed.get("price")
    return RestTicker(
        trade_id, event_time if isinstance(event_time, str) else "", price if isinstance(price, str) else ""
    )


def check_spot(body: bytes) -> None:
    """
    Nothing, if a line can carry this body of a spot price; what it says the contract judges.

    Raises: BodyUnreadable if it is not an object.
    """
    if not isinstance(_parse(body, "spot"), dict):
        raise BodyUnreadable(what="spot", why="it is not an object", head=_text(body))


def decode_products(body: bytes) -> list[dict[str, Any]]:
    """
    The array of products, objects with an id only.

    Raises: BodyUnreadable if it is not an array.
    """
    parsed = _parse(body, "products")
    if not isinstance(parsed, list):
        raise BodyUnreadable(what="products", why="it is not an array", head=_text(body))
    return [each for each in parsed if isinstance(each, dict) and isinstance(each.get("id"), str)]


def _parse(body: bytes, what: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise BodyUnreadable(what=what, why=str(wrong), head=_text(body)) from wrong


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise BodyUnreadable(what="body", why="it is not UTF-8", head="") from wrong
