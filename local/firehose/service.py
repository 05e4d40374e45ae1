"""
Firehose's data calls over hosted streams: PutRecord and PutRecordBatch, trees in, trees out.

Laws: a call that breaks a limit is refused whole before any record is taken; a record is answered for only after the core has it; answers stand
in the order of the request, each with a RecordId or an error, never both.
Refuses to know: HTTP, signatures (they are not verified), JSON text, how streams are made (control).
Source: Amazon Data Firehose API reference, PutRecord, PutRecordBatch, PutRecordBatchResponseEntry.
"""

from __future__ import annotations

import binascii
import string
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pybase64

from local.firehose.engine import StreamEngine
from local.firehose.errors import CallRefused
from local.firehose.hosting import HostedStream
from local.firehose.limits import check_batch, check_record
from local.firehose.quota import Quota, QuotaLimits
from local.firehose.runner import Hands, StreamRunner
from local.firehose.shapes import fit_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.firehose.clock import Clock
    from local.firehose.config import StreamConfig
    from local.firehose.counters import EngineSnapshot
    from local.firehose.faults import Faults
    from local.firehose.guesses import Guesses
    from local.firehose.metrics import Statistics

Tree = Mapping[str, Any]
SLOW_DOWN: Final = ("ServiceUnavailableException", "Slow down.")
BROKEN_RECORD: Final = ("InternalFailure", "Internal service failure.")
_RECORD_ID_LETTERS: Final = string.ascii_letters + string.digits + "+/"
_RECORD_ID_STEM: Final = 200  # RecordIds seen have 224 characters


