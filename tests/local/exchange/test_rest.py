import json
from decimal import Decimal
from typing import Any

import fastjsonschema
import pytest

from contract import load_schema
from local.exchange.history import TradeHistory
from local.exchange.listings import Listing
from local.exchange.recording import decode_tick
from local.exchange.rest import Answer, answer_failure, answer_rest
from local.exchange.tick import Tick
from local.exchange.truth import ProductTruth

NOW_US = 1_764_004_500_250_000


def ticker(trade_id: int, event_time: str, price: str = "86944.7") -> Tick:
    frame = (
        f'{{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"{price}","open_24h":"86710.53",'
        f'"volume_24h":"12273.69578959","low_24h":"85213.17","high_24h":"88100","volume_30d":"292316.97626696",'
        f'"best_bid":"86944.72","best_bid_size":"0.02179114","best_ask":"86944.73","best_ask_size":"0.1","side":"buy",'
        f'"time":"{event_time}","trade_id":{trade_id},"last_size":"0.5"}}'
    )
    tick = decode_tick(frame.encode(), 0)
    assert isinstance(tick, Tick)
    return tick


@pytest.fixture
def listings() -> dict[str, Listing]:
    known = {name: Listing(name, TradeHistory(), ProductTruth()) for name in ("BTC-USD", "CRV-EUR")}
    for n in range(1, 2001):
        at = (n - 1) * 60 // 2000
        known["BTC-USD"].note(ticker(n, f"2025-11-24T17:14:{at:02d}.870500Z", str(86000 + n)))
    return known


def get(listings: dict[str, Listing], path: str, **query: str) -> Answer:
    return answer_rest(listings, path, query, NOW_US)


def body(listings: dict[str, Listing], path: str, **query: str) -> Any:
    answer = get(listings, path, **query)
    assert 200 == answer.status
    return json.loads(answer.body)


def test_products_are_listed_and_told_one_by_one(listings: dict[str, Listing]) -> None:
    listed = body(listings, "/products")
    assert ["BTC-USD", "CRV-EUR"] == [product["id"] for product in listed]
    assert body(listings, "/products/CRV-EUR") == listed[1]


def test_a_ticker_has_rests_own_field_names_and_passes_the_contract(listings: dict[str, Listing]) -> None:
    told = body(listings, "/products/BTC-USD/ticker")
    fastjsonschema.validate(load_schema("frames/rest_ticker"), told)
    assert {
        "ask": "86944.73",
        "bid": "86944.72",
        "volume": "12273.69578959",
        "trade_id": 2000,
        "price": "88000",
        "size": "0.5",
        "time": "2025-11-24T17:14:59.870500Z",
        "rfq_volume": "0.000000",
    } == told


def test_a_page_of_trades_is_newest_first_with_cursors_at_its_ends(listings: dict[str, Listing]) -> None:
    answer = get(listings, "/products/BTC-USD/trades", limit="3")
    page = json.loads(answer.body)
    assert [2000, 1999, 1998] == [trade["trade_id"] for trade in page]
    assert {"CB-BEFORE": "2000", "CB-AFTER": "1998"} == answer.headers
    for trade in page:
        fastjsonschema.validate(load_schema("frames/rest_trade"), trade)


def test_a_trade_reads_as_recorded(listings: dict[str, Listing]) -> None:
    [trade] = body(listings, "/products/BTC-USD/trades", limit="1", after="2")
    assert {
        "time": "2025-11-24T17:14:00.8705Z",
        "trade_id": 1,
        "price": "86001.00000000",
        "size": "0.50000000",
        "side": "sell",
    } == trade


def test_pages_follow_one_another_by_their_cursor(listings: dict[str, Listing]) -> None:
    ids: list[int] = []
    after = ""
    while page := body(listings, "/products/BTC-USD/trades", after=after):
        ids += [trade["trade_id"] for trade in page]
        after = str(ids[-1])
    assert list(range(2000, 0, -1)) == ids


def test_before_gives_the_newest_page_above_an_id(listings: dict[str, Listing]) -> None:
    page = body(listings, "/products/BTC-USD/trades", before="10", limit="2")
    assert [2000, 1999] == [trade["trade_id"] for trade in page]
    assert [] == body(listings, "/products/BTC-USD/trades", before="2000")


def test_a_page_holds_at_most_a_thousand(listings: dict[str, Listing]) -> None:
    assert 1000 == len(body(listings, "/products/BTC-USD/trades", limit="5000"))


def test_a_product_without_trades_has_an_empty_page_and_no_cursors(listings: dict[str, Listing]) -> None:
    answer = get(listings, "/products/CRV-EUR/trades")
    assert (200, b"[]", {}) == (answer.status, answer.body, answer.headers)


