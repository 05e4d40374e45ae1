from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from producer.continuity import DOUBT, LEAP_TRADES, NEXT, REPEAT, Continuity, Edge, Hole, Jump, Late
from producer.intervals import IntervalSet


def see(continuity: Continuity, *trade_ids: int) -> list[object]:
    return [continuity.observe("A-B", trade_id, f"t{trade_id}") for trade_id in trade_ids]


def test_the_first_and_every_next_trade_say_nothing() -> None:
    assert see(Continuity(), 100, 101, 102) == [NEXT, NEXT, NEXT]


def test_a_jump_is_a_hole_with_exact_ids_and_both_edges() -> None:
    continuity = Continuity()
    *_, jump = see(continuity, 100, 105)

    assert isinstance(jump, Jump)
    assert (101, 104, 4) == (jump.hole.first, jump.hole.last, jump.hole.expected)
    assert (Edge(100, "t100"), Edge(105, "t105")) == (jump.hole.before, jump.hole.after)
    assert "dropped_by_exchange" == jump.hole.reason
    assert [jump.hole] == continuity.open_holes()


def test_one_missing_trade_is_a_hole_too() -> None:
    *_, jump = see(Continuity(), 100, 102)

    assert isinstance(jump, Jump)
    assert 1 == jump.hole.expected


def test_a_repeat_is_no_trade() -> None:
    continuity = Continuity()

    assert see(continuity, 100, 100, 101, 100, 101) == [NEXT, REPEAT, NEXT, REPEAT, REPEAT]
    assert 101 == continuity.last_trade_id("A-B")


def test_a_late_trade_fills_its_hole() -> None:
    continuity = Continuity()
    _, jump, first, again, last = see(continuity, 100, 103, 102, 102, 101)

    assert isinstance(jump, Jump)
    assert Late(jump.hole, closed=False) == first
    assert REPEAT == again
    assert Late(jump.hole, closed=True) == last


def test_products_do_not_mix() -> None:
    continuity = Continuity()

    assert NEXT == continuity.observe("A-B", 100, None)
    assert NEXT == continuity.observe("C-D", 5, None)
    assert NEXT == continuity.observe("A-B", 101, None)


def test_the_reason_is_what_happened_first_since_the_last_new_trade() -> None:
    continuity = Continuity()
    see(continuity, 100)
    continuity.suspect("stalled")
    continuity.suspect("disconnected")
    repeat, jump, jump_again = see(continuity, 100, 103, 106)

    assert REPEAT == repeat
    assert isinstance(jump, Jump)
    assert "stalled" == jump.hole.reason
    assert isinstance(jump_again, Jump)
    assert "dropped_by_exchange" == jump_again.hole.reason


def test_a_new_trade_without_a_jump_clears_the_suspicion() -> None:
    continuity = Continuity()
    see(continuity, 100)
    continuity.suspect("disconnected")
    *_, jump = see(continuity, 101, 103)

    assert isinstance(jump, Jump)
    assert "dropped_by_exchange" == jump.hole.reason


def test_a_heartbeat_can_prove_a_hole() -> None:
    continuity = Continuity()
    see(continuity, 100)
    jump = continuity.reach("A-B", 103)

    assert isinstance(jump, Jump)
    assert (101, 103) == (jump.hole.first, jump.hole.last)
    assert Edge(103, None) == jump.hole.after
    assert continuity.reach("A-B", 103) is None
    assert continuity.reach("A-B", 0) is None
    assert continuity.reach("NEW-ONE", 7) is None
    assert see(continuity, 104) == [NEXT]
    assert isinstance(see(continuity, 103)[0], Late)


def test_it_survives_a_restart_as_json() -> None:
    continuity = Continuity()
    see(continuity, 100, 105, 103)
    again = Continuity.from_memory(json.loads(json.dumps(continuity.to_memory())))

    assert continuity.to_memory() == again.to_memory()
    assert [IntervalSet([(101, 102), (104, 104)])] == [hole.missing for hole in again.open_holes()]
    assert see(again, 106) == [NEXT]
    assert Continuity.from_memory({}).to_memory() == Continuity().to_memory()


