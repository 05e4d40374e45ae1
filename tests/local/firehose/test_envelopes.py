"""Error objects' lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.firehose.config import Conversion, TableSchema
from local.firehose.envelopes import CONVERSION_FAILED, PROCESSING_FAILED, ErrorRecord, encode_error
from local.firehose.guesses import Guesses
from local.firehose.verdicts import Line
from tests.local.firehose.conftest import plain_stream

_SCHEMA = TableSchema(database="d", table="t", columns=(), catalog_id="123456789012", region="eu-west-1")


def _encode(output_type: str, guesses: Guesses | None = None) -> dict[str, Any]:
    record = ErrorRecord(Line("r", 1000, b"x"), b"raw", output_type, "Some.Code", 'a "message"', 2, 3000)
    line = encode_error(record, plain_stream(conversion=Conversion(schema=_SCHEMA)), guesses or Guesses())
    assert 1 == line.count(b"\n")
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_failed_transformation_says_what_was_tried_in_integers() -> None:
    assert {
        "rawData": "cmF3",
        "errorCode": "Some.Code",
        "errorMessage": 'a "message"',
        "attemptsMade": 2,
        "arrivalTimestamp": 1000,
        "attemptEndingTimestamp": 3000,
    } == _encode(PROCESSING_FAILED)


def test_a_failed_conversion_names_the_table() -> None:
    envelope = _encode(CONVERSION_FAILED)
    assert {
        "catalogId": "123456789012",
        "databaseName": "d",
        "tableName": "t",
        "region": "eu-west-1",
        "versionId": "LATEST",
        "catalogArn": "arn:aws:glue:eu-west-1:123456789012:catalog",
    } == envelope["dataCatalogTable"]
    assert ("Some.Code", "cmF3") == (envelope["lastErrorCode"], envelope["rawData"])


@pytest.mark.parametrize(("names", "key"), [("last", "lastErrorCode"), ("bare", "ErrorCode")])
def test_the_names_of_a_failed_conversions_code_can_be_chosen(names: Any, key: str) -> None:
    assert "Some.Code" == _encode(CONVERSION_FAILED, Guesses(conversion_error_names=names))[key]
