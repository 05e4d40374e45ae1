"""
The simulated exchange on real sockets: a websocket and a REST server on loopback over the pure core.

Laws: every decision is the core's; here clocks are read, bytes are sent, and nothing else. Frames go out as they are,
as text frames, also where they are no UTF-8. At full speed the stream goes as fast as the slowest client takes it.
Clock: the machine's, taken once and carried on by the monotonic one, so a stepped clock steps nothing here.
Refuses to know: what frames mean, how a client is written to (clients.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from local.exchange.actions import Accepted, Close, Refused
from local.exchange.catalogue import CATALOGUE
from local.exchange.clients import SLOW_CONSUMER_FRAMES, Clients
from local.exchange.core import Exchange
from local.exchange.errors import ExchangeError, ExchangeFailed, ExchangeSettingsWrong
from local.exchange.market import LastTrade, Market
from local.exchange.settings import Settings
from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from websockets.http11 import Request, Response

    from local.exchange.faults import Fault
    from local.exchange.history import HoleTrades
    from local.exchange.keys import KnownKey
    from local.exchange.recording import Recording
    from local.exchange.truth import Truth

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
BATCH_TICKS: Final = 512  # at full speed: how many frames are made before the clients' buffers are looked at again
# A client that takes a backlog must find the goodbye behind it, so it gets long; whoever stops the server waits less.
CLOSE_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 5.0
# The lightest setting that is still deflate: Coinbase's level cannot be chosen either, and loopback saves nothing by it.
DEFLATE: Final = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"level": 1, "memLevel": 5}
)


def monotonic_clock() -> Callable[[], int]:
    """A clock in microseconds since 1970 that never steps."""
    offset_us = time.time_ns() // 1000 - time.monotonic_ns() // 1000
    return lambda: offset_us + time.monotonic_ns() // 1000


class ExchangeServer:
    """
    A simulated Coinbase Exchange on loopback.

    Shapes: `feed` None generates a market of `products` (None: the whole catalogue); a `Recording` is replayed. Port 0
    takes any free one. `tls` serves wss and https. `deflate` grants permessage-deflate
    to clients that ask for it (as Coinbase does); False spares both sides the work. Signed messages are held against `known_key`.
    Units: `speed` times a recording's own pace, None as fast as it is taken; a generated market becomes `speed` times as
    busy and keeps real time. It goes on from the trades `after`, by product, so that another run may follow one.
    Caller must: run start, stop and everything asynchronous in one event loop. `truth()`, `finished`, `failure` and the
    URLs may be read from any thread.
    """

    def __init__(
        self,
        feed: Recording | None = None,
        *,
        products: Collection[str] | None = None,
        seed: int = 0,
        speed: float | None = 1.0,
        start_after: Collection[str] = (),
        hole_trades: HoleTrades = "none",
        oddities: bool = False,
        host: str = HOST,
        port: int = 0,
        rest_port: int = 0,
        tls: ssl.SSLContext | None = None,
        deflate: bool = True,
        limits: bool = True,
        faults: Sequence[Fault] = (),
        known_key: KnownKey | None = None,
        after: Mapping[str, LastTrade] = MappingProxyType({}),
        clock: Callable[[], int] | None = None,
    ) -> None:
        if feed is None and speed is None:
            problem = "a generated market cannot run at full speed: it has no end"
            raise ExchangeSettingsWrong(problem, "give a number, which makes it that many times as busy")
        self.ws_url = ""
        self.rest_url = ""
        self.finished = threading.Event()  # the recording was sent to its end and every client said goodbye
        self.failure: ExchangeError | None = None  # why it finished early
        self._feed, self._products, self._after = feed, products, after
        self._settings = Settings(
            seed=seed,
            speed=speed,
            start_after=frozenset(start_after),
            hole_trades=hole_trades,
            oddities=oddities,
            limits=limits,
            faults=tuple(faults),
            known_key=known_key,
        )
        self._host, self._port, self._rest_port, self._tls = host, port, rest_port, tls
        self._deflate = deflate
        self._clock = clock or monotonic_clock()
        self._lock = threading.Lock()  # the core is stepped by one thread and its truth read by any
        most_frames = None if speed is None else SLOW_CONSUMER_FRAMES
        self._clients = Clients(drop=self._disconnect, most_frames=most_frames)
        self._exchange: Exchange | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def exchange(self) -> Exchange:
        """The core; only for the thread that runs the loop."""
        if self._exchange is None:
            raise ExchangeSettingsWrong("the exchange was not started", "await start() first")
        return self._exchange

    def truth(self) -> Truth:
        """A copy of what happened so far; from any thread."""
        with self._lock:
            return self.exchange.truth.copy()

    # Start and stop

    async def start(self) -> None:
        """
        Open both servers; a recording is read through once, to know its products.

        Raises: RecordingUnreadable, ExchangeSettingsWrong; OSError if a port is taken.
        """
        self._exchange = await asyncio.to_thread(self._open_exchange)
        self._changed = asyncio.Event()
        # Weak: a client may vanish between the answer and the handshake's end.
        self._accepted: WeakKeyDictionary[ServerConnection, Accepted] = WeakKeyDictionary()
        self._ended = asyncio.Event()
        self._farewell: asyncio.Task[None] | None = None
        secure = "s" if self._tls else ""
        self._websocket: Server = await serve(
            self._serve_client,
            self._host,
            self._port,
            ssl=self._tls,
            process_request=self._upgrade,
            ping_interval=None,  # Coinbase sends no pings; it answers the client's
            close_timeout=CLOSE_WITHIN_S,
            compression=None,
            extensions=[DEFLATE] if self._deflate else None,
            max_size=2**20,
        )
        self.ws_url = f"ws{secure}://{self._host}:{_port_of(self._websocket.sockets)}"
        try:
            await self._start_rest(secure)
        except OSError:
            self._websocket.close()
            await self._websocket.wait_closed()
            await self._rest.cleanup()
            raise
        self._pump_task = asyncio.create_task(self._pump(), name="simulated exchange")

    def _open_exchange(self) -> Exchange:
        now_us = self._clock()
        if self._feed is not None:
            return Exchange(self._feed, self._settings, now_us=now_us)
        speed = self._settings.speed or 1.0
        products = tuple(CATALOGUE if self._products is None else self._products)
        seed, after = self._settings.seed, self._after
        market = Market(seed=seed, start_us=now_us, busy=speed, product_ids=products, after=after)
        return Exchange(market, self._settings, now_us=now_us)

    async def _start_rest(self, secure: str) -> None:
        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", self._serve_rest)
        self._rest = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._rest.setup()
        site = web.TCPSite(self._rest, self._host, self._rest_port, ssl_context=self._tls)
        await site.start()
        port = self._rest.addresses[0][1]
        self.rest_url = f"http{secure}://{self._host}:{port}"

    async def stop(self) -> None:
        """Close everything, clients with 1001 (those that do not answer in time without); safe to call twice."""
        if self._exchange is None or not self._websocket.is_serving():
            return
        for task in filter(None, (self._pump_task, self._farewell)):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._websocket.close()
        self._clients.abort(frozen_only=True)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._websocket.wait_closed()
        except TimeoutError:
            self._clients.abort()
            await self._websocket.wait_closed()
        await self._rest.cleanup()

    async def wait_finished(self) -> None:
        """Return when a recording was sent to its end and every client's closing handshake is done."""
        await self._ended.wait()

    # The websocket

    async def _upgrade(self, socket: ServerConnection, _request: Request) -> Response | None:
        """Accept or refuse a connection, as late as the core says."""
        with self._lock:
            answer = self.exchange.connect(self._clock())
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if isinstance(answer, Refused):
            return socket.respond(HTTPStatus(answer.status), HTTPStatus(answer.status).phrase)
        self._accepted[socket] = answer
        return None

    async def _serve_client(self, socket: ServerConnection) -> None:
        connection = self._accepted.pop(socket).connection
        try:
            async with self._clients.writing(connection, socket):
                await self._read(connection, socket)
        finally:
            self._changed.set()

    async def _read(self, connection: int, socket: ServerConnection) -> None:
        """Answer what a client says until it goes."""
        self._changed.set()
        try:
            async for message in socket:
                with self._lock:
                    actions = self.exchange.receive(connection, message, self._clock())
                self._clients.hand_out(actions)
                self._changed.set()
        except ConnectionClosed:
            pass  # a client may go without a word
        finally:
            self._disconnect(connection)

    def _disconnect(self, connection: int) -> None:
        with self._lock:
            self.exchange.disconnect(connection)

    # The stream

    async def _pump(self) -> None:
        """Step the core whenever something falls due, until a recording ends; then only for heartbeats."""
        try:
            while True:
                with self._lock:
                    actions = self.exchange.step(self._clock(), tick_limit=BATCH_TICKS)
                    due_us = self.exchange.next_due_us()
                self._clients.hand_out(actions)
                if self.exchange.ended and self._farewell is None:
                    closing = [action for action in actions if isinstance(action, Close)]
                    self._farewell = asyncio.create_task(self._finish(closing))  # who comes now is served meanwhile
                if self._settings.speed is None:
                    await self._clients.wait_emptied()
                await self._sleep_until(due_us)
        except ExchangeError as failure:
            await self._break_off(failure)
        except Exception as fault:  # noqa: BLE001 - whatever it is, clients must not wait for ever for what will not come
            await self._break_off(ExchangeFailed(repr(fault)))

    async def _sleep_until(self, due_us: int | None) -> None:
        """Wait for an instant or for a client to change something; give other tasks a turn in any case."""
        wait_s = None if due_us is None else (due_us - self._clock()) / SECOND_US
        if wait_s is not None and wait_s <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        self._changed.clear()

    async def _finish(self, closing: list[Close]) -> None:
        """Wait until every client that was told goodbye has said it too."""
        await self._clients.wait_closed([action.connection for action in closing])
        self.finished.set()
        self._ended.set()

    async def _break_off(self, failure: ExchangeError) -> None:
        log.error("The simulated exchange stops: %s", failure)
        self.failure = failure
        self._clients.close_all(1011, "the exchange cannot go on")
        await self._clients.wait_closed()
        self.finished.set()
        self._ended.set()

    # REST

    async def _serve_rest(self, request: web.Request) -> web.Response:
        with self._lock:
            answer = self.exchange.rest(request.path, request.query, self._clock())
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )


def _port_of(sockets: Collection[object]) -> int:
    port: int = next(iter(sockets)).getsockname()[1]  # type: ignore[attr-defined]
    return port
