"""
Partition keys out of a record: a small, honest part of jq.

    {customer: .customer_id, device: .type.device, year: (.when | strftime("%Y"))}

Laws: what is not understood is refused when the stream is created, by name, never at the first record. A value that is missing, null, empty,
or no scalar, costs its record, which goes to the error prefix.
Understood: an object of keys with paths (.a.b, ."a b", .a["b"], .a[0]) and, after pipes, strftime(FORMAT) of an epoch in seconds, tostring,
ascii_downcase and ascii_upcase. Refuses to know: prefixes, buffers.
Source: Amazon Data Firehose, "Create partitioning keys with inline parsing"; jq 1.6 manual.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from local.firehose.errors import SettingRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(r'"([^"]+)"|([A-Za-z_]\w*)')
_STEP = re.compile(r'\.([A-Za-z_]\w*)|\.?\["([^"]+)"\]|\.?\[(\d+)\]|\."([^"]+)"')
_STRFTIME = re.compile(r'strftime\(\s*"([^"]*)"\s*\)')


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """How one key is found: a path into the record, then filters."""

    name: str
    path: tuple[str | int, ...]
    filters: tuple[str, ...]


def parse_query(query: str) -> tuple[KeyQuery, ...]:
    """
    A MetadataExtractionQuery taken apart.

    Raises: SettingRefused for jq that this engine does not know.
    """
    text = query.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise _unknown(query)
    found = [_key_query(entry, query) for entry in _split_outside(text[1:-1], ",")]
    return tuple(found)


def _split_outside(text: str, separator: str) -> list[str]:
    """The parts between separators that stand outside quotes and brackets."""
    parts, depth, start, is_quoted = [], 0, 0, False
    for index, letter in enumerate(text):
        is_quoted ^= letter == '"'
        if is_quoted:
            continue
        depth += (letter in "([") - (letter in ")]")
        if letter == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def extract_keys(body: bytes, queries: tuple[KeyQuery, ...]) -> Mapping[str, str] | None:
    """The record's keys by name; None if any is missing, null, empty or no scalar, or the record is not JSON."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    keys = {}
    for query in queries:
        value = _text_of(_walk(tree, query))
        if not value:
            return None
        keys[query.name] = value
    return keys


def _key_query(entry: str, query: str) -> KeyQuery:
    name_text, *rest = _split_outside(entry, ":")
    name = _NAME.fullmatch(name_text.strip())
    if name is None or len(rest) != 1:
        raise _unknown(query)
    expression = rest[0].strip()
    if expression.startswith("(") and expression.endswith(")"):
        expression = expression[1:-1].strip()
    path_text, *filters = [part.strip() for part in _split_outside(expression, "|")]
    steps: list[str | int] = []
    position = 0
    while position < len(path_text):
        match = _STEP.match(path_text, position)
        if match is None:
            raise _unknown(query)
        steps.append(int(match[3]) if match[3] else match[1] or match[2] or match[4])
        position = match.end()
    if not steps or any(known not in _FILTERS and not _STRFTIME.fullmatch(known) for known in filters):
        raise _unknown(query)
    return KeyQuery(name=name[1] or name[2], path=tuple(steps), filters=tuple(filters))


def _walk(tree: Any, query: KeyQuery) -> Any:
    for step in query.path:
        if isinstance(step, int):
            tree = tree[step] if isinstance(tree, list) and step < len(tree) else None
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    for name in query.filters:
        tree = _strftime(tree, name) if name.startswith("strftime") else _FILTERS[name](tree)
    return tree


def _strftime(value: Any, name: str) -> str | None:
    match = _STRFTIME.fullmatch(name)
    if match is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC).strftime(match[1])
    except (OverflowError, OSError, ValueError):
        return None


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    return None


_FILTERS: Mapping[str, Callable[[Any], str | None]] = {
    "tostring": _text_of,
    "ascii_downcase": lambda value: value.lower() if isinstance(value, str) else None,
    "ascii_upcase": lambda value: value.upper() if isinstance(value, str) else None,
}


def _unknown(query: str) -> SettingRefused:
    return SettingRefused(
        f"MetadataExtractionQuery {query!r} uses more of jq than this engine knows: an object of keys with paths,"
        " and the filters strftime, tostring, ascii_downcase and ascii_upcase"
    )
