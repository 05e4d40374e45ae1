"""
A planned replay done in a folder: new objects placed, the record put, what was replaced moved away.

Laws: new objects do not count, and old ones do, until one rename, of the record (sql/replays.py); a crash at any step leaves the rows as
before or as after; nothing is deleted but what never counted, what is replaced moves to `replaced/`.
Refuses to know: which rows are replaced, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from local.lake.live import find_live, read_replays, write_whole
from sql.glue import read_table
from sql.replays import RECORDS, decode_record, encode_record, is_placed, is_record, kept_key, record_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.lake.replay import ReplayPlan

Step = Literal["planned", "placed", "named", "moved"]


def replay_hour(root: Path, plan: ReplayPlan, step: Callable[[Step], None]) -> None:
    """
    Do what is planned; `step` is told of each step once it is done. The replay counts from `named` on.

    Caller must: hold the lake (local.lake.compact.hold_lake), and have planned while holding it.
    """
    step("planned")
    for key, content in plan.objects.items():
        write_whole(root / key, content)
    step("placed")
    write_whole(root / record_key(plan.record.number), encode_record(plan.record))
    step("named")
    finish_replays(root)
    step("moved")


def finish_replays(root: Path) -> None:
    """
    Move away what replays replaced, and remove what a crash left of one that was not recorded.

    Raises: RecordDamaged. Caller must: hold the lake.
    """
    read_replays(root)  # all records are believed before anything is moved
    for path in sorted((root / RECORDS).glob("*.json")):
        key = path.relative_to(root).as_posix()
        if is_record(key):
            _move_replaced(root, key, path.read_bytes())
    live = set(find_live(root).objects)
    for path in (root / read_table("delivered").prefix).rglob("replay-*.parquet"):
        if is_placed(path.relative_to(root).as_posix()) and path not in live:
            path.unlink()


def _move_replaced(root: Path, record: str, content: bytes) -> None:
    said = decode_record(record, content)
    for key in said.replaced:
        if (root / key).exists():
            target = root / kept_key(said.number, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            (root / key).replace(target)
