"""
Error objects' lines: one JSON object per record that did not become a row.

Laws: rawData is the record's original bytes, so that decoding and putting it again replays it; numbers are integers, milliseconds.
Source: Amazon Data Firehose, "Handle failure in data transformation" and "Error handling for data format conversion"; the key order and
`lambdaARN` as seen in objects of 2025 and 2026 (AWS's page still prints lambdaArn and quoted numbers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson
import pybase64

if TYPE_CHECKING:
    from local.firehose.config import StreamConfig
    from local.firehose.guesses import Guesses
    from local.firehose.verdicts import Line

PROCESSING_FAILED = "processing-failed"
CONVERSION_FAILED = "format-conversion-failed"
EXTRACTION_FAILED = "metadata-extraction-failed"


class ErrorRecord(NamedTuple):
    """One record on its way to the error prefix; `raw` is what rawData will hold."""

    line: Line
    raw: bytes
    output_type: str
    code: str
    message: str
    attempts_count: int
    ended_ms: int


def encode_error(record: ErrorRecord, config: StreamConfig, guesses: Guesses) -> bytes:
    """The record's envelope as one line."""
    tree = (
        _conversion_tree(record, config, guesses)
        if record.output_type == CONVERSION_FAILED
        else _transform_tree(record, config)
    )
    return orjson.dumps(tree, option=orjson.OPT_APPEND_NEWLINE)


def _transform_tree(record: ErrorRecord, config: StreamConfig) -> dict[str, object]:
    tree: dict[str, object] = {
        "rawData": pybase64.b64encode(record.raw).decode(),
        "errorCode": record.code,
        "errorMessage": record.message,
        "attemptsMade": record.attempts_count,
        "arrivalTimestamp": record.line.arrival_ms,
        "attemptEndingTimestamp": record.ended_ms,
    }
    if config.transform is not None:
        tree["lambdaARN"] = config.transform.arn
    return tree


def _conversion_tree(record: ErrorRecord, config: StreamConfig, guesses: Guesses) -> dict[str, object]:
    last = guesses.conversion_error_names == "last"
    tree: dict[str, object] = {
        "attemptsMade": record.attempts_count,
        "arrivalTimestamp": record.line.arrival_ms,
        "lastErrorCode" if last else "ErrorCode": record.code,
        "lastErrorMessage" if last else "ErrorMessage": record.message,
        "attemptEndingTimestamp": record.ended_ms,
        "rawData": pybase64.b64encode(record.raw).decode(),
        "sequenceNumber": None,
        "subSequenceNumber": None,
    }
    if config.conversion is not None:
        schema = config.conversion.schema
        tree["dataCatalogTable"] = {
            "catalogId": schema.catalog_id,
            "databaseName": schema.database,
            "tableName": schema.table,
            "region": schema.region,
            "versionId": schema.version,
            "catalogArn": f"arn:aws:glue:{schema.region}:{schema.catalog_id}:catalog",
        }
    return tree
