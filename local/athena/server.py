"""
Athena's HTTP protocol (JSON 1.1) on loopback, so that boto3 and any other Athena client can be pointed here; Glue's beside it.

Laws: binds 127.0.0.1 only unless told otherwise; signatures are NOT verified, so it must never face a network.
Refuses to know: what the calls mean (service).
Source: Smithy, "AWS JSON 1.1 protocol".
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from local.athena.errors import CallRefused
from local.athena.guesses import Guesses
from local.athena.service import AthenaService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TARGETS: Final = {"AmazonAthena": "athena", "AWSGlue": "glue"}
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"


def nothing(_text: str) -> None:
    """What is done before a statement runs, if nobody wants anything."""


class AthenaServer:
    """
    A lake's folder behind Athena's endpoint: one workgroup, one database; the folder stands for the bucket `bucket`.

    Caller must await `start` before use and `stop` at the end. `before`: see AthenaService.
    """

    def __init__(
        self,
        lake: Path,
        *,
        workgroup: str = "primary",
        database: str = "ticklake",
        bucket: str = "lake",
        guesses: Guesses | None = None,
        before: Callable[[str], None] = nothing,
        workers: int = 4,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        host: str = "127.0.0.1",
    ) -> None:
        self._host = host
        self.service = AthenaService(
            lake,
            workgroup=workgroup,
            database=database,
            bucket=bucket,
            guesses=guesses or Guesses(),
            before=before,
            workers=workers,
            now=now,
        )
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """
        Serve, and answer the endpoint's URL; port 0 picks a free one.

        Raises: OSError if the port is taken.
        """
        app = web.Application()
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, port).start()
        host, bound = self._runner.addresses[0][:2]
        return f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Stop serving, and whatever still runs."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await asyncio.to_thread(self.service.close)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            service, operation = _call(request.headers.get("X-Amz-Target", ""))
            return _response(200, self.service.answer(service, operation, _decode(await request.read())))
        except CallRefused as refused:
            code = {"AthenaErrorCode": refused.athena_code} if refused.athena_code else {}
            return _response(refused.http_status, {"__type": refused.code, "Message": refused.message, **code})


def _call(target: str) -> tuple[str, str]:
    service, _, operation = target.partition(".")
    if service not in _TARGETS:
        raise CallRefused("UnknownOperationException", "X-Amz-Target names no operation of Athena.")
    return _TARGETS[service], operation


def _decode(body: bytes) -> dict[str, Any]:
    try:
        tree = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise CallRefused("SerializationException", f"the request is not JSON ({error})") from error
    if not isinstance(tree, dict):
        raise CallRefused("SerializationException", "the request is no JSON object")
    return tree


def _response(http_status: int, tree: Mapping[str, Any]) -> web.Response:
    headers = {"Content-Type": _CONTENT_TYPE, "x-amzn-RequestId": str(uuid4())}
    return web.Response(status=http_status, body=orjson.dumps(tree), headers=headers)
