"""
A journal segment's bytes: how a line is written down, and how it is found again when the disk was not kind.

A segment opens with `ticklake-journal 1 <session>`. Then one record a line: the CRC-32 of the line in eight hex digits, a space,
the line, a newline. So a segment can be read with grep; a torn tail is bytes without their newline; and after damage in the
middle, reading goes on at the next newline.

Laws: reads only; everything that is no intact record comes out as `Damage`, in its place, never skipped in silence.
Refuses to know: sessions, settlement, and what a line says beyond its n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from zlib import crc32

from producer.line import n_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = 1
READ_BYTES: Final = 1024 * 1024
_MAGIC: Final = b"ticklake-journal "
_SUM_CHARS: Final = 9  # eight hex digits and a space


@dataclass(frozen=True, slots=True)
class Entry:
    """One journaled line, without its newline."""

    n: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no record."""

    path: Path
    offset: int
    content: bytes
    why: Literal["torn_tail", "bad_record", "bad_header"]


def encode_header(session: str) -> bytes:
    """A segment's first line."""
    return b"%b%d %b\n" % (_MAGIC, FORMAT, session.encode())


def encode_record(line: bytes) -> bytes:
    """One line as it stands in a segment."""
    return b"%08x %b\n" % (crc32(line), line)


def decode_record(record: bytes) -> Entry | None:
    """The line in a record (given without its newline); None if it is not intact."""
    line = record[_SUM_CHARS:]
    try:
        return Entry(n_of(line), line) if int(record[:_SUM_CHARS], 16) == crc32(line) else None
    except ValueError:
        return None


def scan(path: Path, offset: int = 0) -> Iterator[tuple[int, Entry | Damage]]:
    """
    Every intact line from a record boundary on, in order, and whatever stands between as `Damage`.

    Shapes: pairs (offset just after it, what stood there). Only bytes after the last newline can be a torn tail.
    Caller must: pass as offset 0, or one that this function gave.
    """
    with path.open("rb") as file:
        file.seek(offset)
        rest = b""
        while chunk := file.read(READ_BYTES):
            *records, rest = (rest + chunk).split(b"\n")
            for record in records:
                start, offset = offset, offset + len(record) + 1
                found = decode_record(record)
                if found is not None:
                    yield offset, found
                elif start or not record.startswith(b"%b%d " % (_MAGIC, FORMAT)):
                    yield offset, Damage(path, start, record + b"\n", "bad_record" if start else "bad_header")
    if rest:
        yield offset + len(rest), Damage(path, offset, rest, "torn_tail")
