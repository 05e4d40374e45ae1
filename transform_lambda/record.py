"""
One Firehose record to rows, or to its refusal.

After Firehose's de-aggregation a record is one line, its newline stripped. Where de-aggregation did not happen (more than 500 lines in a
record, or another sender) a record is a whole pack, and it can get only one verdict and one partition. Then:
- all lines good, of one kind and one hour: the rows go to that partition;
- otherwise, while one line is good: the rows go to kind `mixed` and the hour of arrival, and each bad line travels among them as a row
  of kind `refused`, whose `detail` is JSON {reason, detail, line or line_base64}. So it is set aside without sinking its neighbours;
- all lines bad: the record is refused, and Firehose keeps its bytes under the error prefix.

Laws: each line becomes one row or one refusal, in order; no content makes this raise.
Refuses to know: other records, the answer's size, the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from pybase64 import b64decode, b64encode_as_string

from contract.reasons import LineRefused
from transform_lambda.decode import decode_line, read_name
from transform_lambda.fast import recognise_line, recognise_records
from transform_lambda.partition import HOUR_US, MIXED, decide_hour, partition_keys
from transform_lambda.row import Row, build_row
from transform_lambda.verdict import ROWS_LIMIT_BYTES, Accepted, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CHUNK_CHARS: Final = 40_000


def transform_records(encoded: Sequence[object], arrivals_us: Sequence[int | None]) -> Iterator[Accepted | Refused]:
    """
    The verdict on each record's `data`, in order.

    Shapes: `arrivals_us[i]` is the arrival of `encoded[i]`.
    Clock: arrival is Firehose's; where it is None, a line's own receive time stands in for it.
    """
    for start, end in _chunks(encoded):
        texts = [_decode_record(data) for data in encoded[start:end]]
        arrived_us = arrivals_us[start:end]
        known_us = [arrival_us for arrival_us in arrived_us if arrival_us is not None]
        recognised: Sequence[Accepted | None] = [None] * len(texts)
        if len(known_us) == len(texts):
            recognised = recognise_records([text or b"\n" for text in texts], known_us)
        for verdict, text, data, arrival_us in zip(recognised, texts, encoded[start:end], arrived_us, strict=True):
            yield verdict or _parse_record(text, arrival_us, data)


def _chunks(encoded: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Places where to cut the event, so that what is made of each run of records still fits the processor's cache."""
    start = size_chars = 0
    for end, data in enumerate(encoded, start=1):
        size_chars += len(data) if isinstance(data, str) else 0
        if size_chars >= _CHUNK_CHARS or end == len(encoded):
            yield start, end
            start, size_chars = end, 0


def _parse_record(text: bytes, arrival_us: int | None, data: object) -> Accepted | Refused:
    if not text:
        return Refused([Refusal(None, None, "line_not_json", _why_not_base64(data))], slow_line_count=1)
    return _transform_lines(text[:-1].split(b"\n"), arrival_us)


def _decode_record(data: object) -> bytes:
    """The record's lines, each with its newline; empty where `data` is not base64 text."""
    try:
        text = b64decode(data, None, True)  # type: ignore[arg-type]  # by position: keywords cost a third more
    except (TypeError, ValueError):
        return b""
    return text if text[-1:] == b"\n" else text + b"\n"


def _why_not_base64(data: object) -> str:
    """Firehose never sends such data; a test or another caller may."""
    return (
        "the record's data is not base64"
        if isinstance(data, str)
        else f"the record's data is no text but {type(data).__name__}"
    )


_BLANK: Final = Refusal(None, None, "line_not_json", "the line is empty")


def _transform_line(text: bytes) -> Row | Refusal:
    if not text:  # a megabyte of newlines must cost a million lookups, not a million exceptions
        return _BLANK
    try:
        return build_row(decode_line(text))
    except LineRefused as refused:
        return Refusal(*read_name(text), refused.reason, refused.detail)


def _transform_lines(lines: Sequence[bytes], arrival_us: int | None) -> Accepted | Refused:
    verdicts = [recognise_line(line) or _transform_line(line) for line in lines]
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    rows = [verdict for verdict in verdicts if isinstance(verdict, Row)]
    slow_line_count = len(lines) - sum(row.recognised for row in rows)
    if not rows:
        return Refused(refusals, slow_line_count)
    places = {(row.kind, _hour(row, arrival_us)) for row in rows}
    mixed = refusals or len(places) > 1
    text = _join_rows(verdicts, lines)
    if len(text) > ROWS_LIMIT_BYTES:
        full = Refusal(*read_name(lines[0]), "response_full", f"more than {ROWS_LIMIT_BYTES} bytes of rows", len(lines))
        return Refused([full], slow_line_count)
    return Accepted(
        rows=text,
        partition=_mixed(rows[0], arrival_us) if mixed else partition_keys(*places.pop()),
        row_count=len(rows),
        oldest_receive_time_us=min(row.receive_time_us for row in rows),
        set_aside=refusals,
        slow_line_count=slow_line_count,
    )


def _join_rows(verdicts: Sequence[Row | Refusal], lines: Sequence[bytes]) -> bytes:
    """All rows, each with its newline; no more than are needed to see that they are too many."""
    text = bytearray()
    for verdict, line in zip(verdicts, lines, strict=True):
        text += verdict.text if isinstance(verdict, Row) else _refused_row(verdict, line)
        text += b"\n"
        # A megabyte of blank lines around one good one would become gigabytes of rows.
        if len(text) > ROWS_LIMIT_BYTES:
            break
    return bytes(text)


def _hour(row: Row, arrival_us: int | None) -> int:
    return decide_hour(
        kind=row.kind,
        source=row.source,
        happened_us=row.happened_us,
        arrival_us=row.receive_time_us if arrival_us is None else arrival_us,
    )


def _mixed(first: Row, arrival_us: int | None) -> Mapping[str, str]:
    return partition_keys(MIXED, (first.receive_time_us if arrival_us is None else arrival_us) // HOUR_US)


def _refused_row(refusal: Refusal, line: bytes) -> bytes:
    """A row of kind `refused`: the line itself stays readable, or where it is not UTF-8, recoverable."""
    detail: dict[str, Any] = {"reason": refusal.reason, "detail": refusal.detail}
    try:
        detail["line"] = line.decode()
    except UnicodeDecodeError:
        detail["line_base64"] = b64encode_as_string(line)
    row = {"session": refusal.session, "n": refusal.n, "kind": "refused", "detail": orjson.dumps(detail).decode()}
    return orjson.dumps({column: value for column, value in row.items() if value is not None})
