from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.spotdesk import BURST, REFUSED_AGAIN_S, REQUESTS_PER_S, SpotDesk

PRODUCTS = ("A-B", "C-D")


def make(*products: str, every_s: float = 300.0, now: float = 0.0) -> SpotDesk:
    return SpotDesk(products or PRODUCTS, every_s=every_s, rng=random.Random(1), now=now)


def asks(desk: SpotDesk, now: float) -> list[str]:
    """Every product asked for at one instant."""
    found = []
    while (product_id := desk.next_ask(now)) is not None:
        found.append(product_id)
    return found


def test_every_product_is_asked_for_at_once_and_then_once_a_period() -> None:
    desk, asked = make(), []
    for now in range(901):
        for product_id in asks(desk, float(now)):
            asked.append((now, product_id))
            assert 0 == desk.done(product_id, float(now))

    assert [(at, each) for at in (0, 300, 600, 900) for each in PRODUCTS] == asked


def test_a_late_answer_moves_no_later_price() -> None:
    desk = make("A-B")
    asks(desk, 0.0)
    desk.done("A-B", 120.0)

    assert [[], ["A-B"]] == [asks(desk, now) for now in (299.0, 300.0)]


def test_no_product_has_two_requests_out() -> None:
    desk = make("A-B", every_s=1.0)

    assert ["A-B"] == [each for now in range(100) for each in asks(desk, float(now))]


def test_a_product_in_trouble_holds_up_no_other() -> None:
    desk = make()
    asks(desk, 0.0)
    desk.done("C-D", 0.0)
    now = 0.0
    for _ in range(12):  # by now its waits are long
        now += desk.failed("A-B", now, throttled=False) + 0.001
        assert "A-B" in asks(desk, now)
    desk.failed("A-B", 300.0, throttled=False)

    assert "C-D" in asks(desk, 300.0)


def test_throttling_holds_up_all_and_longer_each_time() -> None:
    desk = make()
    assert list(PRODUCTS) == asks(desk, 0.0)
    desk.done("C-D", 0.0)
    waits = [desk.failed("A-B", 0.0, throttled=True) for _ in range(9)]

    assert max(waits[:2]) < max(waits[5:])
    assert [] == asks(desk, max(waits) - 0.01)
    assert ["A-B"] == asks(desk, max(waits) + 1.0)


def test_a_period_without_a_price_is_missed_and_never_asked_for_again() -> None:
    desk = make("A-B")
    asks(desk, 0.0)
    desk.failed("A-B", 10.0, throttled=False)

    assert [{}, {"A-B": 1}, {}] == [desk.take_missed(now) for now in (299.0, 301.0, 302.0)]
    assert ["A-B"] == asks(desk, 302.0)
    assert 0 == desk.done("A-B", 303.0)
    assert [] == asks(desk, 304.0)


def test_periods_that_ended_while_a_request_was_out_are_missed() -> None:
    desk = make("A-B", every_s=10.0)
    asks(desk, 0.0)

    assert 3 == desk.done("A-B", 35.0)
    assert [[], ["A-B"]] == [asks(desk, now) for now in (39.0, 40.0)]


def test_an_answer_that_is_no_price_is_missed_at_once() -> None:
    desk = make("A-B")
    asks(desk, 0.0)

    assert 1 == desk.done("A-B", 1.0, priced=False)
    assert {} == desk.take_missed(299.0)


@pytest.mark.parametrize("every_s", [1.0, 300.0])
def test_a_product_that_is_refused_for_good_is_asked_for_rarely(every_s: float) -> None:
    desk = make("A-B", every_s=every_s)
    asked = []
    for now in range(1000):
        for product_id in asks(desk, float(now)):
            asked.append(now)
            desk.refused(product_id)
        desk.take_missed(float(now))

    assert all(later - earlier >= REFUSED_AGAIN_S for earlier, later in pairwise(asked))
    assert 4 == len(asked)


def test_no_span_of_time_sees_more_than_the_rate() -> None:
    desk = make(*(f"P{number}-USD" for number in range(900)))
    asked = sum(len(asks(desk, at / 10)) for at in range(3000))

    assert 900 / REQUESTS_PER_S == desk.shortest_s
    assert 300 * REQUESTS_PER_S <= asked <= 300 * REQUESTS_PER_S + BURST


@given(
    st.lists(st.sampled_from(["priced", "void", "failed", "throttled", "refused", "nothing"]), max_size=60),
    st.lists(st.floats(0.01, 700.0), min_size=60, max_size=60),
    st.floats(1.0, 1000.0),
)
@settings(max_examples=60, deadline=None)
def test_every_period_is_priced_missed_or_open(answers: list[str], steps: list[float], every_s: float) -> None:
    desk, now, priced, missed = make("A-B", every_s=every_s), 0.0, 0, 0
    for answer, step in zip(answers, steps, strict=False):
        out = desk.next_ask(now)
        now += step
        if out is None or answer == "nothing":
            missed += sum(desk.take_missed(now).values())
            if out is not None:
                desk.failed(out, now, throttled=False)
        elif answer in {"priced", "void"}:
            missed += desk.done(out, now, priced=answer == "priced")
            priced += answer == "priced"
        elif answer == "refused":
            desk.refused(out)
        else:
            desk.failed(out, now, throttled=answer == "throttled")
    missed += sum(desk.take_missed(now).values())
    begun = now / every_s

    # The period that runs may have its price already, or not yet.
    assert begun - 1.001 <= priced + missed <= begun + 1.001
