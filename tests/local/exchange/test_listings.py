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
    assert (7, 70) == (listing.trade_id, listing.sequence)
    assert tick(7) == listing.last_ticker
    assert listing.history.last == tick(7).trade
    assert [7] == list(listing.truth.had)
    assert "86468.04" == listing.told()["price"]


def test_an_older_tick_does_not_bring_numbers_back() -> None:
    listing = make_listing()
    listing.note(tick(7))
    listing.note(tick(6))
    assert (7, 70) == (listing.trade_id, listing.sequence)


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
    assert [(7, 18)] == listing.truth.had.ranges()
    assert list(range(18, 6, -1)) == [trade.trade_id for trade in listing.history.below()]


def test_what_rest_lacks_of_a_jump_is_withheld_in_the_truth() -> None:
    listing = make_listing()
    listing.note(tick(7))
    listing.jump(10, "none")
    listing.note(listing.bend(tick(8), 0))
    listing.note(listing.bend(tick(9), 0))
    assert [(8, 17)] == listing.truth.withheld.ranges()
    assert [19, 18, 7] == [trade.trade_id for trade in listing.history.below()]


def test_a_clock_that_is_off_is_off_in_frame_and_rest() -> None:
    bent = make_listing().bend(tick(7), -2_000_000)
    assert bent.trade is not None
    assert json.loads(bent.frame)["time"] == bent.trade.event_time == "2025-11-24T15:08:16.223332Z"


def test_nothing_is_told_before_the_first_ticker() -> None:
    assert {} == make_listing().told()
