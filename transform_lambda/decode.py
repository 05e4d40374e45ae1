"""
Bytes of one line to a validated Line: UTF-8, one JSON object, the envelope's schema, the message's schema.

Laws: what the contract's schemas refuse is refused here, and so is what they let through and the contract does not mean: JSON 1.0
for an integer, a key that stands twice in one object, a line longer than a Firehose record. Nothing here changes a value.
Refuses to know: what the values mean (rules.py) and where rows go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import orjson

from contract import load_schema
from transform_lambda.reasons import LineRefused, Reason

Kind = Literal["ticker", "trade", "spot", "gap", "coverage", "session", "unreadable"]
# The contract's schema of a message, by the line's kind; a ticker may be a websocket frame (it has a "type") or a REST body.
Form = Literal["ticker", "rest_ticker", "rest_trade", "spot", "gap", "coverage", "session", "unreadable"]

LINE_LIMIT_BYTES: Final = 1_024_000  # the largest record Firehose takes (PutRecordBatch, API reference: 1,000 KiB)
MAX_NESTED: Final = 200  # orjson writes back at most 254 levels; a frame has 2

_FOLDER: Final[dict[Form, str]] = {
    "ticker": "frames",
    "rest_ticker": "frames",
    "rest_trade": "frames",
    "spot": "frames",
    "gap": "testimony",
    "coverage": "testimony",
    "session": "testimony",
    "unreadable": "testimony",
}
_FORM_OF_KIND: Final[dict[str, Form]] = {
    "trade": "rest_trade",
    "spot": "spot",
    "gap": "gap",
    "coverage": "coverage",
    "session": "session",
    "unreadable": "unreadable",
}

_TESTIMONY: Final = frozenset({"gap", "coverage", "session"})

Validate = Callable[..., object]


class Line(NamedTuple):
    """One line that its schemas accept. `testimony` is the message's own text where the message is ours (gap, coverage, session)."""

    session: str
    n: int
    kind: Kind
    source: str
    receive_time: str
    product_id: str | None
    form: Form
    message: dict[str, Any]
    testimony: str | None


def decode_line(text: bytes) -> Line:
    """
    One validated line.

    Shapes: `text` has no newline at its end.
    Raises: LineRefused with line_*, message_invalid, or the frame_* reason of an unreadable frame's testimony.
    """
    if len(text) > LINE_LIMIT_BYTES:
        raise LineRefused(
            "line_too_long", f"the line has {len(text)} bytes; a Firehose record holds {LINE_LIMIT_BYTES}"
        )
    envelope = _decode_object(text)
    _validate("line", envelope, reason="line_invalid", name="line")
    message = envelope["message"]
    kind = envelope["kind"]
    form: Form = _FORM_OF_KIND.get(kind) or ("ticker" if "type" in message else "rest_ticker")
    _validate(f"{_FOLDER[form]}/{form}", message, reason="message_invalid", name="message")
    if form == "unreadable":
        raise LineRefused(
            message["reason"],
            f"the producer received {message['frame_bytes']} bytes, SHA-256 {message['frame_sha256']}",
        )
    return Line(
        session=envelope["session"],
        n=envelope["n"],
        kind=kind,
        source=envelope["source"],
        receive_time=envelope["receive_time"],
        product_id=envelope.get("product_id"),
        form=form,
        message=message,
        testimony=_own_text(text, envelope) if form in _TESTIMONY else None,
    )


_VALUE: Final = rb'[^"\\]*'
_HEAD: Final = re.compile(
    rb'\{"v":1,"session":"%b","n":[0-9]+,"kind":"%b","source":"%b","receive_time":"%b",(?:"product_id":"%b",)?"message":'
    % ((_VALUE,) * 5),
)


def _own_text(text: bytes, envelope: dict[str, Any]) -> str:
    """The message's own JSON text, byte for byte where the envelope's keys stand in the contract's order, else written anew."""
    # No key stands twice (refused before), so a message that is the last member ends at the last brace.
    head = _HEAD.match(text) if next(reversed(envelope)) == "message" else None
    if head:
        return text[head.end() : text.rindex(b"}")].strip().decode()
    return orjson.dumps(envelope["message"]).decode()


