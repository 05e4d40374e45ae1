"""
Rows made anew from `raw/` with today's transform, for a transform that was wrong: what is to be done, one hour of raw/ (of arrival) at a time.

A row as today's transform makes it stays. One that differs is taken out of its objects, which are written anew without it, and the new row,
of the same (session, n), goes to where the late-data rule puts it; a line that is refused today leaves a row of kind `refused` in
its row's place.
Laws: every line is in one class; of rows that are as they should be a plan is idle; planning writes nothing.
Refuses to know: why the transform was wrong, how a plan is done (local/lake/swap.py; cli/replaying.py in S3), Firehose.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from contract.reasons import LineRefused
from local.lake.folder import LakeError
from local.lake.live import RecordDamaged, find_live
from local.lake.objects import DUCKDB_TYPES, find_objects, starts_as_gzip
from sql.dialect import complaint, identifier, literal_paths
from sql.glue import read_table
from sql.hours import HOUR_US, lake_hour
from sql.replays import Record, placed_key
from transform_lambda.decode import decode_line, read_name
from transform_lambda.partition import MIXED, decide_hour
from transform_lambda.row import build_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ARROW_TYPES: Final = {"string": pa.string(), "bigint": pa.int64()}


class RawObjectDamaged(LakeError):
    """An object of raw/ that cannot be read to its end."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(
            f"{path} cannot be read ({why}): its hour was left as it is. Restore it or move it aside, and run again."
        )


class RowsUnreadable(LakeError):
    """An object of processed is not what its name says."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(f"An object of the lake cannot be read: {why}. Its hour was left as it is.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the lines of one hour of raw/; `refused` counts what today's transform refuses and never was a row."""

    raw_hour: str
    found: int
    copies: int
    unchanged: int
    replaced: int
    added: int
    set_aside: int
    refused: int

    @property
    def is_balanced(self) -> bool:
        """Whether every line is in one class."""
        classes = (self.copies, self.unchanged, self.replaced, self.added, self.set_aside, self.refused)
        return self.found == sum(classes)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.replaced or self.added or self.set_aside)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """
    What a replay of one hour of raw/ would do.

    Shapes: `objects` are new objects, Parquet by their keys; `record` is what has to be put for them to count.
    """

    receipt: Receipt
    objects: dict[str, bytes]
    record: Record


def list_raw_hours(root: Path, *, from_us: int, to_us: int) -> dict[str, list[Path]]:
    """The objects of each hour of raw/ that lies, in part at least, in from_us..to_us."""
    table = read_table("raw")
    hours: dict[str, list[Path]] = {}
    for path in find_objects(root, prefix=table.prefix, pattern=table.key_pattern):
        hours.setdefault("/".join(path.parts[-5:-1]), []).append(path)
    first, end = lake_hour(from_us), lake_hour(to_us - 1)
    return {hour: hours[hour] for hour in sorted(hours) if first <= hour <= end}


@dataclass(slots=True)
class _Lines:
    """The lines of an hour of raw/, judged by today's transform."""

    found: int
    copies: int
    rows: list[dict[str, Any]]  # with lake_kind and lake_hour
    refused: list[dict[str, Any]]  # rows of kind refused, likewise


def plan_replay(root: Path, raw_hour: str, objects: Sequence[Path], *, start_us: int, nonce: str = "") -> ReplayPlan:
    """
    What is to be done for one hour of raw/.

    Shapes: with a `nonce` the new objects have names that no other plan gives, of the same work either.
    Clock: raw/ says the hour of arrival, not the instant: a line arrived when it was received, or at the start of the hour if that is later.
    Raises: RawObjectDamaged, RowsUnreadable, LakeError.
    """
    lines = _judge([line for path in objects for line in read_lines(path)], raw_hour, start_us)
    try:
        with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
            connection.execute("SET enable_progress_bar = false")
            return _plan(connection, root, raw_hour, lines, nonce)
    except duckdb.Error as error:
        raise RowsUnreadable(why=complaint(error)) from error
    except RecordDamaged as error:
        raise LakeError(str(error)) from error


