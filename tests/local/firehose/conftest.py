"""A stream on virtual time, with a transform and a store that a test writes by hand."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.firehose.clock import ManualClock
from local.firehose.config import MIB, BufferHints, LambdaConfig, S3Target, StreamConfig
from local.firehose.conversion import convert_records
from local.firehose.engine import StreamEngine
from local.firehose.errors import StoreFailed
from local.firehose.invoker import InProcessInvoker
from local.firehose.runner import Hands, run_until
from local.firehose.server import FirehoseServer
from local.firehose.store import MemoryStore, Store
from local.hosting import HostedLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_firehose.type_defs import PutRecordBatchOutputTypeDef

    from local.firehose.counters import EngineSnapshot
    from local.firehose.effects import Answered, Invoke
    from local.firehose.guesses import Guesses

NOON_MS = 1_795_435_200_000  # 2026-11-23T12:00:00Z
LAMBDA_ARN = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"
Event = dict[str, Any]


def plain_stream(**changes: Any) -> StreamConfig:
    """A stream without a transform: 1 MiB or 60 s, under data/, errors under errors/<type>/."""
    config = StreamConfig(
        name="s",
        arn="arn:aws:firehose:us-east-1:000000000000:deliverystream/s",
        target=S3Target(
            bucket="lake",
            prefix="data/!{timestamp:HH}/",
            error_prefix="errors/!{firehose:error-output-type}/",
            hints=BufferHints(MIB, 60),
        ),
    )
    return replace(config, **changes)


def transforming_stream(**changes: Any) -> StreamConfig:
    """The same with a transform: 1 MiB or 10 s, three retries."""
    transform = LambdaConfig(arn=LAMBDA_ARN, hints=BufferHints(MIB, 10), retries_count=3, function_name="f")
    return plain_stream(**({"transform": transform} | changes))


class FlakyStore(MemoryStore):
    """A store that is down while it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.tries = 0

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:
        self.tries += 1
        if self.is_down:
            raise StoreFailed(key=key, problem="down")
        super().put(bucket=bucket, key=key, body=body, content_encoding=content_encoding)


class Rig:
    """One stream, driven by hand: put, turn the clock, look at the objects."""

    def __init__(
        self,
        config: StreamConfig,
        *,
        handler: Callable[[Event], Any] | None = None,
        invoke: Callable[[Invoke], Answered] | None = None,
        guesses: Guesses | None = None,
        seed: int = 0,
    ) -> None:
        self.engine = StreamEngine(config, random=Random(seed), guesses=guesses)
        self.store = FlakyStore()
        self.now_ms = NOON_MS
        self.invocations: list[Invoke] = []
        self._invoke = invoke or InProcessInvoker({"f": lambda event, _: handler(event) if handler else None})
        self._hands = Hands(
            invoke=self._invoked,
            convert=lambda convert: convert_records(convert.bodies, convert.conversion),
            store=self.store,
        )

    def put(self, *records: bytes) -> Rig:
        """Accept records now."""
        self.engine.accept(records, self.now_ms)
        return self

    def turn(self, seconds: float) -> Rig:
        """Let time pass, doing what falls due."""
        self.now_ms = run_until(
            self.engine, self._hands, now_ms=self.now_ms, until_ms=self.now_ms + round(seconds * 1000)
        )
        return self

    def flush(self) -> Rig:
        """Deliver everything."""
        self.engine.flush()
        return self.turn(0)

    def objects(self, under: str = "") -> dict[str, bytes]:
        """The objects under a prefix, in the order of their keys."""
        return {key: body for key, body in sorted(self.store.objects.items()) if key.startswith(under)}

    def errors(self, output_type: str = "processing-failed") -> list[dict[str, Any]]:
        """The envelopes of one kind of error."""
        bodies = self.objects(f"errors/{output_type}/").values()
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def assert_balanced(self) -> None:
        """The books add up."""
        snapshot = self.engine.snapshot(self.now_ms)
        assert snapshot.is_balanced, snapshot

    def _invoked(self, invoke: Invoke) -> Answered:
        self.invocations.append(invoke)
        return self._invoke(invoke)


def answer_each(decide: Callable[[bytes], dict[str, Any]]) -> Callable[[Event], Any]:
    """A handler that answers each record by its decoded bytes; `data` is given as bytes."""

    def handler(event: Event) -> Any:
        return {"records": [_answer(record, decide(base64.b64decode(record["data"]))) for record in event["records"]]}

    return handler


def _answer(record: Event, decided: dict[str, Any]) -> Event:
    encoded = {"data": base64.b64encode(decided["data"]).decode()} if isinstance(decided.get("data"), bytes) else {}
    return {"recordId": record["recordId"], "result": "Ok", **decided, **encoded}


class Served:
    """A server on loopback with a boto3 client, a clock turned by hand and a store in memory; a context manager."""

    def __init__(
        self,
        *streams: StreamConfig,
        handler: Callable[[Event], Any] | None = None,
        store: Store | None = None,
        **options: Any,
    ) -> None:
        self.clock = ManualClock(NOON_MS)
        self.store = FlakyStore()
        self.server = FirehoseServer(
            streams=streams,
            store=store or self.store,
            invoker=InProcessInvoker({"f": lambda event, _: handler(event) if handler else None}),
            clock=self.clock,
            **options,
        )
        self._loop = HostedLoop("test-firehose")
        self.snapshots: Mapping[str, EngineSnapshot] = {}

    def __enter__(self) -> Self:
        self._loop.__enter__()
        self.url = self._loop.call(self.server.start())
        # One attempt: what the engine refuses, a test is to see.
        retries = Config(retries={"total_max_attempts": 1}, read_timeout=20)
        self.client = boto3.client(
            "firehose",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=retries,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()
        self._loop.__exit__()

    def stop(self, *, flush: bool = True) -> Mapping[str, EngineSnapshot]:
        """Stop the server once; the last snapshots."""
        if not self.snapshots:
            self.snapshots = self._loop.call(self.server.stop(flush=flush))
        return self.snapshots

    def put(self, *records: bytes, stream: str = "s") -> PutRecordBatchOutputTypeDef:
        """One PutRecordBatch."""
        return self.client.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": record} for record in records])

    def refusal(self, call: Callable[[], Any]) -> tuple[str, str, int]:
        """The code, the sentence and the HTTP status that a call is refused with."""
        with pytest.raises(ClientError) as refused:
            call()
        answer = refused.value.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def served() -> type[Served]:
    """The class of served streams; a test makes its own."""
    return Served


@pytest.fixture
def rig() -> type[Rig]:
    """The rig's class; a test makes its own with the stream it is about."""
    return Rig
