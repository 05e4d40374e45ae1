from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.health import (
    CONNECTIONS_MAX,
    HEAD_MAX_BYTES,
    HealthFacts,
    HealthReport,
    HealthServer,
    encode_answer,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WELL = HealthFacts(
    uptime_s=100_000.0,
    connected=True,
    fallback=False,
    unwatched_s=0.0,
    heartbeat_s=0.4,
    tick_s=0.2,
    line_s=0.2,
    oldest_pending_s=3.0,
    delivered_s=2.0,
)


def well() -> HealthReport:
    return judge(WELL)


def wedged() -> HealthReport:
    return judge(replace(WELL, oldest_pending_s=5_000.0, delivered_s=5_000.0))


def test_a_producer_that_takes_in_and_delivers_is_healthy() -> None:
    assert "healthy" == judge(WELL).state
    assert 0.4 == judge(WELL).facts["heartbeat_s"]


@pytest.mark.parametrize("tick_s", [None, 61.0, 86_400.0])
def test_a_quiet_market_is_idle(tick_s: float | None) -> None:
    quiet = replace(WELL, tick_s=tick_s, line_s=tick_s, oldest_pending_s=None, delivered_s=86_400.0)

    assert "idle" == judge(quiet).state


def test_polling_is_watching_too() -> None:
    assert "healthy" == judge(replace(WELL, connected=False, fallback=True, unwatched_s=0.0)).state


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (replace(WELL, connected=False, unwatched_s=121.0), "neither the websocket nor REST"),
        (replace(WELL, heartbeat_s=121.0, tick_s=121.0), "neither heartbeats nor trades"),
        (replace(WELL, heartbeat_s=None, tick_s=None), "neither heartbeats nor trades"),
        (replace(WELL, line_s=61.0), "no line is journaled"),
        (replace(WELL, line_s=None), "no line is journaled"),
        (replace(WELL, oldest_pending_s=901.0, delivered_s=901.0), "delivery settles none"),
    ],
)
def test_each_way_of_being_wedged_is_told(facts: HealthFacts, why: str) -> None:
    report = judge(facts)

    assert "wedged" == report.state
    assert why in report.why


@pytest.mark.parametrize(
    "facts",
    [
        replace(WELL, connected=False, unwatched_s=30.0),
        replace(WELL, uptime_s=3.0, heartbeat_s=None, tick_s=None, line_s=3.0),
        replace(WELL, fallback=True, heartbeat_s=None, tick_s=None),
        replace(WELL, tick_s=600.0, line_s=600.0),
        replace(WELL, oldest_pending_s=5_000.0, delivered_s=1.0),
        replace(WELL, oldest_pending_s=None, delivered_s=5_000.0),
        replace(WELL, oldest_pending_s=2.0, delivered_s=5_000.0),
    ],
    ids=[
        "reconnecting",
        "just-started",
        "polling-a-quiet-market",
        "halted",
        "draining",
        "all-delivered",
        "first-line-after-long",
    ],
)
def test_what_mends_itself_is_not_wedged(facts: HealthFacts) -> None:
    assert "wedged" != judge(facts).state


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /healthz?a=1 HTTP/1.0\r\n\r\n", 200),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /healthz/../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /healthz\r\n\r\n", 400),
        (b"", 400),
    ],
)
def test_a_request_gets_its_status(head: bytes, status: int) -> None:
    assert f"HTTP/1.1 {status} " == encode_answer(head, well).split(b"\r\n")[0][:13].decode()


@given(st.binary(max_size=200))
def test_nothing_of_a_request_is_sent_back(head: bytes) -> None:
    status, _, rest = encode_answer(head, well).partition(b"\r\n")

    assert status.split(b" ")[1] in {b"200", b"400", b"404", b"405"}
    head_text, _, body = rest.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head_text
    assert json.loads(body)


def test_only_the_wedged_are_unavailable() -> None:
    head = b"GET /healthz HTTP/1.1\r\n\r\n"

    assert b" 503 " in encode_answer(head, wedged)
    assert b" 200 " in encode_answer(head, lambda: judge(replace(WELL, tick_s=None)))


def serve(
    case: Callable[[HealthServer], Awaitable[Any]],
    report: Callable[[], HealthReport] = well,
    *,
    head_timeout_s: float = 20.0,
) -> Any:
    async def run() -> Any:
        server = HealthServer(report, port=0, head_timeout_s=head_timeout_s)
        await server.start()
        try:
            async with asyncio.timeout(30):
                return await case(server)
        finally:
            await server.stop()

    return asyncio.run(run())


async def ask(server: HealthServer, request: bytes, *, end: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    if end:
        writer.write_eof()
    answer = await _read(reader)
    writer.close()
    return answer


def test_it_answers_on_a_socket() -> None:
    answer = serve(lambda server: ask(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), wedged)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert "wedged" == json.loads(body)["state"]
    assert 5_000.0 == json.loads(body)["facts"]["delivered_s"]


def test_a_head_that_never_ends_is_refused() -> None:
    answer = serve(lambda server: ask(server, b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 2 * HEAD_MAX_BYTES))

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_a_request_cut_short_is_refused() -> None:
    assert serve(lambda server: ask(server, b"GET /hea", end=True)).startswith(b"HTTP/1.1 400 ")


def test_whoever_asks_nothing_is_hung_up_on() -> None:
    assert b"" == serve(lambda server: ask(server, b""), head_timeout_s=0.05)


def test_more_connections_than_a_probe_needs_are_not_kept() -> None:
    async def crowd(server: HealthServer) -> list[bytes]:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(CONNECTIONS_MAX + 1)]
        try:
            first_hung_up = await asyncio.wait(
                [asyncio.ensure_future(_read(reader)) for reader, _ in idle], return_when=asyncio.FIRST_COMPLETED
            )
            return [each.result() for each in first_hung_up[0]]
        finally:
            for _, writer in idle:
                writer.close()

    assert [b""] == serve(crowd)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_stopping_leaves_nobody_hanging() -> None:
    async def hang(server: HealthServer) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await server.stop()
        answer = await _read(reader)
        writer.close()
        return answer

    assert b"" == serve(hang)


def test_a_taken_port_is_an_os_error() -> None:
    async def again(server: HealthServer) -> None:
        with pytest.raises(OSError, match="address already in use"):
            await HealthServer(well, port=server.port).start()

    serve(again)