def read_lines(path: Path) -> Iterator[bytes]:
    """
    The lines of an object of raw/, gzipped or not.

    Raises: RawObjectDamaged.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if starts_as_gzip(path) else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise RawObjectDamaged(path=path, why=str(error)) from error
    return (line for line in content.split(b"\n") if line)


def _judge(lines: Sequence[bytes], raw_hour: str, start_us: int) -> _Lines:
    judged = _Lines(found=len(lines), copies=0, rows=[], refused=[])
    seen: set[object] = set()
    for line in lines:
        row, is_refused = _transform(line, raw_hour, start_us)
        name = (row["session"], row["n"]) if row.get("session") and row.get("n") is not None else line
        if name in seen:
            judged.copies += 1
            continue
        seen.add(name)
        (judged.refused if is_refused else judged.rows).append(row)
    return judged


def _transform(line: bytes, raw_hour: str, start_us: int) -> tuple[dict[str, Any], bool]:
    try:
        made = build_row(decode_line(line))
    except LineRefused as refused:
        session, n = read_name(line)
        detail: dict[str, str] = {"reason": refused.reason, "detail": refused.detail}
        try:
            detail["line"] = line.decode()
        except UnicodeDecodeError:
            detail["line_base64"] = base64.b64encode(line).decode()
        text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
        row = {"kind": "refused", "session": session, "n": n, "detail": text}
        return row | {"lake_kind": MIXED, "lake_hour": raw_hour}, True
    arrival_us = max(start_us, made.receive_time_us)
    hour = decide_hour(kind=made.kind, source=made.source, happened_us=made.happened_us, arrival_us=arrival_us)
    return json.loads(made.text) | {"lake_kind": made.kind, "lake_hour": lake_hour(hour * HOUR_US)}, False


def _plan(connection: duckdb.DuckDBPyConnection, root: Path, raw_hour: str, lines: _Lines, nonce: str) -> ReplayPlan:
    table = read_table("delivered")
    schema = pa.schema([pa.field(c.name, _ARROW_TYPES[c.type]) for c in (*table.columns, *table.partitions)])
    connection.register("made", pa.Table.from_pylist(lines.rows, schema=schema))
    connection.register("refused", pa.Table.from_pylist(lines.refused, schema=schema))
    live = find_live(root)
    columns = ", ".join(identifier(c.name) for c in table.columns)
    casts = ", ".join(
        f"CAST({identifier(c.name)} AS {DUCKDB_TYPES[c.type]}) AS {identifier(c.name)}" for c in table.columns
    )
    scan = (
        f"SELECT filename, file_row_number, {casts} FROM read_parquet({literal_paths(live.objects)}, filename = true, file_row_number = true)"  # noqa: S608
        if live.objects
        else f"SELECT '' AS filename, 0 AS file_row_number, {columns} FROM made WHERE false"  # noqa: S608
    )
    alike = " AND ".join(f"h.{identifier(c.name)} IS NOT DISTINCT FROM m.{identifier(c.name)}" for c in table.columns)
    connection.execute(
        f"""
        CREATE TABLE held AS
        SELECT h.*, m.n IS NOT NULL AND {alike} OR r.n IS NOT NULL AND h.kind = 'refused' AS stays
        FROM ({scan}) AS h
        LEFT JOIN made AS m ON m.session = h.session AND m.n = h.n
        LEFT JOIN refused AS r ON r.session = h.session AND r.n = h.n
        WHERE m.n IS NOT NULL OR r.n IS NOT NULL
        """  # noqa: S608  # quoted names and paths
    )
    new = connection.sql(
        "SELECT made.* FROM made ANTI JOIN (SELECT * FROM held WHERE stays) AS h USING (session, n)"
    ).to_arrow_table()
    aside = connection.sql(
        "SELECT refused.* FROM refused SEMI JOIN (SELECT * FROM held WHERE NOT stays) AS w USING (session, n)"
        " ANTI JOIN (SELECT * FROM held WHERE stays) AS h USING (session, n)"
    ).to_arrow_table()
    wrong_lines, wrong_made, wrong_refused = _counts(connection)
    added = new.num_rows - wrong_made[0]
    replaced = sorted(
        {str(path) for (path,) in connection.execute("SELECT DISTINCT filename FROM held WHERE NOT stays").fetchall()}
    )
    receipt = Receipt(
        raw_hour=raw_hour,
        found=lines.found,
        copies=lines.copies,
        unchanged=len(lines.rows) - wrong_lines - added,
        replaced=wrong_lines,
        added=added,
        set_aside=wrong_refused,
        refused=len(lines.refused) - wrong_refused,
    )
    kept = [(os.path.dirname(path), _kept_rows(connection, path)) for path in replaced]  # noqa: PTH120  # text
    objects = [(folder[len(str(root)) + 1 :], rows) for folder, rows in kept if rows.num_rows]
    objects += _by_place(pa.concat_tables([new, aside]), table.prefix)
    keys = tuple(path[len(str(root)) + 1 :] for path in replaced)
    return _settle(
        receipt,
        [(folder, _encode(rows)) for folder, rows in objects],
        keys,
        number=live.replays.next_number,
        nonce=nonce,
    )


def _settle(
    receipt: Receipt, objects: list[tuple[str, bytes]], replaced: tuple[str, ...], *, number: int, nonce: str
) -> ReplayPlan:
    """The plan of these objects, named for all that is in them: of the same work and nonce, the same."""
    digest = hashlib.sha256("\n".join([str(number), receipt.raw_hour, *replaced, *filter(None, [nonce])]).encode())
    for folder, content in objects:
        digest.update(f"\n{folder} {len(content)}\n".encode() + content)
    name = digest.hexdigest()[:16]
    placed = {placed_key(folder, name, position): content for position, (folder, content) in enumerate(objects)}
    record = Record(number=number, id=name, receipt=asdict(receipt), placed=tuple(placed), replaced=replaced)
    return ReplayPlan(receipt=receipt, objects=placed, record=record)


def _encode(rows: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(rows, written, compression="snappy")
    return written.getvalue()


def _counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[int], int]:
    """Lines with a wrong row that pass today; those of them without a right one beside it; lines with a wrong row that do not pass."""

    def count(sql: str) -> int:
        found = connection.execute(f"SELECT count(*) FROM {sql}").fetchone()  # noqa: S608  # ours, below
        assert found is not None
        return int(found[0])

    wrong = "(SELECT DISTINCT session, n FROM held WHERE NOT stays) AS w"
    right = "(SELECT DISTINCT session, n FROM held WHERE stays) AS h"
    return (
        count(f"made SEMI JOIN {wrong} USING (session, n)"),
        (count(f"made SEMI JOIN {wrong} USING (session, n) ANTI JOIN {right} USING (session, n)"),),
        count(f"refused SEMI JOIN {wrong} USING (session, n)"),
    )


def _kept_rows(connection: duckdb.DuckDBPyConnection, path: str) -> pa.Table:
    rows = pq.read_table(path, partitioning=None)
    wrong = connection.execute("SELECT file_row_number FROM held WHERE filename = ? AND NOT stays", [path]).fetchall()
    gone = {number for (number,) in wrong}
    return rows.filter(pa.array([number not in gone for number in range(rows.num_rows)], pa.bool_()))


def _by_place(rows: pa.Table, prefix: str) -> list[tuple[str, pa.Table]]:
    places = sorted(set(zip(rows["lake_kind"].to_pylist(), rows["lake_hour"].to_pylist(), strict=True)))
    columns = rows.drop_columns(["lake_kind", "lake_hour"])
    found = []
    for kind, hour in places:
        here = pa.array(
            [
                place == (kind, hour)
                for place in zip(rows["lake_kind"].to_pylist(), rows["lake_hour"].to_pylist(), strict=True)
            ],
            pa.bool_(),
        )
        found.append((f"{prefix}{kind}/{hour}", columns.filter(here)))
    return found
