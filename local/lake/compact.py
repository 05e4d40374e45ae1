"""
Closed hours of `processed` into `history`: one row per trade, typed, sorted by product and time.

An hour is read from the objects that hold trades near it (infra/history/hour.sql, the same SQL as on Athena), written aside, read back and
compared with those objects, renamed to its key, and then named by its manifest. Only that last rename makes it count.
Laws: a crash at any step leaves a lake that answers as before or as after; the same inputs make the same generation, so a second
try writes the same keys; a second run over the same objects writes nothing; what no manifest names is swept an hour later.
Refuses to know: the clock, terminals.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import duckdb
import pyarrow.parquet as pq

from local.lake.folder import LakeError, LakeMissing
from local.lake.history import (
    NEAR_US,
    NO_HOUR,
    Manifest,
    Survey,
    encode_manifest,
    history_key,
    manifest_key,
    read_manifests,
    survey_lake,
)
from local.lake.live import RecordDamaged, sync_folder, write_record
from local.lake.objects import find_objects, plan_files, plan_table_scan
from sql.compaction import HourPlan, plan_hour
from sql.dialect import DUCKDB_MACROS, complaint, to_duckdb
from sql.glue import read_table
from sql.hours import EPOCH, HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Step = Literal["read", "written", "verified", "placed", "named"]

# Firehose may hold rows for 15 minutes and the transform's buffer for as long; later ones reopen their hour.
GRACE: Final = timedelta(minutes=35)
# Three of DuckDB's vectors: a product's hour is read without its neighbours', and the footer stays small.
ROW_GROUP_ROWS: Final = 6_144
_BATCH_ROWS: Final = 16 * ROW_GROUP_ROWS
# How long what no manifest names is kept, for those who began to read it before.
_SWEEP_AGE: Final = timedelta(hours=1)
_ASIDE: Final = ".incoming"  # where the delivery engine writes aside as well
_COUNTERS: Final = ("event_time", "receive_time", "event_time_us", "receive_time_us", "n", "trade_id", "sequence")


class CompactionBusy(LakeError):
    """Another run holds the lake."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"Another compaction or replay holds {path}. Wait for it to end.")


class CompactionWrong(LakeError):
    """What was written is not what the objects hold."""

    def __init__(self, *, event_hour: str, why: str) -> None:
        self.event_hour, self.why = event_hour, why
        super().__init__(
            f"Hour {event_hour} was not compacted: {why}. Nothing of it counts, the hour is answered from its rows; please report it."
        )


