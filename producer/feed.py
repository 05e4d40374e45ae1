"""
The websocket: connect, subscribe, read, and come back for ever.

Laws: the only `import websockets`; the reader does nothing between two frames but hand the first to its channel, which journals it; a
connection that ends in any way, clean or not, is opened again after a wait of full jitter; TLS is verified. The receive queue is
bounded: when the disk cannot keep up, the socket is read no faster, and memory does not grow.
Refuses to know: what a ticker says, REST, and delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from producer.errors import FeedLost, FeedRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer.ingest import Channel
    from producer.link import Link
    from producer.settings import Settings

log = logging.getLogger(__name__)

# Frames in the library's queue before reading from the socket pauses, and where it goes on. A ticker is 400 bytes.
QUEUE_FRAMES: Final = (2048, 512)
# Far beyond any ticker (a level2 snapshot is 5 MB, and is not subscribed); larger ones close the connection with 1009.
MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
CLOSE_TIMEOUT_S: Final = 5.0
# One frame that takes longer than this to journal: the disk does not keep up, and what the exchange drops is our fault.
SLOW_DISK_S: Final = 1.0
# At DEBUG the library would log every frame it sends, an API key among them: its logger never goes there.
_WIRE_LOG: Final = logging.getLogger(f"{__name__}.websocket")
_WIRE_LOG.setLevel(logging.INFO)


class Feed:
    """One link's websocket connections, one after another, until stopped."""

    def __init__(self, settings: Settings, *, link: Link, channel: Channel, tls: ssl.SSLContext | None = None) -> None:
        self.link = link
        self._settings = settings
        self._channel = channel
        self._tls = tls
        self._connection: ClientConnection | None = None
        self._stopping = asyncio.Event()
        self._verdict: str | None = None

    async def run(self) -> None:
        """Keep the feed alive; returns after `stop`, when everything received has been taken in."""
        while not self._stopping.is_set():
            wait_s = self.link.wait_s(time.monotonic())
            if wait_s > 0:
                await self._sleep(wait_s)
                continue
            try:
                await self._live_once()
            except (FeedLost, FeedRefused) as lost:
                if not self._stopping.is_set():
                    log.warning("%s Next try in %.1f s.", lost, self.link.lost(lost, time.monotonic()))

    async def stop(self) -> None:
        """Close the connection; frames received until then are still taken in by `run`."""
        self._stopping.set()
        if self._connection is not None:
            await self._connection.close()

    async def _sleep(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):  # the wait is over
            await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _live_once(self) -> None:
        """One connection, from opening to its end. Raises: FeedLost, FeedRefused."""
        url, self._verdict = self._settings.ws_url, None
        try:
            async with self._connect() as connection:
                self._connection = connection
                await self._serve(connection)
        except websockets.exceptions.ConnectionClosed as closed:
            raise self._lost(closed) from closed
        except (OSError, TimeoutError, websockets.exceptions.WebSocketException) as failed:
            why = f"it could not be opened ({type(failed).__name__}: {failed})"
            raise FeedLost(url=url, why=why) from failed
        finally:
            self._connection = None

    async def _serve(self, connection: ClientConnection) -> None:
        if self._stopping.is_set():
            return
        await _send_all(connection, self.link.opened(time.monotonic(), time.time_ns() // 1000))
        watchdog = asyncio.create_task(self._watch(connection))
        try:
            await self._read(connection)
        finally:
            watchdog.cancel()

    def _lost(self, closed: websockets.exceptions.ConnectionClosed) -> FeedLost:
        url = self._settings.ws_url
        if self._verdict is not None:
            return FeedLost(url=url, why=self._verdict)
        if closed.rcvd is not None:
            return FeedLost(url=url, why="the exchange closed the connection", code=closed.rcvd.code)
        return FeedLost(url=url, why="the connection broke")

    def _connect(self) -> connect:
        url = urlsplit(self._settings.ws_url)
        loopback = url.hostname in {"127.0.0.1", "::1", "localhost"}
        return connect(
            self._settings.ws_url,
            # Connection
            ssl=(self._tls or ssl.create_default_context()) if url.scheme == "wss" else None,
            proxy=None if loopback else True,
            # Time-outs; pings find a half-open connection that heartbeats do not
            open_timeout=self._settings.connect_timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=20,
            ping_timeout=20,
            # Limits
            max_size=MAX_MESSAGE_BYTES,
            max_queue=QUEUE_FRAMES,
            # Coinbase supports and recommends it; on loopback it is only work.
            compression=None if loopback else "deflate",
            user_agent_header="ticklake",
            logger=_WIRE_LOG,
        )

    async def _read(self, connection: ClientConnection) -> None:
        take, recv, clock = self.link.frame, connection.recv, time.monotonic
        while True:
            raw = await recv(decode=False)
            began = clock()
            replies = take(raw, time.time_ns() // 1000, began)
            if replies:
                await _send_all(connection, replies)
            if clock() - began > SLOW_DISK_S:
                self._channel.fell_behind()

    async def _watch(self, connection: ClientConnection) -> None:
        """Abort a connection that the link calls dead."""
        while self._verdict is None:
            await asyncio.sleep(min(1.0, self._settings.stall_s / 4))
            now = time.monotonic()
            self._verdict = self.link.verdict(now)
            await _send_all(connection, self.link.remind(time.time_ns() // 1000, now))
        connection.transport.abort()  # a close handshake would wait for the silent peer


async def _send_all(connection: ClientConnection, messages: Sequence[bytes]) -> None:
    """Send subscribe messages, no faster than Coinbase takes them (10 a second, with bursts)."""
    for message in messages:
        await connection.send(message, text=True)
        await asyncio.sleep(0.1 if len(messages) > 1 else 0)


async def why_unreachable(url: str, *, timeout_s: float, tls: ssl.SSLContext | None) -> str | None:
    """None if a websocket opens at `url` within timeout_s, else why not, in a few words."""
    try:
        async with asyncio.timeout(timeout_s), connect(url, ssl=tls, open_timeout=None, close_timeout=1):
            return None
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, websockets.exceptions.WebSocketException) as failed:
        return f"{type(failed).__name__}: {failed}"