def test_a_hole_given_up_is_closed_and_still_takes_a_late_trade() -> None:
    continuity = Continuity()
    *_, jump = see(continuity, 100, 103)
    assert isinstance(jump, Jump)
    continuity.close(jump.hole)
    again = Continuity.from_memory(json.loads(json.dumps(continuity.to_memory())))

    assert [] == continuity.open_holes() == again.open_holes()
    assert not continuity.is_open(jump.hole)
    assert [Late(jump.hole, closed=False), REPEAT] == see(continuity, 101, 101)
    assert isinstance(see(again, 102)[0], Late)


def test_a_filled_hole_is_forgotten() -> None:
    continuity = Continuity()
    _, jump, _ = see(continuity, 100, 102, 101)
    assert isinstance(jump, Jump)
    continuity.close(jump.hole)

    assert [REPEAT] == see(continuity, 101)
    assert [] == continuity.to_memory()["given_up"]


@given(st.permutations(list(range(1, 30))), st.sets(st.integers(2, 28)))
def test_in_any_order_what_is_missing_is_what_did_not_come(order: list[int], lost: set[int]) -> None:
    continuity = Continuity()
    arrived = [1, *[trade_id for trade_id in order if trade_id not in lost and trade_id != 1], 30]
    see(continuity, *arrived)
    missing = {
        number for hole in continuity.open_holes() for first, last in hole.missing for number in range(first, last + 1)
    }

    assert set(range(1, 31)) - set(arrived) == missing


def test_polled_trades_are_not_missing_and_the_outage_is_one_hole() -> None:
    continuity = Continuity()
    see(continuity, 100)
    continuity.suspect("disconnected")
    assert continuity.note_polled("A-B", 103, "t103")
    assert not continuity.note_polled("A-B", 103, "t103")
    assert not continuity.note_polled("A-B", 100, "t100")
    assert continuity.note_polled("A-B", 106, "t106")
    again = Continuity.from_memory(json.loads(json.dumps(continuity.to_memory())))
    for each in (continuity, again):
        (jump,) = see(each, 108)
        assert isinstance(jump, Jump)
        assert [(101, 102), (104, 105), (107, 107)] == list(jump.hole.missing)
        assert (101, 107, 5) == (jump.hole.first, jump.hole.last, jump.hole.expected)


def test_an_outage_whose_every_trade_was_polled_leaves_no_hole() -> None:
    continuity = Continuity()
    see(continuity, 100)
    continuity.note_polled("A-B", 101, "t101")

    assert [NEXT, NEXT] == see(continuity, 102, 103)
    assert [] == continuity.open_holes()


def test_a_long_outages_hole_can_be_named_before_the_websocket_is_back() -> None:
    continuity = Continuity()
    see(continuity, 100)
    assert REPEAT == continuity.settle_polled("A-B")
    continuity.note_polled("A-B", 105, "t105")
    jump = continuity.settle_polled("A-B")

    assert isinstance(jump, Jump)
    assert [(101, 104)] == list(jump.hole.missing)
    assert REPEAT == continuity.settle_polled("A-B")
    assert [NEXT] == see(continuity, 106)


def test_a_product_first_seen_by_polling_starts_there() -> None:
    continuity = Continuity()

    assert continuity.note_polled("A-B", 50, "t50")
    assert [NEXT] == see(continuity, 51)


def test_what_was_suspected_survives_a_restart() -> None:
    continuity = Continuity()
    see(continuity, 100)
    continuity.suspect("journal_full", "A-B")
    again = Continuity.from_memory(json.loads(json.dumps(continuity.to_memory())))
    again.suspect("process_down")
    (jump,) = see(again, 103)

    assert isinstance(jump, Jump)
    assert "journal_full" == jump.hole.reason


