"""A lake beside the candles of a simulated exchange that had the same trades, over a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from audit_lambda.candle_compare import MINUTE_US, Tolerance
from audit_lambda.candle_fetch import CandleClient
from audit_lambda.candle_minutes import read_minutes, read_products
from audit_lambda.candles import (
    MOST_FAILURES,
    NO_TIME,
    CandlesUnavailable,
    check_candles,
)
from audit_lambda.checks import load_question
from audit_lambda.verdict import decide_verdict
from local.exchange.market import Market
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.engine import EngineFailed
from sql.questions import plan_query
from tests.local.lake.trades import EPOCH, HOUR, SESSION, put, us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlglot import exp

    from audit_lambda.findings import Finding
    from audit_lambda.report import CheckResult
    from sql.engine import Answer, Engine

Row = dict[str, Any]
PRODUCTS = ("BTC-USD", "DOGE-USD")
MINUTES = 8
START_US = us(HOUR)
NOW = HOUR + timedelta(hours=2)


def row_of(frame: bytes, n: int) -> Row:
    message = json.loads(frame)
    at_us = us(datetime.fromisoformat(message["time"]))
    kept = {key: value for key, value in message.items() if key not in {"type", "side", "time"}}
    return kept | {
        "kind": "ticker", "session": SESSION, "n": n, "source": "simulated", "taker_side": message["side"],
        "event_time_us": at_us, "receive_time_us": at_us,
    }  # fmt: skip


def frames() -> list[bytes]:
    market = Market(seed=5, start_us=START_US, product_ids=PRODUCTS)
    return [tick.frame for tick in takewhile(lambda tick: tick.due_us < START_US + MINUTES * MINUTE_US, market.ticks())]


FRAMES = frames()
ROWS = [row_of(frame, n) for n, frame in enumerate(FRAMES)]
# How many minutes each product traded in.
TOLD = {
    product: len({row["event_time_us"] // MINUTE_US for row in ROWS if row["product_id"] == product})
    for product in PRODUCTS
}


@pytest.fixture(scope="module")
def exchange_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The REST server of an exchange that has told all of FRAMES."""
    recording = tmp_path_factory.mktemp("exchange") / "recording.jsonl"
    recording.write_bytes(b"".join(frame + b"\n" for frame in FRAMES))
    server = ExchangeServer(open_recording(recording), speed=None, limits=False)
    told = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with server:
            async with connect(server.ws_url) as client:  # a replay begins once somebody listens
                named = [{"name": "ticker", "product_ids": list(PRODUCTS)}]
                await client.send(json.dumps({"type": "subscribe", "channels": named}))
                async for _ in client:
                    pass
            told.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert told.wait(30)
    yield server.rest_url
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def client(exchange_url: str) -> Iterator[CandleClient]:
    made = CandleClient(exchange_url, pause=lambda _: None)
    yield made
    made.close()


@contextmanager
def engine_of(root: Path) -> Iterator[LakeEngine]:
    with open_lake(root) as lake:
        yield LakeEngine(lake)


def check(root: Path, client: Any, *, now: datetime = NOW, tolerance: Tolerance | None = None) -> CheckResult:
    with engine_of(root) as engine:
        return check_candles(engine, client, values={}, now=now, tolerance=tolerance or Tolerance())


def evidence(kind: str, product_id: str, at_us: int, n: int, detail: Row) -> Row:
    return {
        "kind": kind, "product_id": product_id, "event_time_us": at_us, "receive_time_us": at_us + MINUTE_US, "n": n,
        "session": SESSION, "source": "producer", "detail": json.dumps(detail),
    }  # fmt: skip


