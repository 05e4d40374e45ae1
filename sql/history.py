"""
Which hours of a lake are answered from `history`, and which are to be compacted: the rules, for a lake in a folder and for one in S3.

Each compacted hour has a manifest: the generation of history that counts, the objects it lies in, and the objects of `processed` it was
made of, each with every hour near which it holds trades. An hour is served from history while no object that holds trades near it is
missing from its manifest; a late object reopens it.
Laws: a trade is near an hour when it happened in it or within a minute of it (infra/history/hour.sql judges copies that far apart together);
an hour whose inputs are gone without a replacement is served from history whatever arrives, since nothing else has its trades; a key is
believed only where it fits its table.
Refuses to know: files, S3, engines, the clock.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sql.compaction import HourPlan
from sql.glue import read_table
from sql.hours import EPOCH, HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

MANIFEST: Final = "manifest.json"
# The hour of a trade without an event time, which the contract does not allow; never compacted, so it is never lost.
NO_HOUR: Final = "unknown"
# Objects of these kinds hold trades.
TRADE_KINDS: Final = ("ticker", "trade", "mixed")
# Firehose may hold rows for 15 minutes and the transform's buffer for as long; later ones reopen their hour.
GRACE: Final = timedelta(minutes=35)


class ManifestDamaged(Exception):
    """A manifest, or a replay's record, that does not say what it should; it was written whole, so somebody or something else changed it."""

    def __init__(self, *, key: str, why: str) -> None:
        self.key, self.why = key, why
        super().__init__(
            f"{key} cannot be believed ({why}): it says which objects count, so nothing was changed. Restore it from a copy of the lake."
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    What one hour of history is, and what it was made of.

    Shapes: `objects` are keys of history, none where the hour has no trades; `inputs` are keys of processed objects, each with the hours
    near which it holds trades.
    """

    event_hour: str
    hour_start_us: int
    generation: str
    trades: int
    objects: tuple[str, ...]
    inputs: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Survey:
    """
    What a lake holds, hour by hour.

    `served`: manifests that count. `reopened`: hours compacted before whose manifest counts no longer. `frozen`: hours served although
    objects came late, because their inputs are gone. `hours`: every live object that may hold trades, and near which hours.
    """

    served: tuple[Manifest, ...]
    reopened: tuple[str, ...]
    frozen: tuple[str, ...]
    hours: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """`hours` to compact, oldest first; how many are served from history already; which are still open, and which frozen."""

    hours: tuple[HourPlan, ...]
    served_count: int
    open_hours: tuple[str, ...]
    frozen: tuple[str, ...]


def judge_hours(
    manifests: Sequence[Manifest],
    hours: Mapping[str, tuple[str, ...]],
    *,
    replaced: frozenset[str],
    is_there: Callable[[str], bool],
) -> Survey:
    """
    Which manifests count, given near which hours each live object holds trades.

    Shapes: `hours` has every live object, with no hours where it has no trades; `is_there` says whether a key of history exists.
    Raises: ManifestDamaged where an hour's history is gone, and with it what it was made of.
    """
    near: dict[str, set[str]] = {}
    for key, some in hours.items():
        for hour in some:
            near.setdefault(hour, set()).add(key)
    served, reopened, frozen = [], [], []
    for manifest in manifests:
        gone = manifest.inputs.keys() - hours.keys() - replaced
        late = near.get(manifest.event_hour, set()) - manifest.inputs.keys()
        undone = manifest.inputs.keys() & replaced
        whole = all(map(is_there, manifest.objects))
        if whole and (gone or not (late or undone)):
            served.append(manifest)
            if late or undone:
                frozen.append(manifest.event_hour)
        elif gone:
            why = "its objects of history are not there, and neither are the objects it was made of"
            raise ManifestDamaged(key=manifest_key(manifest.event_hour), why=why)
        else:
            reopened.append(manifest.event_hour)
    return Survey(served=tuple(served), reopened=tuple(reopened), frozen=tuple(frozen), hours=hours)


def plan_compaction(survey: Survey, *, now: datetime, from_us: int, to_us: int, even_open: bool) -> CompactionPlan:
    """
    What is to be done to the hours that lie, in part at least, in from_us..to_us.

    Shapes: an hour that was compacted and that a replay has left without a trade has no inputs: its manifest is to say so.
    Clock: an hour is closed when it ended GRACE before `now`; `even_open` takes the others as well.
    """
    near: dict[str, dict[str, tuple[str, ...]]] = {}
    for key, hours in survey.hours.items():
        for hour in hours:
            near.setdefault(hour, {})[key] = hours
    served = {manifest.event_hour for manifest in survey.served}
    closed_us = (now - EPOCH - GRACE) // timedelta(microseconds=1) - HOUR_US
    plans, still_open = [], []
    for hour in sorted((near.keys() | set(survey.reopened)) - served - {NO_HOUR}):
        start_us = hour_start_us(hour)
        if start_us + HOUR_US <= from_us or start_us >= to_us:
            continue
        if even_open or start_us <= closed_us:
            plans.append(HourPlan(event_hour=hour, start_us=start_us, inputs=near.get(hour, {})))
        else:
            still_open.append(hour)
    return CompactionPlan(
        hours=tuple(plans), served_count=len(served), open_hours=tuple(still_open), frozen=survey.frozen
    )


def kind_of(key: str) -> str:
    """The partition `lake_kind` of a key of `processed`."""
    return key.split("/")[2]


def history_key(event_hour: str, generation: str, *, part: int | None = None) -> str:
    """The key of an hour's rows, or of one part of them."""
    suffix = "" if part is None else f"-{part}"
    return f"{read_table('history').prefix}{event_hour}/history-{generation}{suffix}.parquet"


def manifest_key(event_hour: str) -> str:
    """The key of an hour's manifest."""
    return f"{read_table('compacted').prefix}{event_hour}/{MANIFEST}"


def hour_of_key(table: str, key: str) -> str | None:
    """The hour that the key of an object of `history` or `compacted` names; None for a key that is not the table's."""
    match = re.match(read_table(table).key_pattern, key)
    return match[1] if match else None


def encode_manifest(manifest: Manifest) -> dict[str, object]:
    """A manifest as its record."""
    return {
        "event_hour": manifest.event_hour,
        "hour_start_us": manifest.hour_start_us,
        "generation": manifest.generation,
        "trades": manifest.trades,
        "objects": list(manifest.objects),
        "inputs": {key: list(hours) for key, hours in sorted(manifest.inputs.items())},
    }


def decode_manifest(key: str, record: Mapping[str, Any]) -> Manifest:
    """
    A manifest from the record at this key.

    Raises: ManifestDamaged.
    """
    try:
        manifest = Manifest(
            event_hour=str(record["event_hour"]),
            hour_start_us=int(record["hour_start_us"]),
            generation=str(record["generation"]),
            trades=int(record["trades"]),
            objects=tuple(map(str, record["objects"] if "objects" in record else _only_object(record))),
            inputs={str(name): tuple(map(str, hours)) for name, hours in record["inputs"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestDamaged(key=key, why=f"it lacks {error}") from error
    ours = hour_of_key("compacted", key) == manifest.event_hour and manifest.generation.isalnum()
    if not ours or any(hour_of_key("history", name) != manifest.event_hour for name in manifest.objects):
        raise ManifestDamaged(key=key, why="it is another hour's")
    return manifest


def _only_object(record: Mapping[str, Any]) -> list[str]:
    """The object of a manifest that was written before manifests named theirs."""
    return [history_key(str(record["event_hour"]), str(record["generation"]))] if record["trades"] else []
