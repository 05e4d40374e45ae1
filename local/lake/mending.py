"""
A lake asked in spite of lines that cannot be read: one bad line of raw/ or errors/ keeps no question from being answered.

DuckDB stops at the first line of a text object that is no text. Such objects are then read here, their bad lines made legible, and the
question is asked again; what was bad is what the check `legible` names (audit_lambda/legible.py), by the same rules.
Laws: nothing is written into the lake; a line that can be read is given as it is, one that cannot keeps its place and loses what was not text.
Refuses to know: what is asked.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from audit_lambda.legible import LONGEST_LINE_BYTES, find_fault
from local.lake.answers import LakeEngine
from local.lake.objects import find_text, plan_registered, plan_text_scan, starts_as_gzip
from sql.dialect import identifier
from sql.engine import EngineFailed
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

    from sqlglot import exp

    from local.lake.folder import Lake
    from sql.engine import Answer

TABLES: Final = ("raw", "errors")
_NO_TEXT: Final = "\ufffd"
_SKIPPED_BYTES: Final = 1 << 20


class MendingEngine(LakeEngine):
    """An open lake as an engine that looks for bad lines once, when a question cannot be answered."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self._mended = False

    def ask(self, question: exp.Query) -> Answer:
        """
        The lake's answer.

        Raises: EngineFailed.
        """
        try:
            return super().ask(question)
        except EngineFailed:
            if self._mended:
                raise
        self._mended = True
        mend_texts(self._lake)
        return super().ask(question)


def mend_texts(lake: Lake) -> list[Path]:
    """The objects of raw/ and errors/ with lines that cannot be read, which the lake's tables from now on have made legible."""
    root = lake.path.resolve()
    mended: list[Path] = []
    for name in TABLES:
        table = read_table(name)
        bad = [path for path in find_text(table, root) if _has_bad_lines(path)]
        if not bad:
            continue
        told = [(str(path), make_legible(line)) for path in bad for line in _lines(path)]
        names, lines = zip(*told, strict=True)
        lake.connection.register(
            f"mended_{name}", pa.table({"filename": pa.array(names, pa.string()), "line": pa.array(lines, pa.string())})
        )
        scan = f"{plan_text_scan(table, root, without=set(bad))} UNION ALL {plan_registered(table, root, f'mended_{name}')}"
        lake.connection.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {scan}")
        mended += bad
    return mended


def make_legible(line: bytes) -> str:
    """The line as text, with U+FFFD for what is none; of one that is too long the beginning."""
    text = line[:LONGEST_LINE_BYTES].decode(errors="replace")
    return text.replace("\r", _NO_TEXT).replace("\x01", _NO_TEXT)


def _has_bad_lines(path: Path) -> bool:
    """Whether there is a line to be mended; not in an object that is damaged itself: then the question fails as it did."""
    try:
        return sum(1 for line in _lines(path) if find_fault(line)) > 0
    except (OSError, EOFError, zlib.error):
        return False


def _lines(path: Path) -> Iterator[bytes]:
    """
    Each line of an object without its end; of one that is too long a byte more than it may have.

    Raises: OSError, EOFError, zlib.error for an object whose gzip is damaged.
    """
    with gzip.open(path) if starts_as_gzip(path) else path.open("rb") as stream:
        while line := stream.readline(LONGEST_LINE_BYTES + 2):
            if not line.endswith(b"\n"):
                _skip_line(stream)
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def _skip_line(stream: gzip.GzipFile | BufferedReader) -> None:
    while (more := stream.readline(_SKIPPED_BYTES)) and not more.endswith(b"\n"):
        pass
