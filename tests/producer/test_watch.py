from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.watch import NEXT, ON_DUTY, Duty, DutyState, Watch


def make(**last_trade_ids: int) -> Watch:
    watch = Watch(stall_s=15.0, patience_s=2.0, opened_at=0.0)
    for product_id, trade_id in last_trade_ids.items():
        watch.trade(product_id, trade_id)
    return watch


def beat(watch: Watch, product_id: str, last_trade_id: int, now: float) -> None:
    watch.frame(now)
    watch.heartbeat(product_id, last_trade_id, now)


def test_a_socket_that_never_sent_anything_is_stale() -> None:
    watch = make()

    assert ["live", "silent"] == [watch.liveness(14.9), watch.liveness(15.0)]
    assert 15.0 == watch.silent_for_s(15.0)


def test_a_frame_ends_the_silence() -> None:
    watch = make()
    watch.frame(14.0)

    assert 1.0 == watch.silent_for_s(15.0)
    assert "silent" == watch.liveness(29.0)


def test_tickers_without_heartbeats_are_told_apart() -> None:
    watch = make()
    for second in range(16):
        watch.frame(second)
        watch.trade("A", second + 1)

    assert "heartbeats_stopped" == watch.liveness(15.0)


def test_a_quiet_or_halted_product_is_never_overdue() -> None:
    watch = make(A=7)
    for second in range(100_000):
        beat(watch, "A", 7, second)
        assert [] == watch.overdue(second)

    assert "live" == watch.liveness(100_000)


def test_a_product_without_any_known_trade_is_followed_from_its_first_heartbeat() -> None:
    watch = make()
    beat(watch, "A", 500, 0.0)
    assert [] == watch.overdue(60.0)
    beat(watch, "A", 501, 60.0)

    assert [("A", 501)] == watch.overdue(62.1)


def test_a_trade_that_only_a_heartbeat_tells_of_is_overdue_after_patience_once() -> None:
    watch = make(A=7)
    beat(watch, "A", 9, 1.0)
    assert [] == watch.overdue(3.0)

    assert [("A", 9)] == watch.overdue(3.1)
    assert [] == watch.overdue(60.0)


def test_one_missing_trade_is_overdue_while_the_other_products_trade() -> None:
    watch = make(A=7, B=1)
    for second in range(1, 20):
        beat(watch, "A", 8, second)
        watch.trade("B", second + 1)
        beat(watch, "B", second + 1, second)

    assert [("A", 8)] == watch.overdue(20.0)
    assert "live" == watch.liveness(20.0)


def test_a_ticker_that_comes_within_patience_is_not_overdue() -> None:
    watch = make(A=7)
    for second in range(1, 60):
        beat(watch, "A", 7 + second, second)
        watch.trade("A", 7 + second)
        assert [] == watch.overdue(second + 0.9)


def test_a_busy_product_whose_tickers_lag_is_overdue_only_by_what_is_old() -> None:
    watch = make(A=10)
    beat(watch, "A", 20, 1.0)
    beat(watch, "A", 30, 2.0)
    beat(watch, "A", 40, 3.0)
    watch.trade("A", 15)

    assert [("A", 20)] == watch.overdue(3.5)
    assert [("A", 40)] == watch.overdue(9.0)


def test_trades_missed_before_the_connection_opened_are_overdue_too() -> None:
    watch = make(A=480)
    beat(watch, "A", 500, 1.0)

    assert [("A", 500)] == watch.overdue(4.0)


def test_zero_is_unknown() -> None:
    watch = make(A=7)
    for second in range(30):
        beat(watch, "A", 0, second)

    assert [] == watch.overdue(30.0)
    assert 0 == watch.backward_count


def test_an_id_that_goes_backwards_is_counted_and_withdraws_what_it_contradicts() -> None:
    watch = make(A=7)
    beat(watch, "A", 2**62, 1.0)
    beat(watch, "A", 7, 2.0)
    assert [] == watch.overdue(60.0)
    assert 1 == watch.backward_count
    beat(watch, "A", 8, 60.0)

    assert [("A", 8)] == watch.overdue(63.0)


def test_a_heartbeat_out_of_order_only_delays() -> None:
    watch = make(A=7)
    for second, told in enumerate((8, 7, 8, 8, 8), 1):
        beat(watch, "A", told, second)

    assert [("A", 8)] == watch.overdue(5.5)


