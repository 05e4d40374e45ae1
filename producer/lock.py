"""
Who owns a journal: one process at a time, by a lock on a file of it; the file's text says which, for people.

Laws: the only `import fcntl`; a lock goes with the process that held it, however that ends.
Refuses to know: what a journal holds.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from producer.aside import room_on
from producer.errors import JournalFull, JournalLocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def holder_of(path: Path) -> str | None:
    """Which process has the journal now, as it says itself; None if none has."""
    try:
        fd = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # A shared lock, for an instant: only an owner's exclusive one stands against it.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(fd, 200).decode("utf-8", "replace").strip() or "another process"
    else:
        return None
    finally:
        os.close(fd)


@contextmanager
def locked(path: Path, why: str) -> Iterator[None]:
    """
    Nobody else owns the journal meanwhile.

    Raises: JournalLocked if somebody does.
    """
    fd = lock(path, why)
    try:
        yield
    finally:
        os.close(fd)


def lock(path: Path, what: str) -> int:
    """
    Own the journal until the descriptor that comes back is closed.

    Raises: JournalLocked if somebody else does.
    """
    with room_on(path):
        fd = os.open(path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(fd, 200).decode("utf-8", "replace").strip() or "another process"
        os.close(fd)
        raise JournalLocked(path=path, holder=holder) from None
    os.ftruncate(fd, 0)
    with suppress(JournalFull), room_on(path):  # the text is only for people; the lock is held without it
        os.write(fd, f"process {os.getpid()}, {what}\n".encode())
    return fd
