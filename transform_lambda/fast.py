"""
The common line, recognised without parsing it: a ticker frame in Coinbase's own field order inside our envelope.

One regular expression, the contract's pattern of a ticker inside one of the envelope, matches a whole line and cuts it into pieces; the row is those pieces again with times and names exchanged. So a line costs about what JSON-parsing it would.

Laws: the slow way (decode, rules, row) is the authority. What is accepted here gets byte for byte the row it would get there (tests
compare them over mutated lines); what is not recognised goes there; nothing is ever refused here. Nothing with an escape, a space, a
key too many, a leading zero or more digits than always fit is recognised.
Refuses to know: packs that must be mixed, refusals, Firehose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from contract import load_schema
from contract.pattern import (
    MICROS,
    SECOND,
    integer_pattern,
    is_book_in_order,
    second_of,
    text_pattern,
    ticker_pattern,
)
from contract.reasons import LineRefused
from contract.rules import SECOND_US
from transform_lambda.partition import REPAIRS, decide_common_hour, partition_keys
from transform_lambda.row import Row
from transform_lambda.verdict import Accepted

_MEMO_LIMIT: Final = 4096  # an event spans seconds to minutes; the memo is for those, not for ever


def _lines_pattern() -> bytes:
    """Matches every line, each from its start to its newline; the groups of one that is not recognised are empty."""
    line = load_schema("line")
    fields, count = line["properties"], integer_pattern(line["definitions"]["count"])
    sources = "|".join(source for source in fields["source"]["enum"] if source not in REPAIRS)
    head = f'"session":"{text_pattern(fields["session"])}","n":{count},"kind":"ticker","source":"(?:{sources})",'
    frame = ticker_pattern({"body", "happened", "micros", "tail"})
    return (
        rf'(?m:^)(?:\{{"v":1,({head})"receive_time":"({SECOND})\.({MICROS})Z","message":{frame}\}}\n|.*\n)'
    ).encode()


_LINES: Final = re.compile(_lines_pattern())


class _Memo(dict[bytes, bytes]):
    """What the row writes for a second of the line, by the line's own text; a text that names no second raises LineRefused."""

    def __init__(self, written: bytes, separator: bytes) -> None:
        self._written = written
        self._separator = separator

    def __missing__(self, text: bytes) -> bytes:
        before, _, second = text.rpartition(self._separator)
        if len(self) >= _MEMO_LIMIT:
            self.clear()
            self[b""] = b""
        written = self._written % (before, second_of(second))
        self[text] = written
        return written


# Both end in the ten digits of a second since the epoch (2014 to 2099), to which the six of the microsecond are joined.
_DIGITS: Final = 10
_RECEIVED: Final = _Memo(b'%b"receive_time_us":%d', b'"')
_HAPPENED: Final = _Memo(b',"taker_side":"%b","event_time_us":%d', b'","time":"')
_RECEIVED[b""] = _HAPPENED[b""] = b""  # of a line that is not recognised
_ROW: Final = b"{%b%b%b%b%b%b%b}\n"

# head, receive second, micros, body, bid, its integer part, ask, its integer part, side and event second, micros, tail
_Pieces = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
_Place = Mapping[str, str] | None


def recognise_records(texts: Sequence[bytes], arrivals_us: Sequence[int]) -> Sequence[Accepted | None]:
    """
    The verdict on each record all of whose lines are recognised and go to one hour; None for the others.

    Shapes: `arrivals_us[i]` is the arrival of `texts[i]`; each text ends with a newline; there is at least one.
    """
    lines: list[_Pieces] = _LINES.findall(b"".join(texts))
    try:
        rows = _rows(lines)
    except LineRefused:
        return [None] * len(texts)
    first_arrival_us, last_arrival_us = min(arrivals_us), max(arrivals_us)
    places = {text: _place(text, first_arrival_us, last_arrival_us) for text in {line[8] for line in lines}}
    oldest_us = _oldest_us(lines)
    if len(lines) == len(texts):
        return [
            Accepted(row, place, 1, oldest_us) if row and (place := places[line[8]]) else None
            for row, line in zip(rows, lines, strict=True)
        ]
    verdicts: list[Accepted | None] = []
    start = 0
    for text in texts:
        end = start + text.count(b"\n")
        pack = rows[start:end]
        place = _common_place({line[8] for line in lines[start:end]}, places)
        verdicts.append(Accepted(b"".join(pack), place, len(pack), oldest_us) if place and all(pack) else None)
        start = end
    return verdicts


def _common_place(seconds: set[bytes], places: Mapping[bytes, _Place]) -> _Place:
    """The partition of them all, or None; one partition is one object, since partition_keys is cached."""
    (place, *others) = [places[text] for text in seconds]
    return None if any(other is not place for other in others) else place


def recognise_line(text: bytes) -> Row | None:
    """
    The row of one line, or None.

    Shapes: `text` has no newline at its end.
    """
    lines: list[_Pieces] = _LINES.findall(text + b"\n")
    (line,) = lines
    try:
        (row,) = _rows(lines) if line[0] else (b"",)
    except LineRefused:
        return None
    if not row:
        return None
    return Row(
        text=row[:-1],
        kind="ticker",
        source=line[0].decode().rpartition(":")[2][1:-2],
        happened_us=int(_HAPPENED[line[8]][-_DIGITS:] + line[9]),
        receive_time_us=_oldest_us(lines),
        recognised=True,
    )


def _rows(lines: Sequence[_Pieces]) -> list[bytes]:
    """
    The row of each line, with its newline; empty where the book is crossed; worthless where the line is not recognised.

    Raises: LineRefused if a recognised line names no second.
    """
    return [
        _ROW % (head, _RECEIVED[received_s], received_micros, body, _HAPPENED[happened_s], happened_micros, tail)
        if is_book_in_order(bid, bid_integer, ask, ask_integer)
        else b""
        for head, received_s, received_micros, body, bid, bid_integer, ask, ask_integer, happened_s, happened_micros, tail in lines
    ]


def _oldest_us(lines: Sequence[_Pieces]) -> int:
    """The earliest receive time of the recognised lines; 0 if there are none."""
    second, micros = min([line[1:3] for line in lines if line[0]], default=(b"", b""))
    return int(_RECEIVED[second][-_DIGITS:] + micros or b"0")


def _place(text: bytes, first_arrival_us: int, last_arrival_us: int) -> _Place:
    """The partition for a side and second; None where there is none, or its hour is not settled."""
    if not text:
        return None
    second_us = int(_HAPPENED[text][-_DIGITS:]) * SECOND_US
    hour = decide_common_hour(second_us=second_us, first_arrival_us=first_arrival_us, last_arrival_us=last_arrival_us)
    return None if hour is None else partition_keys("ticker", hour)
