from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from producer.continuity import Edge, Hole
from producer.healing import RETRY_ABSENT_S, Healer, HealReceipt, Page
from producer.intervals import IntervalSet
from producer.rest import RestTrade


def hole(first: int, last: int, product_id: str = "A-B") -> Hole:
    return Hole(
        product_id=product_id,
        first=first,
        last=last,
        before=Edge(first - 1, None),
        after=Edge(last + 1, None),
        reason="disconnected",
        missing=IntervalSet([(first, last)]),
    )


def trade(trade_id: int, event_time: str = "2026", *, valid: bool = True) -> RestTrade:
    return RestTrade(trade_id, event_time, b"{}", valid)


def page_of(page: Page, available: set[int]) -> list[RestTrade]:
    """What Coinbase's REST answers."""
    below = sorted((each for each in available if each < page.after), reverse=True)
    return [trade(each) for each in below[: page.limit]]


def heal_all(healer: Healer, available: set[int], *, now: float = 0.0) -> tuple[list[HealReceipt], list[int], int]:
    """Drive it to its end: receipts, ids fetched, pages asked for."""
    receipts, fetched, pages = [], [], 0
    while len(healer):
        due = healer.next_due()
        assert due is not None
        now = max(now, due)
        page = healer.next_page(now)
        assert page is not None
        pages += 1
        trades = page_of(page, available)
        wanted = [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]
        fetched += wanted
        receipt = healer.answered(page, trades, wanted, now)
        if receipt:
            receipts.append(receipt)
    return receipts, fetched, pages


def test_one_missing_trade_is_one_small_page() -> None:
    healer = Healer()
    healer.add(hole(5, 5), 0.0)

    assert Page("A-B", 6, 1) == healer.next_page(0.0)
    assert healer.next_page(0.0) is None
    receipt = healer.answered(Page("A-B", 6, 1), [trade(5)], [5], 0.0)
    assert receipt is not None
    assert ("healed", 1, 1, None) == (receipt.outcome, receipt.expected, receipt.fetched, receipt.why)


def test_a_large_hole_takes_pages_of_a_thousand_from_the_newest_down() -> None:
    healer = Healer()
    healer.add(hole(1_001, 3_500), 0.0)
    (receipt,), fetched, pages = heal_all(healer, set(range(1, 5_000)))

    assert "healed" == receipt.outcome
    assert list(range(3_500, 1_000, -1)) == fetched
    assert 3 == pages


def test_what_rest_does_not_have_is_asked_for_again_then_named() -> None:
    healer = Healer()
    healer.add(hole(10, 19), 0.0)
    (receipt,), fetched, pages = heal_all(healer, set(range(1, 30)) - {12, 13, 17})

    assert ("partly_healed", 7) == (receipt.outcome, receipt.fetched)
    assert [(12, 13), (17, 17)] == list(receipt.hole.missing)
    assert "the exchange's REST does not have them" == receipt.why
    assert len(fetched) == len(set(fetched))
    assert pages <= 1 + 2 * len(RETRY_ABSENT_S)


def test_what_rest_gets_late_is_healed_on_a_later_try() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    assert healer.answered(page, [trade(9)], [], 0.0) is None
    assert RETRY_ABSENT_S[0] == healer.next_due()
    (receipt,), _, _ = heal_all(healer, set(range(1, 20)))

    assert "healed" == receipt.outcome


def test_an_empty_page_heals_nothing_and_ends() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    (receipt,), _, _ = heal_all(healer, set())

    assert ("unhealed", 0) == (receipt.outcome, receipt.fetched)


