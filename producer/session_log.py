"""
One session's folder in a journal: its lines read in order, what of them is settled, and what the next session must remember.

Laws: nothing is settled but by name: delivered, refused under a reason, or lost to damage on disk, which is a reason too. Damaged
bytes are kept for a person. A checkpoint replaces the one before it whole or not at all.
Refuses to know: who appends (journal.py), packs, Firehose, and what a line says beyond its n.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import orjson

from producer.aside import Aside, Note, bytes_aside, note_of_damage, room_on
from producer.errors import JournalDamaged, JournalFull
from producer.intervals import IntervalSet
from producer.segment import FORMAT, Damage, Entry, scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

DAMAGED: Final = "journal_damaged"  # the reason under which lines that the disk lost are settled


class SessionLog:
    """
    One session's lines on disk, read from where delivery stands.

    `written` is one past the last n; `settled` holds the n that were delivered or refused; the rest is pending.
    """

    def __init__(self, path: Path, *, alive: bool = False) -> None:
        self.path = path
        self.session = path.name
        self.aside = Aside(path)
        self._alive = alive
        self.written = 0
        self.settled = IntervalSet()
        self.refused: dict[str, int] = {}
        self.delivered = 0
        self.memory: dict[str, Any] = {}
        self.memory_n = 0
        self.heard: tuple[str, ...] | None = (
            None  # the sessions whose lines its memory knows; None: all with a lesser name
        )
        self.torn_bytes = 0
        self.losses = IntervalSet()  # lines lost to damage that nobody has testified to yet
        self.checkpoint_damage = ""  # why what stands in checkpoint.json cannot be used
        self._has_checkpoint = False
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
        sizes = 0
        for path in self.segments():
            with suppress(FileNotFoundError):  # for who only looks: its owner deletes settled ones
                sizes += path.stat().st_size
        return sizes

    def segments(self) -> list[Path]:
        """Its segment files, oldest first."""
        return sorted(self.path.glob("*.seg"))

    def recover(self) -> None:
        """
        Find the end of what a dead process wrote, and cut a torn tail.

        A torn tail is a line whose write never ended, so nobody counted it; `torn_bytes` says how much was cut.
        Without a checkpoint that can be read, every line on disk is pending again.
        """
        if self.checkpoint_damage:
            log.error("%s cannot be read (%s): its lines are sent again.", self._checkpoint, self.checkpoint_damage)
            self._checkpoint.replace(self.path / "checkpoint.json.damaged")
        torn = self.find_end()
        if torn is not None:
            os.truncate(torn.path, torn.offset)
            self.torn_bytes = len(torn.content)
            log.warning("%s: cut %d bytes of a line whose write never ended", torn.path, self.torn_bytes)

    def find_end(self) -> Damage | None:
        """Find the last line on disk; returns the torn tail behind it, if there is one. Changes nothing on disk."""
        segments = self.segments()
        if segments and not self._has_checkpoint and (first_n := int(segments[0].stem)):
            self.settle(0, first_n - 1)  # their segments are gone, so an earlier checkpoint said so
        torn: Damage | None = None
        for path in reversed(segments):
            last: int | None = None
            with suppress(FileNotFoundError):
                for _, found in scan(path):
                    if isinstance(found, Entry):
                        last = found.n
                    elif found.why == "torn_tail" and path == segments[-1]:
                        torn = found
            if last is not None:
                self.written = max(self.written, last + 1)
                break
        return torn

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
        segments = self.segments()
        if self._at is None and segments:
            self._at = (segments[0], 0)
        if self._at is None:
            self._note_end()
            return [], False
        path, offset = self._at
        following = next((each for each in segments if each.name > path.name), None)
        entries: list[Entry] = []
        # A segment that is gone without our doing has no lines: they are found missing at the next one.
        with suppress(FileNotFoundError):
            for after, found in scan(path, offset):
                if isinstance(found, Damage):
                    if following is None and found.why == "torn_tail":
                        break
                    if not self._set_damage_aside(found):
                        return entries, False
                elif self._is_news(found):
                    entries.append(found)
                    max_bytes -= len(found.line)
                self._at = (path, after)
                if max_bytes <= 0:
                    return entries, True
        if following is None:
            self._note_end()
            return entries, False
        self._at = (following, 0)
        return entries, True

    def _is_news(self, entry: Entry) -> bool:
        """Whether an intact line is pending; lines missing before it are settled by name."""
        if entry.n < self._next_n:
            return False  # an older line on a newer one's place: it was given out already
        self._note_lost(entry.n)
        self._next_n = entry.n + 1
        return entry.n not in self.settled

    def _set_damage_aside(self, damage: Damage) -> bool:
        """Keep damaged bytes for a person; False if there is no room for them now."""
        log.error("%s: %d bytes at offset %d are damaged", damage.path, len(damage.content), damage.offset)
        try:
            self.aside.keep([note_of_damage(damage)])
        except JournalFull as full:
            log.warning("%s", full)
            return False
        return True

    def _note_end(self) -> None:
        """A dead session has no more lines: what it had counted beyond the last intact one is lost to damage."""
        if not self._alive and self._next_n < self.written:
            self._note_lost(self.written)
            self._next_n = self.written

    def _note_lost(self, n: int) -> None:
        """Lines between the last intact one and this one were damaged: settle them by name."""
        if n <= self._next_n:
            return
        lost = IntervalSet([(self._next_n, n - 1)])
        for first, last in self.settled:
            lost.remove(first, last)
        for first, last in lost:
            log.error("session %s: lines %d to %d are lost to damage on disk", self.session, first, last)
            self.lose(first, last)

    def settle(self, first_n: int, last_n: int) -> None:
        """Lines first_n..last_n were accepted by Firehose."""
        self.settled.add(first_n, last_n)
        self.delivered += last_n - first_n + 1

    def refuse(self, entries: Sequence[Entry], reason: str) -> None:
        """
        These lines cannot be delivered: they stay readable in refused.ndjson, under their reason, as long as that keeps to its share.

        Raises: JournalFull if there is no room to keep them; then none is settled.
        """
        self.aside.keep([Note({"n": entry.n, "reason": reason}, entry.line) for entry in entries])
        for entry in entries:
            self._settle_refused(entry.n, entry.n, reason)

    def lose(self, first_n: int, last_n: int) -> None:
        """These lines were counted and are on disk no more: `losses` has them until somebody has testified to it."""
        self._settle_refused(first_n, last_n, DAMAGED)
        self.losses.add(first_n, last_n)

    def set_aside(self, n: int, reason: str, frame: bytes) -> None:
        """
        Keep the whole of a frame whose line carries only a part; the line itself goes its way.

        Raises: JournalFull if there is no room for it.
        """
        self.aside.keep_whole(Note({"n": n, "reason": reason, "frame": True}, frame))

    def _settle_refused(self, first: int, last: int, reason: str) -> None:
        self.settled.add(first, last)
        self.refused[reason] = self.refused.get(reason, 0) + last - first + 1

    def adopt(self, other: SessionLog) -> None:
        """Take over what another copy of this session knows of its lines."""
        self.written, self.settled, self.delivered = other.written, other.settled.copy(), other.delivered
        self.refused, self.memory, self.memory_n = dict(other.refused), other.memory, other.memory_n
        self.losses, self.heard = other.losses.copy(), other.heard

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
            "heard": self.heard,
            "losses": [list(each) for each in self.losses],
        }
        draft = self.path / "checkpoint.json.new"
        with room_on(self.path):
            self.path.mkdir(exist_ok=True)
            draft.write_bytes(orjson.dumps(state))
            draft.replace(self._checkpoint)
        return self._forget_settled_segments()

    @property
    def _checkpoint(self) -> Path:
        return self.path / "checkpoint.json"

    def _forget_settled_segments(self) -> int:
        """Delete segments all of whose lines are settled and remembered; never the one being written."""
        freed = 0
        if self.losses:
            return freed  # what may have been in the lost lines is told by those around them
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
            state = orjson.loads(self._checkpoint.read_bytes())
            self._take_checkpoint(state)
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as wrong:
            self.checkpoint_damage = f"{type(wrong).__name__}: {wrong}"

    def _take_checkpoint(self, state: dict[str, Any]) -> None:
        if state["format"] > FORMAT:
            raise JournalDamaged(path=self._checkpoint, why=f"its format {state['format']} is of a later version")
        settled = IntervalSet((first, last) for first, last in state["settled"])
        written, delivered, refused = state["written"], state["delivered"], state["refused"]
        if len(settled) != delivered + sum(refused.values()):
            raise ValueError("its counts do not balance")
        self.losses = IntervalSet((first, last) for first, last in state.get("losses", ()))  # an older journal has none
        self.memory, self.memory_n = state["memory"], state["memory_n"]
        heard = state.get("heard")  # an older journal has none
        self.heard = None if heard is None else tuple(heard)
        self.settled, self.written, self.delivered, self.refused = settled, written, delivered, refused
        self._has_checkpoint = True

    def lines_since_memory(self) -> Iterator[Entry]:
        """Lines that the remembered state does not know of yet: whoever inherits it reads them again."""
        segments = self.segments()
        known = {path for path, following in pairwise(segments) if int(following.stem) <= self.memory_n}
        for path in segments:
            if path not in known:
                yield from (found for _, found in scan(path) if isinstance(found, Entry) and found.n >= self.memory_n)

    def checkpoint_descriptor(self) -> list[int]:
        """The checkpoint's descriptor for `sync_and_close`, if there is one."""
        with suppress(FileNotFoundError):
            return [os.open(self._checkpoint, os.O_RDONLY | os.O_CLOEXEC)]
        return []

    def remove(self) -> None:
        """Delete the session, unless something in it was refused: that stays for a person to read."""
        # The checkpoint goes last: without it, lines still on disk would be sent again.
        for path in (*self.segments(), self._checkpoint):
            path.unlink(missing_ok=True)
        if not bytes_aside(self.path):
            shutil.rmtree(self.path)


def sync_and_close(descriptor: int) -> None:
    """Flush what was written through a descriptor to the disk itself, and let go of it."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
