"""An errand of the real producer against the simulated exchange's REST over HTTP, with a Firehose that takes everything."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from local.exchange.faults import OddPages, RestDown, RestStorm, SlowRest
from local.exchange.server import ExchangeServer
from local.exchange.tick import Trade
from producer.continuity import Edge, Hole
from producer.errand import LAKE_HAS_THEM, RETRY_ABSENT_S, Errand, Mission
from producer.fetched import Fetched
from producer.ingest import Fetch, Ingest
from producer.intervals import IntervalSet
from producer.legacy import look_at_legacy
from producer.pipeline import Producer
from producer.restclient import RestClient
from producer.settings import Settings
from producer.settlement import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from local.exchange.faults import Fault, PageOddity
    from producer.ledger import Receipt
    from producer.packing import Pack

FIRST = "01JDB3M7Q8RSTVWXYZ01234567"
SECOND = "01JDB3M7Q8RSTVWXYZ01234568"


class Taker:
    """A Firehose that takes every pack and keeps its lines; or, away, none."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        for pack in packs:
            self.lines += [json.loads(line) for line in pack.content.splitlines()]
        return [PutAnswer("id") for _ in packs]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line["message"] for line in self.lines if line["kind"] == kind]


def hole(first: int, last: int, missing: Iterable[tuple[int, int]] | None = None, product_id: str = "BTC-USD") -> Hole:
    return Hole(
        product_id=product_id,
        first=first,
        last=last,
        before=Edge(first - 1, None),
        after=None,
        reason="process_down",
        missing=IntervalSet([(first, last)] if missing is None else missing),
    )