def test_trades_beyond_the_bound_are_not_taken_and_said() -> None:
    healer = Healer()
    healer.add(hole(1, 4_000), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = [trade(each, "2026" if each > 3_500 else "2025") for each in range(4_000, 3_000, -1)]
    wanted = [each.trade_id for each in healer.wanted(page, trades, too_old_before="2025-06")]
    receipt = healer.answered(page, trades, wanted, 0.0)

    assert receipt is not None
    assert ("partly_healed", 500, "older than the bound on healing") == (receipt.outcome, receipt.fetched, receipt.why)
    assert [(1, 3_500)] == list(receipt.hole.missing)


def test_a_trade_the_journal_had_no_room_for_is_asked_for_again() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = page_of(page, {10, 11, 12})
    assert healer.answered(page, trades, [12], 0.0) is None
    (receipt,), fetched, _ = heal_all(healer, {10, 11, 12})

    assert "healed" == receipt.outcome
    assert [11, 10] == fetched


def test_a_trade_that_is_not_valid_is_not_asked_for_again_and_stays_named() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = [trade(12), trade(11, valid=False), trade(10)]
    assert [12, 11, 10] == [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]
    receipt = healer.answered(page, trades, [12, 10], 0.0)

    assert receipt is not None
    assert ("partly_healed", 2, [(11, 11)]) == (receipt.outcome, receipt.fetched, list(receipt.hole.missing))
    assert "the exchange's REST does not have them, or not as valid trades" == receipt.why


def test_a_trade_that_is_not_valid_does_not_keep_the_absent_ones_from_being_asked_for() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    assert healer.answered(page, [trade(11, valid=False), trade(9)], [], 0.0) is None
    assert RETRY_ABSENT_S[0] == healer.next_due()
    (receipt,), fetched, _ = heal_all(healer, {9, 10, 12})

    assert [12, 10] == fetched
    assert [(11, 11)] == list(receipt.hole.missing)


def test_the_time_of_a_trade_that_is_not_valid_makes_nothing_too_old() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = [trade(12, "0001", valid=False), trade(11), trade(10)]
    wanted = healer.wanted(page, trades, too_old_before="2025")
    receipt = healer.answered(page, trades, [each.trade_id for each in wanted if each.valid], 0.0)

    assert receipt is not None
    assert ("partly_healed", [(12, 12)]) == (receipt.outcome, list(receipt.hole.missing))


def test_a_failed_page_waits_and_other_holes_go_on() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    healer.add(hole(10, 12, "C-D"), 0.0)
    healer.next_page(0.0)
    healer.failed(0.0, 5.0)

    assert Page("C-D", 13, 3) == healer.next_page(0.0)


def test_a_product_that_rest_refuses_closes_its_hole() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    healer.next_page(0.0)
    receipt = healer.refused("HTTP 404")

    assert receipt is not None
    assert ("unhealed", "HTTP 404") == (receipt.outcome, receipt.why)
    assert 0 == len(healer)


def test_a_hole_filled_by_late_trades_while_its_page_is_out_gets_no_second_receipt() -> None:
    healer = Healer()
    patient = hole(10, 12)
    healer.add(patient, 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    for trade_id in (11, 10, 12):
        patient.missing.remove(trade_id, trade_id)
        healer.arrived_late(patient, trade_id)
    trades = page_of(page, {10, 11, 12})

    assert [] == healer.wanted(page, trades, too_old_before=None)
    assert healer.answered(page, trades, [], 0.0) is None
    assert healer.next_due() is None


def test_an_answer_that_is_not_what_was_asked_for_is_harmless() -> None:
    healer = Healer()
    healer.add(hole(10, 12), 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = [trade(each) for each in (99, 13, 12, 12, 3)]

    assert [12] == [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]


def test_a_hole_with_every_other_trade_missing_is_healed_in_reasonable_work() -> None:
    healer = Healer()
    healer.add(hole(1, 40_000), 0.0)
    (receipt,), fetched, pages = heal_all(healer, set(range(1, 40_001, 2)))

    assert 20_000 == len(fetched) == len(receipt.hole.missing)
    assert pages < 150


@given(st.integers(0, 10**6))
def test_every_hole_ends_in_one_receipt_and_every_id_is_fetched_once_or_named(seed: int) -> None:
    rng = random.Random(seed)
    healer = Healer()
    holes, first = [], 1
    for _ in range(rng.randint(1, 4)):
        first += rng.randint(1, 500)
        last = first + rng.choice([0, 1, 5, 999, 1000, 1001, 2500])
        holes.append(hole(first, last))
        first = last + 2
    available = {each for each in range(1, first + 10) if rng.random() < rng.choice([0.0, 0.5, 0.99, 1.0])}
    for each in holes:
        healer.add(each, 0.0)
    receipts, fetched, _ = heal_all(healer, available)
    expected = {number for each in holes for number in range(each.first, each.last + 1)}
    missing = {number for each in holes for a, b in each.missing for number in range(a, b + 1)}

    assert sorted(map(id, holes)) == sorted(id(each.hole) for each in receipts)
    assert len(fetched) == len(set(fetched))
    assert expected & available == set(fetched)
    assert expected - available == missing


def test_a_short_page_says_nothing_of_what_is_below_it() -> None:
    healer = Healer(retry_absent_s=())
    healer.add(hole(1, 100), 0.0)
    fetched: list[int] = []
    while len(healer):
        page = healer.next_page(0.0)
        assert page is not None
        trades = page_of(page, set(range(1, 101)))[:30]
        wanted = [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]
        fetched += wanted
        receipt = healer.answered(page, trades, wanted, 0.0)

    assert receipt is not None
    assert ("healed", list(range(100, 0, -1))) == (receipt.outcome, fetched)


def test_trades_fetched_for_one_hole_close_another_that_shares_them() -> None:
    healer = Healer(retry_absent_s=())
    first, second, third = hole(10, 20), hole(15, 18), hole(15, 30)
    for each in (first, second, third):
        healer.add(each, 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = page_of(page, set(range(1, 40)))
    healed = [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]
    assert healer.answered(page, trades, healed, 0.0) is not None
    receipts = healer.also_healed("A-B", healed)

    assert [(second, "healed")] == [(each.hole, each.outcome) for each in receipts]
    assert [(21, 30)] == list(third.missing)
    assert Page("A-B", 31, 10) == healer.next_page(0.0)


def test_a_hole_whose_last_asked_for_trades_come_another_way_still_comes_to_its_end() -> None:
    healer = Healer(retry_absent_s=())
    patient = hole(1, 2_000)
    healer.add(patient, 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    trades = page_of(page, set(range(1, 1_900)))
    healed = [each.trade_id for each in healer.wanted(page, trades, too_old_before=None)]
    assert healer.answered(page, trades, healed, 0.0) is None
    for trade_id in range(1, healed[-1]):
        patient.missing.remove(trade_id, trade_id)
        healer.arrived_late(patient, trade_id)
    (receipt,), _, _ = heal_all(healer, set(range(1, 1_900)))

    assert ("partly_healed", [(1_900, 2_000)]) == (receipt.outcome, list(patient.missing))


def test_given_up_only_what_was_begun_has_a_receipt() -> None:
    healer = Healer()
    begun, untouched = hole(10, 20), hole(30, 40)
    healer.add(begun, 0.0)
    healer.add(untouched, 0.0)
    page = healer.next_page(0.0)
    assert page is not None
    healer.answered(page, [trade(20), trade(5)], [20], 0.0)
    (receipt,) = healer.give_up("stopped")

    assert (begun, "partly_healed", 1, "stopped") == (receipt.hole, receipt.outcome, receipt.fetched, receipt.why)
    assert (0, None) == (len(healer), healer.next_due())
