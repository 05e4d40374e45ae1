"""
Refused lines of a lake, and which of them may go back on the road today.

Every refused line is in exactly one class: a copy of another, refused today as well, in the lake already, sent before, or to send. So a
second run has nothing to send: what the first one sent is written down, and in time it is in the lake.
What is said here of lines holds of every lake; only the functions that take a Lake, and SentFile, know a folder (cli/redriving.py has a bucket).
Laws: today's transform decides what passes; a line is written down as sent only after Firehose accepted it; the lines' own bytes
are kept, whatever they are.
Refuses to know: Firehose, packs, Athena.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import base64
import binascii
import fcntl
import gzip
import json
import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from local.lake.answers import LakeEngine
from local.lake.folder import LakeError
from local.lake.objects import ERRORS_PATTERN, ERRORS_PREFIX, find_objects
from local.lake.verdict import judge_line
from sql.redriving import Hours, Wanted, plan_present, plan_set_aside
from transform_lambda.decode import decode_line
from transform_lambda.row import build_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from local.lake.folder import Lake
    from sql.engine import Engine

Name = tuple[str, int]  # (session, n)
SENT: Final = "redrive/sent.ndjson"
_GZIP_MAGIC: Final = b"\x1f\x8b"


class RedriveBusy(LakeError):
    """Another redrive of the same lake is running."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"Another redrive holds {path}: two at once would send lines twice. Wait for it to end.")


@dataclass(frozen=True, slots=True)
class NamedLine:
    """A line that passes today, and its name."""

    name: Name
    line: bytes