def test_heartbeats_that_move_on_without_any_ticker_are_stopped_trades() -> None:
    watch = make(A=7, B=1)
    for second in range(1, 17):
        beat(watch, "A", 7 + second, second)
        beat(watch, "B", 1, second)
        watch.overdue(second)
        assert "live" == watch.liveness(second - 0.5)

    assert "trades_stopped" == watch.liveness(16.0)
    watch.trade("B", 2)
    assert "live" == watch.liveness(16.0)


def test_one_lost_ticker_on_a_sleepy_connection_is_a_hole_and_not_a_stop() -> None:
    watch = make(A=7)
    for second in range(1, 60):
        beat(watch, "A", 8, second)
    assert "live" == watch.liveness(60.0)

    assert [("A", 8)] == watch.overdue(60.0)


def test_a_ticker_sent_again_is_no_sign_of_trades() -> None:
    watch = make(A=7)
    for second in range(1, 17):
        beat(watch, "A", 7 + second, second)
        watch.trade("A", 7)

    assert "trades_stopped" == watch.liveness(16.0)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.integers(0, 12), st.floats(0, 3)), max_size=60))
def test_what_came_or_was_never_told_is_not_overdue(events: list[tuple[str, bool, int, float]]) -> None:
    watch, now, came, told = make(A=3, B=3), 0.0, {"A": 3, "B": 3}, {"A": 0, "B": 0}
    reported: list[tuple[str, int]] = []
    for product_id, is_trade, trade_id, pause_s in events:
        now += pause_s
        if is_trade:
            watch.trade(product_id, trade_id)
            came[product_id] = max(came[product_id], trade_id)
        else:
            beat(watch, product_id, trade_id, now)
            told[product_id] = max(told[product_id], trade_id)
        for each, overdue_id in watch.overdue(now):
            assert came[each] < overdue_id <= told[each]
            reported.append((each, overdue_id))

    assert len(set(reported)) == len(reported)


def test_rest_takes_over_after_ten_seconds_without_a_websocket() -> None:
    duty = Duty(now=0.0)

    assert "exchange_ws" == duty.tick(9.9)
    assert "exchange_rest" == duty.tick(10.0)


def test_the_websocket_takes_over_again_as_soon_as_it_has_proven_itself() -> None:
    duty = Duty(now=0.0)
    duty.tick(20.0)

    assert "exchange_rest" == duty.ws_live(30.0)
    assert "exchange_rest" == duty.tick(31.9)
    assert "exchange_ws" == duty.tick(32.0)
    assert "live" == duty.state


def test_the_websocket_takes_over_at_once_where_it_has_nothing_to_prove() -> None:
    duty = Duty(now=0.0, hand_back_after_s=0.0)
    duty.tick(20.0)

    assert "exchange_ws" == duty.ws_live(30.0)


def test_a_short_reconnect_is_no_case_for_rest() -> None:
    duty = Duty(now=0.0)
    duty.ws_live(0.0)
    duty.ws_lost(100.0)
    duty.ws_live(105.0)

    assert "exchange_ws" == duty.tick(1_000.0)


def test_a_websocket_that_comes_and_goes_does_not_flap() -> None:
    duty, changes = Duty(now=0.0), []
    before = duty.on_duty
    for second in range(0, 600, 3):
        duty.ws_live(second)
        after = duty.ws_lost(second + 1)
        changes += [after] * (after != before)
        before = after
    assert ["exchange_rest"] == changes

    duty.ws_live(600.0)
    assert "exchange_ws" == duty.tick(602.0)


def test_what_is_told_twice_changes_nothing() -> None:
    duty = Duty(now=0.0)
    duty.ws_live(1.0)
    duty.ws_live(2.5)
    duty.tick(3.0)
    assert "live" == duty.state
    duty.ws_lost(10.0)
    duty.ws_lost(15.0)

    assert "exchange_rest" == duty.tick(20.0)


@pytest.mark.parametrize("state", get_args(DutyState))
def test_every_state_can_be_left_and_reached(state: DutyState) -> None:
    assert any(was == state for was, _ in NEXT)
    assert state in NEXT.values()
    assert state in ON_DUTY
