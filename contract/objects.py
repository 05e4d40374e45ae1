"""
One JSON object out of its bytes, if nothing in it could be read in two ways.

Laws: beyond JSON's own grammar (orjson's strict reading of it: UTF-8, one value, no NaN, no lone surrogate) a key that stands twice in
one object and nesting beyond reason are refused. Nothing here changes a value.
Refuses to know: what the object says.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any, Final

import orjson

from contract.reasons import LineRefused

MAX_NESTED: Final = 200  # orjson writes back at most 254 levels; a frame has 2


def decode_object(text: bytes, *, levels: int = MAX_NESTED) -> dict[str, Any]:
    """
    The object that `text` is.

    `levels`: how deep it may nest, itself counted.
    Raises: LineRefused, line_not_utf8 or line_not_json.
    """
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
    if text.count(b'":') != flat_count or b"[" in text or _has_space(text):
        _refuse_depth(value, levels)
        json.loads(text, object_pairs_hook=_distinct)
    return value


def _has_space(text: bytes) -> bool:
    return b" " in text or b"\t" in text or b"\r" in text or b"\n" in text


def _unreadable(text: bytes, error: orjson.JSONDecodeError) -> LineRefused:
    try:
        text.decode()
    except UnicodeDecodeError as not_utf8:
        return LineRefused("line_not_utf8", f"byte {not_utf8.start} of {len(text)}: {not_utf8.reason}")
    return LineRefused("line_not_json", f"{error}; the line has {len(text)} bytes")


def _refuse_depth(value: object, levels: int) -> None:
    """Refuse what is nested beyond `levels`: the peer chooses the depth, and not every step of ours stands any depth."""
    level: list[Any] = [value]
    for _ in range(levels):
        items = chain.from_iterable(at.values() if isinstance(at, dict) else at for at in level)
        level = [item for item in items if isinstance(item, dict | list)]
        if not level:
            return
    raise LineRefused("line_not_json", f"nested more than {levels} deep")


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a key that stands twice in one object: some parsers keep the first, some the last, so nobody knows what was meant."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise LineRefused("line_not_json", f"the key {twice!r} stands twice in one object")
