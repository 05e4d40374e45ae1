"""Clients on real sockets: what each is handed in order, who falls behind, who is broken off; runs of a whole exchange are in test_server.py."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

from local.exchange.actions import Close, Freeze, Send
from local.exchange.clients import Clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection


@asynccontextmanager
async def one_client(clients: Clients) -> AsyncIterator[ClientConnection]:
    """A client that is connection 1."""
    opened = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        async with clients.writing(1, socket):
            opened.set()
            await socket.wait_closed()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
            await opened.wait()
            yield client


def ignore(_: int) -> None:
    """Nobody keeps account."""


def test_what_is_handed_out_arrives_in_order_and_for_a_stranger_nothing_happens() -> None:
    async def run() -> list[str | bytes]:
        clients = Clients(drop=ignore, most_frames=None)
        async with one_client(clients) as client:
            clients.hand_out([Send(1, b"a"), Send(2, b"x"), Send(1, b"b"), Close(1, 1001, "enough")])
            await clients.wait_emptied()
            await clients.wait_closed([1, 2])
            return [message async for message in client]

    assert ["a", "b"] == asyncio.run(run())


def test_who_falls_behind_is_told_and_dropped() -> None:
    async def run() -> tuple[str | bytes, int | None, list[int]]:
        dropped: list[int] = []
        clients = Clients(drop=dropped.append, most_frames=3)
        async with one_client(clients) as client:
            clients.hand_out([Send(1, b"late")] * 4)
            told = await client.recv()
            with pytest.raises(ConnectionClosedError):
                await client.recv()
            return told, client.close_code, dropped

    told, code, dropped = asyncio.run(run())
    assert (True, 1008, [1]) == ("ErrSlowConsume" in str(told), code, dropped)


def test_everybody_is_told_goodbye() -> None:
    async def run() -> None:
        clients = Clients(drop=ignore, most_frames=None)
        async with one_client(clients) as client:
            clients.close_all(1001, "the end")
            await clients.wait_closed()
            with pytest.raises(ConnectionClosedOK, match="the end"):
                await client.recv()

    asyncio.run(run())


def test_a_frozen_client_is_broken_off_alone() -> None:
    async def run() -> None:
        clients = Clients(drop=ignore, most_frames=None)
        async with one_client(clients) as client:
            clients.abort(frozen_only=True)
            clients.hand_out([Send(1, b"still here")])
            assert "still here" == await client.recv()
            clients.hand_out([Freeze(1)])
            await clients.wait_emptied()
            clients.abort(frozen_only=True)
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(run())
