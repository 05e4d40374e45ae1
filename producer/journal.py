"""
The journal: append-only lines on our disk. It is the buffer; there is no second queue in memory.

    DIR/lock                                 who owns it (flock; the text is for people)
    DIR/<session>/00000000000000000000.seg   lines, in segments named by their first n (format: segment.py)
    DIR/<session>/checkpoint.json            which n are settled, and what the next session must remember
    DIR/<session>/refused.ndjson             what cannot be delivered, whole, with the reason

Laws: the only writer to the journal's disk. A line counts only when one write() took all of it: `kill -9` loses no
counted line. fsync is about the machine's power, not the process: `never` risks what the kernel has not written yet,
`interval` about a second of it, `always` nothing, at a disk flush a line. A line is forgotten only after a checkpoint says it
is settled; a lost checkpoint means sending again, never losing.
Refuses to know: packs, Firehose, and what a line says beyond its n.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from producer.errors import JournalDamaged, JournalFull, JournalLocked
from producer.intervals import IntervalSet
from producer.segment import FORMAT, Damage, Entry, encode_header, encode_record, scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEGMENT_BYTES: Final = 64 * 1024 * 1024  # one file to delete once settled; a slow drain frees the disk as it goes
MAX_BYTES: Final = 8 * 1024**3  # at 14 ticks/s of 570 bytes: eleven days without Firehose
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Fsync = Literal["never", "interval", "always"]


class SessionLog:
    """
    One session's lines on disk, read from where delivery stands.

    `written` is one past the last n; `settled` holds the n that were delivered or refused; the rest is pending.
    """

    def __init__(self, path: Path, *, alive: bool = False) -> None:
        self.path = path
        self.session = path.name
        self._alive = alive
        self.written = 0
        self.settled = IntervalSet()
        self.refused: dict[str, int] = {}
        self.delivered = 0
        self.memory: dict[str, Any] = {}
        self.memory_n = 0
        self.torn_bytes = 0
        self._next_n = 0  # of the read cursor: what the next intact line should be
        self._at: tuple[Path, int] | None = None
        self._read_checkpoint()

    @property
    def pending(self) -> int:
        """Lines written that are neither delivered nor refused."""
        return self.written - len(self.settled)

    @property
    def size_bytes(self) -> int:
        """What its segments take on disk."""
        return sum(path.stat().st_size for path in self.segments())

    def segments(self) -> list[Path]:
        """Its segment files, oldest first."""
        return sorted(self.path.glob("*.seg"))

    def recover(self) -> None:
        """
        Find the end of what a dead process wrote, and cut a torn tail.

        A torn tail is a line whose write never ended, so nobody counted it; `torn_bytes` says how much was cut.
        """
        segments = self.segments()
        for path in reversed(segments):
            last: int | None = None
            for _, found in scan(path):
                if isinstance(found, Entry):
                    last = found.n
                elif found.why == "torn_tail" and path == segments[-1]:
                    os.truncate(path, found.offset)
                    self.torn_bytes = len(found.content)
            if last is not None:
                self.written = max(self.written, last + 1)
                return

    def read(self, max_bytes: int) -> list[Entry]:
        """
        The next pending lines, up to about max_bytes; an empty list if there are none now.

        Lines lost to damage on disk are settled as refused (`journal_damaged`), with the damaged bytes kept.
        """
        entries: list[Entry] = []
        taken = 0
        while taken < max_bytes:
            chunk, advanced = self._read_segment(max_bytes - taken)
            entries += chunk
            taken += sum(len(entry.line) for entry in chunk)
            if not advanced:
                break
        return entries

    def _read_segment(self, max_bytes: int) -> tuple[list[Entry], bool]:
        """Lines of the segment under the cursor, and whether there may be more to read at once."""
        if self._at is None:
            first = next(iter(self.segments()), None)
            if first is None:
                self._note_end()
                return [], False
            self._at = (first, 0)
        path, offset = self._at
        entries: list[Entry] = []
        for after, found in scan(path, offset):
            if isinstance(found, Damage) and found.why == "torn_tail":
                break
            offset = after
            if isinstance(found, Damage):
                self._keep({"damage": found.why, "segment": path.name, "offset": found.offset}, found.content)
                continue
            self._note_lost(found.n)
            if found.n not in self.settled:
                entries.append(found)
                max_bytes -= len(found.line)
            if max_bytes <= 0:
                self._at = (path, offset)
                return entries, True
        following = [each for each in self.segments() if each.name > path.name]
        self._at = (following[0], 0) if following else (path, offset)
        if not following:
            self._note_end()
        return entries, bool(following)

    def _note_end(self) -> None:
        """A dead session has no more lines: what it had counted beyond the last intact one is lost to damage."""
        if not self._alive and self._next_n < self.written:
            self._note_lost(self.written)

    def _note_lost(self, n: int) -> None:
        """Lines between the last intact one and this one were damaged: settle them by name."""
        if n > self._next_n:
            lost = IntervalSet([(self._next_n, n - 1)])
            for first, last in self.settled:
                lost.remove(first, last)
            for first, last in lost:
                self._settle_refused(first, last, "journal_damaged")
        self._next_n = n + 1

    def settle(self, first_n: int, last_n: int) -> None:
        """Lines first_n..last_n were accepted by Firehose."""
        self.settled.add(first_n, last_n)
        self.delivered += last_n - first_n + 1

    def refuse(self, entry: Entry, reason: str) -> None:
        """This line cannot be delivered: it stays readable in refused.ndjson, under its reason."""
        self._keep({"n": entry.n, "reason": reason}, entry.line)
        self._settle_refused(entry.n, entry.n, reason)

    def set_aside(self, n: int, reason: str, frame: bytes) -> None:
        """Keep the whole of a frame whose line carries only a part; the line itself goes its way."""
        self._keep({"n": n, "reason": reason, "frame": True}, frame)

    def _settle_refused(self, first: int, last: int, reason: str) -> None:
        self.settled.add(first, last)
        self.refused[reason] = self.refused.get(reason, 0) + last - first + 1

    def _keep(self, note: dict[str, Any], content: bytes) -> None:
        try:
            note["text"] = content.decode("utf-8")
        except UnicodeDecodeError:
            note["base64"] = base64.b64encode(content).decode()
        with _room_on(self.path), (self.path / "refused.ndjson").open("ab") as file:
            file.write(orjson.dumps(note) + b"\n")

    def checkpoint(self) -> int:
        """
        Write down what is settled and remembered, atomically; then forget segments that are settled to their end.

        Returns how many bytes of disk were freed.
        Raises: JournalFull if there is no room; the earlier checkpoint then still stands.
        """
        state = {
            "format": FORMAT,
            "session": self.session,
            "written": self.written,
            "settled": [list(each) for each in self.settled],
            "delivered": self.delivered,
            "refused": self.refused,
            "memory": self.memory,
            "memory_n": self.memory_n,
        }
        draft = self.path / "checkpoint.json.new"
        with _room_on(self.path):
            draft.write_bytes(orjson.dumps(state))
            draft.replace(self.path / "checkpoint.json")
        return self._forget_settled_segments()

    def _forget_settled_segments(self) -> int:
        """Delete segments all of whose lines are settled and remembered; never the one being written."""
        freed = 0
        settled_to = next((last + 1 for first, last in self.settled if first == 0), 0)
        segments = self.segments()
        for path, following in pairwise(segments):
            if int(following.stem) > min(settled_to, self.memory_n):
                break
            if self._at is not None and self._at[0] == path:
                self._at = (following, 0)
            freed += path.stat().st_size
            path.unlink()
        return freed

    def _read_checkpoint(self) -> None:
        try:
            state = orjson.loads((self.path / "checkpoint.json").read_bytes())
            self.settled = IntervalSet((first, last) for first, last in state["settled"])
            self.written, self.delivered, self.refused = state["written"], state["delivered"], state["refused"]
            self.memory, self.memory_n = state["memory"], state["memory_n"]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as wrong:
            raise JournalDamaged(path=self.path / "checkpoint.json", why=f"{type(wrong).__name__}: {wrong}") from wrong
        # Lines before the oldest segment are gone because they were settled: reading starts there.
        self._next_n = int(self.segments()[0].stem) if self.segments() else self.written

    def lines_since_memory(self) -> Iterator[Entry]:
        """Lines that the remembered state does not know of yet: whoever inherits it reads them again."""
        for path in self.segments():
            for _, found in scan(path):
                if isinstance(found, Entry) and found.n >= self.memory_n:
                    yield found

    def remove(self) -> None:
        """Delete the session, unless something in it was refused: that stays for a person to read."""
        if (self.path / "refused.ndjson").exists():
            for path in (*self.segments(), self.path / "checkpoint.json"):
                path.unlink(missing_ok=True)
        else:
            shutil.rmtree(self.path)


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
        self._segment_bytes = segment_bytes
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path, session)
        self.backlog = _open_backlog(path)
        self._held_bytes = sum(log.size_bytes for log in self.backlog)
        (path / session).mkdir()
        self.live = SessionLog(path / session, alive=True)
        self._fd = -1
        self._size = 0
        self._dirty = False
        self._open_segment()

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
        return sum(log.pending for log in self.backlog)

    @property
    def fill(self) -> float:
        """How full the journal is, 0 to 1."""
        return self._held_bytes / self._max_bytes

    def append(self, line: bytes) -> None:
        """
        Hand one line to the operating system, by one write.

        Raises: JournalFull if there is no room; then nothing was written and nothing is counted.
        Caller must: have given the line the number `next_n`.
        """
        record = encode_record(line)
        if self._held_bytes + len(record) > self._max_bytes:
            raise JournalFull(path=self.path, why=f"it holds {self._held_bytes:,} of {self._max_bytes:,} bytes")
        if self._size >= self._segment_bytes:
            self._open_segment()
        self._write(record)
        self.live.written += 1
        if self._fsync == "always":
            os.fsync(self._fd)
        self._dirty = True

    def _write(self, record: bytes) -> None:
        with _room_on(self.path):
            written = os.write(self._fd, record)
        if written != len(record):  # the disk took a part: take it back, a half record is no line
            os.ftruncate(self._fd, self._size)
            raise JournalFull(path=self.path, why=f"the disk took {written} of {len(record)} bytes")
        self._size += written
        self._held_bytes += written

    def _open_segment(self) -> None:
        path = self.live.path / f"{self.live.written:020d}.seg"
        with _room_on(self.path):
            fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if self._fd >= 0:
            if self._fsync != "never":
                os.fsync(self._fd)
            os.close(self._fd)
        self._fd, self._size = fd, 0
        self._write(encode_header(self.session))

    def descriptor_to_sync(self) -> int | None:
        """
        A descriptor for `sync_and_close`, if lines wait to be flushed to the disk itself (`interval`); else None.

        It is a duplicate, so that the flush may run in another thread while this one goes on to the next segment.
        """
        if not self._dirty or self._fsync != "interval":
            return None
        self._dirty = False
        return os.dup(self._fd)

    def checkpoint(self, memory: dict[str, Any]) -> None:
        """Write down the settled lines of every session, and what to remember as of the last line appended."""
        self.live.memory, self.live.memory_n = memory, self.live.written
        self._held_bytes -= self.live.checkpoint()
        for log in self.backlog:
            self._held_bytes -= log.checkpoint()

    def inherited(self) -> tuple[dict[str, Any], Iterator[Entry]]:
        """What the newest earlier session remembered, and its lines since then."""
        if not self.backlog:
            return {}, iter(())
        newest = self.backlog[-1]
        return newest.memory, newest.lines_since_memory()

    def forget_drained(self) -> list[SessionLog]:
        """
        Remove earlier sessions with nothing pending; returns them.

        Caller must: have written a checkpoint of its own since `inherited`, so that nothing remembered is lost.
        """
        drained = [log for log in self.backlog if not log.pending]
        for log in drained:
            self._held_bytes -= log.size_bytes
            log.remove()
            self.backlog.remove(log)
        return drained

    def close(self) -> None:
        """Flush, close, and let go of the lock; the caller has written its last checkpoint."""
        if self._fsync != "never":
            os.fsync(self._fd)
        os.close(self._fd)
        os.close(self._lock)


def sync_and_close(descriptor: int) -> None:
    """Flush what was written through a descriptor to the disk itself, and let go of it."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _room_on(path: Path) -> Iterator[None]:
    """Turn the system's ways of saying "no room" into JournalFull."""
    try:
        yield
    except OSError as wrong:
        if wrong.errno not in _NO_ROOM:
            raise
        raise JournalFull(path=path, why=os.strerror(wrong.errno or 0)) from wrong


def _lock(path: Path, session: str) -> int:
    fd = os.open(path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(fd, 200).decode("utf-8", "replace").strip() or "another process"
        os.close(fd)
        raise JournalLocked(path=path, holder=holder) from None
    os.ftruncate(fd, 0)
    os.write(fd, f"process {os.getpid()}, session {session}\n".encode())
    return fd


def _open_backlog(path: Path) -> list[SessionLog]:
    """Earlier sessions, oldest first (a ULID sorts by time)."""
    logs = []
    for folder in sorted(each for each in path.iterdir() if each.is_dir()):
        if not (folder / "checkpoint.json").exists() and not list(folder.glob("*.seg")):
            continue  # only refused.ndjson is left: for a person, not for us
        log = SessionLog(folder)
        log.recover()
        logs.append(log)
    return logs
