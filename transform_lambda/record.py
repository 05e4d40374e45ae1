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

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import pybase64

from transform_lambda.decode import decode_line, read_name
from transform_lambda.partition import HOUR_US, MIXED, decide_hour, partition_keys
from transform_lambda.reasons import LineRefused, Refusal
from transform_lambda.row import Row, build_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Accepted:
    """Rows for one partition. `rows` is their text, each with a newline, those of refused lines among them."""

    rows: bytes
    partition: Mapping[str, str]
    row_count: int  # of accepted lines only
    set_aside: Sequence[Refusal]
    oldest_receive_time_us: int

    @property
    def line_count(self) -> int:
        """How many lines the record held."""
        return self.row_count + len(self.set_aside)


@dataclass(frozen=True, slots=True)
class Refused:
    """No line of the record was good."""

    refusals: Sequence[Refusal]

    @property
    def line_count(self) -> int:
        """How many lines the record held."""
        return sum(refusal.line_count for refusal in self.refusals)


def transform_record(encoded: object, arrival_us: int | None) -> Accepted | Refused:
    """
    The verdict on one record's `data`, as Firehose sent it.

    Clock: `arrival_us` is Firehose's; where it is None, a line's own receive time stands in for it.
    """
    try:
        text = decode_base64(encoded)
    except LineRefused as refused:
        return Refused([Refusal(None, None, refused.reason, refused.detail)])
    lines = text.removesuffix(b"\n").split(b"\n")
    if len(lines) == 1:
        row = _transform_line(lines[0])
        return Refused([row]) if isinstance(row, Refusal) else _accept([row], arrival_us)
    return _transform_pack(lines, arrival_us)


def decode_base64(encoded: object) -> bytes:
    """
    The record's bytes.

    Raises: LineRefused, line_not_json: what is not base64 cannot be a line (Firehose never sends it; a test or another caller may).
    """
    if not isinstance(encoded, str):
        raise LineRefused("line_not_json", f"the record's data is no text but {type(encoded).__name__}")
    try:
        return pybase64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LineRefused("line_not_json", f"the record's data is not base64: {error}") from error


_BLANK: Final = Refusal(None, None, "line_not_json", "the line is empty")


def _transform_line(text: bytes) -> Row | Refusal:
    if not text:  # a megabyte of newlines must cost a million lookups, not a million exceptions
        return _BLANK
    try:
        return build_row(decode_line(text))
    except LineRefused as refused:
        return Refusal(*read_name(text), refused.reason, refused.detail)


def _transform_pack(lines: Sequence[bytes], arrival_us: int | None) -> Accepted | Refused:
    verdicts = [_transform_line(line) for line in lines]
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    rows = [verdict for verdict in verdicts if isinstance(verdict, Row)]
    if not rows:
        return Refused(refusals)
    if not refusals:
        return _accept(rows, arrival_us)
    texts = [
        verdict.text if isinstance(verdict, Row) else _refused_row(verdict, line)
        for verdict, line in zip(verdicts, lines, strict=True)
    ]
    return Accepted(
        rows=b"\n".join(texts) + b"\n",
        partition=_mixed(rows, arrival_us),
        row_count=len(rows),
        set_aside=refusals,
        oldest_receive_time_us=min(row.receive_time_us for row in rows),
    )


def _accept(rows: Sequence[Row], arrival_us: int | None) -> Accepted:
    places = {(row.kind, _hour(row, arrival_us)) for row in rows}
    return Accepted(
        rows=b"\n".join([row.text for row in rows]) + b"\n",
        partition=partition_keys(*places.pop()) if len(places) == 1 else _mixed(rows, arrival_us),
        row_count=len(rows),
        set_aside=(),
        oldest_receive_time_us=min(row.receive_time_us for row in rows),
    )


def _hour(row: Row, arrival_us: int | None) -> int:
    return decide_hour(
        kind=row.kind,
        source=row.source,
        happened_us=row.happened_us,
        arrival_us=row.receive_time_us if arrival_us is None else arrival_us,
    )


def _mixed(rows: Sequence[Row], arrival_us: int | None) -> Mapping[str, str]:
    return partition_keys(MIXED, (rows[0].receive_time_us if arrival_us is None else arrival_us) // HOUR_US)


def _refused_row(refusal: Refusal, line: bytes) -> bytes:
    """A row of kind `refused`: the line itself stays readable, or where it is not UTF-8, recoverable."""
    detail: dict[str, Any] = {"reason": refusal.reason, "detail": refusal.detail}
    try:
        detail["line"] = line.decode()
    except UnicodeDecodeError:
        detail["line_base64"] = pybase64.b64encode(line).decode()
    row = {"session": refusal.session, "n": refusal.n, "kind": "refused", "detail": orjson.dumps(detail).decode()}
    return orjson.dumps({column: value for column, value in row.items() if value is not None})
