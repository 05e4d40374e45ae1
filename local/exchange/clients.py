"""
The websockets that are open, and what still has to go out on each.

Laws: actions on one connection are obeyed in the order they were given; one client is never waited for by another; whoever falls too far behind is
told, let go, and sent nothing more.
Refuses to know: what a frame means, who is to get it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from websockets.exceptions import ConnectionClosed

from local.exchange.actions import Action, Close, Freeze, Send, Thaw
from local.exchange.core import POLICY_VIOLATION
from local.exchange.frames import encode_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from websockets.asyncio.server import ServerConnection

SLOW_CONSUMER_FRAMES: Final = 100_000  # guess: Coinbase says that a backlog ends in ErrSlowConsume, not how long


@dataclass(slots=True, eq=False)
class _Client:
    """One websocket and what still has to go out on it."""

    socket: ServerConnection
    outbox: deque[Action] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    emptied: asyncio.Event = field(default_factory=asyncio.Event)
    frozen: bool = False


class Clients:
    """
    Every open websocket, by its connection's number; for one event loop.

    `drop` is told of a connection that was given up for having more than `most_frames` before it; None: everybody is waited for instead.
    """

    def __init__(self, *, drop: Callable[[int], None], most_frames: int | None) -> None:
        self._clients: dict[int, _Client] = {}
        self._drop, self._most_frames = drop, most_frames

    @contextlib.asynccontextmanager
    async def writing(self, connection: int, socket: ServerConnection) -> AsyncIterator[None]:
        """A socket that is written to, for as long as it is served."""
        client = self._clients[connection] = _Client(socket)
        writer = asyncio.create_task(_write(client))
        try:
            yield
        finally:
            self._clients.pop(connection, None)
            client.emptied.set()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    def hand_out(self, actions: Iterable[Action]) -> None:
        """To each connection what is to be done with it; what is for one that is gone goes nowhere."""
        for action in actions:
            client = self._clients.get(action.connection)
            if client is not None:
                if self._most_frames is not None and len(client.outbox) >= self._most_frames:
                    self._give_up(action.connection, client)
                client.outbox.append(action)
                client.emptied.clear()
                client.filled.set()

    def _give_up(self, connection: int, client: _Client) -> None:
        """Tell a client that does not keep up, and let it go; what it had not taken is not sent."""
        client.outbox.clear()
        client.outbox.append(Send(connection, encode_error("ErrSlowConsume", "client is too slow")))  # guess
        client.outbox.append(Close(connection, POLICY_VIOLATION, "ErrSlowConsume"))
        self._drop(connection)

    def close_all(self, code: int, reason: str) -> None:
        """Tell everybody goodbye, after what they still have to get."""
        self.hand_out([Close(connection, code, reason) for connection in self._clients])

    def abort(self, *, frozen_only: bool = False) -> None:
        """Break off connections without a word: all, or those that are not read from and would never answer."""
        for client in list(self._clients.values()):
            if client.frozen or not frozen_only:
                client.socket.transport.abort()

    async def wait_emptied(self) -> None:
        """Return when everybody was sent everything."""
        for client in list(self._clients.values()):
            await client.emptied.wait()

    async def wait_closed(self, connections: Iterable[int] | None = None) -> None:
        """Return when the closing handshakes of these, or of all, are done."""
        chosen = self._clients if connections is None else connections
        sockets = [client.socket for each in chosen if (client := self._clients.get(each))]
        await asyncio.gather(*(socket.wait_closed() for socket in sockets))


async def _write(client: _Client) -> None:
    """Send what the outbox holds, in order, for as long as the connection lives."""
    outbox = client.outbox
    while True:
        while outbox:
            action = outbox.popleft()
            try:
                await _act(client, action)
            except ConnectionClosed:
                outbox.clear()  # the core forgets this connection as soon as its reader ends
        client.filled.clear()
        client.emptied.set()
        await client.filled.wait()


async def _act(client: _Client, action: Action) -> None:
    """Do one thing to one client."""
    socket = client.socket
    match action:
        case Send():
            await socket.send(action.frame, text=True)
        case Close(code=None):
            socket.transport.abort()
        case Close(code=int(code)):
            await socket.close(code, action.reason)
        case Freeze():
            client.frozen = True
            socket.transport.pause_reading()
        case Thaw():
            client.frozen = False
            socket.transport.resume_reading()