class FirehoseService:
    """The hosted streams and the calls that put records into them."""

    def __init__(
        self,
        *,
        hands: Hands,
        clock: Clock,
        random: Random,
        guesses: Guesses,
        faults: Faults,
        limits_of: Callable[[StreamConfig], QuotaLimits | None],
        account: str,
    ) -> None:
        self.guesses = guesses
        self.faults = faults
        self.clock = clock
        self.account = account
        self.streams: dict[str, HostedStream] = {}
        self._hands = hands
        self._random = random
        self._limits_of = limits_of
        self._record_stem = "".join(random.choices(_RECORD_ID_LETTERS, k=_RECORD_ID_STEM))
        self._records_made = 0

    # ------------------------------------------------------------------ hosting

    def host(self, config: StreamConfig, *, tags: Mapping[str, str] | None = None) -> HostedStream:
        """Serve one more stream, from now on."""
        engine = StreamEngine(config, random=Random(self._random.getrandbits(64)), guesses=self.guesses)  # noqa: S311 -- a seed
        limits, now_ms = self._limits_of(config), self.clock.now_ms()
        hosted = HostedStream(
            config=config,
            runner=StreamRunner(engine, self._hands, self.clock),
            quota=Quota(limits, now_ms) if limits is not None else None,
            created_ms=now_ms,
            tags=dict(tags or {}),
        )
        self.streams[config.name] = hosted
        hosted.runner.start()
        return hosted

    def hosted(self, request: Tree) -> HostedStream:
        """The stream that a request names. Raises: CallRefused (ResourceNotFoundException)."""
        name = str(request.get("DeliveryStreamName") or "")
        found = self.streams.get(name)
        if found is None:
            raise CallRefused("ResourceNotFoundException", f"Firehose {name} under account {self.account} not found.")
        return found

    def snapshot(self, stream: str) -> EngineSnapshot:
        """One stream's books. Raises: KeyError."""
        return self.streams[stream].runner.snapshot()

    def statistics(self, stream: str, metric: str) -> tuple[Statistics, ...]:
        """One metric of one stream, a minute at a time. Raises: KeyError for an unknown stream."""
        return self.streams[stream].runner.statistics(metric)

    def stop(self, *, flush: bool) -> Mapping[str, EngineSnapshot]:
        """Stop every stream; the last snapshot of each."""
        return {name: hosted.runner.stop(flush=flush) for name, hosted in self.streams.items()}

    # ------------------------------------------------------------------ calls

    def put_record(self, request: Tree) -> Tree:
        """PutRecord: what refuses its one record refuses the call."""
        hosted, records = self._read_put("PutRecord", request, [request.get("Record")])
        check_record(records[0])
        [refusal] = self._take(hosted, records, "PutRecord")
        if refusal is not None:
            raise CallRefused(*refusal, http_status=503 if refusal == SLOW_DOWN else 500)
        return {"RecordId": self._record_id(), "Encrypted": hosted.config.encryption_key_type is not None}

    def put_record_batch(self, request: Tree) -> Tree:
        """PutRecordBatch: every record is answered for by its place."""
        hosted, records = self._read_put("PutRecordBatch", request, request.get("Records"))
        check_batch(records, self.guesses)
        refusals = self._take(hosted, records, "PutRecordBatch")
        return {
            "FailedPutCount": sum(refusal is not None for refusal in refusals),
            "Encrypted": hosted.config.encryption_key_type is not None,
            "RequestResponses": [
                {"RecordId": self._record_id()}
                if refusal is None
                else {"ErrorCode": refusal[0], "ErrorMessage": refusal[1]}
                for refusal in refusals
            ],
        }

    def _read_put(self, operation: str, request: Tree, entries: Any) -> tuple[HostedStream, list[bytes]]:
        """
        The stream and the records of a put. Only a call that has something wrong with it is held against the model: that costs more than the rest.

        Raises: CallRefused.
        """
        name, records = request.get("DeliveryStreamName"), _decode_records(entries)
        if records is None or not isinstance(name, str) or name not in self.streams:
            fit_request(operation, request)
        hosted = self.hosted(request)
        assert records is not None, "records that fit the model can be decoded"
        return hosted, records

    def _take(self, hosted: HostedStream, records: Sequence[bytes], operation: str) -> list[tuple[str, str] | None]:
        """Hand over what may pass; for each record why it was refused, or None."""
        self._refuse_call()
        refusals = self._refusals(hosted, records)
        taken = [record for record, refusal in zip(records, refusals, strict=True) if refusal is None]

        def enter(engine: StreamEngine, now_ms: int) -> None:
            record = engine.metrics.record
            record("IncomingPutRequests", 1, now_ms)
            record(f"{operation}.Requests", 1, now_ms)
            record(f"{operation}.Bytes", sum(map(len, records)), now_ms)
            if operation == "PutRecordBatch":
                record("PutRecordBatch.Records", len(records), now_ms)
            if hosted.quota is not None:
                record("RecordsPerSecondLimit", hosted.quota.limits.records_per_s, now_ms)
                record("PutRequestsPerSecondLimit", hosted.quota.limits.requests_per_s, now_ms)
                record("BytesPerSecondLimit", hosted.quota.limits.bytes_per_s, now_ms)
            if len(taken) < len(records):
                engine.refused(len(records) - len(taken), now_ms)
            engine.accept(taken, now_ms)

        hosted.runner.tell(enter)
        return refusals

    def _refuse_call(self) -> None:
        if self.faults.strike("busy"):
            raise CallRefused(*SLOW_DOWN, http_status=503)
        if self.faults.strike("fail"):
            raise CallRefused(*BROKEN_RECORD, http_status=500)

    def _refusals(self, hosted: HostedStream, records: Sequence[bytes]) -> list[tuple[str, str] | None]:
        admitted: Sequence[bool] = [True] * len(records)
        if hosted.quota is not None:
            answer = hosted.quota.admit([len(record) for record in records], self.clock.now_ms())
            if answer is None:
                raise CallRefused(*SLOW_DOWN, http_status=503)
            admitted = answer
        return [self._refusal(index, admitted=may_pass) for index, may_pass in enumerate(admitted)]

    def _refusal(self, index: int, *, admitted: bool) -> tuple[str, str] | None:
        if not admitted or self.faults.strike("throttle", index):
            return SLOW_DOWN
        return BROKEN_RECORD if self.faults.strike("refuse", index) else None

    def _record_id(self) -> str:
        self._records_made += 1
        return f"{self._record_stem}{self._records_made:024d}"


def _decode_records(entries: Any) -> list[bytes] | None:
    """Each entry's Data; None if the entries have another shape."""
    decode = pybase64.b64decode
    if not isinstance(entries, list):
        return None
    try:
        return [decode(entry["Data"], validate=True) for entry in entries]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
