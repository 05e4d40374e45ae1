"""
`/healthz` on loopback: healthy, idle or wedged, as JSON; 503 for wedged only, so that an orchestrator restarts nothing that is merely quiet.

Laws: `judge` is pure; the server answers on the producer's own event loop, so that a loop that is stuck does not answer, which is
the truth; one request a connection, GET only, a small fixed head within a time-out, and nothing of it is ever sent back.
Refuses to know: how the facts are come by, and metrics (CloudWatch has those).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["healthy", "idle", "wedged"]
# How long something may be wrong before it counts: a reconnect takes up to a minute after a deploy of Coinbase's.
UNWATCHED_MAX_S: Final = 120.0
UNJOURNALED_MAX_S: Final = 60.0
# Firehose throttles for seconds and deploys for minutes; a journal that nothing has left for this long needs a person.
UNDELIVERED_MAX_S: Final = 900.0
# Longer without a trade than any recorded silence of a busy product (23 s).
IDLE_AFTER_S: Final = 60.0

HEAD_MAX_BYTES: Final = 4096
HEAD_TIMEOUT_S: Final = 5.0
CONNECTIONS_MAX: Final = 16
_STATUS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """
    What is known of a running producer. Units: seconds ago, by a monotonic clock; None where it never happened.

    `unwatched_s`: how long neither the websocket was live nor REST answered, 0 while one does. `tick_s`: the last ticker came.
    `line_s`: the last line of any kind was journaled. `oldest_pending_s`: age of the oldest line not delivered, None if there is none.
    `delivered_s`: delivery last settled a line, or began. `uptime_s`: the producer started.
    """

    uptime_s: float
    connected: bool
    fallback: bool
    unwatched_s: float
    heartbeat_s: float | None
    tick_s: float | None
    line_s: float | None
    oldest_pending_s: float | None
    delivered_s: float


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A judgement, the sentence behind it, and what it rests on."""

    state: State
    why: str
    facts: dict[str, Any]


def judge(facts: HealthFacts) -> HealthReport:
    """
    Healthy, idle, or wedged.

    Idle: connected, heartbeats come, and no trades because none happen. Wedged: nobody watches, or nothing comes that should, or
    ticks come and no line is journaled, or lines age while delivery settles none.
    """
    why = _why_wedged(facts)
    if why is not None:
        return HealthReport("wedged", why, asdict(facts))
    if facts.tick_s is None or facts.tick_s > IDLE_AFTER_S:
        return HealthReport("idle", "on watch, and no trade came for a while", asdict(facts))
    return HealthReport("healthy", "on watch, and trades come", asdict(facts))


def _why_wedged(facts: HealthFacts) -> str | None:
    if not (facts.connected or facts.fallback) and facts.unwatched_s > UNWATCHED_MAX_S:
        return f"neither the websocket nor REST could be had for {facts.unwatched_s:.0f} s"
    heard_s = min(_age(facts.heartbeat_s), _age(facts.tick_s), facts.uptime_s)
    if facts.connected and not facts.fallback and heard_s > UNWATCHED_MAX_S:
        return f"connected, and neither heartbeats nor trades came for {heard_s:.0f} s"
    if facts.tick_s is not None and facts.tick_s <= UNJOURNALED_MAX_S and _age(facts.line_s) > UNJOURNALED_MAX_S:
        return "ticks come and no line is journaled: the disk is full or the journal at its bound"
    if _age(facts.oldest_pending_s, never=0.0) > UNDELIVERED_MAX_S and facts.delivered_s > UNDELIVERED_MAX_S:
        return f"the journal's oldest line is {facts.oldest_pending_s:.0f} s old and delivery settles none"
    return None


def _age(ago_s: float | None, *, never: float = float("inf")) -> float:
    return never if ago_s is None else ago_s


def encode_answer(head: bytes, report: Callable[[], HealthReport]) -> bytes:
    """The whole HTTP answer to a request's head."""
    parts = head.split(b"\r\n", 1)[0].split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):  # noqa: PLR2004 - method, target, version
        return _encode(400, {"error": "this is no HTTP/1 request"})
    method, target, _ = parts
    if target.split(b"?", 1)[0] != b"/healthz":
        return _encode(404, {"error": "there is only /healthz"})
    if method != b"GET":
        return _encode(405, {"error": "only GET"}, "Allow: GET\r\n")
    judged = report()
    return _encode(503 if judged.state == "wedged" else 200, asdict(judged))


def _encode(status: int, body: dict[str, Any], extra: str = "") -> bytes:
    text = orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
    return (
        f"HTTP/1.1 {status} {_STATUS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n{extra}\r\n"
    ).encode() + text


class HealthServer:
    """Serves /healthz on 127.0.0.1. Raises on `start`: OSError if the port is taken."""

    def __init__(
        self, report: Callable[[], HealthReport], *, port: int, head_timeout_s: float = HEAD_TIMEOUT_S
    ) -> None:
        self._report = report
        self._port = port
        self._head_timeout_s = head_timeout_s
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def port(self) -> int:
        """The port that is listened on; with port 0, the one the system chose at `start`."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else self._port

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=HEAD_MAX_BYTES)

    async def stop(self) -> None:
        """Listen no more, and leave nobody hanging."""
        if self._server is not None:
            self._server.close()
        for task, writer in self._open.items():
            task.cancel()
            writer.transport.abort()  # a task that has not begun yet would not
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="healthz")
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._head_timeout_s):
                writer.write(encode_answer(await _read_head(reader), self._report))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass  # whoever asked did not wait for, or did not take, the answer
        finally:
            writer.transport.abort()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """Up to the empty line; what is cut short or too long is no request, and answered as such."""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return await reader.readuntil(b"\r\n\r\n")
    return b""
