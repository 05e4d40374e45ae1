"""
One statement on a lake's folder by DuckDB: rows of a SELECT, a view that plans, Parquet objects of an INSERT or UNLOAD.

Laws: every statement sees the objects there are when it starts, and reads this folder only; an object appears whole, by rename; what
DuckDB complains of becomes Athena's error names where they are plain.
Refuses to know: executions and their states, HTTP.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from local.athena.errors import StatementFailed, StatementStopped
from local.athena.tables import PATH_COLUMN, list_tables, plan_scan
from local.athena.values import column_info
from local.lake.folder import lock
from local.lake.objects import DUCKDB_TYPES
from sql.dialect import DUCKDB_MACROS, complaint, identifier, to_duckdb
from sql.glue import read_table
from sql.views import table_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local.athena.guesses import Guesses
    from local.athena.statements import Statement


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement that succeeded gives. Shapes: `columns` as ColumnInfo; `written` are keys."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    scanned_bytes: int = 0
    update_count: int | None = None
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """The lake's folder, the bucket it stands for, and the database's name."""

    root: Path
    bucket: str
    database: str
    guesses: Guesses


class Running:
    """
    One statement as it runs, on a thread of its own.

    Shapes: `views` are the SELECTs of the views there are. Caller must: call `run` once; `stop` may come from another thread.
    """

    def __init__(self, where: Where, statement: Statement, views: Mapping[str, exp.Query], *, query_name: str) -> None:
        self._where = where
        self._statement = statement
        self._views = views
        self._query_name = query_name
        # DuckDB makes this folder only when a query outgrows memory.
        overflow = str(Path(tempfile.gettempdir()) / f"ticklake-{secrets.token_hex(8)}")
        self._connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": False, "temp_directory": overflow}
        )
        self._stopped = False
        self._size_bytes = 0

    def stop(self) -> None:
        """Interrupt it; nothing is written from now on."""
        self._stopped = True
        self._connection.interrupt()

    def run(self) -> Outcome:
        """
        Do what the statement says.

        Raises: StatementFailed, StatementStopped.
        """
        try:
            self._define()
            if self._stopped:
                raise StatementStopped
            return self._HANDS[self._statement.verb](self)
        except duckdb.Error as error:
            if self._stopped:
                raise StatementStopped from error
            raise StatementFailed(_reason(error, self._where.database)) from error
        finally:
            self._connection.close()

    def _define(self) -> None:
        """The tables and views that the statement reads, each as it is now."""
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        for macro in DUCKDB_MACROS:
            self._connection.execute(macro)
        root = self._where.root
        if self._statement.query is not None:
            names = list(self._in_order(self._statement.query, ()))
            asked = [self._statement.query, *(self._views[name] for name in names if name in self._views)]
            with_path = any(column.name == PATH_COLUMN for each in asked for column in each.find_all(exp.Column))
            for name in names:
                source = self._source(name, with_path=with_path)
                self._connection.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {source}")
        lock(self._connection, root)

    def _in_order(self, query: exp.Query, above: tuple[str, ...]) -> Iterator[str]:
        """What a query reads, those first that others are made of."""
        for name in sorted(table_names(_unqualified(query, self._where.database))):
            if name in above:
                raise StatementFailed(f"INVALID_VIEW: View '{name}' is made of itself")
            if name in self._views:
                yield from self._in_order(self._views[name], (*above, name))
            if name in self._views or name in list_tables():
                yield name

    def _source(self, name: str, *, with_path: bool) -> str:
        if name in self._views:
            return to_duckdb(_unqualified(self._views[name], self._where.database))
        scan = plan_scan(name, self._where.root, bucket=self._where.bucket, with_path=with_path)
        self._size_bytes += scan.size_bytes
        return scan.sql

    def _relation(self) -> duckdb.DuckDBPyRelation:
        query = self._statement.query
        assert query is not None
        query = _unqualified(query, self._where.database)
        if self._statement.verb == "INSERT" and not self._where.guesses.insert_keeps_order:
            query.set("order", None)
        return self._connection.sql(to_duckdb(query))

    # ------------------------------------------------------------------ verbs

    def _select(self) -> Outcome:
        relation = self._relation()
        names = _column_names(self._statement.query, relation.columns)
        columns = [column_info(name, str(kind)) for name, kind in zip(names, relation.types, strict=True)]
        return Outcome(columns=columns, rows=relation.fetchall(), scanned_bytes=self._size_bytes)

    def _plan_view(self) -> Outcome:
        relation = self._relation()  # planned, not run
        names = _column_names(self._statement.query, relation.columns)
        return Outcome(columns=[column_info(name, str(kind)) for name, kind in zip(names, relation.types, strict=True)])

    def _drop_view(self) -> Outcome:
        return Outcome()

    def _insert(self) -> Outcome:
        table = read_table(self._statement.name)
        declared = {column.name: DUCKDB_TYPES[column.type] for column in (*table.columns, *table.partitions)}
        found = self._relation()
        names = self._statement.columns or tuple(declared)
        if len(names) != len(found.columns) or set(names) - declared.keys() or len(set(names)) != len(names):
            raise StatementFailed("MISMATCHED_COLUMN_TYPES: Insert query has mismatched columns")
        cells = {name: identifier(name) if name in names else "NULL" for name in declared}
        columns = ", ".join(f"CAST({cells[name]} AS {kind}) AS {identifier(name)}" for name, kind in declared.items())
        given = ", ".join(map(identifier, names))
        rows = self._read_for_writing(f"SELECT {columns} FROM ({found.sql_query()}) AS found ({given})")  # noqa: S608  # quoted
        written = self._store_partitions(rows, [column.name for column in table.partitions])
        return self._wrote(rows, written)

    def _store_partitions(self, rows: pa.Table, partitions: list[str]) -> list[str]:
        places = list(zip(*(rows[name].to_pylist() for name in partitions), strict=True))
        limit = self._where.guesses.insert_partitions_limit
        if any(None in place for place in places):
            raise StatementFailed("HIVE_PARTITION_VALUE_UNSUPPORTED: a partition's value is null")
        if len(set(places)) > limit:
            raise StatementFailed(
                f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {limit} open writers for partitions/buckets"
            )
        kept = rows.drop_columns(partitions)
        return [
            self._store(
                self._folder(dict(zip(partitions, each, strict=True))),
                kept.filter(pa.array([place == each for place in places])),
                "zstd",
            )
            for each in sorted(set(places))
        ]

    def _folder(self, values: Mapping[str, str]) -> str:
        table = read_table(self._statement.name)
        if self._where.guesses.insert_location == "hive":
            return table.prefix + "".join(f"{name}={quote(value, safe='')}/" for name, value in values.items())
        template = re.sub(r"^s3://[^/]+/", "", table.parameters["storage.location.template"])
        return re.sub(r"\$\{([a-z_]+)\}", lambda found: values[found[1]], template)

    def _unload(self) -> Outcome:
        prefix = f"s3://{self._where.bucket}/"
        location = self._statement.location
        parts = Path(location.removeprefix(prefix)).parts
        if not location.startswith(prefix) or not location.endswith("/") or ".." in parts:
            raise StatementFailed(f"GENERIC_USER_ERROR: {location} is no folder of {prefix}")
        folder = self._where.root.joinpath(*parts)
        if folder.exists() and any(path.is_file() for path in folder.rglob("*")):
            raise StatementFailed(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{location}' already exists")
        found = self._relation()
        rows = self._read_for_writing(found.sql_query())
        compression = self._statement.options.get("compression", "gzip").lower()
        return self._wrote(rows, [self._store("/".join(parts) + "/", rows, compression)])

    def _wrote(self, rows: pa.Table, written: list[str]) -> Outcome:
        columns = [column_info("rows", "BIGINT")]
        return Outcome(columns, scanned_bytes=self._size_bytes, update_count=rows.num_rows, written=tuple(written))

    def _read_for_writing(self, sql: str) -> pa.Table:
        """The rows of a SELECT, their timestamps as fine as Athena's."""
        relation = self._connection.sql(sql)
        columns = [
            f"date_trunc('millisecond', {identifier(name)}) AS {identifier(name)}"
            if str(kind) == "TIMESTAMP"
            else identifier(name)
            for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        rows: pa.Table = relation.project(", ".join(columns)).to_arrow_table()
        return rows

    def _store(self, folder: str, rows: pa.Table, compression: str) -> str:
        """One object, named as Athena names them; it appears whole."""
        if self._stopped:
            raise StatementStopped
        path = self._where.root / folder / f"{self._query_name}_{secrets.token_hex(4)}-{secrets.token_hex(8)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}")
        pq.write_table(
            rows,
            aside,
            compression=compression,  # type: ignore[arg-type]  # checked there
            use_deprecated_int96_timestamps=self._where.guesses.insert_int96,
        )
        aside.rename(path)
        return path.relative_to(self._where.root).as_posix()

    _HANDS: Final = {
        "SELECT": _select,
        "CREATE_VIEW": _plan_view,
        "DROP_VIEW": _drop_view,
        "INSERT": _insert,
        "UNLOAD": _unload,
    }


def _unqualified(query: exp.Query, database: str) -> exp.Query:
    """A copy in which tables of this database stand without its name."""
    bare = query.copy()
    for table in bare.find_all(exp.Table):
        if table.db.lower() == database.lower():
            table.set("db", None)
            table.set("catalog", None)
    return bare


def _column_names(query: exp.Query | None, columns: Sequence[str]) -> list[str]:
    """The columns' names in small letters; an expression without a name is `_col` and its place."""
    selects = query.selects if query is not None else []
    if len(selects) != len(columns) or any(isinstance(each, exp.Star) for each in selects):
        return [name.lower() for name in columns]
    return [each.output_name.lower() or f"_col{at}" for at, each in enumerate(selects)]


def _reason(error: duckdb.Error, database: str) -> str:
    said = complaint(error)
    missing = re.search(r"Table with name (\S+) does not exist", said)
    if missing:
        return f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{missing[1].lower()}' does not exist"
    if 'Referenced column "' in said or "does not have a column named" in said:
        return f"COLUMN_NOT_FOUND: {said}"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {said}"
    return f"GENERIC_USER_ERROR: {said}"
