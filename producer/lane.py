"""
One session's lines on their way to Firehose: read ahead, waiting to be packed, packed, to be sent again.

Laws: lines leave a lane only by settlement; packs keep the order of their lines, those that were refused for now ahead of those
never sent; what a lane holds is bounded. A disk that cannot be read blocks its own lane and no other.
Refuses to know: calls, answers and waits.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from producer.errors import JournalFull
from producer.line import n_of
from producer.packing import Pack, Waiting, plan_packs
from producer.segment import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from producer.session_log import SessionLog

log = logging.getLogger(__name__)

# Read from the journal and held for packing, per session: two full calls' worth. It is filled up from half, so that a slow drain
# neither reads a megabyte of disk for every small pack that goes, nor packs small.
WINDOW_BYTES: Final = 6 * 1024 * 1024
# Read at once: about 15 ms of CPU. The feed's next frame waits for it, and a frame's receive time is when we come to it.
STEP_BYTES: Final = 1024 * 1024


class Lane:
    """
    The lane of one session.

    `blocked` says what last kept lines of it from going their way; `untold` has those refused for good that nobody has testified to yet.
    """

    def __init__(self, session_log: SessionLog, *, linger_s: float) -> None:
        self.log = session_log
        self.blocked = ""
        self.untold: list[Entry] = []
        self._linger_s = linger_s
        self._waiting: list[Waiting] = []
        self._again: list[Pack] = []
        self._ready: list[Pack] = []
        self._held_bytes = 0
        self._filling = False

    @property
    def packs(self) -> list[Pack]:
        """What may be sent now, in order."""
        return self._again + self._ready

    def read_ahead(self, now: float) -> bool:
        """
        Read one step from the journal, if there is room for it; whether there is more to read at once.

        Clock: the one that `now` is of at every call.
        """
        room = WINDOW_BYTES - self._held_bytes
        self._filling = room > 0 and (self._filling or room >= WINDOW_BYTES // 2)
        if self._filling:
            try:
                entries = self.log.read(min(room, STEP_BYTES))
            except OSError as failed:
                self._block(f"cannot be read from disk ({failed}): its lines stay pending")
                entries = []
            self._waiting += [Waiting(entry, now) for entry in entries]
            self._held_bytes += sum(len(entry.line) + 1 for entry in entries)
            self._filling = bool(entries)
        return self._filling

    def plan(self, now: float, *, flush: bool) -> None:
        """Pack what is full or due; with `flush` everything is due."""
        if not self._waiting:
            return
        plan = plan_packs(self.log.session, self._waiting, now=now, linger_s=0.0 if flush else self._linger_s)
        kept: list[Waiting] = []
        if plan.oversize and not self._refuse_oversize(plan.oversize):
            kept = [each for each in self._waiting[: plan.taken] if each.entry in plan.oversize]
        self._ready += plan.packs
        self._waiting[: plan.taken] = kept

    def _refuse_oversize(self, entries: Sequence[Entry]) -> bool:
        """Set lines aside that no record can hold; False if there is no room for them now."""
        try:
            self.log.refuse(entries, "line_too_long")
        except JournalFull as full:
            self._block(f"has lines too long for Firehose, and no room to set them aside ({full})")
            return False
        log.error("session %s: %d lines are too long for Firehose", self.log.session, len(entries))
        self.untold += entries
        self._held_bytes -= sum(len(entry.line) + 1 for entry in entries)
        return True

    def _block(self, why: str) -> None:
        if self.blocked != why:
            log.error("session %s %s", self.log.session, why)
        self.blocked = why

    def deliver(self, pack: Pack) -> None:
        """Firehose accepted the pack."""
        self.log.settle(pack.first_n, pack.last_n)
        self._remove(pack)

    def refuse(self, pack: Pack, reason: str) -> None:
        """
        The pack can never be delivered: its lines are kept under the reason.

        Raises: JournalFull if there is no room to keep them; the pack then stays where it is.
        """
        entries = [Entry(n_of(line), line) for line in pack.content.split(b"\n")[:-1]]
        self.log.refuse(entries, reason)
        self.untold += entries
        self._remove(pack)

    def send_again(self, refused: Iterable[Pack]) -> None:
        """Put packs that were refused for now ahead of those never sent, in their order."""
        mine = set(refused) & set(self._ready)
        self._again += [pack for pack in self._ready if pack in mine]
        self._ready = [pack for pack in self._ready if pack not in mine]

    def put_back(self, pack: Pack) -> None:
        """Let every other pack that is ready go before this one."""
        (self._again if pack in self._again else self._ready).remove(pack)
        self._ready.append(pack)

    def oldest(self) -> bytes | None:
        """The oldest line that was read and is not settled."""
        heads = [pack.content for pack in (self._again[:1] + self._ready)]
        if heads:
            return min(heads, key=n_of).split(b"\n", 1)[0]
        return self._waiting[0].entry.line if self._waiting else None

    def _remove(self, pack: Pack) -> None:
        self._held_bytes -= len(pack.content)
        (self._again if pack in self._again else self._ready).remove(pack)


def share(queues: Sequence[Sequence[Pack]], room_bytes: int) -> list[Pack]:
    """
    One queue out of several: of each as much as fits an equal part of the room, at least its first, then the rest in turn.

    Shapes: every pack of every queue, each queue's in its order.
    """
    shares: list[Pack] = []
    rest: list[Pack] = []
    for queue in queues:
        used = 0
        for at, pack in enumerate(queue):
            used += pack.base64_bytes
            (rest if at and used > room_bytes // len(queues) else shares).append(pack)
    return shares + rest
