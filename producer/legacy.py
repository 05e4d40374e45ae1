"""
What dead sessions left in a journal: their lines, and what the next session has to know of them.

Laws: only `recover_sessions`, for the journal's owner, changes anything on disk (a torn tail is cut); a session without a checkpoint of its own makes
nobody forget what those before it knew.
Refuses to know: who appends, and what a line says.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from producer.session_log import SessionLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from producer.segment import Entry


def recover_sessions(path: Path) -> list[SessionLog]:
    """What earlier sessions left, oldest first, each with its end found and its torn tail cut."""
    logs = [SessionLog(folder) for folder in session_folders(path)]
    for each in logs:
        each.recover()
    return logs


@dataclass(frozen=True, slots=True)
class Legacy:
    """What a journal's sessions left, as `Journal.inherited` gives it to the next one, and how many of their lines are pending."""

    pending: int
    memory: dict[str, Any]
    since: tuple[Entry, ...]


def look_at_legacy(path: Path) -> Legacy:
    """What is left in a journal, without owning it; nothing on disk is changed."""
    logs = [SessionLog(folder) for folder in session_folders(path)] if path.is_dir() else []
    for each in logs:
        each.find_end()
    memory, since = inherit(logs)
    return Legacy(sum(each.pending for each in logs), memory, tuple(since))


def inherit(logs: Sequence[SessionLog]) -> tuple[dict[str, Any], Iterator[Entry]]:
    """
    What the newest session that wrote a checkpoint of its own remembered, and all lines since then.

    Shapes: `logs` oldest first, by their names. A clock that was set back makes a name lesser than those before it: which session is the
    newest tells what each heard of the others.
    """
    # A session that was killed before its first checkpoint remembers nothing, and is no reason to forget what those before it knew.
    rememberers = [each for each in logs if each.memory]
    if not rememberers:
        return {}, _lines_since_memory(logs)
    heard = {session for each in rememberers for session in each.heard or ()}
    newest = next((each for each in reversed(rememberers) if each.session not in heard), rememberers[-1])
    unheard = [each for each in logs if each is not newest and not _has_heard(newest, each)]
    return newest.memory, _lines_since_memory([newest, *unheard])


def _lines_since_memory(logs: Sequence[SessionLog]) -> Iterator[Entry]:
    return chain.from_iterable(each.lines_since_memory() for each in logs)


def _has_heard(newest: SessionLog, other: SessionLog) -> bool:
    return other.session < newest.session if newest.heard is None else other.session in newest.heard


def session_folders(path: Path) -> list[Path]:
    """The folders of sessions that have lines or something to remember, oldest first (a ULID sorts by time)."""
    return [
        folder
        for folder in sorted(each for each in path.iterdir() if each.is_dir())
        # Where only refused.ndjson is left, that is for a person, not for us.
        if (folder / "checkpoint.json").exists() or any(folder.glob("*.seg"))
    ]
