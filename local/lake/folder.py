"""
A lake on this machine: whose data it holds, and its tables and views in DuckDB.

Laws: simulated and real data never share a lake; asking never writes into it; columns, partitions and views come from the
template and infra/views, never from here; a path is a path, whatever characters it has.
Refuses to know: which questions are asked (sql/questions.py), who writes the objects.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

import duckdb
import pyarrow as pa

from local.lake.history import survey_lake
from local.lake.live import RecordDamaged
from local.lake.objects import find_objects, plan_empty, plan_table_scan, plan_text_scan
from local.lake.verdict import judge_envelope
from sql.dialect import DUCKDB_MACROS, complaint, identifier, literal, to_duckdb, without_wildcards
from sql.glue import read_table
from sql.views import load_views

if TYPE_CHECKING:
    from datetime import datetime

    from local.lake.history import FolderSurvey

Content = Literal["coinbase", "simulated"]

MARKER: Final = "lake.json"
FORMAT: Final = 1


class LakeError(Exception):
    """Something about a lake's folder that its owner must decide."""


class LakeMismatch(LakeError):
    """The lake already holds the other sort of data."""

    def __init__(self, *, path: Path, holds: str, wanted: str) -> None:
        self.path, self.holds, self.wanted = path, holds, wanted
        super().__init__(
            f"The lake {path} holds {holds} data, and {wanted} data must never be mixed with it. "
            f"Name another folder with --lake, such as {_renamed(path, wanted)}."
        )


class LakeMarkerDamaged(LakeError):
    """The lake's marker says nothing that we understand."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(
            f"{path} does not say what the lake holds ({why}). If you know, write it anew: "
            f'{{"format": {FORMAT}, "content": "coinbase"}} or "simulated"; otherwise name another folder with --lake.'
        )


class LakeMissing(LakeError):
    """There is no such folder, or it is no lake."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"There is no lake at {path}. Fill one with `ticklake local`, or name another with --lake.")


class LakeDamaged(LakeError):
    """An object of the lake is not what its name says."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"The lake {path} cannot be read: {why}. Move that object aside; raw/ still has its lines.")


class LakeRecordDamaged(LakeError):
    """A record that says which objects count cannot be read."""


@dataclass(frozen=True, slots=True)
class Lake:
    """
    An open lake: `connection` is an in-memory DuckDB with the tables of the template and every view.

    Clock: it sees the objects that were there when it was opened; open it again to see more.
    Caller must: close it, or use it in a `with`.
    """

    path: Path
    connection: duckdb.DuckDBPyConnection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def judge_errors(self) -> None:
        """Fill the column `verdict` of `errors` with what today's transform says; all error lines are then in memory."""
        lines = self.connection.sql("SELECT * FROM errors").to_arrow_table()
        verdicts = pa.array([judge_envelope(text) for text in lines["envelope"].to_pylist()], pa.string())
        judged = lines.set_column(lines.column_names.index("verdict"), "verdict", verdicts)
        self.connection.register("judged_errors", judged)
        self.connection.execute("CREATE OR REPLACE VIEW errors AS SELECT * FROM judged_errors")

    def list_objects(self) -> None:
        """Fill the table `objects` with what lies in the folder now; on Athena it is what the last audit listed."""
        tables = (read_table(name) for name in ("raw", "delivered", "errors", "history", "compacted"))
        root = self.path.resolve()
        found = [
            path for table in tables for path in find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
        ]
        listed = pa.table(
            {
                "key": [path.relative_to(root).as_posix() for path in found],
                "size_bytes": [path.stat().st_size for path in found],
            }
        )
        self.connection.register("listed_objects", listed)
        self.connection.execute(
            "CREATE OR REPLACE VIEW objects AS SELECT key, size_bytes, '' AS tag, '' AS sha256 FROM listed_objects"
        )


def require_lake(path: Path) -> None:
    """
    Nothing, where `path` is marked as a lake or holds what a lake holds (a bucket's copy has no mark): what writes into a lake asks this first.

    Raises: LakeMissing.
    """
    tables = ("raw", "delivered", "errors", "history", "compacted", "objects")
    names = (MARKER, *(read_table(name).prefix for name in tables))
    if not any((path / name).exists() for name in names):
        raise LakeMissing(path=path)


def claim_lake(path: Path, content: Content, *, now: datetime) -> None:
    """
    A lake that is marked as holding this content, made now if it is new.

    Raises: LakeMismatch if it holds the other; LakeMarkerDamaged if its marker cannot be read.
    """
    path.mkdir(parents=True, exist_ok=True)
    if read_content(path) is None:
        _write_marker(path, {"format": FORMAT, "content": content, "created": now.isoformat()})
    holds = read_content(path)
    if holds != content:
        raise LakeMismatch(path=path, holds=str(holds), wanted=content)


