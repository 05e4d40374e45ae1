"""Every example goes through its schema twice (fastjsonschema and jsonschema); lines go through the transform as well."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # its stubs are a package of their own

from contract import ROOT, load_reasons, load_schema
from transform_lambda.handler import handler

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file())
ROW_KEYS = {"kind", "receive_time_us", "source", "session", "n"}
# What only the transform's own rules refuse; the schemas let these lines pass.
VALUE_REASONS = set(load_reasons("refusal")) - {"line_not_utf8", "line_not_json", "line_invalid", "message_invalid"}
BEYOND_SCHEMA = {
    "line_invalid-n_a_float",  # JSON Schema calls 42.0 an integer
    "line_invalid-version_a_float",
    "message_invalid-trade_id_a_float",
    "line_invalid-product_missing",  # needed because of the message's kind
    "line_invalid-products_differ",
    "line_not_json-key_twice_in_message",  # JSON parsers keep one of the two
    "line_not_json-key_twice_in_envelope",
    "line_not_json-key_twice_with_a_space",
}
MESSAGE_SCHEMA = {
    "trade": "frames/rest_trade",
    "spot": "frames/spot",
    "gap": "testimony/gap",
    "coverage": "testimony/coverage",
    "session": "testimony/session",
    "unreadable": "testimony/unreadable",
}


@cache
def validators(name: str) -> tuple[Any, Draft7Validator]:
    return fastjsonschema.compile(load_schema(name)), Draft7Validator(load_schema(name))


def accepts(name: str, value: object) -> bool:
    """Both validators' common verdict."""
    fast, slow = validators(name)
    try:
        fast(value)
        fast_verdict = True
    except fastjsonschema.JsonSchemaValueException:
        fast_verdict = False
    assert fast_verdict == slow.is_valid(value)
    return fast_verdict


def accepts_line(text: bytes) -> bool:
    try:
        line = json.loads(text.decode())
    except ValueError:
        return False
    if not accepts("line", line):
        return False
    message = line["message"]
    ticker = "frames/ticker" if "type" in message else "frames/rest_ticker"
    return accepts(MESSAGE_SCHEMA.get(line["kind"], ticker), message)


def parts(path: Path) -> tuple[str, str, str]:
    """Schema, reason with its variant, verdict."""
    schema, reason, verdict, extension = path.name.split(".")
    assert extension in {"json", "txt"}
    return schema, reason, verdict


def transform(text: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One line through the handler: its answer and the rows in it."""
    record = {"recordId": "1", "approximateArrivalTimestamp": 1795401020000, "data": base64.b64encode(text).decode()}
    (answer,) = json.loads(json.dumps(handler({"records": [record]}, None)))["records"]
    rows = base64.b64decode(answer.get("data", "")).splitlines()
    return answer, [json.loads(row) for row in rows]


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "line"], ids=ids)
def test_a_frame_testimony_or_row_example_is_what_its_name_says(path: Path) -> None:
    schema, _, verdict = parts(path)
    name = schema if schema == path.parent.name else f"{path.parent.name}/{schema}"
    assert (verdict == "pass") == accepts(name, json.loads(path.read_bytes()))


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "line"], ids=ids)
def test_a_line_example_passes_its_schemas_unless_its_reason_is_a_schemas(path: Path) -> None:
    _, reason, verdict = parts(path)
    beyond = reason in BEYOND_SCHEMA or reason.partition("-")[0] in VALUE_REASONS
    assert (verdict == "pass" or beyond) == accepts_line(path.read_bytes())


@pytest.mark.parametrize("path", [path for path in FILES if path.match("line/*.pass.*")], ids=ids)
def test_a_line_that_must_pass_becomes_one_valid_row(path: Path) -> None:
    answer, rows = transform(path.read_bytes())
    assert answer["result"] == "Ok"
    (row,) = rows
    assert accepts("row", row)
    assert set(row) >= ROW_KEYS


@pytest.mark.parametrize("path", [path for path in FILES if path.match("line/*.fail.*")], ids=ids)
def test_a_line_that_must_fail_is_refused_for_the_reason_in_its_name(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer, _ = transform(path.read_bytes())
    assert {"recordId": "1", "result": "ProcessingFailed"} == answer
    refusal = json.loads(caplog.messages[0])
    assert parts(path)[1].partition("-")[0] == refusal["reason"]


def test_every_refusal_reason_has_an_example_or_a_test_of_its_own() -> None:
    shown = {parts(path)[1].partition("-")[0] for path in FILES if path.match("line/*.fail.*")}
    elsewhere = {
        "line_too_long",  # tests/transform_lambda/test_decode.py: the example would be a megabyte
        "response_full",  # tests/transform_lambda/test_answer.py: it takes a whole event
    }
    assert set(load_reasons("refusal")) == shown | elsewhere


def test_every_schema_has_examples_that_pass_and_that_fail() -> None:
    verdicts = {(parts(path)[0], parts(path)[2]) for path in FILES}
    schemas = {path.name.partition(".")[0] for path in ROOT.rglob("*.schema.json")}
    assert {(schema, verdict) for schema in schemas for verdict in ("pass", "fail")} == verdicts


def test_a_ticker_line_becomes_this_row() -> None:
    _, rows = transform((EXAMPLES / "line/line.ticker.pass.json").read_bytes())
    assert [json.loads((EXAMPLES / "row/row.ticker.pass.json").read_bytes())] == rows


@pytest.mark.parametrize("variant", ["ticker_in_another_order", "ticker_with_spaces", "ticker_with_escapes"])
def test_the_same_line_written_otherwise_becomes_the_same_row(variant: str) -> None:
    _, rows = transform((EXAMPLES / f"line/line.{variant}.pass.json").read_bytes())
    assert [json.loads((EXAMPLES / "row/row.ticker.pass.json").read_bytes())] == rows
