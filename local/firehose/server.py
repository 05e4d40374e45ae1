"""
Firehose's HTTP protocol (JSON 1.1) on loopback, so that boto3 and any other Firehose client can be pointed here.

Laws: binds 127.0.0.1 only unless told otherwise; signatures are NOT verified, so it must never face a network; an answer goes out only
after the core has the records. `snapshot` and `statistics` may be called from any thread.
Refuses to know: what the calls mean (service, control), how streams work (engine).
Source: Smithy, "AWS JSON 1.1 protocol"; "Common Errors" of the API references (of Data Firehose, and of newer services for HTTP's own errors).
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import orjson
from aiohttp import web

from local.firehose.clock import Clock, SystemClock
from local.firehose.control import StreamControl
from local.firehose.conversion import convert_records
from local.firehose.errors import CallRefused
from local.firehose.faults import Faults, FaultyInvoker, FaultyStore
from local.firehose.guesses import Guesses
from local.firehose.properties import Catalogue
from local.firehose.runner import Hands, StreamBroken
from local.firehose.service import FirehoseService
from local.firehose.shapes import fit_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.firehose.config import LambdaConfig, StreamConfig
    from local.firehose.counters import EngineSnapshot
    from local.firehose.effects import Answered, Invoke
    from local.firehose.metrics import Statistics
    from local.firehose.quota import QuotaLimits
    from local.firehose.store import Store

_TARGET: Final = "Firehose_20150804."
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_BODY_LIMIT_BYTES: Final = 16 * 1_048_576  # above 4 MiB of records in base64, and any sane configuration
_PUTS: Final = frozenset({"PutRecord", "PutRecordBatch"})


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

    `limits_of` gives each stream its Direct PUT quota (None: no quota); `faults` may be changed while it runs.
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
        faults: Faults | None = None,
        limits_of: Callable[[StreamConfig], QuotaLimits | None] = lambda _: None,
        catalogue: Catalogue | None = None,
        region: str = "us-east-1",
        account: str = "000000000000",
        host: str = "127.0.0.1",
    ) -> None:
        self._configs = tuple(streams)
        self._invoker = invoker
        self._host = host
        self.faults = faults or Faults(seed=seed)
        self.clock = clock or SystemClock()
        self.service = FirehoseService(
            hands=Hands(
                invoke=FaultyInvoker(invoker, self.faults, self.clock.pause),
                convert=lambda convert: convert_records(convert.bodies, convert.conversion),
                store=FaultyStore(store, self.faults),
            ),
            clock=self.clock,
            random=Random(seed),  # noqa: S311 -- names and back-off, no secrets
            guesses=guesses or Guesses(),
            faults=self.faults,
            limits_of=limits_of,
            account=streams[0].account if streams else account,
        )
        region = streams[0].region if streams else region
        control = StreamControl(self.service, catalogue or Catalogue(tables={}, functions={}), region=region)
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "CreateDeliveryStream": control.create,
            "DeleteDeliveryStream": control.delete,
            "DescribeDeliveryStream": control.describe,
            "ListDeliveryStreams": control.list_streams,
            "ListTagsForDeliveryStream": control.list_tags,
            "PutRecord": self.service.put_record,
            "PutRecordBatch": self.service.put_record_batch,
            "StartDeliveryStreamEncryption": control.start_encryption,
            "StopDeliveryStreamEncryption": control.stop_encryption,
            "TagDeliveryStream": control.tag,
            "UntagDeliveryStream": control.untag,
            "UpdateDestination": control.update,
        }
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """
        Serve, and answer the endpoint's URL; port 0 picks a free one.

        Raises: HandlerMissing if a stream's transform cannot be called; OSError if the port is taken.
        """
        for config in self._configs:
            if config.transform is not None:
                self._invoker.prepare(config.transform)
        app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, port).start()
        for config in self._configs:
            self.service.host(config)
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

    def statistics(self, stream: str, metric: str) -> tuple[Statistics, ...]:
        """One of AWS's metrics, a minute at a time; from any thread. Raises: KeyError."""
        return self.service.statistics(stream, metric)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            operation = _operation(request)
            tree = _decode(await _body_of(request))
            if operation in _PUTS:
                return await self._answer_put(request, operation, tree)
            return self._respond(operation, tree)
        except CallRefused as refused:
            return _response(
                refused.http_status, {"__type": refused.code, "message": refused.message, **refused.fields}
            )
        except StreamBroken as broken:
            return _response(500, {"__type": "InternalFailure", "message": str(broken)})

    async def _answer_put(self, request: web.Request, operation: str, tree: Mapping[str, Any]) -> web.StreamResponse:
        """A put, with the faults that only a connection can have."""
        if self.faults.strike("reset"):
            return _cut(request)
        slow = self.faults.strike("slow")
        if slow is not None:
            await asyncio.sleep(slow.seconds)
        lost = self.faults.strike("lost-answer")
        answer = self._respond(operation, tree)
        if lost is None:
            return answer
        await asyncio.sleep(lost.seconds)
        return _cut(request)

    def _respond(self, operation: str, tree: Mapping[str, Any]) -> web.Response:
        call = self._calls.get(operation)
        if call is None:
            raise CallRefused("UnknownOperationException", f"The operation {operation} is not served here.")
        return _response(200, call(tree if operation in _PUTS else fit_request(operation, tree)))


def _operation(request: web.Request) -> str:
    if request.method != "POST" or request.path != "/":
        message = f"{request.method} {request.path} is no call of Firehose: its protocol is POST /."
        raise CallRefused("UnknownOperationException", message, http_status=404)
    target = request.headers.get("X-Amz-Target", "")
    if not target.startswith(_TARGET):
        raise CallRefused("UnknownOperationException", "X-Amz-Target names no operation of Firehose.")
    return target.removeprefix(_TARGET)


async def _body_of(request: web.Request) -> bytes:
    """The body, without its Content-Encoding."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        message = f"the request is longer than {_BODY_LIMIT_BYTES} bytes"
        raise CallRefused("RequestEntityTooLargeException", message, http_status=413) from error
    except web.RequestPayloadError as error:
        raise CallRefused("MalformedHttpRequestException", f"the request's body cannot be read ({error})") from error


def _decode(body: bytes) -> dict[str, Any]:
    try:
        tree = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise CallRefused("SerializationException", f"the request is not JSON ({error})") from error
    if not isinstance(tree, dict):
        raise CallRefused("SerializationException", "the request is no JSON object")
    return tree


def _response(http_status: int, tree: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=http_status,
        body=orjson.dumps(tree),
        headers={"Content-Type": _CONTENT_TYPE, "x-amzn-RequestId": str(uuid4())},
    )


def _cut(request: web.Request) -> web.Response:
    """Cut the connection; the response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