_NAME: Final = re.compile(rb'\{"v":1,"session":"([0-9A-HJKMNP-TV-Z]{26})","n":(0|[1-9][0-9]{0,17}),')


def read_name(text: bytes) -> tuple[str | None, int | None]:
    """The session and n of a line that was refused, as far as its head still shows them."""
    name = _NAME.match(text)
    return (name[1].decode(), int(name[2])) if name else (None, None)


def _decode_object(text: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(text, error) from error
    if not isinstance(value, dict):
        raise LineRefused("line_not_json", f"the line is JSON but not an object, it is a {type(value).__name__}")
    # Each member shows one `":` unless a space stands before its colon, and only lists nest without members. Only where
    # that does not add up is a closer look worth its time.
    message = value.get("message")
    flat_count = len(value) + (len(message) if isinstance(message, dict) else 0)
    if text.count(b'":') != flat_count or b" " in text or b"\t" in text or b"\r" in text or b"[" in text:
        _refuse_depth(value)
        json.loads(text, object_pairs_hook=_distinct)
    return value


def _unreadable(text: bytes, error: orjson.JSONDecodeError) -> LineRefused:
    try:
        text.decode()
    except UnicodeDecodeError as not_utf8:
        return LineRefused("line_not_utf8", f"byte {not_utf8.start} of {len(text)}: {not_utf8.reason}")
    return LineRefused("line_not_json", f"{error}; the line has {len(text)} bytes")


def _refuse_depth(value: object) -> None:
    """Refuse what is nested beyond MAX_NESTED: the peer chooses the depth, and not every step of ours stands any depth."""
    level: list[Any] = [value]
    for _ in range(MAX_NESTED):
        items = chain.from_iterable(at.values() if isinstance(at, dict) else at for at in level)
        level = [item for item in items if isinstance(item, dict | list)]
        if not level:
            return
    raise LineRefused("line_not_json", f"nested more than {MAX_NESTED} deep")


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a key that stands twice in one object: some parsers keep the first, some the last, so nobody knows what was meant."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise LineRefused("line_not_json", f"the key {twice!r} stands twice in one object")


def _validate(schema: str, value: dict[str, Any], *, reason: Reason, name: str) -> None:
    validate, refusal = _validator(schema)
    try:
        validate(value, name_prefix=name)
    except refusal as error:
        raise LineRefused(reason, str(error)) from error
    # Only our testimony holds integers below the first level.
    if schema.startswith("testimony/") or float in map(type, value.values()):
        definition = load_schema(schema)
        for path in _floats_for_integers(definition, definition, value, name):
            raise LineRefused(reason, f"{path} must be written as an integer")


@cache
def _validator(schema: str) -> tuple[Validate, type[Exception]]:
    """
    A schema's check and the exception of a breach, made at first use.

    All schemas cost 35 ms of processor time and the library another 5, which a cold start need not wait for: an event of nothing but
    tickers in their usual order needs none.
    """
    import fastjsonschema  # noqa: PLC0415

    return fastjsonschema.compile(load_schema(schema)), fastjsonschema.JsonSchemaValueException


def _floats_for_integers(schema: dict[str, Any], root: dict[str, Any], value: object, path: str) -> Iterator[str]:
    """Where JSON's 1.0 stands for an integer, which JSON Schema lets pass. Recursion ends with the schema, not with the value."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, float) and (schema.get("type") == "integer" or type(schema.get("const")) is int):
        yield path
    for alternative in schema.get("anyOf", ()):
        yield from _floats_for_integers(alternative, root, value, path)
    if isinstance(value, dict):
        for key, item in value.items():
            sub = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(sub, dict):
                yield from _floats_for_integers(sub, root, item, f"{path}.{key}")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _floats_for_integers(schema["items"], root, item, f"{path}[]")
