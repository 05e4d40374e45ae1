from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from cli.driving import EXIT_DELIVERED, EXIT_FAULT, EXIT_PENDING, Signals, drive, exit_code
from local.exchange.server import ExchangeServer
from producer.ledger import Ledger, Receipt
from producer.pipeline import Producer
from producer.settings import Settings
from producer.settlement import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from producer.packing import Pack

RECEIPT = Receipt(session="S", written=1, delivered=1, pending=0, refused={}, backlog_pending=0, ledger=Ledger())


class Taker:
    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        return [PutAnswer("id") for _ in packs]


class BrokenView:
    interval_s = 0.01

    def show(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_the_exit_code_says_whether_anything_is_pending() -> None:
    assert EXIT_DELIVERED == exit_code(RECEIPT)
    assert EXIT_PENDING == exit_code(replace(RECEIPT, written=2, pending=1))
    assert EXIT_PENDING == exit_code(replace(RECEIPT, backlog_pending=1))


def test_a_ledger_that_does_not_balance_is_a_fault_whatever_is_pending() -> None:
    assert EXIT_FAULT == exit_code(replace(RECEIPT, written=2))
    assert EXIT_FAULT == exit_code(replace(RECEIPT, written=3, pending=1))


def test_the_first_signal_stops_by_name() -> None:
    async def run() -> list[str]:
        stopped: list[str] = []
        signals = Signals(stopped.append)
        signals.install()
        os.kill(os.getpid(), signal.SIGTERM)
        while not stopped:  # noqa: ASYNC110 - plain values
            await asyncio.sleep(0.01)
        signals.remove()
        return stopped

    assert ["SIGTERM"] == asyncio.run(run())


def test_a_view_that_breaks_stops_no_producer_and_finish_comes_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    order: list[str] = []

    async def run() -> Receipt:
        async with ExchangeServer(products=["BTC-USD"], speed=20.0, deflate=False) as server:
            settings = Settings(
                ws_url=server.ws_url,
                rest_url=server.rest_url,
                products=("BTC-USD",),
                journal=tmp_path / "journal",
                linger_s=0.1,
            )
            producer = Producer(settings, Taker(), session="01JDB3M7Q8RSTVWXYZ01234567", rng=random.Random(1))

            async def finish() -> None:
                order.append(f"finished after {producer.receipt().pending} pending")

            return await drive(producer, BrokenView(), stop_after_s=1.0, finish=finish)

    receipt = asyncio.run(run())

    assert (0, 0) == (receipt.pending, receipt.unbalanced)
    assert ["finished after 0 pending"] == order
    assert "the view cannot be drawn any more" in caplog.text
