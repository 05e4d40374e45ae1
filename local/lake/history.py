"""
Which hours of a lake are answered from `history`, and which objects of `processed` the others need.

Each compacted hour has a manifest: the generation of history that counts, and the objects it was made of, each with every hour near which
it holds trades. An hour is served from history while no object that holds trades near it is missing from its manifest; a late object
reopens it, here at once, and for good when it is compacted anew.
Laws: a trade is near an hour when it happened in it or within a minute of it (infra/history/hour.sql judges copies that far apart together);
an hour whose inputs are gone without a replacement is served from history whatever arrives, since nothing else has its trades.
Refuses to know: how history is written (local/lake/compact.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.lake.live import Live, RecordDamaged, find_live, read_record
from local.lake.objects import find_objects, plan_files
from sql.glue import read_table
from sql.hours import HOUR_US, lake_hour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import duckdb

MANIFEST: Final = "manifest.json"
# The margin of infra/history/hour.sql and of the view ticks (a test compares).
NEAR_US: Final = 60_000_000
# The hour of a trade without an event time, which the contract does not allow; never compacted, so it is never lost.
NO_HOUR: Final = "unknown"
# Objects of these kinds hold trades.
_TRADE_KINDS: Final = ("ticker", "trade", "mixed")


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    What one hour of history is, and what it was made of.

    Shapes: `inputs` are keys of processed objects, each with the hours near which it holds trades.
    """

    event_hour: str
    hour_start_us: int
    generation: str
    trades: int
    inputs: Mapping[str, tuple[str, ...]]

    @property
    def key(self) -> str:
        """Where the hour's rows lie."""
        return history_key(self.event_hour, self.generation)


@dataclass(frozen=True, slots=True)
class Survey:
    """
    What a lake holds, hour by hour.

    `served`: manifests that count. `reopened`: hours compacted before whose manifest counts no longer. `frozen`: hours served although
    objects came late, because their inputs are gone. `hours`: every live object that may hold trades, and near which hours; empty where
    nothing was ever compacted and nobody asked.
    """

    live: Live
    served: tuple[Manifest, ...]
    reopened: tuple[str, ...]
    frozen: tuple[str, ...]
    hours: Mapping[str, tuple[str, ...]]

    def needed(self, root: Path) -> list[Path]:
        """The objects that the hours not served from history need."""
        served = {manifest.event_hour for manifest in self.served}
        if not served:
            return list(self.live.objects)
        return [root / key for key, hours in self.hours.items() if not set(hours) <= served]


def survey_lake(connection: duckdb.DuckDBPyConnection, root: Path, *, all_hours: bool = False) -> Survey:
    """
    What the lake holds now; `all_hours` looks into objects even where nothing was ever compacted.

    Raises: RecordDamaged; duckdb.Error for an object that cannot be read.
    """
    live = find_live(root)
    manifests = read_manifests(root)
    if not manifests and not all_hours:
        return Survey(live=live, served=(), reopened=(), frozen=(), hours={})
    known = {key: hours for manifest in manifests for key, hours in manifest.inputs.items()}
    objects = [path for path in live.objects if path.relative_to(root).parts[2] in _TRADE_KINDS]
    unknown = [path for path in objects if path.relative_to(root).as_posix() not in known]
    hours = known | read_hours(connection, root, unknown)
    return _judge(root, live, manifests, {key: hours.get(key, ()) for key in _keys(root, objects)})


def _keys(root: Path, objects: Iterable[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in objects]


def _judge(root: Path, live: Live, manifests: Sequence[Manifest], hours: Mapping[str, tuple[str, ...]]) -> Survey:
    near: dict[str, set[str]] = {}
    for key, some in hours.items():
        for hour in some:
            near.setdefault(hour, set()).add(key)
    served, reopened, frozen = [], [], []
    for manifest in manifests:
        gone = manifest.inputs.keys() - hours.keys() - live.replaced
        late = near.get(manifest.event_hour, set()) - manifest.inputs.keys()
        replaced = manifest.inputs.keys() & live.replaced
        whole = not manifest.trades or (root / manifest.key).is_file()
        if whole and (gone or not (late or replaced)):
            served.append(manifest)
            if late or replaced:
                frozen.append(manifest.event_hour)
        elif gone:
            raise RecordDamaged(
                path=root / manifest.key, why="it is not there, and neither are the objects it was made of"
            )
        else:
            reopened.append(manifest.event_hour)
    return Survey(live=live, served=tuple(served), reopened=tuple(reopened), frozen=tuple(frozen), hours=hours)


def read_hours(
    connection: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Path]
) -> dict[str, tuple[str, ...]]:
    """Near which hours each object holds trades, read from its rows; an object without trades has none."""
    if not objects:
        return {}
    found: dict[str, set[str]] = {key: set() for key in _keys(root, objects)}
    rows = connection.execute(
        f"SELECT DISTINCT filename, (event_time_us - {NEAR_US}) // {HOUR_US}, (event_time_us + {NEAR_US}) // {HOUR_US} "  # noqa: S608  # numbers and quoted paths
        f"FROM {plan_files(objects)} WHERE kind IN ('ticker', 'trade') AND product_id IS NOT NULL AND trade_id IS NOT NULL"
    ).fetchall()
    for filename, *numbers in rows:
        key = filename[len(str(root)) + 1 :]
        found[key] |= {NO_HOUR if number is None else lake_hour(number * HOUR_US) for number in numbers}
    return {key: tuple(sorted(hours)) for key, hours in found.items()}


def history_key(event_hour: str, generation: str) -> str:
    """The key of an hour's rows."""
    return f"{read_table('history').prefix}{event_hour}/history-{generation}.parquet"


def manifest_key(event_hour: str) -> str:
    """The key of an hour's manifest."""
    return f"{read_table('compacted').prefix}{event_hour}/{MANIFEST}"


def read_manifests(root: Path) -> list[Manifest]:
    """
    Every manifest, in the order of hours.

    Raises: RecordDamaged.
    """
    table = read_table("compacted")
    found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    return [_decode_manifest(path) for path in found if path.name == MANIFEST]


def _decode_manifest(path: Path) -> Manifest:
    record: dict[str, Any] = read_record(path)
    event_hour = "/".join(path.parts[-5:-1])
    try:
        manifest = Manifest(
            event_hour=str(record["event_hour"]),
            hour_start_us=int(record["hour_start_us"]),
            generation=str(record["generation"]),
            trades=int(record["trades"]),
            inputs={str(key): tuple(map(str, hours)) for key, hours in record["inputs"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordDamaged(path=path, why=f"it lacks {error}") from error
    if manifest.event_hour != event_hour or not manifest.generation.isalnum():
        raise RecordDamaged(path=path, why="it is another hour's")
    return manifest


def encode_manifest(manifest: Manifest) -> dict[str, object]:
    """A manifest as its record."""
    return {
        "event_hour": manifest.event_hour,
        "hour_start_us": manifest.hour_start_us,
        "generation": manifest.generation,
        "trades": manifest.trades,
        "inputs": {key: list(hours) for key, hours in sorted(manifest.inputs.items())},
    }