def text(at_us: int) -> str:
    return (EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def put_coverage(root: Path) -> None:
    rows = [
        evidence(
            "coverage",
            product_id,
            at_us,
            700_000 + n,
            {"product_id": product_id, "minute": text(at_us), "ticks": 1, "whole": True},
        )
        for product_id in PRODUCTS
        for n, at_us in enumerate(range(START_US, START_US + MINUTES * MINUTE_US, MINUTE_US))
    ]
    put(root, "coverage", [row | {"n": 700_000 + n} for n, row in enumerate(rows)], kind="coverage")


def put_gap(
    root: Path, missing: list[Row], before: Row, after: Row, *, reason: str = "disconnected", n: int = 800_000
) -> None:
    detail = {
        "product_id": missing[0]["product_id"], "reason": reason, "status": "open", "missing": len(missing),
        "first_missing_trade_id": missing[0]["trade_id"], "last_missing_trade_id": missing[-1]["trade_id"],
        "before": {"trade_id": before["trade_id"], "event_time": text(before["event_time_us"])},
        "after": {"trade_id": after["trade_id"], "event_time": text(after["event_time_us"])},
    }  # fmt: skip
    row = evidence("gap", missing[0]["product_id"], after["event_time_us"], n, detail)
    put(root, f"gap-{n}", [row], kind="gap")


def trades_in(at_minute: int, product_id: str = "BTC-USD") -> list[Row]:
    first_us = START_US + at_minute * MINUTE_US
    return [r for r in ROWS if r["product_id"] == product_id and first_us <= r["event_time_us"] < first_us + MINUTE_US]


def without(gone: list[Row]) -> list[Row]:
    names = {(row["product_id"], row["trade_id"]) for row in gone}
    return [row for row in ROWS if (row["product_id"], row["trade_id"]) not in names]


def brief(findings: tuple[Finding, ...]) -> list[tuple[str, str | None, int, int]]:
    """Severity, product, the minute it begins in, and how many."""
    return [(f.severity, f.product_id, ((f.first_us or 0) - START_US) // MINUTE_US, f.amount) for f in findings]


def test_a_lake_that_has_every_trade_agrees(tmp_path: Path, client: CandleClient) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    put_coverage(tmp_path)
    with engine_of(tmp_path) as engine:
        products = read_products(engine, {})
    assert [(product, TOLD[product]) for product in PRODUCTS] == [(each.product_id, each.minutes) for each in products]
    result = check(tmp_path, client)
    assert ("candles", "candles", "passed", (), "") == (
        result.group,
        result.name,
        result.state,
        result.findings,
        result.why,
    )
    assert {"price_share": "0", "volume_share": "0.000001", "settle": "2100000ms"} == result.thresholds


def test_a_trade_that_nothing_names_is_damage(tmp_path: Path, client: CandleClient) -> None:
    gone = trades_in(3)[5:6]
    put(tmp_path, "ticklake-1", without(gone))
    put_coverage(tmp_path)
    result = check(tmp_path, client)
    assert ("found", [("damage", "BTC-USD", 3, 1)]) == (result.state, brief(result.findings))
    assert "no hole is named" in result.findings[0].what


def test_a_minute_without_any_row_is_damage_where_somebody_watched_and_not_asked_about_where_nobody_did(
    tmp_path: Path, client: CandleClient
) -> None:
    put(tmp_path, "ticklake-1", without(trades_in(3)))
    assert "passed" == check(tmp_path, client).state
    put_coverage(tmp_path)
    assert [("damage", "BTC-USD", 3, 1)] == brief(check(tmp_path, client).findings)


def test_a_named_hole_is_a_known_reason(tmp_path: Path, client: CandleClient) -> None:
    own = trades_in(3) + trades_in(4)
    gone = own[5:-5]
    put(tmp_path, "ticklake-1", without(gone))
    put_coverage(tmp_path)
    put_gap(tmp_path, gone, own[4], own[-5])
    result = check(tmp_path, client)
    assert [("notice", "BTC-USD", 3, 2)] == brief(result.findings)
    assert "a hole is named there (disconnected)" in result.findings[0].what


def test_a_minute_that_nobody_watched_whole_is_a_known_reason(tmp_path: Path, client: CandleClient) -> None:
    put(tmp_path, "ticklake-1", without(trades_in(3)[5:9]))
    assert [("notice", "BTC-USD", 3, 1)] == brief(check(tmp_path, client).findings)


def test_two_prices_exchanged_are_a_warning_since_no_id_is_missing(tmp_path: Path, client: CandleClient) -> None:
    own = trades_in(2)
    top = max(own, key=lambda row: float(row["price"]))
    changed = [row | {"price": str(float(row["price"]) + 1)} if row is top else row for row in ROWS]
    put(tmp_path, "ticklake-1", changed)
    put_coverage(tmp_path)
    result = check(tmp_path, client)
    assert [("warning", "BTC-USD", 2, 1)] == brief(result.findings)
    assert (own[0]["trade_id"], own[-1]["trade_id"]) == (result.findings[0].first_id, result.findings[0].last_id)
    assert "high " in result.findings[0].what


def test_what_is_not_final_is_not_held_against_anybody(tmp_path: Path, client: CandleClient) -> None:
    put(tmp_path, "ticklake-1", without(trades_in(3)[5:6]))
    put_coverage(tmp_path)
    soon = HOUR + timedelta(minutes=10)
    assert [("notice", "BTC-USD", 3, 1)] == brief(check(tmp_path, client, now=soon).findings)
    at_once = check(tmp_path, client, now=soon, tolerance=Tolerance(settle_us=0))
    assert [("damage", "BTC-USD", 3, 1)] == brief(at_once.findings)


def test_minutes_that_the_span_cuts_are_not_compared(tmp_path: Path, client: CandleClient) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    span = {"from": text(START_US + 90_000_000), "to": text(START_US + 250_000_000), "product": "BTC-USD"}
    with engine_of(tmp_path) as engine:
        question = load_question("candle_minutes")
        answer = engine.ask(plan_query(question, span))
        cut = engine.ask(plan_query(question, {}))
    ((product_id, minutes),) = read_minutes(answer, {}, (START_US + 2 * MINUTE_US, START_US + 4 * MINUTE_US))
    assert ("BTC-USD", [START_US + n * MINUTE_US for n in (2, 3)]) == (product_id, [m.start_us for m in minutes])
    soon = dict(read_minutes(cut, {}, (0, START_US + 2 * MINUTE_US)))
    assert START_US + MINUTE_US == max(minute.start_us for minute in soon["BTC-USD"])
    with engine_of(tmp_path) as engine:
        assert "passed" == check_candles(engine, client, values=span, now=NOW).state


def test_an_exchange_without_the_product_is_a_notice_and_the_others_are_compared(
    tmp_path: Path, client: CandleClient
) -> None:
    foreign = [row | {"product_id": "XXX-USD"} for row in trades_in(1)]
    put(tmp_path, "ticklake-1", without(trades_in(3)[5:6]) + foreign)
    put_coverage(tmp_path)
    result = check(tmp_path, client)
    assert [("damage", "BTC-USD", 3, 1), ("notice", "XXX-USD", 1, 1)] == brief(result.findings)
    assert "Coinbase has no candles of XXX-USD: HTTP 404" in result.findings[1].what


def be_asked(*_: object, **__: object) -> bytes:
    pytest.fail("it was asked")


def have_none(*_: object, **__: object) -> bytes:
    # Made here: an exception that outlives its test keeps, by its traceback, the lake's connection beyond DuckDB's end.
    raise CandlesUnavailable(product_id="BTC-USD", why="HTTP 503")


@pytest.mark.parametrize(
    ("fetch", "why"),
    [
        (have_none, "HTTP 503"),
        (lambda *_, **__: b"<html>", "Coinbase's answer holds no candles"),
    ],
)
def test_candles_that_cannot_be_had_leave_the_check_not_run(
    tmp_path: Path, fetch: Callable[..., bytes], why: str
) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    result = check(tmp_path, fetch)
    assert ("not_run", [("notice", product, -START_US // MINUTE_US, TOLD[product]) for product in PRODUCTS]) == (
        result.state,
        brief(result.findings),
    )
    assert f"2 of 2 products could not be compared: {why}" in result.why
    assert all(why in finding.what for finding in result.findings)


def test_a_product_that_cannot_be_had_is_named_and_the_others_are_judged(tmp_path: Path, client: CandleClient) -> None:
    gone = trades_in(3, "DOGE-USD")[1:2]
    put(tmp_path, "ticklake-1", without(gone))
    put_coverage(tmp_path)

    def fetch(product_id: str, *, start_us: int, end_us: int) -> bytes:
        if product_id == "BTC-USD":
            raise CandlesUnavailable(product_id=product_id, why="HTTP 503")
        return client(product_id, start_us=start_us, end_us=end_us)

    result = check(tmp_path, fetch)
    assert ("partly", "1 of 2 products could not be compared: HTTP 503") == (result.state, result.why)
    assert [("damage", "DOGE-USD"), ("notice", "BTC-USD")] == [(f.severity, f.product_id) for f in result.findings]
    assert "unproven" == decide_verdict([replace(result, findings=result.findings[1:])])


def test_what_there_is_no_time_for_is_named_and_the_rest_is_judged(tmp_path: Path, client: CandleClient) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    looks = iter([True, True, False])  # before the minutes, before the first product's page, before the second's
    with engine_of(tmp_path) as engine:
        result = check_candles(
            engine, client, values={}, now=NOW, may_go_on=lambda: next(looks, False), tolerance=Tolerance()
        )
    assert ("partly", f"1 of 2 products could not be compared: {NO_TIME}") == (result.state, result.why)
    (left,) = result.findings
    assert ("notice", TOLD[left.product_id or ""]) == (left.severity, left.amount)


def test_without_time_nothing_is_asked_of_engine_or_exchange(tmp_path: Path) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    with engine_of(tmp_path) as engine:
        counted = Counted(engine)
        result = check_candles(counted, be_asked, values={}, now=NOW, may_go_on=lambda: False)
    assert ("not_run", f"2 of 2 products could not be compared: {NO_TIME}") == (result.state, result.why)
    assert 2 == len(counted.rows)  # the products, and the named holes


class Counted:
    """An engine, and how many rows each of its answers had."""

    name = "Counted"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.rows: list[int] = []

    def ask(self, question: exp.Query) -> Answer:
        answer = self._engine.ask(question)
        self.rows.append(len(answer.rows))
        return answer


def test_never_are_all_minutes_of_all_products_held_at_once(tmp_path: Path, client: CandleClient) -> None:
    many = [f"P{n:03d}-USD" for n in range(24)]
    foreign = [
        row | {"product_id": name, "trade_id": 9_000_000 + place, "n": 100_000 + place}
        for place, (name, row) in enumerate((name, ROWS[n]) for name in many for n in (0, 40))
    ]
    put(tmp_path, "ticklake-1", ROWS + foreign)
    with engine_of(tmp_path) as engine:
        counted = Counted(engine)
        asked: list[str] = []

        def fetch(product_id: str, *, start_us: int, end_us: int) -> bytes:
            asked.append(product_id)
            return client(product_id, start_us=start_us, end_us=end_us)

        result = check_candles(counted, fetch, values={}, now=NOW, most_minutes=10)
    products, _, *batches = counted.rows
    assert len(many) + len(PRODUCTS) == products == len(set(asked)) == len(asked)
    assert max(batches) <= 10
    assert sum(batches) > 10 * (len(batches) - 3) // 2
    assert len(many) == sum("no candles of P" in finding.what for finding in result.findings)
    assert "found" == result.state


def test_an_exchange_that_is_not_there_is_not_asked_for_every_product(tmp_path: Path) -> None:
    many = [ROWS[0] | {"product_id": f"P{n:03d}-USD", "n": n} for n in range(9)]
    put(tmp_path, "ticklake-1", many)
    asked: list[str] = []

    def fetch(product_id: str, **_: object) -> bytes:
        asked.append(product_id)
        raise CandlesUnavailable(product_id=product_id, why="HTTP 503")

    result = check(tmp_path, fetch)
    assert MOST_FAILURES == len(asked)
    assert ("not_run", 9) == (result.state, len(result.findings))
    assert 6 == sum("in a row could not be had, last: HTTP 503" in finding.what for finding in result.findings)


def test_two_holes_in_one_minute_are_both_known_reasons(tmp_path: Path, client: CandleClient) -> None:
    own = trades_in(3)
    gone = own[5:-5]
    put(tmp_path, "ticklake-1", without(gone))
    put_coverage(tmp_path)
    put_gap(tmp_path, gone, own[4], own[-5])
    put_gap(tmp_path, gone[:-1], own[4], own[-5], reason="process_down", n=800_001)
    (finding,) = check(tmp_path, client).findings
    assert "a hole is named there (disconnected and process_down)" in finding.what


def test_a_lake_that_holds_nothing_to_compare_passes_and_says_so(tmp_path: Path, client: CandleClient) -> None:
    """Whether there was anything to be judged at all is the audit's question, not each check's."""
    result = check(tmp_path, client)
    assert ("passed", "there is no whole minute with trades or with testimony that somebody watched") == (
        result.state,
        result.why,
    )


def test_an_engine_that_cannot_answer_leaves_the_check_not_run(client: CandleClient) -> None:
    class Broken:
        name = "Broken"

        def ask(self, question: exp.Query) -> Answer:
            del question
            raise EngineFailed(engine=self.name, why="it is broken")

    result = check_candles(Broken(), client, values={}, now=datetime(2026, 11, 23, tzinfo=UTC))
    assert ("not_run", "Broken could not answer: it is broken") == (result.state, result.why)