def test_candles_are_numbers_newest_first(listings: dict[str, Listing]) -> None:
    [candle] = body(listings, "/products/BTC-USD/candles", granularity="60", end="2025-11-24T17:14:59.5Z")
    at, low, high, opened, closed, volume = candle
    assert 1_764_004_440 == at
    assert (86001, 86001) == (low, opened)
    assert high == closed > 87900
    assert volume == pytest.approx(1000, abs=20)


def test_candles_keep_to_the_span_asked_for(listings: dict[str, Listing]) -> None:
    assert [] == body(listings, "/products/BTC-USD/candles", start="1764000000", end="1764004000")


@pytest.mark.parametrize(
    ("path", "query", "status", "message"),
    [
        ("/nowhere", {}, 404, "NotFound"),
        ("/products/NOPE-USD", {}, 404, "NotFound"),
        ("/products/NOPE-USD/trades", {}, 404, "NotFound"),
        ("/products/btc-usd/ticker", {}, 404, "NotFound"),
        ("/products/CRV-EUR/ticker", {}, 404, "NotFound"),
        ("/products/CRV-EUR/stats", {}, 404, "NotFound"),
        ("/products/BTC-USD/trades", {"limit": "-1"}, 400, "Invalid limit"),
        ("/products/BTC-USD/trades", {"after": "x"}, 400, "Invalid after"),
        ("/products/BTC-USD/trades", {"after": "9" * 30}, 400, "Invalid after"),
        ("/products/BTC-USD/candles", {"granularity": "61"}, 400, "Unsupported granularity"),
        ("/products/BTC-USD/candles", {"start": "soon"}, 400, "Invalid start"),
    ],
)
def test_a_refusal_is_a_message(
    listings: dict[str, Listing], path: str, query: dict[str, str], status: int, message: str
) -> None:
    answer = get(listings, path, **query)
    assert (answer.status, json.loads(answer.body)) == (status, {"message": message})


def test_more_than_300_candles_are_refused(listings: dict[str, Listing]) -> None:
    answer = get(listings, "/products/BTC-USD/candles", start="1763000000", end="1764000000")
    assert 400 == answer.status
    assert b"exceeds 300" in answer.body


def test_stats_are_the_tickers(listings: dict[str, Listing]) -> None:
    assert {
        "open": "86710.53",
        "high": "88100",
        "low": "85213.17",
        "last": "88000",
        "volume": "12273.69578959",
        "volume_30day": "292316.97626696",
    } == body(listings, "/products/BTC-USD/stats")


def test_the_time_is_the_markets(listings: dict[str, Listing]) -> None:
    assert {"iso": "2025-11-24T17:15:00.250Z", "epoch": 1764004500.25} == body(listings, "/time")


def test_a_spot_price_passes_the_contract(listings: dict[str, Listing]) -> None:
    told = body(listings, "/v2/prices/BTC-USD/spot")
    assert {"data": {"amount": "88000", "base": "BTC", "currency": "USD"}} == told
    fastjsonschema.validate(load_schema("frames/spot"), told)


def test_a_spot_price_of_nothing_is_not_found_and_one_before_the_first_trade_not_there_yet(
    listings: dict[str, Listing],
) -> None:
    assert 404 == get(listings, "/v2/prices/NOPE-USD/spot").status
    assert 503 == get(listings, "/v2/prices/CRV-EUR/spot").status


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_failure_of_the_app_api_is_worded_as_that_api_words_it(status: int) -> None:
    told = json.loads(answer_failure(status, "/v2/prices/BTC-USD/spot").body)
    assert [{"id", "message"}] == [set(each) for each in told["errors"]]
    assert "text/html" == answer_failure(502, "/v2/prices/BTC-USD/spot").content_type


def test_a_failure_in_front_of_the_exchange_is_no_json() -> None:
    assert "text/html" == answer_failure(502).content_type
    assert {"message": "Public rate limit exceeded"} == json.loads(answer_failure(429).body)


def test_a_candle_is_told_whole_whatever_part_of_it_was_asked_for_and_its_volume_is_exact() -> None:
    known = {"BTC-USD": Listing("BTC-USD", TradeHistory(hole_trades="none"), ProductTruth())}
    times = [(1, "17:13:59.999999"), (2, "17:14:00.000000"), (5, "17:14:59.999999"), (6, "17:15:00.000000")]
    for trade_id, at in times:
        known["BTC-USD"].note(ticker(trade_id, f"2025-11-24T{at}Z"))
    asked = {"start": "2025-11-24T17:14:30Z", "end": "2025-11-24T17:14:40Z"}
    [candle] = body(known, "/products/BTC-USD/candles", **asked)
    of_the_hole = [known["BTC-USD"].history._holes[5].trade(missing) for missing in (3, 4)]
    assert 1_764_004_440 == candle[0]
    assert float(sum((Decimal(trade.base_size) for trade in of_the_hole), Decimal(1))) == candle[5]