def read_content(path: Path) -> Content | None:
    """
    What the lake holds, or None where nobody has claimed it.

    Raises: LakeMarkerDamaged if its marker cannot be read.
    """
    marker = path / MARKER
    try:
        said = json.loads(marker.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LakeMarkerDamaged(path=marker, why=str(error)) from error
    for content in get_args(Content):
        if isinstance(said, dict) and said.get("content") == content and said.get("format") == FORMAT:
            return content  # type: ignore[no-any-return]  # one of Content's own arguments
    raise LakeMarkerDamaged(path=marker, why="no format and content that this version knows")


def sibling_for(path: Path, content: Content) -> Path:
    """
    The path to use for this content: `path` itself, or beside it `lake-simulated` or `lake-coinbase`.

    Raises: LakeMarkerDamaged if the marker at `path` cannot be read.
    """
    return path if read_content(path) in {None, content} else _renamed(path, content)


def _renamed(path: Path, content: str) -> Path:
    stem = re.sub(f"-({'|'.join(get_args(Content))})$", "", path.name)
    return path.with_name(f"{stem}-{content}")


def _write_marker(path: Path, marker: dict[str, object]) -> None:
    # Written aside, then linked: another process sees all of it or nothing, and the first one wins.
    aside = path / f".{MARKER}.{os.getpid()}"
    aside.write_text(json.dumps(marker) + "\n", encoding="utf-8")
    with suppress(FileExistsError):
        os.link(aside, path / MARKER)
    aside.unlink()


def open_lake(path: Path) -> Lake:
    """
    The lake at `path`, ready to be asked; what is not there yet is an empty table with the right columns.

    Raises: LakeMissing if there is no such folder; LakeDamaged if an object that is looked into cannot be read.
    """
    if not path.is_dir():
        raise LakeMissing(path=path)
    # DuckDB makes this folder only when a query outgrows memory, and removes it; its own choice is .tmp where one stands.
    overflow = str(Path(tempfile.gettempdir()) / f"ticklake-{secrets.token_hex(8)}")
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "temp_directory": overflow,
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        _define_tables(connection, path.resolve())
    except (duckdb.Error, RecordDamaged, OSError) as error:
        connection.close()
        if isinstance(error, RecordDamaged):
            raise LakeRecordDamaged(str(error)) from error
        raise LakeDamaged(path=path, why=complaint(error)) from error
    return Lake(path=path, connection=connection)


def _define_tables(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it goes to standard output, where the answer goes
    for macro in DUCKDB_MACROS:
        connection.execute(macro)
    survey = survey_lake(connection, root)
    define_trade_tables(connection, root, survey)
    scan = plan_table_scan(read_table("delivered"), root, survey.live.objects)
    connection.execute(f"CREATE VIEW processed AS {scan}")
    for name in ("errors", "raw"):
        connection.execute(f"CREATE VIEW {name} AS {plan_text_scan(read_table(name), root)}")
    connection.execute(f"CREATE VIEW objects AS {plan_empty(read_table('objects').columns)}")
    for statement in _view_statements():
        connection.execute(statement)
    lock(connection, root)


@cache
def _view_statements() -> tuple[str, ...]:
    return tuple(f"CREATE VIEW {identifier(view.name)} AS {to_duckdb(view.select)}" for view in load_views().values())


def define_trade_tables(connection: duckdb.DuckDBPyConnection, root: Path, survey: FolderSurvey) -> None:
    """The tables that the view ticks is made of: history, compacted, and what the hours not compacted need."""
    history = plan_table_scan(read_table("history"), root, [root / key for m in survey.served for key in m.objects])
    connection.execute(f"CREATE VIEW history AS {history}")
    uncompacted = plan_table_scan(read_table("delivered"), root, survey.needed(root))
    connection.execute(f"CREATE VIEW uncompacted AS {uncompacted}")
    connection.execute(
        "CREATE TABLE compacted (hour_start_us BIGINT, generation VARCHAR, trades BIGINT, event_hour VARCHAR)"
    )
    if survey.served:
        rows = [[m.hour_start_us, m.generation, m.trades, m.event_hour] for m in survey.served]
        connection.executemany("INSERT INTO compacted VALUES (?, ?, ?, ?)", rows)


def lock(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Nothing but the lake's own folder can be read from now on, and no setting changed."""
    # A query reads this lake and nothing else of this machine, whoever wrote it. (DuckDB compares the path as it is spelt.)
    spelt = sorted({str(root) + os.sep, without_wildcards(str(root)) + os.sep})
    connection.execute(f"SET allowed_directories = [{', '.join(map(literal, spelt))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
