"""
A look into a journal that somebody else may own: what it holds, whether every record is intact, its lines.

Laws: reads only, needs no lock, and never trusts: what is damaged comes out named with its file and offset. A segment that
its owner deletes meanwhile was settled, and is passed over.
Refuses to know: how what it finds is shown.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from producer.intervals import IntervalSet
from producer.line import receive_us_of
from producer.segment import Damage, Entry, scan
from producer.session_log import SessionLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    # Told how many bytes were read since it was last told.
    Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Overview:
    """
    One session at a glance, as of its last checkpoint and its last line on disk.

    Clock: `oldest_pending_us` is our socket's, in microseconds since the epoch; None where nothing is pending.
    """

    session: str
    first_n: int
    next_n: int
    delivered: int
    pending: int
    refused: dict[str, int]
    size_bytes: int
    torn_bytes: int
    oldest_pending_us: int | None
    checkpoint_damage: str


def look_over(folder: Path) -> Overview:
    """One session at a glance: its checkpoint, its last segment, and its oldest pending line are read, not more."""
    log = SessionLog(folder)
    torn = log.find_end()
    segments = log.segments()
    oldest = _first_pending(log) if log.pending else None
    return Overview(
        session=log.session,
        first_n=int(segments[0].stem) if segments else log.written,
        next_n=log.written,
        delivered=log.delivered,
        pending=log.pending,
        refused=log.refused,
        size_bytes=log.size_bytes,
        torn_bytes=len(torn.content) if torn else 0,
        oldest_pending_us=None if oldest is None else receive_us_of(oldest.line),
        checkpoint_damage=log.checkpoint_damage,
    )


def _first_pending(log: SessionLog) -> Entry | None:
    settled_to = next((last + 1 for first, last in log.settled if first == 0), 0)
    segments = log.segments()
    # The segment that holds the first line not settled, and those after it: one before may be 64 MiB of settled lines.
    start = max((at for at, path in enumerate(segments) if int(path.stem) <= settled_to), default=0)
    for path in segments[start:]:
        for found in records(path):
            if isinstance(found, Entry) and found.n not in log.settled:
                return found
    return None


@dataclass(slots=True)
class Verdict:
    """
    Every record of one session, read.

    `damages` are bytes that are no record, `lost` the numbers of lines that were counted, are not settled and are nowhere. A
    torn tail is no damage: a process was killed while it wrote a line that nobody had counted.
    """

    session: str
    intact: int = 0
    damages: list[Damage] = field(default_factory=list)
    lost: IntervalSet = field(default_factory=IntervalSet)
    torn: Damage | None = None
    other_damage: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Whether nothing is damaged or lost."""
        return not (self.damages or self.lost or self.other_damage)


def verify(folder: Path, tell: Tell) -> Verdict:
    """Read every record of every segment, the checkpoint and the refused lines of one session."""
    log = SessionLog(folder)
    verdict = Verdict(log.session)
    if log.checkpoint_damage:
        verdict.other_damage.append(f"{folder / 'checkpoint.json'}: {log.checkpoint_damage}")
    log.find_end()
    there = IntervalSet()
    for path, is_last in with_last(log.segments()):
        for found in records(path):
            if isinstance(found, Entry):
                verdict.intact += 1
                there.add(found.n, found.n)
                tell(len(found.line))
            elif found.why == "torn_tail" and is_last:
                verdict.torn = found
            else:
                verdict.damages.append(found)
    verdict.lost = lost_lines(log, there)
    verdict.other_damage += _bad_notes(folder / "refused.ndjson")
    return verdict


def lost_lines(log: SessionLog, there: IntervalSet) -> IntervalSet:
    """What was counted, is not settled, and is not among those that are there."""
    lost = IntervalSet([(0, log.written - 1)])
    for each in (log.settled, there):
        for first, last in each:
            lost.remove(first, last)
    return lost


def _bad_notes(path: Path) -> list[str]:
    bad = []
    with suppress(FileNotFoundError), path.open("rb") as file:
        for number, note in enumerate(file, start=1):
            try:
                orjson.loads(note)
            except orjson.JSONDecodeError as wrong:
                bad.append(f"{path}, line {number}: {wrong}")
    return bad


def read_lines(folder: Path, *, pending_only: bool) -> Iterator[Entry | Damage]:
    """One session's intact lines in order, and what is damaged in its place."""
    log = SessionLog(folder)
    for path, is_last in with_last(log.segments()):
        for found in records(path):
            if isinstance(found, Damage):
                if not (is_last and found.why == "torn_tail"):
                    yield found
            elif not (pending_only and found.n in log.settled):
                yield found


def records(path: Path) -> Iterator[Entry | Damage]:
    """Everything in one segment; nothing, if its owner deleted it meanwhile."""
    with suppress(FileNotFoundError):
        for _, found in scan(path):
            yield found


def with_last(paths: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Each path, and whether it is the last: only there bytes without an end are a line that was never counted."""
    return ((path, at == len(paths) - 1) for at, path in enumerate(paths))
