"""
Firehose's event to its answer: every recordId once, in order, within Lambda's limit; and the tally of what happened.

Laws: the answer never passes ANSWER_LIMIT_BYTES; what does not fit is answered ProcessingFailed (reason response_full), so Firehose
keeps its bytes under the error prefix, instead of losing the whole answer. Lines = rows + refused lines, always.
Refuses to know: the clock, logs, what is inside a record.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pybase64 import b64decode, b64encode_as_string

from transform_lambda.decode import read_name
from transform_lambda.partition import partition_keys, read_arrival_us
from transform_lambda.record import transform_records
from transform_lambda.verdict import ANSWER_LIMIT_BYTES, Accepted, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Answer = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """What one invocation did; filled here, told by metrics."""

    record_count: int = 0
    row_count: int = 0
    refused_record_count: int = 0
    refused_lines: Counter[str] = field(default_factory=Counter)  # by reason; those set aside among them
    set_aside_count: int = 0
    whole_pack_count: int = 0
    slow_line_count: int = 0
    oldest_receive_time_us: int | None = None  # None: no rows
    complaints: list[tuple[str, Refusal]] = field(default_factory=list)  # (recordId, refusal)

    def accept(self, verdicts: Sequence[Accepted]) -> None:
        """Count all accepted records' rows."""
        self.row_count = sum(verdict.row_count for verdict in verdicts)
        self.oldest_receive_time_us = min((verdict.oldest_receive_time_us for verdict in verdicts), default=None)
        self.whole_pack_count += sum(verdict.row_count > 1 or len(verdict.set_aside) > 0 for verdict in verdicts)

    def set_aside(self, record_id: str, refusals: Sequence[Refusal]) -> None:
        """Count the lines that were set aside in an accepted record."""
        self.set_aside_count += len(refusals)
        self._complain(record_id, refusals)

    def refuse(self, record_id: str, verdict: Refused) -> None:
        """Count a refused record and its lines."""
        self.refused_record_count += 1
        self.whole_pack_count += verdict.line_count > 1
        self._complain(record_id, verdict.refusals)

    def _complain(self, record_id: str, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            self.refused_lines[refusal.reason] += refusal.line_count
            self.complaints.append((record_id, refusal))


def answer_event(
    event: Mapping[str, Any], *, limit_bytes: int = ANSWER_LIMIT_BYTES
) -> tuple[dict[str, list[Answer]], Tally]:
    """
    What to give back to Firehose, and what to tell the operator.

    Shapes: `answers[i]` answers `event["records"][i]`.
    Units: `limit_bytes` of the answer as json.dumps writes it.
    """
    records = event["records"]
    arrivals_us = [read_arrival_us(record.get("approximateArrivalTimestamp")) for record in records]
    verdicts = transform_records([record.get("data") for record in records], arrivals_us)
    tally = Tally(record_count=len(records))
    spent_bytes = _bytes_if_all_fail([record["recordId"] for record in records])
    answers: list[Answer] = []
    accepted: list[Accepted] = []
    for record, verdict in zip(records, verdicts, strict=True):
        record_id = record["recordId"]
        tally.slow_line_count += verdict.slow_line_count
        if isinstance(verdict, Accepted):
            encoded = b64encode_as_string(verdict.rows)
            needed_bytes = spent_bytes + len(encoded) + _bytes_to_accept(verdict.partition["kind"])
            if needed_bytes <= limit_bytes:
                spent_bytes = needed_bytes
                accepted.append(verdict)
                if verdict.set_aside:
                    tally.set_aside(record_id, verdict.set_aside)
                answers.append(_ok(record_id, encoded, verdict.partition))
                continue
            refused = _does_not_fit(b64decode(record["data"]), verdict.line_count, needed_bytes)
        else:
            refused = verdict
        tally.refuse(record_id, refused)
        answers.append(_failed(record_id))
    tally.accept(accepted)
    return {"records": answers}, tally


def _ok(record_id: str, encoded: str, partition: Mapping[str, str]) -> Answer:
    return {"recordId": record_id, "result": "Ok", "data": encoded, "metadata": {"partitionKeys": partition}}


def _failed(record_id: str) -> Answer:
    return {"recordId": record_id, "result": "ProcessingFailed"}


def _does_not_fit(text: bytes, line_count: int, needed_bytes: int) -> Refused:
    detail = f"the answer would have {needed_bytes} bytes, beyond its limit"
    return Refused([Refusal(*read_name(text), "response_full", detail, line_count)])


def _bytes_if_all_fail(record_ids: Sequence[str]) -> int:
    """
    The length of the answer that refuses every record, as json.dumps writes it.

    It always fits: each of its records is shorter than the event's own, which also had to pass Lambda's 6 MB.
    """
    around = len(json.dumps({"records": []})) - len("[]")
    each = len(json.dumps(_failed(""))) - len('""')
    return around + len(json.dumps(record_ids)) + each * len(record_ids)


@cache
def _bytes_to_accept(kind: str) -> int:
    """How much longer an Ok answer is than a failed one, its data left aside: all hours are written equally long."""
    return len(json.dumps(_ok("", "", partition_keys(kind, 0)))) - len(json.dumps(_failed("")))
