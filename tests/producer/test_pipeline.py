from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from local.exchange.server import ExchangeServer
from producer.errors import DeliveryUnreachable, JournalLocked
from producer.pipeline import Producer
from producer.settings import Settings
from producer.settlement import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from producer.ledger import Receipt
    from producer.packing import Pack

FIRST = "01JDB3M7Q8RSTVWXYZ01234567"
SECOND = "01JDB3M7Q8RSTVWXYZ01234568"


class Firehose:
    """Takes packs, or breaks in a way that no Firehose should."""

    def __init__(self, *, broken: bool = False) -> None:
        self.lines: list[dict[str, Any]] = []
        self._broken = broken

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        if self._broken:
            raise ZeroDivisionError("a fault of ours")
        for pack in packs:
            self.lines += [json.loads(line) for line in pack.content.splitlines()]
        return [PutAnswer("id") for _ in packs]


def run(
    tmp_path: Path,
    firehoses: Firehose | Sequence[Firehose],
    *sessions: str,
    ticks: int = 20,
    between: Callable[[], None] = lambda: None,
    enough: Callable[[], bool] = lambda: True,
) -> list[Receipt]:
    """Sessions one after the other on one exchange, which goes on in between; each with its Firehose, or all with one."""

    async def drive(server: ExchangeServer, session: str, firehose: Firehose) -> Receipt:
        settings = Settings(
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            products=("BTC-USD",),
            journal=tmp_path / "journal",
            linger_s=0.1,
            drain_s=0.2 if isinstance(firehose, Away) else 5.0,
        )
        producer = Producer(settings, firehose, session=session, rng=random.Random(1))
        running = asyncio.create_task(producer.run())
        while not running.done() and (  # noqa: ASYNC110 - plain values
            producer.ledger.product("BTC-USD").ticks < ticks
            or (producer.journal.backlog_pending or len(producer.intake.continuity.open_holes()))
            or not enough()
        ):
            await asyncio.sleep(0.02)
        assert producer.health().state in {"healthy", "idle"}
        producer.stop("the test has seen enough")
        return await running

    async def drive_all() -> list[Receipt]:
        receipts = []
        async with ExchangeServer(products=["BTC-USD"], speed=20.0, deflate=False) as server:
            for at, session in enumerate(sessions):
                if at:
                    between()
                firehose = firehoses if isinstance(firehoses, Firehose) else firehoses[at]
                receipts.append(await drive(server, session, firehose))
                last = len(server.truth().of("BTC-USD").had)
                while last == len(server.truth().of("BTC-USD").had):  # noqa: ASYNC110 - plain values
                    await asyncio.sleep(0.02)
        return receipts

    return asyncio.run(drive_all())


def test_a_session_opens_and_closes_with_its_totals(tmp_path: Path) -> None:
    firehose = Firehose()
    (receipt,) = run(tmp_path, firehose, FIRST)
    opened, closed = [line for line in firehose.lines if line["kind"] == "session"]

    assert (0, receipt.written - 1) == (opened["n"], closed["n"])
    message = closed["message"]
    assert receipt.written - 1 == message["lines"] == message["delivered"] + message["pending"]
    assert "the test has seen enough" == message["why"]
    assert ["BTC-USD"] == message["products"]
    assert (0, 0) == (receipt.pending, receipt.unbalanced)
    of_product = [
        line for line in firehose.lines if "BTC-USD" in {line.get("product_id"), line["message"].get("product_id")}
    ]
    assert len(of_product) == receipt.ledger.product("BTC-USD").delivered


def test_the_next_session_knows_the_last_ones_trades(tmp_path: Path) -> None:
    firehose = Firehose()
    run(tmp_path, firehose, FIRST, SECOND)
    gaps = [line["message"] for line in firehose.lines if line["kind"] == "gap"]

    assert {FIRST, SECOND} == {line["session"] for line in firehose.lines}
    assert "process_down" in {gap["reason"] for gap in gaps}


def test_a_fault_of_ours_stops_it_in_order_and_is_seen_with_nothing_lost(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, Firehose(broken=True), FIRST, ticks=10**9)
    firehose = Firehose()
    run(tmp_path, firehose, SECOND)
    numbers = [line["n"] for line in firehose.lines if line["session"] == FIRST]

    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) >= 2


def test_one_journal_has_one_owner(tmp_path: Path) -> None:
    settings = Settings(journal=tmp_path / "journal")
    Producer(settings, Firehose(), session=FIRST, rng=random.Random(1))

    with pytest.raises(JournalLocked, match=FIRST):
        Producer(settings, Firehose(), session=SECOND, rng=random.Random(1))


class Away(Firehose):
    """A Firehose that cannot be reached."""

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        raise DeliveryUnreachable(code="EndpointConnectionError", message=f"away, with {len(packs)} packs")