@dataclass(frozen=True, slots=True)
class RedrivePlan:
    """Every refused line, by what is to become of it; `refused` and `unreadable` count what stays where it is."""

    found: int
    copies: int
    refused: Mapping[str, int]
    in_lake: int
    sent_before: int
    to_send: tuple[NamedLine, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every line found is in one class."""
        return self.found == self.copies + sum(self.refused.values()) + self.in_lake + self.sent_before + len(
            self.to_send
        )


def plan_redrive(lines: Iterable[bytes], *, in_lake: Collection[Name], sent: Collection[Name]) -> RedrivePlan:
    """The class of every line. A line that passes is known by its name, one that does not by its bytes."""
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    to_send: dict[Name, NamedLine] = {}
    seen: set[bytes] = set()
    for line in lines:
        counts["found"] += 1
        if line in seen:
            counts["copies"] += 1
            continue
        seen.add(line)
        if reason := judge_line(line):
            refused[reason] += 1
            continue
        name = read_name(line)
        if name in in_lake:
            counts["in_lake"] += 1
        elif name in sent:
            counts["sent_before"] += 1
        elif name in to_send:
            counts["copies"] += 1
        else:
            to_send[name] = NamedLine(name, line)
    return RedrivePlan(
        found=counts["found"],
        copies=counts["copies"],
        refused=dict(sorted(refused.items())),
        in_lake=counts["in_lake"],
        sent_before=counts["sent_before"],
        to_send=tuple(to_send.values()),
    )


def read_name(line: bytes) -> Name:
    """
    A line's (session, n).

    Caller must: pass a line that the transform accepts.
    """
    envelope = json.loads(line)
    return envelope["session"], envelope["n"]


def read_refused_lines(lake: Lake, hours: Hours) -> Iterator[bytes]:
    """Every refused line's own bytes: those of error objects of these hours, then those set aside among rows."""
    root = lake.path.resolve()
    for path in find_objects(root, prefix=ERRORS_PREFIX, pattern=ERRORS_PATTERN):
        if is_error_object(path.relative_to(root).as_posix(), hours):
            yield from decode_error_object(path.read_bytes(), name=str(path))
    yield from read_set_aside(LakeEngine(lake), hours)


def is_error_object(key: str, hours: Hours) -> bool:
    """Whether the key is that of an error object of these hours, whatever failed."""
    match = re.match(ERRORS_PATTERN, key)
    return match is not None and match[match.re.groups] in hours


def read_set_aside(engine: Engine, hours: Hours) -> list[bytes]:
    """The lines that were set aside among rows in these hours. Raises: EngineFailed."""
    found = [json.loads(detail) for (detail,) in engine.ask(plan_set_aside(hours)).rows]
    return [base64.b64decode(said["line_base64"]) if "line_base64" in said else said["line"].encode() for said in found]


def decode_error_object(content: bytes, *, name: str) -> list[bytes]:
    """
    The refused lines of an error object, gzipped or not: AWS does not say which, the first bytes do.

    Raises: ErrorObjectDamaged, with this name, if it cannot be read to its end.
    """
    try:
        text = gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (EOFError, OSError, zlib.error) as error:
        raise ErrorObjectDamaged(name=name, why=str(error)) from error
    return [line for envelope in text.split(b"\n") if envelope for line in decode_envelope(envelope)]


def decode_envelope(envelope: bytes) -> list[bytes]:
    """
    The lines of an error object's line; one line, the envelope itself, where it cannot be read (it is then refused as no line).

    Shapes: both spellings of AWS's envelopes name the original bytes `rawData`.
    """
    try:
        raw = base64.b64decode(json.loads(envelope)["rawData"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        return [envelope]
    return raw.removesuffix(b"\n").split(b"\n")


class ErrorObjectDamaged(LakeError):
    """An error object that cannot be read to its end."""

    def __init__(self, *, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(
            f"The error object {name} cannot be read ({why}): nothing was sent. Move it aside and run again."
        )


def find_in_lake(engine: Engine, lines: Iterable[NamedLine]) -> set[Name]:
    """Those of the lines' names that already are rows. Raises: EngineFailed."""
    answers = (engine.ask(question) for question in plan_present(map(_wanted, lines)))
    return {(session, n) for answer in answers for session, n in answer.rows}


def _wanted(line: NamedLine) -> Wanted:
    row = build_row(decode_line(line.line))
    return Wanted(*line.name, kind=row.kind, since_us=min(row.happened_us, row.receive_time_us))


def plan_for_lake(lake: Lake, sent: Collection[Name], hours: Hours) -> RedrivePlan:
    """What a redrive of this lake would do now."""
    lines = list(read_refused_lines(lake, hours))
    return plan_redrive(lines, in_lake=find_in_lake(LakeEngine(lake), find_candidates(lines)), sent=sent)


def find_candidates(lines: Iterable[bytes]) -> tuple[NamedLine, ...]:
    """The lines that pass today, each name once."""
    return plan_redrive(lines, in_lake=(), sent=()).to_send


class SentFile:
    """
    The names of lines that were sent back, on disk in the lake's folder; one redrive at a time may hold it.

    Laws: a name stands in it once its line was accepted, in one write and fsync per batch; a torn last line is no name.
    """

    def __init__(self, lake_path: Path) -> None:
        self._path = lake_path / SENT
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise RedriveBusy(path=self._path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def append(self, names: Sequence[Name]) -> None:
        """Write down that these lines were accepted."""
        assert self._file is not None
        self._file.seek(0, os.SEEK_END)
        torn = self._file.tell() and not self._path.read_bytes().endswith(b"\n")
        self._file.write(b"\n" * bool(torn) + encode_sent(names))
        self._file.flush()
        os.fsync(self._file.fileno())


def read_sent(lake_path: Path) -> set[Name]:
    """The names of lines that were sent back before."""
    path = lake_path / SENT
    return decode_sent(path.read_bytes()) if path.exists() else set()


def encode_sent(names: Iterable[Name]) -> bytes:
    """Names as they are written down, one a line."""
    return "".join(json.dumps(name) + "\n" for name in names).encode()


def decode_sent(content: bytes) -> set[Name]:
    """The names that were written down; a torn line is none."""
    return {name for line in content.split(b"\n") if (name := _decode_sent(line))}


def _decode_sent(line: bytes) -> Name | None:
    try:
        session, n = json.loads(line)
    except (ValueError, TypeError):
        return None
    return (session, n) if isinstance(session, str) and isinstance(n, int) else None