class LakeUnreadable(LakeError):
    """An object of the lake is not what its name says."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(
            f"An object of the lake cannot be read: {why}. Move it aside and run again; raw/ still has its lines."
        )


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """`hours` to compact, oldest first; how many are served from history already; which are still open, and which frozen."""

    hours: tuple[HourPlan, ...]
    served_count: int
    open_hours: tuple[str, ...]
    frozen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compacted:
    """One hour of history: `delivered` rows of trades became `trades` rows."""

    event_hour: str
    delivered: int
    trades: int
    size_bytes: int


def plan_compaction(survey: Survey, *, now: datetime, from_us: int, to_us: int, even_open: bool) -> CompactionPlan:
    """
    What is to be done to the hours that lie, in part at least, in from_us..to_us.

    Clock: an hour is closed when it ended GRACE before `now`; `even_open` takes the others as well.
    """
    near: dict[str, dict[str, tuple[str, ...]]] = {}
    for key, hours in survey.hours.items():
        for hour in hours:
            near.setdefault(hour, {})[key] = hours
    served = {manifest.event_hour for manifest in survey.served}
    closed_us = (now - EPOCH - GRACE) // timedelta(microseconds=1) - HOUR_US
    plans, still_open = [], []
    for hour in sorted(near.keys() - served - {NO_HOUR}):
        start_us = hour_start_us(hour)
        if start_us + HOUR_US <= from_us or start_us >= to_us:
            continue
        if even_open or start_us <= closed_us:
            plans.append(HourPlan(event_hour=hour, start_us=start_us, inputs=near[hour]))
        else:
            still_open.append(hour)
    return CompactionPlan(
        hours=tuple(plans), served_count=len(served), open_hours=tuple(still_open), frozen=survey.frozen
    )


def survey_folder(root: Path) -> Survey:
    """
    What the lake in this folder holds.

    Raises: LakeMissing, LakeUnreadable, LakeError.
    """
    if not root.is_dir():
        raise LakeMissing(path=root)
    with _connection() as connection:
        try:
            return survey_lake(connection, root, all_hours=True)
        except duckdb.Error as error:
            raise LakeUnreadable(why=complaint(error)) from error
        except RecordDamaged as error:
            raise LakeError(str(error)) from error


def compact_hour(root: Path, plan: HourPlan, step: Callable[[Step], None]) -> Compacted:
    """
    Compact one hour; `step` is told of each step once it is done, and an hour counts after the last.

    Raises: CompactionWrong, LakeUnreadable.
    Caller must: hold the lake (hold_lake).
    """
    aside = root / _ASIDE / f"history-{plan.generation}.parquet"
    target = root / history_key(plan.event_hour, plan.generation)
    aside.parent.mkdir(parents=True, exist_ok=True)
    with _connection() as connection:
        try:
            _define_inputs(connection, root, plan)
            step("read")
            _write(connection, plan, aside)
            step("written")
            delivered, trades = _verify(connection, plan, aside)
        except duckdb.Error as error:
            raise LakeUnreadable(why=complaint(error)) from error
    step("verified")
    size_bytes = aside.stat().st_size if trades else 0
    if trades:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(target)
        sync_folder(target.parent)
    else:  # an hour beside a trade and without one: its manifest says so, an object would say nothing
        aside.unlink()
    step("placed")
    manifest = Manifest(
        event_hour=plan.event_hour,
        hour_start_us=plan.start_us,
        generation=plan.generation,
        trades=trades,
        inputs=plan.inputs,
    )
    write_record(root / manifest_key(plan.event_hour), encode_manifest(manifest))
    for other in target.parent.glob("history-*.parquet"):
        if other != target:
            os.utime(other)  # it is swept an hour after it was replaced, not after it was written
    step("named")
    return Compacted(event_hour=plan.event_hour, delivered=delivered, trades=trades, size_bytes=size_bytes)


@contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "temp_directory": str(Path(tempfile.gettempdir()) / f"ticklake-{secrets.token_hex(8)}"),
    }
    with closing(duckdb.connect(":memory:", config=settings)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        for macro in DUCKDB_MACROS:
            connection.execute(macro)
        yield connection


def _define_inputs(connection: duckdb.DuckDBPyConnection, root: Path, plan: HourPlan) -> None:
    inputs = plan_table_scan(read_table("processed"), root, [root / key for key in sorted(plan.inputs)])
    connection.execute(f"CREATE VIEW uncompacted AS {inputs}")


def _write(connection: duckdb.DuckDBPyConnection, plan: HourPlan, aside: Path) -> None:
    batches = connection.sql(to_duckdb(plan_hour(plan, generation=plan.generation))).to_arrow_reader(_BATCH_ROWS)
    assert batches is not None
    names = batches.schema.names
    with aside.open("wb") as opened:
        with pq.ParquetWriter(
            opened,
            batches.schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in names if name not in _COUNTERS],  # type: ignore[arg-type]  # names or a flag
            column_encoding=dict.fromkeys(_COUNTERS, "DELTA_BINARY_PACKED"),
            write_page_index=True,
            sorting_columns=[pq.SortingColumn(names.index(name)) for name in ("product_id", "event_time_us")],
        ) as writer:
            for batch in batches:
                writer.write_batch(batch, row_group_size=ROW_GROUP_ROWS)
        opened.flush()
        os.fsync(opened.fileno())


# Said otherwise than in hour.sql, from the rows as delivered: a trade all of whose copies near the hour happened in it must be there, one
# with a copy outside may be; each once, and each as some copy of it was delivered.
_CHECKS: Final = """
WITH near AS (
  SELECT product_id, trade_id, session, n, event_time_us, price, last_size
  FROM uncompacted
  WHERE kind IN ('ticker', 'trade') AND product_id IS NOT NULL AND trade_id IS NOT NULL
    AND event_time_us BETWEEN {start} - {near} AND {start} + {hour} + {near} - 1
), expected AS (
  SELECT product_id, trade_id, bool_and(event_time_us BETWEEN {start} AND {start} + {hour} - 1) AS surely
  FROM near
  GROUP BY ALL
  HAVING bool_or(event_time_us BETWEEN {start} AND {start} + {hour} - 1)
), written AS (
  SELECT * FROM {aside}
)
SELECT
  (SELECT count(*) FROM near WHERE event_time_us BETWEEN {start} AND {start} + {hour} - 1),
  (SELECT count(*) FROM written),
  (SELECT count(*) FROM (SELECT DISTINCT product_id, trade_id FROM written)),
  (SELECT count(*) FROM expected ANTI JOIN written USING (product_id, trade_id) WHERE surely),
  (SELECT count(*) FROM written ANTI JOIN expected USING (product_id, trade_id)),
  (SELECT count(*) FROM written ANTI JOIN near ON written.product_id = near.product_id AND written.trade_id = near.trade_id
    AND written.session IS NOT DISTINCT FROM near.session AND written.n IS NOT DISTINCT FROM near.n
    AND written.event_time_us = near.event_time_us
    AND written.price IS NOT DISTINCT FROM CAST(near.price AS DECIMAL(38, 18))
    AND written.last_size IS NOT DISTINCT FROM CAST(near.last_size AS DECIMAL(38, 18)))
"""


def _verify(connection: duckdb.DuckDBPyConnection, plan: HourPlan, aside: Path) -> tuple[int, int]:
    """How many rows of trades were delivered, and how many trades they are."""
    sql = _CHECKS.format(start=plan.start_us, hour=HOUR_US, near=NEAR_US, aside=plan_files([aside]))
    found = connection.execute(sql).fetchone()
    assert found is not None
    delivered, rows, ids, missing, foreign, unlike = map(int, found)
    wrong = {
        f"it has {rows} rows for {ids} trades": rows != ids,
        f"{missing} trades are missing": missing,
        f"{foreign} trades are not of it": foreign,
        f"{unlike} rows are as no copy was delivered": unlike,
    }
    if complaints := [text for text, is_so in wrong.items() if is_so]:
        raise CompactionWrong(event_hour=plan.event_hour, why="; ".join(complaints))
    return delivered, rows


def sweep(root: Path, *, now: datetime) -> list[Path]:
    """
    Remove what no manifest names and nobody can be reading: generations that were replaced, and what a crash left.

    Caller must: hold the lake.
    """
    table = read_table("history")
    named = {root / manifest.key for manifest in read_manifests(root)}
    found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    found += (root / _ASIDE).glob("history-*.parquet")
    old = [path for path in found if path not in named and _age(path, now) > _SWEEP_AGE]
    for path in old:
        path.unlink()
    return old


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def hold_lake(root: Path) -> Iterator[None]:
    """
    Nobody else compacts or replays this lake meanwhile.

    Raises: CompactionBusy, LakeMissing.
    """
    if not root.is_dir():
        raise LakeMissing(path=root)
    path = root / ".compacting"
    with path.open("ab") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CompactionBusy(path=path) from error
        yield
