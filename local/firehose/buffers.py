"""
One buffer: entries in order, a byte bound, and a clock that starts with the first entry.

Laws: what goes in comes out once, in order. An entry that would carry a buffer over its bound seals it first, so a sealed buffer is over its
bound only if one entry alone is. A full buffer, or one as old as its interval, is due. Sizes count before compression.
Refuses to know: what the entries are. Clock: `now_ms` starts the interval; `arrival_ms` dates the object.
Source: Amazon Data Firehose, "Buffering hints".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from local.firehose.config import BufferHints

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Sealed(Generic[E]):
    """What one buffer held when it was emptied."""

    entries: list[E]
    held_bytes: int
    oldest_arrival_ms: int


@dataclass(frozen=True, slots=True)
class BufferFill:
    """How full one buffer is now. Shapes: `of` is the partition or the error type, empty where there is only one."""

    buffer: str
    of: str
    held_bytes: int
    bound_bytes: int
    due_ms: int


class Buffer(Generic[E]):
    """An open buffer; `add` answers what it had to seal to make room."""

    __slots__ = ("_entries", "_hints", "_oldest_arrival_ms", "_opened_ms", "held_bytes")

    def __init__(self, hints: BufferHints) -> None:
        self._hints = hints
        self._entries: list[E] = []
        self._opened_ms = 0
        self._oldest_arrival_ms = 0
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: E, *, entry_bytes: int, arrival_ms: int, now_ms: int) -> Sealed[E] | None:
        """Put one entry in; the sealed predecessor if the entry did not fit beside it."""
        sealed = None
        if self._entries and self.held_bytes + entry_bytes > self._hints.bound_bytes:
            sealed = self.seal()
        if not self._entries:
            self._opened_ms = now_ms
            self._oldest_arrival_ms = arrival_ms
        elif arrival_ms < self._oldest_arrival_ms:
            self._oldest_arrival_ms = arrival_ms
        self._entries.append(entry)
        self.held_bytes += entry_bytes
        return sealed

    def due_ms(self) -> int | None:
        """When the buffer is to be emptied: at once if full, None if empty."""
        if not self._entries:
            return None
        full = self.held_bytes >= self._hints.bound_bytes
        return self._opened_ms if full else self._opened_ms + self._hints.interval_s * 1000

    def oldest_arrival_ms(self) -> int | None:
        """The oldest arrival it holds; None if empty."""
        return self._oldest_arrival_ms if self._entries else None

    def seal(self) -> Sealed[E]:
        """Empty the buffer. Caller must know that it holds something."""
        sealed = Sealed(entries=self._entries, held_bytes=self.held_bytes, oldest_arrival_ms=self._oldest_arrival_ms)
        self._entries = []
        self.held_bytes = 0
        return sealed

    def fill(self, buffer: str, of: str = "") -> BufferFill:
        """How full it is."""
        return BufferFill(
            buffer=buffer,
            of=of,
            held_bytes=self.held_bytes,
            bound_bytes=self._hints.bound_bytes,
            due_ms=self.due_ms() or 0,
        )
