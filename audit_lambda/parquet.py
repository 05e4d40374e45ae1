"""
What columns a Parquet object has, read from its footer without a Parquet library: Lambda's package has no room for one.

Laws: the footer is untrusted; whatever its bytes are, they are decoded or refused, in bounded depth and time. Only the schema is read.
Refuses to know: pages, row groups, which columns there should be.
Source: Apache Thrift, "Thrift Compact protocol"; apache/parquet-format, parquet.thrift (FileMetaData, SchemaElement).
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# SchemaElement's and FileMetaData's fields.
_SCHEMA: Final = 2
_TYPE, _NAME, _CHILDREN, _CONVERTED, _SCALE, _PRECISION, _LOGICAL = 1, 4, 5, 6, 7, 8, 10
_DEEPEST: Final = 16  # of a footer's own structures four are nested
_MORE: Final = 0x0F  # a list's length that does not fit follows
_INT64, _INT96, _BYTES, _FIXED = 2, 3, 6, 7
_PHYSICAL: Final = ("boolean", "int", "bigint", "timestamp", "float", "double", "binary", "binary")
# A column's annotation, by its number in the old list (ConvertedType) and in the new (LogicalType).
_CONVERTED_AS: Final = {0: "string", 5: "decimal", 6: "date", 9: "timestamp", 10: "timestamp", 18: "bigint"}
_LOGICAL_AS: Final = {1: "string", 5: "decimal", 6: "date", 7: "time", 8: "timestamp", 10: "bigint"}
_INTEGER: Final = 10
_SIGNED_64: Final = {1: 64, 2: True}  # IntType: its bits, and whether it has a sign
_CARRIED_BY: Final = {
    "string": {_BYTES},
    "bigint": {_INT64},
    "decimal": {_BYTES, _FIXED},
    "timestamp": {_INT64, _INT96},
}


class FooterUnreadable(Exception):
    """Bytes that are no Parquet footer; `why` is a clause."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """A top-level column: its name, and its type as Hive would say it (`decimal(38,18)`); `group` where it has columns of its own."""

    name: str
    type: str


def read_columns(footer: bytes) -> list[ParquetColumn]:
    """
    The columns that a footer declares, in their order.

    Raises: FooterUnreadable.
    """
    try:
        schema = _Thrift(footer).read_struct(only=_SCHEMA).get(_SCHEMA)
        if isinstance(schema, list) and schema and all(isinstance(element, dict) for element in schema):
            return _top_level(schema)
    except (IndexError, UnicodeDecodeError) as error:
        raise FooterUnreadable(why=f"its footer is damaged ({error})") from error
    raise FooterUnreadable(why="its footer has no schema")


def _top_level(schema: Sequence[dict[int, Any]]) -> list[ParquetColumn]:
    found, at = [], 1  # the first element is the root
    while at < len(schema):
        element = schema[at]
        found.append(ParquetColumn(name=_text(element.get(_NAME)), type=_hive_type(element)))
        # A group's columns follow it, and theirs follow them.
        left = 1
        while left and at < len(schema):
            left += _count(schema[at].get(_CHILDREN)) - 1
            at += 1
    return found


def _hive_type(element: dict[int, Any]) -> str:
    if _count(element.get(_CHILDREN)):
        return "group"
    physical = element.get(_TYPE)
    if not isinstance(physical, int) or not 0 <= physical < len(_PHYSICAL):
        return "unknown"
    meant = _meaning(element.get(_CONVERTED), element.get(_LOGICAL)) or _PHYSICAL[physical]
    if physical not in _CARRIED_BY.get(meant, {physical}):
        return _PHYSICAL[physical]
    return f"decimal({element.get(_PRECISION)},{element.get(_SCALE, 0)})" if meant == "decimal" else meant


def _meaning(converted: object, logical: object) -> str:
    """What a column's annotation makes of it; empty without one."""
    if isinstance(converted, int):
        return _CONVERTED_AS.get(converted, "unknown")
    if not isinstance(logical, dict) or not logical:
        return ""
    (kind, parameters), *_ = logical.items()
    return "unknown" if kind == _INTEGER and parameters != _SIGNED_64 else _LOGICAL_AS.get(kind, "unknown")


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        raise FooterUnreadable(why="its footer names a column by no text")
    return value.decode()


class _Thrift:
    """
    Thrift's compact protocol: structures as dictionaries by their fields' numbers, text as bytes.

    Every method raises IndexError where the bytes end, FooterUnreadable where they are nothing that the protocol has.
    """

    def __init__(self, stored: bytes) -> None:
        self._stored, self._at = stored, 0

    def read_struct(self, *, depth: int = 0, only: int | None = None) -> dict[int, Any]:
        """Its fields; with `only`, up to and with that one."""
        fields: dict[int, Any] = {}
        number = 0
        while header := self._byte():
            number = number + (header >> 4) if header >> 4 else self._zigzag()
            fields[number] = self._value(header & 0x0F, depth)
            if number == only:
                break
        return fields

    def _byte(self) -> int:
        self._at += 1
        return self._stored[self._at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  # the bit that says that more follow
                return value
        raise FooterUnreadable(why="a number in its footer has no end")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _bytes(self, size_bytes: int) -> bytes:
        taken = self._stored[self._at : self._at + size_bytes]
        if len(taken) != size_bytes:
            raise IndexError("it is cut off")
        self._at += size_bytes
        return taken

    def _value(self, kind: int, depth: int, *, listed: bool = False) -> Any:
        if depth > _DEEPEST:
            raise FooterUnreadable(why="its footer is nested too deeply")
        value: Any
        match kind:
            case 1 | 2:  # in a structure the kind is the value, in a list a byte follows
                value = self._byte() == 1 if listed else kind == 1
            case 3:
                value = self._byte()
            case 4 | 5 | 6:
                value = self._zigzag()
            case 7:
                value = self._bytes(8)
            case 8:
                value = self._bytes(self._varint())
            case 9 | 10:
                value = self._list(depth + 1)
            case 11:
                value = self._map(depth + 1)
            case 12:
                value = self.read_struct(depth=depth + 1)
            case _:
                raise FooterUnreadable(why=f"its footer has a value of kind {kind}")
        return value

    def _list(self, depth: int) -> list[Any]:
        header = self._byte()
        count = header >> 4 if header >> 4 != _MORE else self._varint()
        # Each value takes a byte at least, so the bytes end a list that says it is endless.
        return [self._value(header & 0x0F, depth, listed=True) for _ in range(count)]

    def _map(self, depth: int) -> dict[int, Any]:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4, depth, listed=True)
            self._value(kinds & 0x0F, depth, listed=True)
        return {}
