from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from aiohttp import web

from producer.restclient import MAX_BODY_BYTES, RestClient

if TYPE_CHECKING:
    from collections.abc import Callable


async def with_server(
    handler: Callable[[web.Request], web.StreamResponse], path: str, *, max_body_bytes: int = MAX_BODY_BYTES
) -> tuple[int | None, bytes, str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return handler(request)

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = RestClient(f"http://127.0.0.1:{runner.addresses[0][1]}/", max_body_bytes=max_body_bytes)
    try:
        got = await asyncio.to_thread(client.get, path)
    finally:
        client.close()
        await runner.cleanup()
    return got.status, got.body, got.why


def test_a_path_comes_back_as_status_and_body() -> None:
    def handler(request: web.Request) -> web.Response:
        assert "ticklake" == request.headers["User-Agent"]
        return web.Response(body=request.path_qs.encode())

    assert (200, b"/products/A-B/trades?limit=2&after=7", "") == asyncio.run(
        with_server(handler, "/products/A-B/trades?limit=2&after=7")
    )


def test_an_error_status_is_an_answer_and_redirects_are_not_followed() -> None:
    assert (429, b"slow", "") == asyncio.run(with_server(lambda _: web.Response(status=429, body=b"slow"), "/"))
    moved = web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
    assert 302 == asyncio.run(with_server(lambda _: moved, "/"))[0]


def test_an_endless_body_is_cut_off() -> None:
    status, body, why = asyncio.run(with_server(lambda _: web.Response(body=b"x" * (MAX_BODY_BYTES + 1)), "/"))

    assert (None, b"") == (status, body)
    assert "longer than" in why


def test_a_body_may_be_as_long_as_was_said_and_no_longer() -> None:
    def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * int(request.query["length"]))

    long, longer = (
        asyncio.run(with_server(handler, f"/?length={length}", max_body_bytes=100)) for length in (100, 101)
    )

    assert (200, b"x" * 100, "") == long
    assert (None, b"", "the body is longer than 100 bytes") == longer


def test_several_threads_ask_at_a_time() -> None:
    async def run() -> list[int | None]:
        together = asyncio.Event()
        waiting = 0

        async def answer(_: web.Request) -> web.Response:
            nonlocal waiting
            waiting += 1
            if waiting == 3:
                together.set()
            await together.wait()  # nobody is answered before all three have asked
            return web.Response()

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = RestClient(f"http://127.0.0.1:{runner.addresses[0][1]}", connections=3)
        try:
            got = await asyncio.gather(*(asyncio.to_thread(client.get, "/") for _ in range(3)))
        finally:
            client.close()
            await runner.cleanup()
        return [each.status for each in got]

    assert [200, 200, 200] == asyncio.run(run())


def test_a_refused_connection_is_no_answer_with_a_reason() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    got = RestClient(f"http://127.0.0.1:{port}").get("/x")

    assert got.status is None
    assert "refused" in got.why


def test_tls_is_verified(self_signed: ssl.SSLContext) -> None:
    async def run() -> str:
        app = web.Application()
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed).start()
        client = RestClient(f"https://127.0.0.1:{runner.addresses[0][1]}", tls=ssl.create_default_context())
        try:
            got = await asyncio.to_thread(client.get, "/")
        finally:
            await runner.cleanup()
        assert got.status is None
        return got.why

    assert "certificate verify failed" in asyncio.run(run())
