from decimal import Decimal

import pytest

from local.exchange.history import HoleTrades, TradeHistory, pack_trade, plan_held, unpack_trade
from local.exchange.text import decode_time, encode_time
from local.exchange.tick import Trade

START_US = 1_763_996_400_000_000


def trade(trade_id: int, price: str = "100.5") -> Trade:
    return Trade(trade_id, price, "0.25", encode_time(START_US + trade_id * 1000), "sell")


def history(*ids: int, hole_trades: HoleTrades | None = None, seed: int = 1, remembered: int = 1000) -> TradeHistory:
    made = TradeHistory(seed=seed, hole_trades=hole_trades, remembered_count=remembered)
    for trade_id in ids:
        made.add(trade(trade_id))
    return made


def test_a_trade_survives_packing() -> None:
    assert trade(9) == unpack_trade(9, pack_trade(trade(9)))


def test_trades_come_newest_first_below_an_id_and_above_another() -> None:
    known = history(1, 2, 3, 4, 5)
    assert [5, 4, 3, 2, 1] == [one.trade_id for one in known.below()]
    assert [3, 2, 1] == [one.trade_id for one in known.below(4)]
    assert [5, 4] == [one.trade_id for one in known.below(above=3)]
    assert [3] == [one.trade_id for one in known.below(4, above=2)]
    assert [] == list(known.below(1))


def test_a_trade_told_late_or_twice_finds_its_place_once() -> None:
    assert [4, 3, 2, 1] == [one.trade_id for one in history(1, 2, 4, 3, 2).below()]


def test_without_hole_trades_a_jump_is_no_hole() -> None:
    assert [9, 1] == [one.trade_id for one in history(1, 9).below()]


def test_a_hole_is_told_with_its_ids() -> None:
    known = history(1, hole_trades="none")
    assert (2, 4) == known.add(trade(5))
    assert [5, 1] == [one.trade_id for one in known.below()]
    assert [(2, 4)] == known.withheld.ranges()


def test_a_hole_that_rest_holds_is_filled_anywhere_a_page_begins() -> None:
    known = history(10, 20, 21, hole_trades="all")
    everything = [one.trade_id for one in known.below()]
    assert everything == list(range(21, 9, -1))
    for start in range(10, 23):
        assert [one for one in everything if one < start] == [one.trade_id for one in known.below(start)]
    assert [14, 13] == [one.trade_id for one in known.below(15, above=12)]


def test_a_holes_trades_are_plausible_and_always_the_same() -> None:
    known, again = history(10, 1000, hole_trades="all"), history(10, 1000, hole_trades="all")
    trades = list(known.below())
    assert trades == list(again.below())
    instants = [decode_time(one.event_time) for one in trades]
    assert instants == sorted(instants, key=lambda at: at or 0, reverse=True)
    assert all(0 < Decimal(one.price) < 200 and Decimal(one.base_size) > 0 for one in trades)
    assert {"buy", "sell"} == {one.taker_side for one in trades}


def test_one_missing_trade_is_a_hole_too() -> None:
    assert [3, 2, 1] == [one.trade_id for one in history(1, 3, hole_trades="all").below()]


@pytest.mark.parametrize(("hole_trades", "told"), [("all", [9, 8, 7, 6, 5, 4, 3]), ("none", [9, 6, 3])])
def test_a_trade_that_comes_late_lies_no_longer_in_its_hole(hole_trades: HoleTrades, told: list[int]) -> None:
    known = history(3, 9, 6, hole_trades=hole_trades)
    assert told == [one.trade_id for one in known.below()]
    assert known.get(6) == trade(6)
    assert 6 not in known.withheld


def test_a_share_of_the_ids_is_held_and_some_holes_whole_some_partly_some_not() -> None:
    held = [(first, first + 99, plan_held(first, first + 99, 0.5, 7)) for first in range(1, 60_000, 200)]
    kept = [last + 1 - first_held for _, last, first_held in held]
    assert 0.4 < sum(kept) / (100 * len(kept)) < 0.6
    assert {0, 50, 100} == set(kept)


@pytest.mark.parametrize(("hole_trades", "first_held"), [("all", 5), ("none", 10), (1.0, 5), (0.0, 10)])
def test_all_is_all_and_none_is_none(hole_trades: HoleTrades, first_held: int) -> None:
    for seed in range(20):
        assert plan_held(5, 9, hole_trades, seed) == first_held


def test_a_withheld_trade_is_never_told() -> None:
    known = history(1, 2, 3)
    known.withhold(2, "none")
    assert [3, 1] == [one.trade_id for one in known.below()]
    assert known.get(2) is None
    assert trade(3) == known.get(3)


def test_memory_is_bounded_and_the_oldest_go() -> None:
    known = history(*range(1, 1002), remembered=1000)
    told = [one.trade_id for one in known.below()]
    assert list(range(1001, 250, -1)) == told
    assert 251 == known.forgotten_below
    known.add(trade(3))
    assert known.get(3) is None


def test_trades_between_two_instants_come_oldest_first() -> None:
    known = history(*range(1, 11))
    found = known.between(START_US + 3000, START_US + 6000)
    assert [3, 4, 5] == [one.trade_id for one in found]


@pytest.mark.parametrize("hole_trades", ["all", "none"])
def test_trades_between_two_instants_are_the_markets_own_also_where_rest_has_none(hole_trades: HoleTrades) -> None:
    known = history(10, 20, 21, 40, hole_trades=hole_trades)
    everything = list(known.between(0, 2**60))
    assert list(range(10, 41)) == [trade.trade_id for trade in everything]
    instants = [decode_time(trade.event_time) or 0 for trade in everything]
    for start_us in range(instants[0], instants[-1] + 2, 700):
        told = [trade.trade_id for trade in known.between(start_us, start_us + 2_900)]
        assert [
            trade.trade_id
            for trade, at_us in zip(everything, instants, strict=True)
            if start_us <= at_us < start_us + 2_900
        ] == told
