"""
Firehose's API over hosted streams: one method a call, trees in, trees out.

Laws: a record is answered for only after the core has it; what is refused is refused before any of it is taken.
Refuses to know: HTTP, signatures (they are not verified), JSON text.
Source: Amazon Data Firehose API reference.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pybase64

from local.firehose.describe import describe_stream
from local.firehose.engine import StreamEngine
from local.firehose.errors import CallRefused
from local.firehose.limits import check_batch, check_record
from local.firehose.runner import Hands, StreamRunner

if TYPE_CHECKING:
    from local.firehose.clock import Clock
    from local.firehose.config import StreamConfig
    from local.firehose.counters import EngineSnapshot
    from local.firehose.guesses import Guesses

Tree = Mapping[str, Any]
_LIST_LIMIT = 10  # ListDeliveryStreams: default


@dataclass(slots=True)
class HostedStream:
    """One stream that is being served."""

    config: StreamConfig
    runner: StreamRunner
    created_ms: int


class FirehoseService:
    """The streams and the calls on them."""

    def __init__(
        self, *, hands: Hands, clock: Clock, random: Random, guesses: Guesses, account: str = "000000000000"
    ) -> None:
        self._hands = hands
        self._clock = clock
        self._random = random
        self._guesses = guesses
        self._account = account
        self._streams: dict[str, HostedStream] = {}
        self._record_stem = "".join(
            random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=200)
        )
        self._records_made = 0
        self._calls: Mapping[str, Callable[[Tree], Tree]] = {
            "PutRecord": self._put_record,
            "PutRecordBatch": self._put_record_batch,
            "DescribeDeliveryStream": self._describe,
            "ListDeliveryStreams": self._list,
        }

    def host(self, config: StreamConfig) -> None:
        """Serve one more stream, from now on."""
        engine = StreamEngine(config, random=Random(self._random.getrandbits(64)), guesses=self._guesses)  # noqa: S311 -- a seed, not a secret
        runner = StreamRunner(engine, self._hands, self._clock)
        self._streams[config.name] = HostedStream(config=config, runner=runner, created_ms=self._clock.now_ms())
        runner.start()

    def call(self, operation: str, request: Tree) -> Tree:
        """
        The answer to one call.

        Raises: CallRefused with AWS's code; StreamBroken.
        """
        answer = self._calls.get(operation)
        if answer is None:
            raise CallRefused("UnknownOperationException", f"The operation {operation} is not served here.")
        return answer(request)

    def snapshot(self, stream: str) -> EngineSnapshot:
        """One stream's books. Raises: KeyError."""
        return self._streams[stream].runner.snapshot()

    def stop(self, *, flush: bool) -> Mapping[str, EngineSnapshot]:
        """Stop every stream; the last snapshot of each."""
        return {name: hosted.runner.stop(flush=flush) for name, hosted in self._streams.items()}

    def _put_record(self, request: Tree) -> Tree:
        hosted = self._hosted(request)
        [record] = _decode_records([request.get("Record")])
        check_record(record)
        hosted.runner.put([record])
        return {"RecordId": self._record_id(), "Encrypted": hosted.config.encryption_key_type is not None}

    def _put_record_batch(self, request: Tree) -> Tree:
        hosted = self._hosted(request)
        records = _decode_records(_list_of(request, "Records"))
        check_batch(records, self._guesses)
        hosted.runner.put(records)
        return {
            "FailedPutCount": 0,
            "Encrypted": hosted.config.encryption_key_type is not None,
            "RequestResponses": [{"RecordId": self._record_id()} for _ in records],
        }

    def _describe(self, request: Tree) -> Tree:
        hosted = self._hosted(request)
        return {"DeliveryStreamDescription": describe_stream(hosted.config, created_ms=hosted.created_ms)}

    def _list(self, request: Tree) -> Tree:
        after = str(request.get("ExclusiveStartDeliveryStreamName") or "")
        limit = int(request.get("Limit") or _LIST_LIMIT)
        names = sorted(name for name in self._streams if name > after)
        return {"DeliveryStreamNames": names[:limit], "HasMoreDeliveryStreams": len(names) > limit}

    def _hosted(self, request: Tree) -> HostedStream:
        name = str(request.get("DeliveryStreamName") or "")
        hosted = self._streams.get(name)
        if hosted is None:
            raise CallRefused("ResourceNotFoundException", f"Firehose {name} under account {self._account} not found.")
        return hosted

    def _record_id(self) -> str:
        self._records_made += 1
        return f"{self._record_stem}{self._records_made:024d}"


def _list_of(request: Tree, name: str) -> Sequence[Any]:
    found = request.get(name)
    if not isinstance(found, list):
        raise CallRefused("SerializationException", f"{name} must be a list")
    return found


def _decode_records(entries: Sequence[Any]) -> list[bytes]:
    decode = pybase64.b64decode
    try:
        return [decode(entry["Data"], validate=True) for entry in entries]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise CallRefused("SerializationException", f"a record's Data is missing or not base64 ({error})") from error
