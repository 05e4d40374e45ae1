"""
What the transform's answer means for each record that was sent to it.

Laws: every record that was sent gets exactly one verdict; a neighbour's failure never touches a good record; an unknown id is ignored.
Refuses to know: retries (a failed invocation never comes here), buffers, error objects.
Source: Amazon Data Firehose, "Transform source data" and "Required parameters for data transformation"; codes and messages as probed
by others; the codes of unknown results, undecodable text and unreadable answers are guesses (guesses.py).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pybase64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.firehose.guesses import Guesses

_MISSING = (
    "Lambda.MissingRecordId",
    "One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids.",
)
_DUPLICATED = (
    "Lambda.DuplicatedRecordId",
    "Multiple records were returned with the same record Id. Ensure that the Lambda function returns each record Id once.",
)
_FAILED = ("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record")
_NO_DATA = (
    "Lambda.InvalidReturnFormat",
    (
        "The data field cannot be null when the SourceType is DirectPut or KinesisStreamAsSource and processing result is Ok. "
        "The value field cannot be null when the SourceType is MSKAsSource and processing result is Ok."
    ),
)


class Line(NamedTuple):
    """One record as the transform is sent it (a tuple, not a dataclass: hundreds of thousands are made a minute)."""

    record_id: str
    arrival_ms: int
    body: bytes


class Transformed(NamedTuple):
    """A record that the transform answered Ok: its new bytes and the partition keys it was given."""

    line: Line
    body: bytes
    keys: Mapping[str, Any]


class Failed(NamedTuple):
    """A record that goes to the error prefix, with AWS's code and sentence."""

    line: Line
    code: str
    message: str


@dataclass(slots=True)
class Judgement:
    """One answer, judged: every record stands in exactly one of the three lists, in the order it was sent."""

    ok: list[Transformed] = field(default_factory=list)
    dropped: list[Line] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def judge(lines: Sequence[Line], answer: bytes, guesses: Guesses) -> Judgement:
    """The verdicts on one invocation's records, from the answer's JSON text."""
    judgement = Judgement()
    try:
        entries = _entries(answer)
    except ValueError as error:
        sentence = f"The Lambda function's answer cannot be read: {error}"
        judgement.failed = [Failed(line, guesses.unreadable_answer_code, sentence) for line in lines]
        return judgement
    answered: dict[str, Mapping[str, Any]] = {}
    doubled: set[str] = set()
    for entry in entries:
        record_id = entry.get("recordId") if isinstance(entry, dict) else None
        if isinstance(record_id, str):
            if record_id in answered:
                doubled.add(record_id)
            answered[record_id] = entry
    for line in lines:
        _judge_line(line, answered.get(line.record_id), line.record_id in doubled, judgement, guesses)
    return judgement


def _entries(answer: bytes) -> list[Any]:
    tree = orjson.loads(answer)
    if tree is None:
        return []
    if not isinstance(tree, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 -- one kind of error for every unreadable answer
    records = tree.get("records")
    if records is None:
        return []
    if not isinstance(records, list):
        raise ValueError("its records are no list")  # noqa: TRY004 -- as above
    return records


def _judge_line(
    line: Line, entry: Mapping[str, Any] | None, is_doubled: bool, judgement: Judgement, guesses: Guesses
) -> None:
    if entry is None:
        judgement.failed.append(Failed(line, *_MISSING))
    elif is_doubled:
        judgement.failed.append(Failed(line, *_DUPLICATED))
    elif (result := entry.get("result")) == "Ok":
        _judge_ok(line, entry, judgement, guesses)
    elif result == "Dropped":
        judgement.dropped.append(line)
    elif result == "ProcessingFailed":
        judgement.failed.append(Failed(line, *_FAILED))
    else:
        judgement.failed.append(
            Failed(line, guesses.unknown_result_code, f"The result {str(result)[:100]!r} is not known.")
        )


def _judge_ok(line: Line, entry: Mapping[str, Any], judgement: Judgement, guesses: Guesses) -> None:
    encoded = entry.get("data")
    if encoded is None:
        judgement.failed.append(Failed(line, *_NO_DATA))
        return
    try:
        body = pybase64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError):
        judgement.failed.append(Failed(line, guesses.undecodable_code, "The data field is not base64."))
        return
    metadata = entry.get("metadata")
    keys = metadata.get("partitionKeys") if isinstance(metadata, dict) else None
    judgement.ok.append(Transformed(line, body, keys if isinstance(keys, dict) else {}))
