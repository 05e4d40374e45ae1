"""
The journal: append-only lines on our disk. It is the buffer; there is no second queue in memory.

    DIR/lock                                 who owns it (flock; the text is for people)
    DIR/reserve                              room for a checkpoint when the disk is full
    DIR/<session>/00000000000000000000.seg   lines, in segments named by their first n (format: segment.py)
    DIR/<session>/checkpoint.json            which n are settled, and what the next session must remember
    DIR/<session>/refused.ndjson             what cannot be delivered, with the reason (format: aside.py)

Laws: the only writer to the journal's disk. A line counts only when one write() took all of it: `kill -9` loses no
counted line. fsync is about the machine's power, not the process: `never` risks what the kernel has not written yet,
`interval` about a second of it, `always` nothing, at a disk flush a line. A line is forgotten only after a checkpoint says it
is settled; a lost checkpoint means sending again, never losing. A full disk stops new lines and nothing else: what is delivered
meanwhile frees it again.
Refuses to know: packs, Firehose, who else owns it (lock.py), and what a line says beyond its n.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from producer.aside import bytes_aside, room_on
from producer.errors import JournalFull
from producer.legacy import inherit, recover_sessions
from producer.lock import lock
from producer.segment import encode_header, encode_record
from producer.session_log import SessionLog, sync_and_close

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producer.segment import Entry

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 * 1024 * 1024  # one file to delete once settled; a slow drain frees the disk as it goes
MAX_BYTES: Final = 8 * 1024**3  # at 14 ticks/s of 570 bytes: eleven days without Firehose
# A journal is freed segment by segment: a small bound or a small disk needs several, or being full would last until all is settled.
SEGMENTS_AT_LEAST: Final = 16
SEGMENT_BYTES_AT_LEAST: Final = 64 * 1024
# What was refused may take this part of the bound, then only notes of it are kept: it must not keep what is still to come out.
ASIDE_PART: Final = 4
# A checkpoint of 500 products and some sessions is under 200 KB; it must find room on a disk that lines have filled.
RESERVE_BYTES: Final = 1024 * 1024

Fsync = Literal["never", "interval", "always"]


class Journal:
    """
    The owner of a journal folder: appends this session's lines, and holds what earlier sessions left.

    Raises: JournalLocked on opening, if another process owns it.
    """

    def __init__(
        self,
        path: Path,
        session: str,
        *,
        fsync: Fsync = "interval",
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.path = path
        self.session = session
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._most_segment_bytes = min(segment_bytes, max_bytes // SEGMENTS_AT_LEAST)
        self._segment_bytes = self._most_segment_bytes
        path.mkdir(parents=True, exist_ok=True)
        self._lock = lock(path, f"session {session}")
        self.backlog = recover_sessions(path)
        self._held_bytes = sum(each.size_bytes for each in self.backlog)
        self.live = SessionLog(path / session, alive=True)
        self.live.heard = tuple(each.session for each in self.backlog)
        self._most_aside_bytes = max_bytes // ASIDE_PART
        for each in (self.live, *self.backlog):
            each.aside.room_bytes = self._room_aside
        self._aside_bytes = self._measure_aside()
        self._reserve = path / "reserve"
        self._fd = -1
        self._size = 0
        self._dirty = False
        self._full = False
        try:
            with room_on(path):
                (path / session).mkdir()
            self._hold_reserve()
            self._open_segment()
        except JournalFull as full:  # what earlier sessions left may still be delivered, and that makes room
            log.warning("%s", full)
            self._full = True

    @property
    def next_n(self) -> int:
        """The n of the line to be appended next."""
        return self.live.written

    @property
    def pending(self) -> int:
        """Lines of this session not settled yet."""
        return self.live.pending

    @property
    def backlog_pending(self) -> int:
        """Lines of earlier sessions not settled yet."""
        return sum(each.pending for each in self.backlog)

    @property
    def fill(self) -> float:
        """How full the journal is, 0 to 1."""
        return (self._held_bytes + self._aside_bytes) / self._max_bytes

    def _measure_aside(self) -> int:
        """What refused lines take of the bound: their files, also those left for a person, but never more than their share."""
        files = sum(bytes_aside(folder) for folder in self.path.iterdir())
        return min(files, self._most_aside_bytes)

    def _room_aside(self) -> int:
        self._aside_bytes = self._measure_aside()
        return self._most_aside_bytes - self._aside_bytes

    def append(self, line: bytes) -> None:
        """
        Hand one line to the operating system, by one write.

        Raises: JournalFull if there is no room; then nothing was written and nothing is counted.
        Caller must: have given the line the number `next_n`.
        """
        record = encode_record(line)
        self._full = True  # unless what follows finds room
        held_bytes = self._held_bytes + self._aside_bytes
        if held_bytes + len(record) > self._max_bytes:
            aside = f", {self._aside_bytes:,} of them of refused lines (refused.ndjson)" if self._aside_bytes else ""
            raise JournalFull(path=self.path, why=f"it holds {held_bytes:,} of {self._max_bytes:,} bytes{aside}")
        if self._fd < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        self._write(record)
        self._full = False
        self.live.written += 1
        if self._fsync == "always":
            os.fsync(self._fd)
        self._dirty = True

    def _write(self, record: bytes) -> None:
        with room_on(self.path):
            written = os.write(self._fd, record)
        if written != len(record):  # the disk took a part: take it back, a half record is no line
            os.ftruncate(self._fd, self._size)
            raise JournalFull(path=self.path, why=f"the disk took {written} of {len(record)} bytes")
        self._size += written
        self._held_bytes += written

    def _open_segment(self) -> None:
        path = self.live.path / f"{self.live.written:020d}.seg"
        with room_on(self.path):
            path.parent.mkdir(exist_ok=True)
            fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if self._fsync != "never":
            if self._fd >= 0:
                os.fsync(self._fd)
            _sync_folder(path.parent)  # or a power cut could take the new file's name
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size = fd, 0
        room = max(SEGMENT_BYTES_AT_LEAST, _free_bytes(path.parent) // SEGMENTS_AT_LEAST)
        self._segment_bytes = min(self._most_segment_bytes, room)
        self._write(encode_header(self.session))

    def descriptors_to_sync(self) -> list[int]:
        """
        Descriptors for `sync_and_close`, of what waits to be flushed to the disk itself (`interval`).

        They are duplicates, so that the flush may run in another thread while this one goes on to the next segment.
        """
        if not self._dirty or self._fsync != "interval":
            return []
        self._dirty = False
        lines = [os.dup(self._fd)] if self._fd >= 0 else []
        return [*lines, *self.live.checkpoint_descriptor()]

    def checkpoint(self, memory: dict[str, Any]) -> None:
        """
        Write down the settled lines of every session, and what to remember as of the last line appended.

        Raises: JournalFull if there is no room even for that; the earlier checkpoints then still stand.
        """
        self.live.memory, self.live.memory_n = memory, self.live.written
        try:
            self._write_checkpoints()
        except JournalFull:
            self._reserve.unlink(missing_ok=True)
            self._write_checkpoints()
        self._dirty = True
        if self._fsync == "always":
            self._sync_checkpoint()
        if self._full and self._size and not self.live.pending:
            self._start_afresh()
        self._hold_reserve()

    def _write_checkpoints(self) -> None:
        for each in (self.live, *self.backlog):
            self._held_bytes -= each.checkpoint()
        self._aside_bytes = self._measure_aside()

    def _sync_checkpoint(self) -> None:
        for descriptor in self.live.checkpoint_descriptor():
            sync_and_close(descriptor)

    def _start_afresh(self) -> None:
        """The segment being written holds nothing but settled lines while there is no room: leave it, so that it can go."""
        if self.live.segments()[-1].stem == f"{self.live.written:020d}":
            return  # it has no lines yet
        self._reserve.unlink(missing_ok=True)
        with suppress(JournalFull):  # then it is tried again at the next checkpoint
            self._open_segment()
            self._write_checkpoints()

    def _hold_reserve(self) -> None:
        """Keep room for a checkpoint, if there is room to keep."""
        if self._reserve.exists():
            return
        try:
            with room_on(self.path):
                self._reserve.write_bytes(bytes(min(RESERVE_BYTES, self._max_bytes // SEGMENTS_AT_LEAST)))
        except JournalFull:
            self._reserve.unlink(missing_ok=True)

    def inherited(self) -> tuple[dict[str, Any], Iterator[Entry]]:
        """What the newest earlier session that wrote a checkpoint of its own remembered, and all lines since then."""
        return inherit(self.backlog)

    def forget_drained(self) -> list[SessionLog]:
        """
        Remove earlier sessions with nothing pending and nothing left to testify to; returns them.

        Caller must: have written a checkpoint of its own since `inherited`, so that nothing remembered is lost.
        """
        drained = [each for each in self.backlog if not each.pending and not each.losses]
        for each in drained:
            self._held_bytes -= each.size_bytes
            each.remove()
            self.backlog.remove(each)
        return drained

    def close(self) -> None:
        """Flush, close, and let go of the lock; the caller has written its last checkpoint."""
        if self._fd >= 0:
            if self._fsync != "never":
                os.fsync(self._fd)
                self._sync_checkpoint()
            os.close(self._fd)
        os.close(self._lock)


def _free_bytes(path: Path) -> int:
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    sync_and_close(descriptor)
