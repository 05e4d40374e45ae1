"""
Is every line of the lake's text objects one that can be read? Each that cannot be is named by its object and its number there.

An engine reads a text object line by line and may stop at the first that is no text: then whole checks have no answer, and nothing says which line
it was. So the lines are looked at while the objects are read to their end (reading.py), and the lake is asked all the same.
Laws: bytes go through unchanged; a line is never held longer than it may be; every bad one is counted, the first MOST_FINDINGS are named.
Refuses to know: S3 and folders (a Store does), engines, JSON.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit_lambda.checks import MOST_FINDINGS
from audit_lambda.findings import Finding
from audit_lambda.report import CheckResult
from sql.glue import read_table
from sql.hours import HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audit_lambda.reading import Store, Stored
    from audit_lambda.report import State

CHECK: Final = "legible"
QUESTION: Final = "Is every line of raw/ and errors/ text that can be read?"
# A line of ours has at most 1,024,000 bytes, 1,365,336 in base64 with a few hundred around it; DuckDB is told this limit. Athena's are 32 MB
# a row and 200 MB a line (Considerations and limitations for SQL queries).
LONGEST_LINE_BYTES: Final = 4_194_304
_TABLES: Final = tuple(read_table(name) for name in ("raw", "errors"))
_GZIP: Final = b"\x1f\x8b"
_MOST_BYTES: Final = 1 << 20
_SHOWN_BYTES: Final = 120
_HEAD: Final = re.compile(rb'\{"v":1,"session":"([0-9A-Z]{26})","n":([0-9]{1,18})[,}]')
_HOUR: Final = re.compile(r"/(\d{4}/\d{2}/\d{2}/\d{2})/[^/]+$")


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that cannot be read: its number in its object, from 1; `why` is a clause; `head` is how it begins."""

    number: int
    why: str
    head: bytes


class Lines:
    """The lines of one object, fed in pieces as they come; `take` gives those that cannot be read."""

    def __init__(self) -> None:
        self._number = 0
        self._tail = b""
        # Of a line that is too long already: how it begins, and how long it is so far.
        self._head, self._long_bytes = b"", 0
        self._bad: list[BadLine] = []

    def feed(self, piece: bytes) -> None:
        """More of the object's text."""
        if self._long_bytes:
            end = piece.find(b"\n")
            self._long_bytes += len(piece) if end < 0 else end
            if end < 0:
                return
            self._end_long()
            piece = piece[end + 1 :]
        text = self._tail + piece
        end = text.rfind(b"\n") + 1
        self._judge(text[:end])
        self._tail = text[end:]
        if len(self._tail) > LONGEST_LINE_BYTES:
            self._head, self._long_bytes, self._tail = self._tail[:_SHOWN_BYTES], len(self._tail), b""

    def end(self) -> None:
        """There is no more: a last line may lack its line feed."""
        if self._long_bytes:
            self._end_long()
        if self._tail:
            self._judge(self._tail + b"\n")
            self._tail = b""

    def take(self) -> list[BadLine]:
        """The bad lines since the last time."""
        taken, self._bad = self._bad, []
        return taken

    def _end_long(self) -> None:
        self._number += 1
        self._bad.append(BadLine(self._number, f"it has {self._long_bytes:,} bytes", self._head))
        self._long_bytes = 0

    def _judge(self, block: bytes) -> None:
        """Whole lines, each with its line feed."""
        if not find_fault(block.replace(b"\r\n", b"\n")):
            self._number += block.count(b"\n")
            return
        for line in block.split(b"\n")[:-1]:
            self._number += 1
            why = find_fault(line.removesuffix(b"\r"))
            if why:
                self._bad.append(BadLine(self._number, why, line[:_SHOWN_BYTES]))


def find_fault(text: bytes) -> str:
    """Why text cannot be read as a line (or as lines), a clause; nothing where it can."""
    if len(text) > LONGEST_LINE_BYTES:
        return f"it has {len(text):,} bytes"
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return f"it is not UTF-8 (byte {error.start + 1} is 0x{text[error.start]:02x})"
    if b"\r" in text:
        return "it has a carriage return inside, where JSON has none and an engine ends the line"
    if b"\x01" in text:
        return "it has the byte 0x01, where JSON has none and an engine ends the field"
    return ""


