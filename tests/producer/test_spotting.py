from __future__ import annotations

import asyncio
import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from producer.continuity import Continuity
from producer.intake import Intake
from producer.ledger import Ledger
from producer.rest import RestAnswer
from producer.spotdesk import SpotDesk
from producer.spots import Spots
from producer.spotting import AT_ONCE, ask_for_spots

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = b'{"data":{"amount":"1.5","base":"%b","currency":"USD"}}'


class Host:
    """Answers every product, but those that hang: they are let go when the test is over."""

    def __init__(self, *, hanging: str = "") -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()
        self._hanging = hanging

    def get(self, path: str) -> RestAnswer:
        base = path.removeprefix("/v2/prices/").removesuffix("-USD/spot")
        self.asked.append(base)
        if base in self._hanging:
            self.let_go.wait()
        return RestAnswer(200, GOOD % base.encode())


def run(host: Host, enough: Callable[[Ledger], bool], *bases: str, broken: bool = False) -> Ledger:
    """Ask until `enough`, then stop; the end waits for no answer."""
    ledger = Ledger()

    def write(kind: Any, source: Any, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        assert product_id == f"{json.loads(message)['data']['base']}-USD", (source, receive_us)
        if broken:
            raise ZeroDivisionError("a fault of ours")
        ledger.lines[kind] += 1
        return True

    async def go() -> None:
        stopping = asyncio.Event()
        intake = Intake(continuity=Continuity(), ledger=ledger, write=write, set_aside=lambda *_: None)
        loop = asyncio.get_running_loop()
        desk = SpotDesk([f"{each}-USD" for each in bases], every_s=3600.0, rng=random.Random(1), now=loop.time() - 1)
        asking = asyncio.create_task(ask_for_spots(Spots(desk, intake, ledger), host, stopping))
        while not enough(ledger) and not asking.done():  # noqa: ASYNC110 - it watches plain values
            await asyncio.sleep(0.01)
        stopping.set()
        await asking

    try:
        asyncio.run(asyncio.wait_for(go(), 30.0))
    finally:
        host.let_go.set()
    return ledger


def test_every_price_is_asked_for_and_journaled() -> None:
    host = Host()
    ledger = run(host, lambda ledger: ledger.spot_prices == 3, "A", "B", "C")

    assert ["A", "B", "C"] == sorted(host.asked)
    assert {"spot": 3} == ledger.lines


def test_a_request_that_hangs_delays_neither_the_others_nor_the_end() -> None:
    host = Host(hanging="A")
    ledger = run(host, lambda ledger: ledger.spot_prices == 4, "A", "B", "C", "D", "E")

    assert {"spot": 4} == ledger.lines


def test_a_host_that_hangs_costs_a_few_threads_and_no_more() -> None:
    host = Host(hanging="ABCDEF")
    run(host, lambda _: len(host.asked) >= AT_ONCE, "A", "B", "C", "D", "E", "F")

    assert AT_ONCE == len(host.asked)


def test_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Host(), lambda _: False, "A", broken=True)
