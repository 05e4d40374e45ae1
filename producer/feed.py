"""
The websocket: connect, subscribe, read, and come back for ever.

Laws: the only `import websockets`; the reader does nothing between two frames but hand the first to the intake, which
journals it; a connection that ends in any way, clean or not, is opened again after a wait of full jitter; TLS is verified.
The receive queue is bounded: when the disk cannot keep up, the socket is read no faster, and memory does not grow.
Refuses to know: what a ticker says, and delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from producer.errors import FeedLost, FeedRefused
from producer.exchange import CHANNELS, ExchangeError, Heartbeat, Subscriptions, Ticker, encode_subscribe

if TYPE_CHECKING:
    import random
    import ssl

    from producer.intake import Intake
    from producer.ledger import Ledger
    from producer.settings import Settings

from producer.pacing import Backoff

log = logging.getLogger(__name__)

# Frames in the library's queue before reading from the socket pauses, and where it goes on. A ticker is 400 bytes.
QUEUE_FRAMES: Final = (2048, 512)
# Far beyond any ticker (a level2 snapshot is 5 MB, and is not subscribed); larger ones close the connection with 1009.
MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
# Coinbase allows 8 connections a second per address and closes all after each of its deploys: up to a minute apart, jittered.
RECONNECT_BASE_S: Final = 1.0
RECONNECT_CAP_S: Final = 60.0
RECONNECT_FLOOR_S: Final = 0.2
# A connection that lived this long was a good one: the next wait starts small again.
GOOD_CONNECTION_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 5.0

State = Literal["connecting", "live", "waiting", "stopped"]


@dataclass(slots=True)
class FeedStatus:
    """Where the feed stands, for a person and for health checks. Clock: time.monotonic()."""

    state: State = "connecting"
    why: str = ""
    last_frame_at: float | None = None


class Feed:
    """One websocket connection after another, until stopped."""

    def __init__(
        self,
        settings: Settings,
        *,
        intake: Intake,
        ledger: Ledger,
        rng: random.Random,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.status = FeedStatus()
        self._settings = settings
        self._intake = intake
        self._ledger = ledger
        self._backoff = Backoff(rng, base_s=RECONNECT_BASE_S, cap_s=RECONNECT_CAP_S, floor_s=RECONNECT_FLOOR_S)
        self._tls = tls
        self._connection: ClientConnection | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep the feed alive; returns after `stop`, when everything received has been taken in."""
        while not self._stopping.is_set():
            opened_at = time.monotonic()
            try:
                await self._live_once()
            except (FeedLost, FeedRefused) as lost:
                if not self._stopping.is_set():
                    await self._wait_after(lost, lived_s=time.monotonic() - opened_at)
        self.status.state = "stopped"

    async def stop(self) -> None:
        """Close the connection; frames received until then are still taken in by `run`."""
        self._stopping.set()
        if self._connection is not None:
            await self._connection.close()

    async def _wait_after(self, lost: FeedLost | FeedRefused, *, lived_s: float) -> None:
        if lived_s > GOOD_CONNECTION_S:
            self._backoff.reset()
        wait_s = self._backoff.next_wait_s()
        stalled = isinstance(lost, FeedLost) and lost.code is None and lost.why.startswith("no frame")
        self._ledger.reconnects[lost.why if isinstance(lost, FeedLost) else "refused"] += 1
        self._intake.interrupted("stalled" if stalled else "disconnected")
        self.status.state, self.status.why = "waiting", str(lost)
        log.warning("%s Next try in %.1f s.", lost, wait_s)
        with contextlib.suppress(TimeoutError):  # the wait is over
            await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _live_once(self) -> None:
        """One connection, from opening to its end. Raises: FeedLost, FeedRefused."""
        url = self._settings.ws_url
        self.status.state = "connecting"
        try:
            async with self._connect() as connection:
                self._connection = connection
                self._ledger.connections += 1
                if self._stopping.is_set():
                    return
                await connection.send(encode_subscribe(self._settings.products), text=True)
                self.status.last_frame_at = time.monotonic()
                watchdog = asyncio.create_task(self._watch(connection))
                try:
                    await self._read(connection)
                finally:
                    watchdog.cancel()
        except websockets.exceptions.ConnectionClosed as closed:
            if self._silent_for_s() >= self._settings.stall_s:
                raise FeedLost(url=url, why=f"no frame for {self._settings.stall_s:g} s") from closed
            received = closed.rcvd
            raise FeedLost(
                url=url,
                why="the exchange closed the connection" if received else "the connection broke",
                code=received.code if received else None,
            ) from closed
        except (OSError, TimeoutError, websockets.exceptions.InvalidHandshake) as failed:
            raise FeedLost(url=url, why=f"it could not be opened ({type(failed).__name__}: {failed})") from failed
        finally:
            self._connection = None

    def _connect(self) -> connect:
        url = urlsplit(self._settings.ws_url)
        loopback = url.hostname in {"127.0.0.1", "::1", "localhost"}
        return connect(
            self._settings.ws_url,
            # Connection
            ssl=self._tls if url.scheme == "wss" else None,
            proxy=None if loopback else True,
            # Time-outs
            open_timeout=self._settings.connect_timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            # Limits
            max_size=MAX_MESSAGE_BYTES,
            max_queue=QUEUE_FRAMES,
            # Coinbase supports and recommends it; on loopback it is only work.
            compression=None if loopback else "deflate",
            user_agent_header="ticklake",
        )

    async def _read(self, connection: ClientConnection) -> None:
        take = self._intake.take
        recv = connection.recv
        status = self.status
        while True:
            raw = await recv(decode=False)
            message = take(raw, time.time_ns() // 1000)
            status.last_frame_at = time.monotonic()
            if type(message) is not Ticker and type(message) is not Heartbeat:
                self._heed(message)

    def _heed(self, message: object) -> None:
        if isinstance(message, ExchangeError):
            raise FeedRefused(url=self._settings.ws_url, message=message.message, reason=message.reason)
        if isinstance(message, Subscriptions):
            self.status.state, self.status.why = "live", ""
            asked = {(channel, product) for channel in CHANNELS for product in self._settings.products}
            if missing := asked - message.pairs:
                log.warning("the exchange did not subscribe us to %s", sorted(missing))

    async def _watch(self, connection: ClientConnection) -> None:
        """Abort a connection on which nothing comes: heartbeats do, once a second, on every living one."""
        while self._silent_for_s() < self._settings.stall_s:  # noqa: ASYNC110 - it waits for time, not for an event
            await asyncio.sleep(min(1.0, self._settings.stall_s / 4))
        connection.transport.abort()  # a close handshake would wait for the silent peer

    def _silent_for_s(self) -> float:
        last = self.status.last_frame_at
        return 0.0 if last is None else time.monotonic() - last


async def why_unreachable(url: str, *, timeout_s: float, tls: ssl.SSLContext | None) -> str | None:
    """None if a websocket opens at `url` within timeout_s, else why not, in a few words."""
    try:
        async with asyncio.timeout(timeout_s), connect(url, ssl=tls, open_timeout=None, close_timeout=1):
            return None
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, websockets.exceptions.WebSocketException) as failed:
        return f"{type(failed).__name__}: {failed}"
