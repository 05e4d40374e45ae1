import json

from local.exchange.history import TradeHistory
from local.exchange.listings import Listing
from local.exchange.recording import decode_tick
from local.exchange.tick import Tick
from local.exchange.truth import ProductTruth


def make_listing() -> Listing:
    return Listing("BTC-USD", TradeHistory(), ProductTruth())


def tick(trade_id: int) -> Tick:
    frame = (
        f'{{"type":"ticker","sequence":{trade_id * 10},"product_id":"BTC-USD","price":"86468.04","side":"buy",'
        f'"time":"2025-11-24T15:08:18.223332Z","trade_id":{trade_id},"last_size":"0.5"}}'
    )
    made = decode_tick(frame.encode(), 0)
    assert isinstance(made, Tick)
    return made


def test_a_noted_tick_is_known_everywhere() -> None:
    listing = make_listing()
    listing.note(tick(7))
    assert (listing.trade_id, listing.sequence) == (7, 70)
    assert listing.last_ticker == tick(7)
    assert listing.history.last == tick(7).trade
    assert list(listing.truth.had) == [7]
    assert listing.told()["price"] == "86468.04"


def test_an_older_tick_does_not_bring_numbers_back() -> None:
    listing = make_listing()
    listing.note(tick(7))
    listing.note(tick(6))
    assert (listing.trade_id, listing.sequence) == (7, 70)


def test_without_mischief_a_tick_is_left_as_it_is() -> None:
    made = tick(7)
    assert make_listing().bend(made, 0) is made


def test_ids_that_jump_are_bent_in_frame_rest_and_truth() -> None:
    listing = make_listing()
    listing.note(tick(7))
    listing.jump(10, "all")
    bent = listing.bend(tick(8), 0)
    listing.note(bent)
    assert json.loads(bent.frame)["trade_id"] == bent.trade_id == 18
    assert listing.truth.had.ranges() == [(7, 18)]
    assert [trade.trade_id for trade in listing.history.below()] == list(range(18, 6, -1))


def test_what_rest_lacks_of_a_jump_is_withheld_in_the_truth() -> None:
    listing = make_listing()
    listing.note(tick(7))
    listing.jump(10, "none")
    listing.note(listing.bend(tick(8), 0))
    listing.note(listing.bend(tick(9), 0))
    assert listing.truth.withheld.ranges() == [(8, 17)]
    assert [trade.trade_id for trade in listing.history.below()] == [19, 18, 7]


def test_a_clock_that_is_off_is_off_in_frame_and_rest() -> None:
    bent = make_listing().bend(tick(7), -2_000_000)
    assert bent.trade is not None
    assert json.loads(bent.frame)["time"] == bent.trade.event_time == "2025-11-24T15:08:16.223332Z"


def test_nothing_is_told_before_the_first_ticker() -> None:
    assert make_listing().told() == {}
