"""
What Coinbase Exchange's public REST endpoints answer, without HTTP: a path and a query in, status, headers and body out.

Laws: pure; everything is read from the listings; refusals are worded as Coinbase words them.
Source: docs.cdp.coinbase.com/exchange/rest-api (requests, pagination) and recorded bodies of 2020 to 2024; what was found
nowhere is marked `guess`.
Refuses to know: sockets, faults, and how often it is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from local.exchange.limits import APP_ROOT, PUBLIC_RATE_EXCEEDED
from local.exchange.text import SECOND_US, decode_time, encode_time, pad_decimal, trim_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.exchange.faults import PageOddity
    from local.exchange.listings import Listing
    from local.exchange.tick import Trade

    Listings = Mapping[str, Listing]

PAGE_MAX: Final = 1000
CANDLES_MAX: Final = 300
ID_DIGITS_MAX: Final = 18  # what surely fits int64
EPOCH_DIGITS_MAX: Final = 11
GRANULARITIES: Final = (60, 300, 900, 3600, 21600, 86400)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, `delay_s` after it was asked for."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_s: float = 0.0


FAILURES: Final[Mapping[int, str]] = {
    429: PUBLIC_RATE_EXCEEDED,
    500: "Internal server error",
    503: "Service Unavailable",  # guess
}


APP_FAILURES: Final[Mapping[int, tuple[str, str]]] = {
    404: ("not_found", "Invalid base currency"),
    429: ("rate_limit_exceeded", "Too many requests"),
    500: ("internal_server_error", "Internal server error"),  # guess
    503: ("service_unavailable", "Service unavailable"),  # guess
}


def answer_failure(status: int, path: str = "/") -> Answer:
    """A failure by status, as the API of this path words it; one that the network in front of the exchange gives is no JSON."""
    if path.startswith(APP_ROOT):
        if found := APP_FAILURES.get(status):
            return Answer(status, orjson.dumps({"errors": [{"id": found[0], "message": found[1]}]}))
    elif message := FAILURES.get(status):
        return answer_error(status, message)
    return Answer(status, f"error code: {status}".encode(), content_type="text/html")


def answer_error(status: int, message: str) -> Answer:
    """A refusal: `{"message": …}`."""
    return Answer(status, orjson.dumps({"message": message}))


class _Refused(Exception):  # noqa: N818  # an answer, not an error of ours
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = answer_error(status, message)


def answer_rest(listings: Listings, path: str, query: Mapping[str, str], market_us: int) -> Answer:
    """What GET `path` answers when the exchange's clock says `market_us`."""
    try:
        for pattern, endpoint in ENDPOINTS:
            if found := pattern.fullmatch(path):
                return endpoint(listings, found.groupdict(), query, market_us)
    except _Refused as refused:
        return refused.answer
    return answer_error(404, "NotFound")


def _ok(body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, orjson.dumps(body), headers or {})


def _listing(listings: Listings, product_id: str) -> Listing:
    found = listings.get(product_id)
    if found is None:
        raise _Refused(404, "NotFound")
    return found


def _products(listings: Listings, _path: Mapping[str, str], _query: Mapping[str, str], _market_us: int) -> Answer:
    return _ok([listing.describe() for listing in listings.values()])


def _product(listings: Listings, path: Mapping[str, str], _query: Mapping[str, str], _market_us: int) -> Answer:
    return _ok(_listing(listings, path["id"]).describe())


def _ticker(listings: Listings, path: Mapping[str, str], _query: Mapping[str, str], _market_us: int) -> Answer:
    listing = _listing(listings, path["id"])
    told, trade = listing.told(), listing.history.last
    if trade is None:
        raise _Refused(404, "NotFound")
    return _ok(
        {
            "ask": told.get("best_ask", trade.price),
            "bid": told.get("best_bid", trade.price),
            "volume": told.get("volume_24h", "0"),
            "trade_id": trade.trade_id,
            "price": trade.price,
            "size": trade.base_size,
            "time": trade.event_time,
            "rfq_volume": "0.000000",
        }
    )


def _trades(listings: Listings, path: Mapping[str, str], query: Mapping[str, str], _market_us: int) -> Answer:
    """
    One page of trades, newest first.

    Shapes: `after=N` gives ids below N; `before=N` the newest page above N. `side` is the maker's, prices are padded to
    eight decimals, times trimmed, as recorded.
    """
    history = _listing(listings, path["id"]).history
    limit = min(_count(query, "limit", PAGE_MAX), PAGE_MAX)
    after, before = _count(query, "after", None), _count(query, "before", 0)
    page = list(islice(history.below(after, above=before), limit))
    headers = {"CB-BEFORE": str(page[0].trade_id), "CB-AFTER": str(page[-1].trade_id)} if page else {}
    return _ok([_describe_trade(trade) for trade in page], headers)


def _describe_trade(trade: Trade) -> dict[str, Any]:
    return {
        "time": trim_time(trade.event_time),
        "trade_id": trade.trade_id,
        "price": pad_decimal(trade.price),
        "size": pad_decimal(trade.base_size),
        "side": trade.maker_side,
    }


def is_trades(path: str) -> bool:
    """Whether GET `path` answers with a page of trades."""
    return _TRADES.fullmatch(path) is not None


