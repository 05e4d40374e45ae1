"""
What cannot be delivered, kept for a person: one session's refused.ndjson.

Laws: a note is written whole or not at all. What was refused never takes the room of what is still to come: beyond its share of the journal's
bound a note has no text any more, but length, hash and head, and that is said; it is still a note for each line.
Refuses to know: why something was refused, and what is settled by it.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from producer.errors import JournalFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from producer.segment import Damage

log = logging.getLogger(__name__)

NAME: Final = "refused.ndjson"
HEAD_BYTES: Final = 200  # of a text that there is no room for: enough to see what it was
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Note:
    """What it is about, and the bytes as they were."""

    about: dict[str, Any]
    content: bytes

    def encode(self, *, whole: bool = True) -> bytes:
        """One line of refused.ndjson, with the bytes or only with what they were like."""
        if whole:
            return _encode(self.about, "", self.content)
        digest = hashlib.sha256(self.content).hexdigest()
        about = {**self.about, "bytes": len(self.content), "sha256": digest}
        return _encode(about, "head_", self.content[:HEAD_BYTES])


def _encode(about: dict[str, Any], prefix: str, content: bytes) -> bytes:
    try:
        text = {f"{prefix}text": content.decode("utf-8")}
    except UnicodeDecodeError:
        text = {f"{prefix}base64": base64.b64encode(content).decode()}
    return orjson.dumps({**about, **text}) + b"\n"


def note_of_damage(damage: Damage) -> Note:
    """Damaged bytes: where they stood."""
    return Note({"damage": damage.why, "segment": damage.path.name, "offset": damage.offset}, damage.content)


class Aside:
    """One session's refused.ndjson. `room_bytes` says how much more of whole texts there may be; without an owner there is no bound."""

    def __init__(self, folder: Path) -> None:
        self.room_bytes: Callable[[], int] = lambda: sys.maxsize
        self._folder = folder
        self._has_said = False

    def keep(self, notes: Sequence[Note]) -> None:
        """
        All notes or none; without their texts, if those would take more than their share.

        Raises: JournalFull if the disk has no room for them.
        """
        content = b"".join(note.encode() for note in notes)
        if len(content) > self.room_bytes():
            content = b"".join(note.encode(whole=False) for note in notes)
            self._say()
        self._append(content)

    def keep_whole(self, note: Note) -> None:
        """
        A note with its text.

        Raises: JournalFull if that would take more than its share, or the disk has no room for it.
        """
        content = note.encode()
        if len(content) > self.room_bytes():
            raise JournalFull(path=self._folder, why=f"{NAME} would take more than its share")
        self._append(content)

    def _say(self) -> None:
        if not self._has_said:
            log.error(
                "%s: what was refused has taken its share of the journal; from now on only length, hash and head of it are kept. "
                "Move the files %s away when you have read them.",
                self._folder / NAME,
                NAME,
            )
        self._has_said = True

    def _append(self, content: bytes) -> None:
        with room_on(self._folder):
            self._folder.mkdir(exist_ok=True)
            with (self._folder / NAME).open("ab", buffering=0) as file:
                before = file.tell()
                written = file.write(content)
                if written != len(content):
                    file.truncate(before)
                    raise JournalFull(path=self._folder, why=f"the disk took {written} of {len(content)} bytes")


def bytes_aside(folder: Path) -> int:
    """How long a session's refused.ndjson is."""
    try:
        return (folder / NAME).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


@contextmanager
def room_on(path: Path) -> Iterator[None]:
    """Turn the system's ways of saying "no room" into JournalFull."""
    try:
        yield
    except OSError as wrong:
        if wrong.errno not in _NO_ROOM:
            raise
        raise JournalFull(path=path, why=os.strerror(wrong.errno or 0)) from wrong
