"""
One record to the transform's records: RecordDeAggregation, with its trap.

Laws: a delimiter is stripped; a record of more than 500 sub-records goes on whole, and so does one that cannot be divided; nothing is lost.
Empty pieces (two delimiters in a row) are not records.
Refuses to know: who calls, buffers. Source: Amazon Data Firehose, "Multi record deaggregation".
"""

from __future__ import annotations

from json import JSONDecodeError, JSONDecoder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.firehose.config import DeAggregation

SUB_RECORD_LIMIT = 500
_WHITESPACE = " \t\r\n"
_decoder = JSONDecoder()


def deaggregate(record: bytes, how: DeAggregation | None) -> list[bytes]:
    """The pieces of a record in order; the record itself, whole, where it is not divided."""
    if how is None:
        return [record]
    pieces = _split_json(record) if how.kind == "JSON" else [piece for piece in record.split(how.delimiter) if piece]
    return pieces if 1 <= len(pieces) <= SUB_RECORD_LIMIT else [record]


def split_documents(text: str) -> list[str] | None:
    """The JSON documents that stand one after the other in a text; None if there is anything else in it."""
    documents = []
    position = 0
    while position < len(text):
        if text[position] in _WHITESPACE:
            position += 1
            continue
        try:
            _, end = _decoder.raw_decode(text, position)
        except (JSONDecodeError, RecursionError):
            return None
        documents.append(text[position:end])
        position = end
    return documents


def _split_json(record: bytes) -> list[bytes]:
    try:
        documents = split_documents(record.decode())
    except UnicodeDecodeError:
        return [record]
    return [document.encode() for document in documents or ()]
