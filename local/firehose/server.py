"""
Firehose's HTTP protocol (JSON 1.1) on loopback, so that boto3 and any other Firehose client can be pointed here.

Laws: binds 127.0.0.1 only unless told otherwise; signatures are NOT verified, so it must never face a network; an answer goes out only
after the core has the records. `snapshot` may be called from any thread.
Refuses to know: what the calls mean (service), how streams work (engine).
Source: Smithy, "AWS JSON 1.1 protocol"; Amazon Data Firehose API reference, "Common Errors".
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import orjson
from aiohttp import web

from local.firehose.clock import Clock, SystemClock
from local.firehose.conversion import convert_records
from local.firehose.errors import CallRefused
from local.firehose.guesses import Guesses
from local.firehose.runner import Hands, StreamBroken
from local.firehose.service import FirehoseService

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.firehose.config import LambdaConfig, StreamConfig
    from local.firehose.counters import EngineSnapshot
    from local.firehose.effects import Answered, Invoke
    from local.firehose.store import Store

_TARGET = "Firehose_20150804."
_CONTENT_TYPE = "application/x-amz-json-1.1"
_BODY_LIMIT_BYTES = 16 * 1_048_576  # above 4 MiB of records in base64, and any sane configuration


class Invoker(Protocol):
    """Calls the transform; `prepare` fails early if it never could."""

    def __call__(self, invoke: Invoke) -> Answered:
        """One invocation's outcome."""
        ...

    def prepare(self, transform: LambdaConfig) -> None:
        """Make ready, or raise."""
        ...


class FirehoseServer:
    """
    Delivery streams behind an endpoint.

    Caller must await `start` before use and `stop` at the end; `stop(flush=True)` delivers everything that is buffered.
    """

    def __init__(
        self,
        *,
        streams: Sequence[StreamConfig],
        store: Store,
        invoker: Invoker,
        clock: Clock | None = None,
        seed: int = 0,
        guesses: Guesses | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._configs = tuple(streams)
        self._invoker = invoker
        self._host = host
        hands = Hands(
            invoke=invoker, convert=lambda convert: convert_records(convert.bodies, convert.conversion), store=store
        )
        account = streams[0].account if streams else "000000000000"
        self.service = FirehoseService(
            hands=hands,
            clock=clock or SystemClock(),
            random=Random(seed),  # noqa: S311 -- names and back-off, no secrets
            guesses=guesses or Guesses(),
            account=account,
        )
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """
        Serve, and answer the endpoint's URL; port 0 picks a free one.

        Raises: HandlerMissing if a stream's transform cannot be called; OSError if the port is taken.
        """
        for config in self._configs:
            if config.transform is not None:
                self._invoker.prepare(config.transform)
            self.service.host(config)
        app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, port).start()
        host, bound = self._runner.addresses[0][:2]
        return f"http://{host}:{bound}"

    async def stop(self, *, flush: bool = True) -> Mapping[str, EngineSnapshot]:
        """Stop serving, then stop the streams; the last snapshot of each."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        return await asyncio.to_thread(lambda: self.service.stop(flush=flush))

    def snapshot(self, stream: str) -> EngineSnapshot:
        """One stream's books now; from any thread. Raises: KeyError."""
        return self.service.snapshot(stream)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            operation = _operation(request.headers.get("X-Amz-Target", ""))
            return _respond(200, self.service.call(operation, _decode(await request.read())))
        except CallRefused as refused:
            return _respond(refused.http_status, {"__type": refused.code, "message": refused.message, **refused.fields})
        except StreamBroken as broken:
            return _respond(500, {"__type": "InternalFailure", "message": str(broken)})


def _operation(target: str) -> str:
    if not target.startswith(_TARGET):
        raise CallRefused("UnknownOperationException", "X-Amz-Target names no operation of Firehose.")
    return target.removeprefix(_TARGET)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        tree = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise CallRefused("SerializationException", f"the request is not JSON ({error})") from error
    if not isinstance(tree, dict):
        raise CallRefused("SerializationException", "the request is no JSON object")
    return tree


def _respond(http_status: int, tree: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=http_status,
        body=orjson.dumps(tree),
        headers={"Content-Type": _CONTENT_TYPE, "x-amzn-RequestId": str(uuid4())},
    )
