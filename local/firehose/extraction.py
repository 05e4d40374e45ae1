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

_ENTRY = re.compile(
    r'\s*(?:"([^"]+)"|([A-Za-z_]\w*))\s*:\s*(\((?:[^()"]|"[^"]*"|\([^()]*\))*\)|(?:[^,"()]|"[^"]*")+)\s*(,|$)'
)
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
    inside, position, found = text[1:-1].strip(), 0, []
    while position < len(inside):
        match = _ENTRY.match(inside, position)
        if match is None:
            raise _unknown(query)
        found.append(_key_query(match[1] or match[2], match[3].strip(), query))
        position = match.end()
    if not found:
        raise _unknown(query)
    return tuple(found)


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


def _key_query(name: str, expression: str, query: str) -> KeyQuery:
    if expression.startswith("(") and expression.endswith(")"):
        expression = expression[1:-1].strip()
    path_text, *filters = [part.strip() for part in expression.split("|")]
    steps: list[str | int] = []
    position = 0
    while position < len(path_text):
        match = _STEP.match(path_text, position)
        if match is None:
            raise _unknown(query)
        steps.append(int(match[3]) if match[3] else match[1] or match[2] or match[4])
        position = match.end()
    if not steps or any(name not in _FILTERS and not _STRFTIME.fullmatch(name) for name in filters):
        raise _unknown(query)
    return KeyQuery(name=name, path=tuple(steps), filters=tuple(filters))


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