def spoil_page(answer: Answer, how: PageOddity) -> Answer:
    """A page of trades with something wrong in it; a refusal stays as it is."""
    if answer.status != HTTPStatus.OK:
        return answer
    if how == "no_cursor":
        return replace(answer, headers={})
    if how == "cut":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    page = _SPOILT.get(how, list)(orjson.loads(answer.body))
    headers = {"CB-BEFORE": str(page[0]["trade_id"]), "CB-AFTER": str(page[-1]["trade_id"])} if page else {}
    return replace(answer, body=orjson.dumps(page), headers=headers)


_SPOILT: Final[Mapping[str, Callable[[list[Any]], list[Any]]]] = {
    "short": lambda page: page[: (len(page) + 2) // 3],
    "empty": lambda _: [],
    "gappy": lambda page: [trade for at, trade in enumerate(page) if at % 3 != 1],
    "shuffled": lambda page: page[::-1],
}


def _count(query: Mapping[str, str], name: str, default: Any) -> Any:
    text = query.get(name)
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > ID_DIGITS_MAX:
        raise _Refused(400, f"Invalid {name}")  # guess
    return int(text)


def _candles(listings: Listings, path: Mapping[str, str], query: Mapping[str, str], market_us: int) -> Answer:
    """
    Buckets [time, low, high, open, close, volume], newest first; a bucket without trades is missing.

    Shapes: every bucket whose start lies in start..end, and the one that `start` lies in, is told whole, of all trades the market had (also
    those that it told nobody). `end` included is a guess; no more than 300 are told.
    """
    history = _listing(listings, path["id"]).history
    granularity = _count(query, "granularity", 60)
    if granularity not in GRANULARITIES:
        raise _Refused(400, "Unsupported granularity")
    end_us = _instant(query, "end", market_us)
    start_us = _instant(query, "start", end_us - CANDLES_MAX * granularity * SECOND_US)
    if (end_us - start_us) // SECOND_US > CANDLES_MAX * granularity:
        raise _Refused(
            400,
            "granularity too small for the requested time range. "
            f"Count of aggregations requested exceeds {CANDLES_MAX}",
        )
    bucket_us = granularity * SECOND_US
    buckets: dict[int, list[Decimal]] = {}
    for trade in history.between(start_us - start_us % bucket_us, end_us - end_us % bucket_us + bucket_us):
        instant_s = (decode_time(trade.event_time) or 0) // SECOND_US
        _add_to_candle(buckets, instant_s - instant_s % granularity, Decimal(trade.price), Decimal(trade.base_size))
    newest = sorted(buckets.items(), reverse=True)[:CANDLES_MAX]
    # Coinbase's candles are JSON numbers: a double is exact in its first fifteen digits.
    return _ok([[at, *map(float, candle)] for at, candle in newest])


def _add_to_candle(buckets: dict[int, list[Decimal]], at: int, price: Decimal, base_size: Decimal) -> None:
    candle = buckets.setdefault(at, [price, price, price, price, Decimal(0)])
    candle[0], candle[1], candle[3] = min(candle[0], price), max(candle[1], price), price
    candle[4] += base_size


def _instant(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    if text.isascii() and text.isdigit() and len(text) <= EPOCH_DIGITS_MAX:
        return int(text) * SECOND_US
    instant = decode_time(text.replace(" ", "+"))
    if instant is None:
        raise _Refused(400, f"Invalid {name}")  # guess
    return instant


def _stats(listings: Listings, path: Mapping[str, str], _query: Mapping[str, str], _market_us: int) -> Answer:
    listing = _listing(listings, path["id"])
    told = listing.told()
    if not told:
        raise _Refused(404, "NotFound")
    return _ok(
        {
            "open": told.get("open_24h", "0"),
            "high": told.get("high_24h", "0"),
            "low": told.get("low_24h", "0"),
            "last": told.get("price", "0"),
            "volume": told.get("volume_24h", "0"),
            "volume_30day": told.get("volume_30d", "0"),
        }
    )


def _time(_listings: Listings, _path: Mapping[str, str], _query: Mapping[str, str], market_us: int) -> Answer:
    return _ok({"iso": encode_time(market_us)[:23] + "Z", "epoch": market_us // 1000 / 1000})


def _spot(listings: Listings, path: Mapping[str, str], _query: Mapping[str, str], _market_us: int) -> Answer:
    """The v2 spot price: no time, no id."""
    product_id = path["id"]
    listing = listings.get(product_id)
    if listing is None:
        return answer_failure(404, APP_ROOT)
    if listing.history.last is None:  # guess: it will have one soon, so nobody should give it up
        return answer_failure(503, APP_ROOT)
    base, _, quote = product_id.rpartition("-")
    return _ok({"data": {"amount": listing.history.last.price, "base": base, "currency": quote}})


ID: Final = r"(?P<id>[A-Z0-9-]{1,64})"
TRADES: Final = rf"/products/{ID}/trades"
_TRADES: Final = re.compile(TRADES)
ENDPOINTS: Final = tuple(
    (re.compile(pattern), endpoint)
    for pattern, endpoint in (
        (r"/products", _products),
        (rf"/products/{ID}", _product),
        (rf"/products/{ID}/ticker", _ticker),
        (TRADES, _trades),
        (rf"/products/{ID}/candles", _candles),
        (rf"/products/{ID}/stats", _stats),
        (r"/time", _time),
        (rf"/v2/prices/{ID}/spot", _spot),
    )
)