class LegibleStore:
    """
    A Store that looks at the lines of what is read through it.

    Shapes: `result` is about the objects that were read to their end, or as far as they could be.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._findings: list[Finding] = []
        self._count = self._read_count = 0

    def list_objects(self, prefix: str) -> Iterable[Stored]:
        """As the store has it."""
        return self._store.list_objects(prefix)

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        """As the store has it."""
        return self._store.list_level(prefix)

    def inspect(self, key: str) -> None:
        """As the store does."""
        self._store.inspect(key)

    def read_record(self, key: str) -> bytes | None:
        """As the store has it."""
        return self._store.read_record(key)

    def put_record(self, key: str, content: bytes) -> None:
        """As the store does."""
        self._store.put_record(key, content)

    def read_chunks(self, key: str) -> Iterator[bytes]:
        """The object's bytes as the store gives them, looked at on their way."""
        chunks = self._store.read_chunks(key)
        return self._watch(key, chunks) if is_text(key) else chunks

    def result(self, *, unread: str = "") -> CheckResult:
        """What was found so far. `unread` says why objects were not read, if any were not: their lines were not looked at either."""
        state: State = "found" if self._count else "passed"
        if unread:
            state = "partly" if self._read_count else "not_run"
        return CheckResult(
            name=CHECK,
            group="integrity",
            question=QUESTION,
            thresholds={"longest_line": f"{LONGEST_LINE_BYTES} bytes"},
            state=state,
            why=unread,
            found_count=self._count,
            found_amount=self._count,
            findings=tuple(self._findings),
        )

    def _watch(self, key: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        lines, text = Lines(), _Text()
        for chunk in chunks:
            for piece in text.unpack(chunk):
                lines.feed(piece)
            self._find(key, lines)
            yield chunk
        lines.end()
        self._find(key, lines)
        self._read_count += 1

    def _find(self, key: str, lines: Lines) -> None:
        for bad in lines.take():
            self._count += 1
            if len(self._findings) < MOST_FINDINGS:
                self._findings.append(_finding(key, bad))


def is_text(key: str) -> bool:
    """Whether an object of this key is one of lines."""
    return any(re.match(table.key_pattern, key) for table in _TABLES)


class _Text:
    """Chunks of an object as its text, unzipped where it begins as gzip does; damaged gzip gives no more (`readable` says it)."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._member: zlib._Decompress | None = None

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        if self._head is not None:
            chunk = self._head + chunk
            self._head = chunk if len(chunk) < len(_GZIP) else None
            if self._head is not None:
                return
            if chunk.startswith(_GZIP):
                self._member = zlib.decompressobj(wbits=31)
        if self._member is None:
            yield chunk
            return
        try:
            yield from self._unzip(chunk)
        except zlib.error:
            return

    def _unzip(self, chunk: bytes) -> Iterator[bytes]:
        assert self._member is not None
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            yield self._member.decompress(chunk, _MOST_BYTES)
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail


def _finding(key: str, bad: BadLine) -> Finding:
    match = _HEAD.match(bad.head)
    start_us = _start_us(key)
    n = int(match[2]) if match else None
    return Finding(
        check=CHECK,
        group="integrity",
        severity="damage",
        product_id=None,
        session=match[1].decode() if match else None,
        first_us=start_us,
        last_us=None if start_us is None else start_us + HOUR_US - 1,
        first_id=n,
        last_id=n,
        amount=1,
        what=f"{key}, line {bad.number}: {bad.why}; it begins {bad.head.decode(errors='backslashreplace')}",
    )


def _start_us(key: str) -> int | None:
    match = _HOUR.search(key)
    try:
        return hour_start_us(match[1]) if match else None
    except ValueError:  # 2026/13/40/99: an object somebody else put there
        return None
