"""A tick on its way to whoever listens: as it is, struck by faults, and noted either way; whole runs are in test_core.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.exchange.actions import Close, Send
from local.exchange.audience import Audience
from local.exchange.faults import Alter, Disconnect, Drop, Duplicate, Reorder
from local.exchange.history import TradeHistory
from local.exchange.listings import Listing
from local.exchange.mischief import Mischief
from local.exchange.publishing import Publisher
from local.exchange.tick import Tick
from local.exchange.truth import Truth
from tests.local.exchange.test_audience import listen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.exchange.actions import Action
    from local.exchange.faults import Fault


def tick(trade_id: int, product_id: str | None = "BTC-USD") -> Tick:
    return Tick(trade_id, "ticker", product_id, b'{"trade_id":%d}' % trade_id, trade_id=trade_id)


def publish(*ticks: Tick, faults: Sequence[Fault] = (), heard: bool = True) -> tuple[list[Action], Truth]:
    """What is done about these ticks where one connection, or none, listens to BTC-USD."""
    mischief = Mischief(faults, seed=0, opened_us=0) if faults else None
    truth, audience = Truth(), Audience(mischief)
    listings = {"BTC-USD": Listing("BTC-USD", TradeHistory(hole_trades="all"), truth.of("BTC-USD"))}
    publisher = Publisher(listings, audience, truth, endless=False, oddities=None, mischief=mischief)
    if heard:
        listen(audience, "ticker", "BTC-USD")
    actions: list[Action] = []
    for each in ticks:
        publisher.publish(each, each.due_us, actions)
    return actions, truth


def sent(actions: Sequence[Action]) -> list[bytes]:
    return [action.frame for action in actions if isinstance(action, Send)]


def test_a_tick_goes_out_as_it_is_and_is_counted() -> None:
    actions, truth = publish(tick(1), tick(2))
    assert [Send(1, b'{"trade_id":1}'), Send(1, b'{"trade_id":2}')] == actions
    assert 2 == truth.of("BTC-USD").frame_count


def test_a_tick_that_nobody_hears_is_passed_over() -> None:
    actions, truth = publish(tick(1), heard=False)
    assert ([], 1, 0) == (actions, truth.of("BTC-USD").passed_over_count, truth.of("BTC-USD").frame_count)


def test_a_frame_that_names_no_product_goes_to_everybody_on_the_channel() -> None:
    actions, truth = publish(tick(1, None))
    assert ([b'{"trade_id":1}'], 1) == (sent(actions), truth.unnamed_count)


def test_a_product_that_is_not_listed_is_nobodys() -> None:
    assert [] == publish(tick(1, "DOGE-USD"))[0]


@pytest.mark.parametrize(
    ("fault", "ids", "noted"),
    [
        (Drop(at=2), [1, 3, 4], ["drop"]),
        (Duplicate(at=2, times=3), [1, 2, 2, 2, 3, 4], ["duplicate"]),
        (Reorder(at=2, by=1), [1, 3, 2, 4], ["reorder"]),
    ],
)
def test_a_struck_frame_is_noted_in_the_truth(fault: Fault, ids: list[int], noted: list[str]) -> None:
    actions, truth = publish(*map(tick, (1, 2, 3, 4)), faults=[fault])
    assert [b'{"trade_id":%d}' % n for n in ids] == sent(actions)
    assert noted == [struck.how for struck in truth.struck]


def test_an_altered_frame_is_not_the_markets() -> None:
    actions, truth = publish(tick(1), faults=[Alter(at=1, how="cut")])
    assert [b'{"trade_id":1}'] != sent(actions)
    assert ["alter cut"] == [struck.how for struck in truth.struck]


def test_who_was_disconnected_is_sent_nothing_more() -> None:
    actions, _ = publish(tick(1), tick(2), faults=[Disconnect(at=2, code=1011)])
    assert [Send(1, b'{"trade_id":1}'), Close(1, 1011, "")] == actions
