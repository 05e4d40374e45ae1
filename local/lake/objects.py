"""
The lake's objects as DuckDB tables: which files, and how their keys become columns.

Laws: an object belongs to a table when its key fits the table's template; nothing there is an empty table with the same columns.
Refuses to know: views, questions.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from audit_lambda.legible import LONGEST_LINE_BYTES
from sql.dialect import identifier, literal, literal_paths
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from sql.glue import Column, GlueTable

DUCKDB_TYPES: Final = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "decimal(38,18)": "DECIMAL(38, 18)",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}

ERRORS_PREFIX: Final = read_table("errors").prefix
ERRORS_PATTERN: Final = read_table("errors").key_pattern
_GZIP_MAGIC: Final = b"\x1f\x8b"


def find_objects(root: Path, *, prefix: str, pattern: str) -> list[Path]:
    """Every file under the prefix whose key fits, in the order of keys."""
    found: list[Path] = []
    for folder, _, names in os.walk(root / prefix):
        keys = ((root / folder / name) for name in names)
        found += [path for path in keys if re.match(pattern, path.relative_to(root).as_posix())]
    return sorted(found)


def plan_table_scan(table: GlueTable, root: Path, files: Sequence[Path]) -> str:
    """A SELECT of a Glue table's columns and partitions over these Parquet objects of it."""
    if not files:
        return plan_empty((*table.columns, *table.partitions))
    columns = [f"CAST({identifier(c.name)} AS {DUCKDB_TYPES[c.type]}) AS {identifier(c.name)}" for c in table.columns]
    columns += _plan_cuts(root, table.key_pattern, [c.name for c in table.partitions])
    return f"SELECT {', '.join(columns)} FROM {plan_files(files)}"  # noqa: S608  # all quoted


def plan_files(files: Sequence[Path]) -> str:
    """These Parquet files as a table, with the column `filename`."""
    return f"read_parquet({literal_paths(files)}, filename = true)"


def plan_text_scan(table: GlueTable, root: Path, *, without: Collection[Path] = ()) -> str:
    """
    A SELECT of a table of text: each line of its objects (but for those `without`) is its first column, its other columns are null. Gzipped or
    not: the first bytes say.
    """
    files = [path for path in find_text(table, root) if path not in without]
    zipped = [path for path in files if starts_as_gzip(path)]
    plain = sorted(set(files) - set(zipped))
    scans = [_plan_lines(table, root, plain, "none")] if plain else []
    scans += [_plan_lines(table, root, zipped, "gzip")] if zipped else []
    return " UNION ALL ".join(scans) or plan_empty((*table.columns, *table.partitions))


def find_text(table: GlueTable, root: Path) -> list[Path]:
    """The objects of a table of text."""
    return find_objects(root, prefix=table.prefix, pattern=table.key_pattern)


def plan_registered(table: GlueTable, root: Path, name: str) -> str:
    """A SELECT as plan_text_scan's over a registered table with the columns `filename` and `line`."""
    return f"SELECT {', '.join(_text_columns(table, root, 'line'))} FROM {identifier(name)}"  # noqa: S608  # all quoted


def plan_empty(columns: Sequence[Column]) -> str:
    """A SELECT of these columns and no row."""
    nothing = [f"CAST(NULL AS {DUCKDB_TYPES[c.type]}) AS {identifier(c.name)}" for c in columns]
    return f"SELECT {', '.join(nothing)} WHERE false"


def _plan_cuts(root: Path, pattern: str, names: Sequence[str]) -> list[str]:
    key = f"substr(filename, {len(str(root)) + 2})"
    return [
        f"regexp_extract({key}, {literal(pattern)}, {group}) AS {identifier(name)}"
        for group, name in enumerate(names, 1)
    ]


def _plan_lines(table: GlueTable, root: Path, files: Sequence[Path], compression: str) -> str:
    columns = _text_columns(table, root, identifier(table.columns[0].name))
    # JSON escapes control characters, so no line holds the delimiter: each is one column.
    return (
        f"SELECT {', '.join(columns)} FROM read_csv({literal_paths(files)}, columns = {{{literal(table.columns[0].name)}: 'VARCHAR'}}, header = false,"  # noqa: S608
        f" auto_detect = false, delim = '\x01', quote = '', escape = '', compression = '{compression}', filename = true,"
        f" null_padding = true, max_line_size = {LONGEST_LINE_BYTES})"
    )


def _text_columns(table: GlueTable, root: Path, line: str) -> list[str]:
    first, *others = (identifier(column.name) for column in table.columns)
    columns = [f"{line} AS {first}", *(f"CAST(NULL AS VARCHAR) AS {name}" for name in others)]
    return columns + _plan_cuts(root, table.key_pattern, [c.name for c in table.partitions])


def starts_as_gzip(path: Path) -> bool:
    """Whether the file is gzip by its first two bytes; AWS does not say whether error objects are."""
    with path.open("rb") as opened:
        return opened.read(2) == _GZIP_MAGIC
