"""
Objects read to their last byte: what a store of objects is, and what it is to be whole.

Laws: gzip is decompressed to its end and its checksums compared; Parquet begins and ends as it does and has the columns of its Glue table;
what a store does not give now says nothing of the object. A few megabytes are held at a time, however long an object is.
Refuses to know: S3 and folders (a Store does), inventories, findings.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost
from __future__ import annotations

import hashlib
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from audit_lambda.parquet import FooterUnreadable, read_columns
from audit_lambda.places import find_place
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_TAIL_BYTES: Final = 8  # a Parquet file ends in the footer's length (4 bytes, little-endian) and PAR1
# Ours are some ten kilobytes, a busy hour of history's half a megabyte.
_LONGEST_FOOTER_BYTES: Final = 8 << 20


class ObjectUnreadable(Exception):
    """An object that cannot be read to its end, or not as what it is; `why` is a clause."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)


class ObjectUnread(Exception):
    """An object that could not be read now: the store refused or broke off. It says nothing of the object. `why` is a clause."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)


class ObjectGone(ObjectUnreadable):
    """An object that was listed and is no longer there: whether it may be gone is another check's question."""

    def __init__(self) -> None:
        super().__init__(why="it went while the audit ran")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as its store lists it. `tag` changes with the content (S3's ETag); empty where the store has none."""

    key: str
    size_bytes: int
    tag: str


class Store(Protocol):
    """Where the objects are, and what audits keep beside them."""

    def list_objects(self, prefix: str) -> Iterable[Stored]:
        """Every object under the prefix, which ends in a slash."""

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        """The folders (with their slash) and the objects right under a prefix, as whole keys."""

    def read_chunks(self, key: str) -> Iterator[bytes]:
        """
        The object's bytes, in pieces.

        Raises: ObjectUnreadable, also where the bytes are not those that the store's own checksum was made of; ObjectGone;
        ObjectUnread where the store does not give them now.
        """

    def inspect(self, key: str) -> None:
        """
        Whatever more this store can find out about an object whose bytes could all be read.

        Raises: ObjectUnreadable.
        """

    def read_record(self, key: str) -> bytes | None:
        """The bytes of something that an audit or a replay left; None where it is not there. Raises: whatever the store refuses with."""

    def put_record(self, key: str, content: bytes) -> None:
        """Leave something for the next audit. Raises: whatever the store refuses with."""


def read_to_its_end(key: str, store: Store) -> str:
    """
    The SHA-256 of an object that is whole, in hexadecimal.

    Raises: ObjectUnreadable: gzip whose checksum or end is wrong, Parquet without its footer or of other columns, or what the store itself
    says; ObjectGone, ObjectUnread.
    """
    sha256, zipped, ends = hashlib.sha256(), _Gzip(), _Ends()
    for chunk in store.read_chunks(key):
        sha256.update(chunk)
        before = ends.head[: len(_GZIP)]
        ends.feed(chunk)
        if ends.head[: len(_GZIP)] == _GZIP:
            zipped.feed(chunk if before == _GZIP else before + chunk)
    if ends.head[: len(_GZIP)] == _GZIP:
        zipped.end()
    elif key.endswith(".gz"):
        raise ObjectUnreadable(why="it does not begin as gzip does")
    if key.endswith(".parquet"):
        _check_columns(key, ends.footer())
    store.inspect(key)
    return sha256.hexdigest()


class _Gzip:
    """Members of gzip, one after the other, each with its checksum; what they hold is thrown away."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> None:
        try:
            while chunk:
                if self._member.eof:
                    self._member = zlib.decompressobj(wbits=31)
                # At most a megabyte at a time: a small object may hold a great deal.
                self._member.decompress(chunk, 1 << 20)
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise ObjectUnreadable(why=f"its gzip is damaged ({error})") from error

    def end(self) -> None:
        if not self._member.eof:
            raise ObjectUnreadable(why="its gzip is cut off")


class _Ends:
    """How an object begins and ends: as much as a Parquet footer may take."""

    def __init__(self) -> None:
        self.head = b""
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._all_bytes = 0

    def feed(self, chunk: bytes) -> None:
        self.head = self.head if len(self.head) >= len(_PARQUET) else (self.head + chunk)[: len(_PARQUET)]
        self._tail.append(chunk)
        self._tail_bytes += len(chunk)
        self._all_bytes += len(chunk)
        while self._tail_bytes - len(self._tail[0]) >= _LONGEST_FOOTER_BYTES + _TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def footer(self) -> bytes:
        tail = b"".join(self._tail)
        size_bytes = int.from_bytes(tail[-_TAIL_BYTES:-4], "little")
        fits = 0 < size_bytes <= self._all_bytes - _TAIL_BYTES - len(_PARQUET)
        if self.head != _PARQUET or tail[-4:] != _PARQUET or not fits:
            raise ObjectUnreadable(why="it does not begin and end as Parquet does")
        if size_bytes > _LONGEST_FOOTER_BYTES:
            raise ObjectUnreadable(why=f"its footer of {size_bytes} bytes is longer than any of ours")
        return tail[-_TAIL_BYTES - size_bytes : -_TAIL_BYTES]


def _check_columns(key: str, footer: bytes) -> None:
    """Every column of the table, each of its type; others may stand beside them. A column that a table gains, older objects lack: then say so here."""
    try:
        # Hive's names know no case.
        types = {column.name.lower(): column.type for column in read_columns(footer)}
    except FooterUnreadable as error:
        raise ObjectUnreadable(why=error.why) from error
    place = find_place(key)
    columns = () if place is None else read_table(place.table).columns
    missing = [column.name for column in columns if column.name not in types]
    if missing:
        raise ObjectUnreadable(why=f"it is Parquet, but no object of this table: it has no column {', '.join(missing)}")
    wrong = [
        f"{c.name} is {types[c.name]}, not {c.type}"
        for c in columns
        if types[c.name] not in _SAME.get(c.type, {c.type})
    ]
    if wrong:
        raise ObjectUnreadable(why=f"it is Parquet, but no object of this table: {'; '.join(wrong)}")


# Parquet before its annotations wrote text as bare bytes.
_SAME: Final = {"string": {"string", "binary"}}
