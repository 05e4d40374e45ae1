"""
A folder's manifests and objects, judged by the rules of sql/history.py: which hours are answered from `history`, which objects the others need.

Laws: a late object reopens its hour here at once, and for good when it is compacted anew; only objects in no manifest are looked into.
Refuses to know: the rules, how history is written (local/lake/compact.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.lake.live import Live, RecordDamaged, find_live, read_record
from local.lake.objects import find_objects, plan_files
from sql.compaction import plan_near
from sql.dialect import to_duckdb
from sql.glue import read_table
from sql.history import (
    MANIFEST,
    NO_HOUR,
    TRADE_KINDS,
    Manifest,
    ManifestDamaged,
    Survey,
    decode_manifest,
    judge_hours,
    kind_of,
)
from sql.hours import lake_hour

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import duckdb


@dataclass(frozen=True, slots=True)
class FolderSurvey(Survey):
    """What a lake in a folder holds; `hours` is empty where nothing was ever compacted and nobody asked."""

    live: Live

    def needed(self, root: Path) -> list[Path]:
        """The objects that the hours not served from history need."""
        served = {manifest.event_hour for manifest in self.served}
        if not served:
            return list(self.live.objects)
        return [root / key for key, hours in self.hours.items() if not set(hours) <= served]


def survey_lake(connection: duckdb.DuckDBPyConnection, root: Path, *, all_hours: bool = False) -> FolderSurvey:
    """
    What the lake holds now; `all_hours` looks into objects even where nothing was ever compacted.

    Raises: RecordDamaged; duckdb.Error for an object that cannot be read.
    """
    live = find_live(root)
    manifests = read_manifests(root)
    if not manifests and not all_hours:
        return FolderSurvey(served=(), reopened=(), frozen=(), hours={}, live=live)
    known = {key: hours for manifest in manifests for key, hours in manifest.inputs.items()}
    keys = [key for key in _keys(root, live.objects) if kind_of(key) in TRADE_KINDS]
    hours = known | read_hours(connection, root, [root / key for key in keys if key not in known])
    try:
        judged = judge_hours(
            manifests,
            {key: hours.get(key, ()) for key in keys},
            replaced=live.replaced,
            is_there=lambda key: (root / key).is_file(),
        )
    except ManifestDamaged as error:
        raise RecordDamaged(path=root / error.key, why=error.why) from error
    return FolderSurvey(
        served=judged.served, reopened=judged.reopened, frozen=judged.frozen, hours=judged.hours, live=live
    )


def _keys(root: Path, objects: Iterable[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in objects]


def read_hours(
    connection: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Path]
) -> dict[str, tuple[str, ...]]:
    """Near which hours each object holds trades, read from its rows; an object without trades has none."""
    if not objects:
        return {}
    found: dict[str, set[str]] = {key: set() for key in _keys(root, objects)}
    scan = f'SELECT *, filename AS "$path" FROM {plan_files(objects)}'  # noqa: S608  # quoted paths
    rows = connection.execute(f"WITH delivered AS ({scan}) {to_duckdb(plan_near())}").fetchall()
    for path, *starts in rows:
        key = path[len(str(root)) + 1 :]
        found[key] |= {NO_HOUR if start_us is None else lake_hour(start_us) for start_us in starts}
    return {key: tuple(sorted(hours)) for key, hours in found.items()}


def read_manifests(root: Path) -> list[Manifest]:
    """
    Every manifest, in the order of hours.

    Raises: RecordDamaged.
    """
    table = read_table("compacted")
    found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    return [_read_manifest(root, path) for path in found if path.name == MANIFEST]


def _read_manifest(root: Path, path: Path) -> Manifest:
    try:
        return decode_manifest(path.relative_to(root).as_posix(), read_record(path))
    except ManifestDamaged as error:
        raise RecordDamaged(path=path, why=error.why) from error
