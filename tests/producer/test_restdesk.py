from __future__ import annotations

import random

from producer.continuity import Edge, Hole
from producer.healing import Healer, Page
from producer.intervals import IntervalSet
from producer.restdesk import BURST, REQUESTS_PER_S, Poll, RestDesk, path_of


def hole(product_id: str = "A-B") -> Hole:
    return Hole(
        product_id=product_id,
        first=5,
        last=7,
        before=Edge(4, None),
        after=Edge(8, None),
        reason="disconnected",
        missing=IntervalSet([(5, 7)]),
    )


def make() -> tuple[RestDesk, Healer]:
    healer = Healer()
    return RestDesk(healer, random.Random(1)), healer


def test_with_nothing_to_do_nothing_is_asked() -> None:
    desk, _ = make()

    assert desk.next_ask(0.0, polling=()) is None


def test_each_product_is_polled_once_a_second() -> None:
    desk, _ = make()
    asks = [desk.next_ask(at / 10, polling=("A-B", "C-D")) for at in range(20)]

    assert [Poll("A-B"), Poll("C-D"), Poll("A-B"), Poll("C-D")] == [ask for ask in asks if ask]


def test_polls_and_pages_take_turns() -> None:
    desk, healer = make()
    for _ in range(3):
        healer.add(hole(), 0.0)
    kinds = []
    for at in range(3):
        for _ in range(2):
            ask = desk.next_ask(at * 2.0, polling=("A-B",))
            kinds.append(type(ask))
            if isinstance(ask, Page):
                healer.answered(ask, [], [], at * 2.0)

    assert [Page, Poll] * 3 == kinds


def test_no_span_of_time_sees_more_than_the_rate() -> None:
    desk, _ = make()
    products = [f"P{number}-USD" for number in range(1000)]
    asked = sum(desk.next_ask(at / 100, polling=products) is not None for at in range(1000))

    assert asked <= BURST + REQUESTS_PER_S * 10


def test_after_an_error_everything_waits_longer_each_time() -> None:
    desk, _ = make()
    now, waits = 0.0, []
    for _ in range(12):
        wait = desk.failed(now)
        waits.append(wait)
        assert desk.next_ask(now + wait * 0.99, polling=("A-B",)) is None
        now += wait + 1000
    assert max(waits) > 5
    desk.answered()

    assert desk.failed(now) <= 0.5


def test_a_product_that_rest_does_not_know_is_polled_rarely() -> None:
    desk, _ = make()
    desk.next_ask(0.0, polling=("A-B",))
    desk.unknown("A-B", 0.0)

    assert desk.next_ask(100.0, polling=("A-B",)) is None
    assert Poll("A-B") == desk.next_ask(400.0, polling=("A-B",))


def test_paths() -> None:
    assert "/products/A-B/ticker" == path_of(Poll("A-B"))
    assert "/products/A-B/trades?limit=3&after=8" == path_of(Page("A-B", 8, 3))