def go(
    tmp_path: Path,
    mission: Mission,
    held: Iterable[int],
    *,
    faults: Sequence[Fault] = (),
    session: str = FIRST,
    stop_when: Callable[[Producer], bool] = lambda _: False,
) -> tuple[Taker, Receipt, Errand]:
    """Run one errand to its end, or until it is stopped."""

    async def drive() -> tuple[Taker, Receipt, Errand]:
        async with ExchangeServer(products=["BTC-USD"], speed=0.001, faults=faults) as server:
            for trade_id in held:
                trade = Trade(trade_id, "1.5", "2", "2026-11-20T00:00:00.000000Z", "buy")
                server.exchange.listings["BTC-USD"].history.add(trade)
            settings = Settings(rest_url=server.rest_url, journal=tmp_path / "journal", linger_s=0.05)
            legacy = look_at_legacy(settings.journal)

            def make(producer: Producer) -> Errand:
                fetch = Fetch(source="rest_backfill", retry_absent_s=RETRY_ABSENT_S)
                ingest = Ingest(
                    producer.intake,
                    producer.ledger,
                    producer.rng,
                    stall_s=15.0,
                    fallback_after_s=10.0,
                    heal_back_s=0.0,
                    now=time.monotonic(),
                    fetch=fetch,
                )
                made = Errand(
                    ingest=ingest,
                    ledger=producer.ledger,
                    journal=producer.journal,
                    rest=RestClient(server.rest_url),
                    rest_url=server.rest_url,
                    fetched=Fetched.inherit(legacy.memory, legacy.since, now_us=time.time_ns() // 1000),
                    plan=lambda: mission,
                )
                errands.append(made)
                return made

            errands: list[Errand] = []
            taker = Taker()
            producer = Producer(settings, taker, session=session, rng=random.Random(1), feed=make)
            running = asyncio.create_task(producer.run())
            while not running.done() and not stop_when(producer):  # noqa: ASYNC110 - it watches plain values
                await asyncio.sleep(0.01)
            producer.stop("the test has seen enough")
            return taker, await running, errands[0]

    return asyncio.run(drive())


def test_named_and_unnamed_holes_are_filled_with_their_receipts_and_it_ends_by_itself(tmp_path: Path) -> None:
    mission = Mission(named=[hole(10, 29)], unnamed=[hole(100, 1_499)])
    taker, receipt, errand = go(tmp_path, mission, range(1, 1_600))

    assert sorted([*range(10, 30), *range(100, 1_500)]) == sorted(each["trade_id"] for each in taker.of("trade"))
    assert {"rest_backfill"} == {line["source"] for line in taker.lines if line["kind"] == "trade"}
    assert [(100, "open"), (100, "healed"), (10, "healed")] == [
        (each["first_missing_trade_id"], each["status"]) for each in taker.of("gap")
    ]
    assert (0, 0, 0) == (receipt.pending, receipt.unbalanced, errand.missing)
    assert "done" == errand.state == taker.of("session")[-1]["why"]
    assert list(range(len(taker.lines))) == sorted(line["n"] for line in taker.lines)


def test_a_hole_that_misses_nothing_any_more_only_gets_its_receipt(tmp_path: Path) -> None:
    taker, _, _ = go(tmp_path, Mission(named=[hole(10, 29, [])]), [])
    (gap,) = taker.of("gap")

    assert ("healed", 0, [], LAKE_HAS_THEM) == tuple(gap[key] for key in ("status", "missing", "still_missing", "why"))
    assert [] == taker.of("trade")


def test_holes_that_share_trades_are_filled_by_fetching_each_once(tmp_path: Path) -> None:
    taker, _, _ = go(tmp_path, Mission(named=[hole(10, 60), hole(40, 90), hole(50, 55)]), range(1, 100))

    assert list(range(10, 91)) == sorted(each["trade_id"] for each in taker.of("trade"))
    assert {"healed"} == {each["status"] for each in taker.of("gap")}
    assert 3 == len(taker.of("gap"))


def test_what_rest_lacks_stays_named_and_a_storm_delays_it_only(tmp_path: Path) -> None:
    storm = RestStorm(status=429, share=0.4)
    taker, _, errand = go(tmp_path, Mission(named=[hole(10, 19), hole(30, 39)]), range(15, 25), faults=[storm])
    gaps = {each["first_missing_trade_id"]: each for each in taker.of("gap")}

    assert ("partly_healed", [[10, 14]]) == (gaps[10]["status"], gaps[10]["still_missing"])
    assert ("unhealed", [[30, 39]]) == (gaps[30]["status"], gaps[30]["still_missing"])
    assert 15 == errand.missing


def test_a_product_that_rest_does_not_know_closes_its_hole_with_the_answer(tmp_path: Path) -> None:
    taker, _, _ = go(tmp_path, Mission(named=[hole(10, 19, product_id="NO-SUCH")]), [])

    assert 'HTTP 404: {"message":"NotFound"}' == taker.of("gap")[0]["why"]


def test_stopped_in_the_middle_it_says_what_came_and_the_next_session_knows_it(tmp_path: Path) -> None:
    taker, receipt, errand = go(
        tmp_path,
        Mission(named=[hole(1, 5_000), hole(6_000, 6_010)]),
        range(1, 7_000),
        faults=[SlowRest(delay_s=0.2)],
        stop_when=lambda producer: producer.ledger.lines["trade"] >= 1_000,
    )
    (gap,) = taker.of("gap")
    came = {each["trade_id"] for each in taker.of("trade")}

    assert ("partly_healed", "stopped before the end") == (gap["status"], gap["why"])
    assert [[1, 5_000 - len(came)]] == gap["still_missing"]
    assert (0, 0) == (receipt.pending, receipt.unbalanced)
    assert 5_011 - len(came) == errand.missing
    legacy = look_at_legacy(tmp_path / "journal")
    known = Fetched.inherit(legacy.memory, legacy.since, now_us=time.time_ns() // 1000)
    assert [(min(came), 5_000)] == list(known.ranges("BTC-USD"))


def test_stopped_before_anything_came_it_says_nothing_of_holes(tmp_path: Path) -> None:
    taker, _, _ = go(
        tmp_path,
        Mission(named=[hole(1, 5_000)]),
        range(1, 7_000),
        faults=[RestDown()],
        stop_when=lambda producer: producer.ledger.rest["none"] > 0,
    )

    assert [] == taker.of("gap")
    assert "the test has seen enough" == taker.of("session")[-1]["why"]


@pytest.mark.parametrize("pending_first", [True, False])
def test_what_an_earlier_session_left_is_delivered_before_anything_is_planned(
    tmp_path: Path, *, pending_first: bool
) -> None:
    if pending_first:
        settings = Settings(journal=tmp_path / "journal")
        killed = Producer(settings, Taker(), session=FIRST, rng=random.Random(1))
        killed._testify({"event": "opened"})
        killed.journal.close()
    taker, receipt, _ = go(tmp_path, Mission(named=[hole(10, 19)]), range(1, 30), session=SECOND)

    assert ({FIRST, SECOND} if pending_first else {SECOND}) == {line["session"] for line in taker.lines}
    assert 0 == receipt.backlog_pending


@pytest.mark.parametrize("how", ["short", "gappy", "shuffled", "no_cursor", "cut"])
def test_odd_pages_are_asked_again_until_the_hole_is_whole_and_no_trade_comes_twice(
    tmp_path: Path, how: PageOddity
) -> None:
    share = 0.6 if how == "cut" else 1.0
    odd = OddPages(how=how, share=share)
    taker, receipt, errand = go(tmp_path, Mission(named=[hole(10, 1_300)]), range(1, 1_400), faults=[odd])
    came = [each["trade_id"] for each in taker.of("trade")]
    (gap,) = taker.of("gap")

    assert list(range(10, 1_301)) == sorted(came)
    assert ("healed", 1_291, []) == (gap["status"], gap["fetched"], gap["still_missing"])
    assert (0, 0, 0) == (errand.missing, receipt.pending, receipt.unbalanced)


@pytest.mark.parametrize("fault", [OddPages(how="empty"), OddPages(how="stuck"), RestStorm(status=404)])
def test_pages_that_never_have_what_was_asked_for_end_in_a_receipt_that_says_so(tmp_path: Path, fault: Fault) -> None:
    taker, _, errand = go(tmp_path, Mission(named=[hole(10, 300)]), range(1, 2_000), faults=[fault])
    (gap,) = taker.of("gap")

    assert ("unhealed", 0, [[10, 300]]) == (gap["status"], gap["fetched"], gap["still_missing"])
    assert "404" in gap["why"] if isinstance(fault, RestStorm) else "does not have them" in gap["why"]
    assert 291 == errand.missing


def test_every_fault_of_rest_at_once_and_the_receipt_is_true(tmp_path: Path) -> None:
    odd = [OddPages(how=how, share=0.3) for how in ("short", "shuffled", "no_cursor", "gappy")]
    storms = [RestStorm(status=status, share=0.15) for status in (429, 500, 502)]
    mission = Mission(named=[hole(10, 1_200), hole(1_500, 1_600)])
    taker, receipt, errand = go(tmp_path, mission, range(1, 2_000), faults=[*odd, *storms])
    came = [each["trade_id"] for each in taker.of("trade")]
    missing = {
        each for gap in taker.of("gap") for first, last in gap["still_missing"] for each in range(first, last + 1)
    }

    assert len(set(came)) == len(came)
    assert {*range(10, 1_201), *range(1_500, 1_601)} == set(came) | missing
    assert set() == set(came) & missing
    assert (len(missing), 0, 0) == (errand.missing, receipt.pending, receipt.unbalanced)
