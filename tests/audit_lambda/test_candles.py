"""A lake beside the candles of a simulated exchange that had the same trades, over a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from audit_lambda.candle_compare import MINUTE_US, Tolerance
from audit_lambda.candle_fetch import CandleClient
from audit_lambda.candles import CandlesUnavailable, check_candles, read_minutes
from local.exchange.market import Market
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.engine import EngineFailed
from tests.local.lake.trades import EPOCH, HOUR, SESSION, put, us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlglot import exp

    from audit_lambda.findings import Finding
    from audit_lambda.report import CheckResult
    from sql.engine import Answer

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


def put_gap(root: Path, missing: list[Row], before: Row, after: Row) -> None:
    detail = {
        "product_id": missing[0]["product_id"], "reason": "disconnected", "status": "open", "missing": len(missing),
        "first_missing_trade_id": missing[0]["trade_id"], "last_missing_trade_id": missing[-1]["trade_id"],
        "before": {"trade_id": before["trade_id"], "event_time": text(before["event_time_us"])},
        "after": {"trade_id": after["trade_id"], "event_time": text(after["event_time_us"])},
    }  # fmt: skip
    put(root, "gap", [evidence("gap", missing[0]["product_id"], after["event_time_us"], 800_000, detail)], kind="gap")


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
        compared = read_minutes(engine, {}, now_us=us(NOW))
    assert {(product, n) for product in PRODUCTS for n in range(MINUTES)} <= {
        (minute.product_id, (minute.start_us - START_US) // MINUTE_US) for minute in compared
    }
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
        minutes = read_minutes(engine, span, now_us=us(NOW))
        cut = read_minutes(engine, {}, now_us=START_US + 150_000_000)
    assert [("BTC-USD", START_US + n * MINUTE_US) for n in (2, 3)] == [(m.product_id, m.start_us) for m in minutes]
    assert START_US + MINUTE_US == max(minute.start_us for minute in cut)
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


def raise_it(error: Exception, *_: object, **__: object) -> bytes:
    raise error


@pytest.mark.parametrize(
    ("fetch", "why"),
    [
        (
            partial(raise_it, CandlesUnavailable(product_id="BTC-USD", why="HTTP 503")),
            "candles of BTC-USD could not be had: HTTP 503",
        ),
        (lambda *_, **__: b"<html>", "holds no candles"),
    ],
)
def test_candles_that_cannot_be_had_leave_the_check_not_run(
    tmp_path: Path, fetch: Callable[..., bytes], why: str
) -> None:
    put(tmp_path, "ticklake-1", ROWS)
    result = check(tmp_path, fetch)
    assert ("not_run", ()) == (result.state, result.findings)
    assert why in result.why


def test_a_lake_that_holds_nothing_to_compare_is_not_run(tmp_path: Path, client: CandleClient) -> None:
    result = check(tmp_path, client)
    assert ("not_run", "there is no whole minute with trades or with testimony that somebody watched") == (
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