def test_lines_that_the_disk_lost_are_named_and_their_trades_healed(tmp_path: Path) -> None:
    firehose = Firehose()

    def lose(number: int) -> None:
        (path,) = (tmp_path / "journal" / FIRST).glob("*.seg")
        content = bytearray(path.read_bytes())
        records = content.split(b"\n")
        tickers.extend(json.loads(each[9:]) for each in records if b'"kind":"ticker"' in each)
        content[content.index(records[number + 1]) + 100] ^= 1
        path.write_bytes(content)

    tickers: list[dict[str, Any]] = []
    (first, second) = run(tmp_path, [Away(), firehose], FIRST, SECOND, between=lambda: lose(9))
    (lost,) = [each for each in tickers if each["n"] == 9]
    told = [line["message"] for line in firehose.lines if line["session"] == SECOND and "lost" in line["message"]]
    gaps = [line["message"] for line in firehose.lines if line["message"].get("reason") == "journal_damaged"]
    trade_id = lost["message"]["trade_id"]

    assert [(FIRST, [[9, 9]], "journal_damaged")] == [(each["of_session"], each["lost"], each["why"]) for each in told]
    assert ["open", "healed"] == [gap["status"] for gap in gaps]
    assert {(trade_id, trade_id)} == {(gap["first_missing_trade_id"], gap["last_missing_trade_id"]) for gap in gaps}
    assert trade_id in [line["message"]["trade_id"] for line in firehose.lines if line["kind"] == "trade"]
    assert {*range(first.written)} - {9} == {line["n"] for line in firehose.lines if line["session"] == FIRST}
    assert (0, 0) == (second.unbalanced, second.backlog_pending)


class Refusing(Firehose):
    """Refuses for good, by its index, each pack with one ticker's trade, or also with the line that brings that trade again."""

    def __init__(self, *kinds: str) -> None:
        super().__init__()
        self.refused: list[dict[str, Any]] = []
        self.trade_id = 0
        self._kinds = kinds

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        return [NEVER if self._is_refused(pack) else Firehose.put(self, [pack])[0] for pack in packs]

    def _is_refused(self, pack: Pack) -> bool:
        lines = [json.loads(line) for line in pack.content.splitlines()]
        tickers = [line["message"]["trade_id"] for line in lines if line["kind"] == "ticker"]
        self.trade_id = self.trade_id or next(iter(tickers[1:]), 0)
        if not any(line["kind"] in self._kinds and line["message"]["trade_id"] == self.trade_id for line in lines):
            return False
        self.refused += [line for line in lines if line not in self.refused]
        return True

    def gaps(self) -> list[dict[str, Any]]:
        """Those about the trade."""
        gaps = [line["message"] for line in self.lines if line["kind"] == "gap"]
        return [
            gap
            for gap in gaps
            if gap["first_missing_trade_id"] <= self.trade_id <= gap["last_missing_trade_id"]
            and gap["reason"] == "refused_by_firehose"
        ]

    def lost(self) -> dict[str, set[int]]:
        """Numbers that testimony names, by session."""
        named: dict[str, set[int]] = {}
        for message in (line["message"] for line in self.lines if "lost" in line["message"]):
            assert "refused_by_firehose" == message["why"]
            for first, last in message["lost"]:
                named.setdefault(message["of_session"], set()).update(range(first, last + 1))
        return named


NEVER = PutAnswer(None, "ValidationException", "no")


def test_lines_that_firehose_refuses_are_named_and_their_trades_healed(tmp_path: Path) -> None:
    firehose = Refusing("ticker")
    (receipt,) = run(tmp_path, firehose, FIRST, enough=lambda: "healed" in {gap["status"] for gap in firehose.gaps()})
    numbers = {line["n"] for line in firehose.refused}
    trades = {line["message"]["trade_id"] for line in firehose.refused if line["kind"] == "ticker"}
    healed = {line["message"]["trade_id"] for line in firehose.lines if line["kind"] == "trade"}

    assert {FIRST: numbers} == firehose.lost()
    assert ["open", "healed"] == [gap["status"] for gap in firehose.gaps()]
    assert trades <= healed
    assert ({"firehose_ValidationException": len(numbers)}, 0, 0) == (receipt.refused, receipt.pending, receipt.unbalanced)  # fmt: skip
    assert set(range(receipt.written)) == {line["n"] for line in firehose.lines} | numbers


def test_a_trade_whose_fetched_line_is_refused_too_is_named_and_let_go(tmp_path: Path) -> None:
    firehose = Refusing("ticker", "trade")
    (receipt,) = run(tmp_path, firehose, FIRST, enough=lambda: "unhealed" in {gap["status"] for gap in firehose.gaps()})
    last = firehose.gaps()[-1]

    assert ("unhealed", 0) == (last["status"], last["fetched"])
    assert {FIRST: {line["n"] for line in firehose.refused}} == firehose.lost()
    assert (2, 0) == (sum("trade_id" in line["message"] and line["message"]["trade_id"] == firehose.trade_id for line in firehose.refused), receipt.unbalanced)  # fmt: skip
    assert set(range(receipt.written)) == {line["n"] for line in (*firehose.lines, *firehose.refused)}


def test_what_is_refused_after_the_end_is_named_by_the_next_session(tmp_path: Path) -> None:
    firehose = Refusing("ticker")
    run(tmp_path, [Away(), firehose], FIRST, SECOND, enough=lambda: not firehose.trade_id or bool(firehose.gaps()))
    numbers = {line["n"] for line in firehose.refused}

    assert {FIRST: numbers} == firehose.lost()
    assert {FIRST} == {line["session"] for line in firehose.refused}
    assert {SECOND} == {line["session"] for line in firehose.lines if "lost" in line["message"]}
    assert ["open", "healed"] == [gap["status"] for gap in firehose.gaps()]
