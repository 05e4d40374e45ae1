import json
from decimal import Decimal
from itertools import islice

import fastjsonschema
import pytest

from contract import load_schema
from local.exchange.catalogue import CATALOGUE
from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.market import LastTrade, Market, is_storm
from local.exchange.tick import Tick

START_US = 1_763_996_400_000_000
FIELDS = [
    "type",
    "sequence",
    "product_id",
    "price",
    "open_24h",
    "volume_24h",
    "low_24h",
    "high_24h",
    "volume_30d",
    "best_bid",
    "best_bid_size",
    "best_ask",
    "best_ask_size",
    "side",
    "time",
    "trade_id",
    "last_size",
]


def some_ticks(count: int = 6000, *, seed: int = 7, products: tuple[str, ...] = tuple(CATALOGUE)) -> list[Tick]:
    return list(islice(Market(seed=seed, start_us=START_US, product_ids=products).ticks(), count))


@pytest.fixture(scope="module")
def ticks() -> list[Tick]:
    return some_ticks()


def test_the_same_seed_gives_the_same_bytes(ticks: list[Tick]) -> None:
    assert [tick.frame for tick in some_ticks(500)] == [tick.frame for tick in ticks[:500]]
    assert some_ticks(500, seed=8) != ticks[:500]


def test_a_products_stream_does_not_depend_on_its_neighbours(ticks: list[Tick]) -> None:
    of_all = [tick for tick in ticks if tick.product_id == "ETH-USD"]
    assert some_ticks(len(of_all), products=("ETH-USD",)) == of_all


def test_fields_stand_in_coinbases_order_and_pass_the_contract(ticks: list[Tick]) -> None:
    validate = fastjsonschema.compile(load_schema("frames/ticker"))
    for tick in ticks[::10]:
        message = json.loads(tick.frame)
        assert list(message) == FIELDS
        validate(message)


def test_trade_ids_rise_by_one_and_sequences_rise(ticks: list[Tick]) -> None:
    last: dict[str | None, Tick] = {}
    for tick in ticks:
        if before := last.get(tick.product_id):
            assert tick.trade_id == before.trade_id + 1
            assert tick.sequence > before.sequence
            assert tick.due_us >= before.due_us
        last[tick.product_id] = tick


def test_the_book_never_crosses_and_no_trade_is_outside_it(ticks: list[Tick]) -> None:
    for tick in ticks:
        message = json.loads(tick.frame)
        price, bid, ask = (Decimal(message[name]) for name in ("price", "best_bid", "best_ask"))
        assert 0 < bid < ask
        assert price <= ask if message["side"] == "buy" else price >= bid
        assert Decimal(message["low_24h"]) <= price <= Decimal(message["high_24h"])
        assert Decimal(message["last_size"]) > 0


def test_within_a_cascade_the_volumes_grow_by_exactly_what_was_traded(ticks: list[Tick]) -> None:
    last: dict[str | None, Tick] = {}
    cascades = 0
    for tick in ticks:
        before = last.get(tick.product_id)
        last[tick.product_id] = tick
        if before is None or before.due_us != tick.due_us:
            continue
        cascades += 1
        now, then = json.loads(tick.frame), json.loads(before.frame)
        traded = Decimal(now["last_size"])
        assert traded == Decimal(now["volume_24h"]) - Decimal(then["volume_24h"])
        assert traded == Decimal(now["volume_30d"]) - Decimal(then["volume_30d"])
        assert now["side"] == then["side"]
    assert cascades > 1000


def test_texts_have_coinbases_decimals() -> None:
    for tick in some_ticks(300, products=("SOL-USD",)):
        message = json.loads(tick.frame)
        assert 3 == len(message["best_bid"].partition(".")[2])  # SOL-USD quotes one decimal more than it trades
        assert 8 == len(message["volume_24h"].partition(".")[2])
        assert len(message["price"].partition(".")[2]) <= 2
        assert not message["price"].endswith(".")
        assert 27 == len(message["time"])


def test_prices_stay_near_the_catalogues(ticks: list[Tick]) -> None:
    for tick in ticks:
        assert tick.product_id is not None
        base = CATALOGUE[tick.product_id].base_price
        assert base / 2 < float(json.loads(tick.frame)["price"]) < base * 2


def test_every_product_has_a_last_ticker_before_the_start(ticks: list[Tick]) -> None:
    assert set(CATALOGUE) == {tick.product_id for tick in ticks if tick.due_us < START_US}


def test_a_busier_market_trades_more_often() -> None:
    calm = list(islice(Market(seed=1, start_us=START_US, product_ids=("BTC-USD",)).ticks(), 3000))
    busy = list(islice(Market(seed=1, start_us=START_US, product_ids=("BTC-USD",), busy=10).ticks(), 3000))
    assert (calm[-1].due_us - calm[0].due_us) > 4 * (busy[-1].due_us - busy[0].due_us)


def test_there_are_storms_and_calm() -> None:
    stormy = [is_storm(3, START_US + n * 10_000_000) for n in range(1000)]
    assert 5 < sum(stormy) < 60


def test_a_product_the_catalogue_lacks_is_refused_by_name() -> None:
    with pytest.raises(ExchangeSettingsWrong, match="does not trade NOPE-USD"):
        Market(seed=1, start_us=START_US, product_ids=("BTC-USD", "NOPE-USD"))


def test_a_market_goes_on_from_the_last_trade_of_another_run() -> None:
    first = list(islice(Market(seed=1, start_us=START_US, product_ids=("BTC-USD",)).ticks(), 500))
    last = LastTrade(first[-1].trade_id, first[-1].sequence, first[-1].due_us)
    market = Market(seed=1, start_us=last.event_us + 5_000_000, product_ids=("BTC-USD",), after={"BTC-USD": last})
    later = list(islice(market.ticks(), 500))
    assert list(range(last.trade_id + 1, last.trade_id + 501)) == [tick.trade_id for tick in later]
    assert all(tick.sequence > last.sequence for tick in later)
    assert later[0].due_us >= last.event_us
