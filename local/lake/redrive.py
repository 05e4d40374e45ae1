"""
Refused lines of a lake, and which of them may go back on the road today.

Every refused line is in exactly one class: a copy of another, refused today as well, in the lake already, sent before, or to send. So a
second run has nothing to send: what the first one sent is written down, and in time it is in the lake.
Laws: today's transform decides what passes; a line is written down as sent only after Firehose accepted it; the lines' own bytes
are kept, whatever they are.
Refuses to know: Firehose, packs.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import base64
import binascii
import fcntl
import gzip
import json
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa

from local.lake.folder import LakeError
from local.lake.objects import ERRORS_PATTERN, ERRORS_PREFIX, find_objects, starts_as_gzip
from local.lake.verdict import judge_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from local.lake.folder import Lake

Name = tuple[str, int]  # (session, n)
SENT: Final = "redrive/sent.ndjson"


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


def read_refused_lines(lake: Lake) -> Iterator[bytes]:
    """Every refused line's own bytes: those of error objects, then those set aside among rows."""
    for path in find_objects(lake.path.resolve(), prefix=ERRORS_PREFIX, pattern=ERRORS_PATTERN):
        for envelope in _read_text_lines(path):
            yield from decode_envelope(envelope)
    found = lake.connection.execute("SELECT detail FROM processed WHERE lake_kind = 'mixed' AND kind = 'refused'")
    for (detail,) in found.fetchall():
        said = json.loads(detail)
        yield base64.b64decode(said["line_base64"]) if "line_base64" in said else said["line"].encode()


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


def _read_text_lines(path: Path) -> Iterator[bytes]:
    try:
        content = gzip.decompress(path.read_bytes()) if starts_as_gzip(path) else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ErrorObjectDamaged(path=path, why=str(error)) from error
    return (line for line in content.split(b"\n") if line)


class ErrorObjectDamaged(LakeError):
    """An error object that cannot be read to its end."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(
            f"The error object {path} cannot be read ({why}): nothing was sent. Move it aside and run again."
        )


def find_in_lake(lake: Lake, names: Collection[Name]) -> set[Name]:
    """Those of the names that already are rows."""
    sessions, numbers = zip(*names, strict=True) if names else ((), ())
    wanted = pa.table({"session": pa.array(sessions, pa.string()), "n": pa.array(numbers, pa.int64())})
    lake.connection.register("wanted_names", wanted)
    rows = lake.connection.execute(
        "SELECT DISTINCT session, n FROM processed SEMI JOIN wanted_names USING (session, n) WHERE kind <> 'refused'"
    )
    return {(session, n) for session, n in rows.fetchall()}


def plan_for_lake(lake: Lake, sent: Collection[Name]) -> RedrivePlan:
    """What a redrive of this lake would do now."""
    lines = list(read_refused_lines(lake))
    names = {each.name for each in plan_redrive(lines, in_lake=(), sent=()).to_send}
    return plan_redrive(lines, in_lake=find_in_lake(lake, names), sent=sent)


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
        text = "".join(json.dumps(name) + "\n" for name in names).encode()
        self._file.write(b"\n" * bool(torn) + text)
        self._file.flush()
        os.fsync(self._file.fileno())


def read_sent(lake_path: Path) -> set[Name]:
    """The names of lines that were sent back before."""
    path = lake_path / SENT
    return {name for line in path.read_bytes().split(b"\n") if (name := _decode_sent(line))} if path.exists() else set()


def _decode_sent(line: bytes) -> Name | None:
    try:
        session, n = json.loads(line)
    except (ValueError, TypeError):
        return None
    return (session, n) if isinstance(session, str) and isinstance(n, int) else None