FAR = 100 + LEAP_TRADES


def test_the_farthest_leap_that_is_believed_at_its_first_word() -> None:
    assert isinstance(see(Continuity(), 100, FAR)[-1], Jump)


def test_a_lone_leap_makes_no_hole_and_the_trades_after_it_are_next() -> None:
    continuity = Continuity()

    assert [NEXT, DOUBT, NEXT, NEXT] == see(continuity, 100, FAR * 10, 101, 102)
    assert not continuity.doubts("A-B", FAR * 10)
    assert [] == continuity.open_holes()


def test_a_trade_that_was_lost_to_a_wrong_id_is_a_hole_of_one() -> None:
    *_, jump = see(Continuity(), 100, FAR * 10, 102)

    assert isinstance(jump, Jump)
    assert [(101, 101)] == list(jump.hole.missing)


def test_a_second_trade_beyond_confirms_a_leap_and_the_first_is_not_missing() -> None:
    continuity = Continuity()
    *_, doubt, jump, following = see(continuity, 100, FAR + 1, FAR + 2, FAR + 3)

    assert DOUBT == doubt
    assert isinstance(jump, Jump)
    assert [(101, FAR)] == list(jump.hole.missing)
    assert NEXT == following


def test_a_heartbeat_that_tells_the_same_confirms_a_leap() -> None:
    continuity = Continuity()
    see(continuity, 100, FAR + 1)
    assert continuity.doubts("A-B", FAR + 1)
    jump = continuity.reach("A-B", FAR + 1)

    assert isinstance(jump, Jump)
    assert [(101, FAR)] == list(jump.hole.missing)
    assert [NEXT] == see(continuity, FAR + 2)


def test_a_heartbeat_alone_is_no_more_believed_than_a_trade() -> None:
    continuity = Continuity()
    see(continuity, 100)

    assert continuity.reach("A-B", FAR + 1) is None
    assert [NEXT] == see(continuity, 101)


def test_the_same_ticker_sent_again_is_one_word_and_two_far_apart_are_two_first_ones() -> None:
    assert [DOUBT, DOUBT, DOUBT] == see(Continuity(), 100, FAR + 1, FAR + 1, FAR * 30)[1:]


def test_a_leap_in_doubt_survives_a_restart() -> None:
    continuity = Continuity()
    see(continuity, 100, FAR + 1)
    again = Continuity.from_memory(json.loads(json.dumps(continuity.to_memory())))

    assert isinstance(see(again, FAR + 2)[0], Jump)


def test_a_hole_that_somebody_else_found_is_not_remembered() -> None:
    continuity = Continuity()
    missing = IntervalSet([(5, 9)])
    theirs = Hole("A-B", 5, 9, before=None, after=None, reason="disconnected", missing=missing)
    continuity.close(theirs)

    assert [] == continuity.to_memory()["given_up"]


def test_a_trade_from_before_the_first_makes_a_hole_that_those_after_it_fill() -> None:
    continuity = Continuity()
    see(continuity, 100, 101)
    continuity = Continuity.from_memory(continuity.to_memory())  # also across a restart

    (jump,) = see(continuity, 95)
    assert isinstance(jump, Jump)
    assert (96, 99, 95, 100) == (jump.hole.first, jump.hole.last, jump.hole.before.trade_id, jump.hole.after.trade_id)  # type: ignore[union-attr]
    assert [Late(jump.hole, closed=False), REPEAT, NEXT] == see(continuity, 96, 100, 102)
    assert [(97, 99)] == list(jump.hole.missing)


def test_the_trade_just_before_the_first_leaves_no_hole_and_one_from_another_age_is_not_believed() -> None:
    continuity = Continuity()
    assert [NEXT, NEXT, DOUBT] == see(continuity, LEAP_TRADES * 2, LEAP_TRADES * 2 - 1, 7)
    assert [] == continuity.open_holes()
