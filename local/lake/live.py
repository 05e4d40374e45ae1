"""
Which objects of `processed` count: all but those that a replay put others in the place of.

Laws: the rules are those of sql/replays.py, for a folder; an object counts or not by what records say, never by how far a replay got.
Refuses to know: rows, SQL.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.lake.objects import find_objects
from sql.glue import read_table
from sql.history import ManifestDamaged
from sql.replays import RECORDS, Replays, counts, decode_record, gather, is_record

if TYPE_CHECKING:
    from pathlib import Path


class RecordDamaged(Exception):
    """A record of our own that cannot be read; it was written whole, so somebody or something else changed it."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(
            f"{path} cannot be read ({why}): it says which objects count, so nothing is read without it. Restore it from a copy of the lake."
        )


@dataclass(frozen=True, slots=True)
class Live:
    """The objects that count, in the order of keys, and the replays that say so."""

    objects: tuple[Path, ...]
    replays: Replays

    @property
    def replaced(self) -> frozenset[str]:
        """The keys that once counted and were replaced."""
        return self.replays.replaced


def find_live(root: Path) -> Live:
    """
    The objects of `processed` that count now.

    Raises: RecordDamaged.
    """
    replays = read_replays(root)
    table = read_table("delivered")
    found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    live = (path for path in found if counts(path.relative_to(root).as_posix(), replays))
    return Live(objects=tuple(live), replays=replays)


def read_replays(root: Path) -> Replays:
    """
    The replays that took effect.

    Raises: RecordDamaged.
    """
    paths = sorted((root / RECORDS).glob("*.json"))
    keys = {key: path for path in paths if is_record(key := path.relative_to(root).as_posix())}
    try:
        return gather(decode_record(key, path.read_bytes()) for key, path in keys.items())
    except ManifestDamaged as error:
        raise RecordDamaged(path=root / error.key, why=error.why) from error
    except OSError as error:
        raise RecordDamaged(path=root / RECORDS, why=str(error)) from error


def read_record(path: Path) -> dict[str, object]:
    """
    One record as it was written.

    Raises: RecordDamaged.
    """
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordDamaged(path=path, why=str(error)) from error
    if not isinstance(record, dict):
        raise RecordDamaged(path=path, why="it is no JSON object")
    return record


def write_record(path: Path, record: dict[str, object]) -> None:
    """Put the record there whole, in one rename, and on the disk."""
    write_whole(path, json.dumps(record, separators=(",", ":")).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Put these bytes there whole, in one rename, and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder survive losing power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
