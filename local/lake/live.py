"""
Which objects of `processed` count: all but those that a replay put others in the place of.

A replay (local/lake/replay.py) takes effect by one rename: of its record, `replay/<id>.json`. Objects it wrote count from then on, objects
its record names as replaced no longer do, whether they have been moved away yet or not.
Laws: an object counts or not by what records say, never by how far a replay got.
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
from sql.history import REPLAYS, ManifestDamaged, counts, decode_replaced

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    """The objects that count, in the order of keys, and the keys that once did and were replaced."""

    objects: tuple[Path, ...]
    replaced: frozenset[str]


def find_live(root: Path) -> Live:
    """
    The objects of `processed` that count now.

    Raises: RecordDamaged.
    """
    records = dict(_read_records(root))
    replaced = frozenset(key for keys in records.values() for key in keys)
    table = read_table("processed")
    found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    live = (
        path for path in found if counts(path.relative_to(root).as_posix(), replaced=replaced, replays=records.keys())
    )
    return Live(objects=tuple(live), replaced=replaced)


def _read_records(root: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted((root / REPLAYS).glob("*.json")):
        try:
            yield path.stem, decode_replaced(path.name, read_record(path))
        except ManifestDamaged as error:
            raise RecordDamaged(path=path, why=error.why) from error


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
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as written:
        written.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
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
