"""
A damaged journal, salvaged: everything intact goes into a new folder, the damaged bytes beside it, and a receipt that balances.

Laws: the damaged journal is only read; every line that was counted comes out as settled before, pending, or lost by name; the
new folder is an ordinary journal that the next producer drains, and testifies to the losses of.
Refuses to know: why it was damaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from producer.aside import NAME, note_of_damage
from producer.intervals import IntervalSet
from producer.segment import Damage, encode_header, encode_record
from producer.session_log import SessionLog
from producer.survey import lost_lines, records, with_last

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Salvaged:
    """
    What became of one session's lines.

    Units: `repeats` are intact records of lines that stood there already; `damaged_bytes` are kept in refused.ndjson.
    """

    session: str
    written: int
    delivered: int
    refused: dict[str, int]
    pending: int
    copied: int
    repeats: int
    damaged_bytes: int
    lost: IntervalSet = field(default_factory=IntervalSet)

    @property
    def unbalanced(self) -> int:
        """Written - (delivered + refused + pending); anything but 0 is a fault of ours."""
        return self.written - self.delivered - sum(self.refused.values()) - self.pending


def salvage(folder: Path, into: Path, tell: Callable[[int], None]) -> Salvaged:
    """
    Copy one session's intact lines, its settled numbers and its refused lines into a new folder.

    Raises: FileExistsError if `into` exists; OSError if the disk does not take it.
    """
    old = SessionLog(folder)
    old.find_end()
    into.mkdir(parents=True)
    copy = _copy_lines(old, into, tell)
    lost = lost_lines(old, copy.there)
    for first, last in lost:
        old.lose(first, last)
    new = SessionLog(into)
    new.adopt(old)
    new.checkpoint()
    return Salvaged(
        session=old.session,
        written=old.written,
        delivered=old.delivered,
        refused=old.refused,
        pending=old.pending,
        copied=len(copy.there),
        repeats=copy.repeats,
        damaged_bytes=sum(len(each.content) for each in copy.damages),
        lost=lost,
    )


@dataclass(slots=True)
class _Copy:
    there: IntervalSet = field(default_factory=IntervalSet)
    repeats: int = 0
    damages: list[Damage] = field(default_factory=list)


def _copy_lines(old: SessionLog, into: Path, tell: Callable[[int], None]) -> _Copy:
    copy = _Copy()
    for path, is_last in with_last(old.segments()):
        with (into / path.name).open("xb") as file:
            file.write(encode_header(old.session))
            for found in records(path):
                if isinstance(found, Damage):
                    if not (is_last and found.why == "torn_tail"):
                        copy.damages.append(found)
                elif found.n in copy.there:
                    copy.repeats += 1
                else:
                    file.write(encode_record(found.line))
                    copy.there.add(found.n, found.n)
                    tell(len(found.line))
    _copy_notes(old.path / NAME, into / NAME, copy.damages)
    return copy


def _copy_notes(old: Path, new: Path, damages: list[Damage]) -> None:
    notes = old.read_bytes() if old.exists() else b""
    if notes or damages:
        new.write_bytes(notes + b"".join(note_of_damage(each).encode() for each in damages))
