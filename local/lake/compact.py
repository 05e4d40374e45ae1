"""
Closed hours of `processed` into `history`: one row per trade, typed, sorted by product and time.

An hour is read from the objects that hold trades near it (infra/history/hour.sql, the same SQL as on Athena), written aside, read back and
compared with those objects, renamed to its key, and then named by its manifest. Only that last rename makes it count.
Laws: a crash at any step leaves a lake that answers as before or as after; the same inputs make the same generation, so a second
try writes the same keys; a second run over the same objects writes nothing; what no manifest names is swept an hour later.
Refuses to know: the clock, terminals, which hours are to be compacted (sql/history.py).
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
from local.lake.history import FolderSurvey, read_manifests, survey_lake
from local.lake.live import RecordDamaged, sync_folder, write_record
from local.lake.objects import find_objects, plan_files, plan_table_scan
from sql.compaction import plan_check, plan_hour, read_check
from sql.dialect import DUCKDB_MACROS, complaint, to_duckdb
from sql.glue import read_table
from sql.history import Manifest, encode_manifest, history_key, manifest_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sql.compaction import Check, HourPlan


Step = Literal["read", "written", "verified", "placed", "named"]

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
class Compacted:
    """One hour of history: `delivered` rows of trades became `trades` rows."""

    event_hour: str
    delivered: int
    trades: int
    size_bytes: int


def survey_folder(root: Path) -> FolderSurvey:
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
            check = _verify(connection, plan, aside)
        except duckdb.Error as error:
            raise LakeUnreadable(why=complaint(error)) from error
    step("verified")
    size_bytes = aside.stat().st_size if check.trades else 0
    if check.trades:
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
        trades=check.trades,
        objects=(history_key(plan.event_hour, plan.generation),) if check.trades else (),
        inputs=plan.inputs,
    )
    write_record(root / manifest_key(plan.event_hour), encode_manifest(manifest))
    for other in target.parent.glob("history-*.parquet"):
        if other != target:
            os.utime(other)  # it is swept an hour after it was replaced, not after it was written
    step("named")
    return Compacted(event_hour=plan.event_hour, delivered=check.delivered, trades=check.trades, size_bytes=size_bytes)


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
    inputs = plan_table_scan(read_table("delivered"), root, [root / key for key in sorted(plan.inputs)])
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


def _verify(connection: duckdb.DuckDBPyConnection, plan: HourPlan, aside: Path) -> Check:
    connection.execute(f"CREATE VIEW history AS SELECT * FROM {plan_files([aside])}")  # noqa: S608  # a quoted path
    found = connection.execute(to_duckdb(plan_check(plan, generation=plan.generation))).fetchone()
    assert found is not None
    check = read_check(found)
    if check.wrong:
        raise CompactionWrong(event_hour=plan.event_hour, why="; ".join(check.wrong))
    return check


def sweep(root: Path, *, now: datetime) -> list[Path]:
    """
    Remove what no manifest names and nobody can be reading: generations that were replaced, and what a crash left.

    Caller must: hold the lake.
    """
    table = read_table("history")
    named = {root / key for manifest in read_manifests(root) for key in manifest.objects}
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
