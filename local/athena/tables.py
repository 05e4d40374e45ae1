"""
Glue's tables over a lake's folder, as Athena reads them: every object under a partition's location, whatever a manifest says.

Laws: an object is hidden whose name, or a folder of it below the partition, begins with a dot or an underscore; `$path` is a column only
where a statement names it; nothing there is an empty table with the same columns.
Refuses to know: views, statements.
Source: Amazon Athena user guide, partition projection, tables-location-format.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from local.lake.objects import DUCKDB_TYPES, plan_files, starts_as_gzip
from sql.dialect import identifier, literal, literal_paths
from sql.glue import read_table, read_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sql.glue import GlueTable

PATH_COLUMN: Final = "$path"
_ANY_NAME: Final = "[^/]+$"  # how a table's key pattern ends
_LONGEST_LINE_BYTES: Final = 4_194_304


@cache
def list_tables() -> tuple[str, ...]:
    """The names of the tables that the template declares."""
    resources = read_template()["Resources"].values()
    return tuple(each["Properties"]["TableInput"]["Name"] for each in resources if each["Type"] == "AWS::Glue::Table")


@dataclass(frozen=True, slots=True)
class Scan:
    """A SELECT over a table's objects, and how many bytes they have together."""

    sql: str
    size_bytes: int


def find_table_objects(table: GlueTable, root: Path) -> list[Path]:
    """Every object that Athena would read for this table, in the order of keys."""
    pattern = re.compile(table.key_pattern.removesuffix(_ANY_NAME) + "(.+)$")
    found = []
    for folder, _, names in os.walk(root / table.prefix):
        for path in (root / folder / name for name in names):
            match = pattern.match(path.relative_to(root).as_posix())
            if match and not re.search(r"(^|/)[._]", match[match.re.groups]):
                found.append(path)
    return sorted(found)


def plan_scan(name: str, root: Path, *, bucket: str, with_path: bool) -> Scan:
    """The table of this name. Shapes: columns, partitions, and `$path` where it is wanted."""
    table = read_table(name)
    files = find_table_objects(table, root)
    sizes = sum(path.stat().st_size for path in files)
    if not files:
        nothing = [
            f"CAST(NULL AS {DUCKDB_TYPES[c.type]}) AS {identifier(c.name)}" for c in (*table.columns, *table.partitions)
        ]
        nothing += [f"CAST(NULL AS VARCHAR) AS {identifier(PATH_COLUMN)}"] if with_path else []
        return Scan(f"SELECT {', '.join(nothing)} WHERE false", 0)
    keys = f"substr(filename, {len(str(root)) + 2})"
    cuts = [
        f"regexp_extract({keys}, {literal(table.key_pattern.removesuffix(_ANY_NAME))}, {group}) AS {identifier(column.name)}"
        for group, column in enumerate(table.partitions, 1)
    ]
    cuts += [f"{literal(f's3://{bucket}/')} || {keys} AS {identifier(PATH_COLUMN)}"] if with_path else []
    scans = [_plan_select([*columns, *cuts], source) for columns, source in _sources(table, files)]
    return Scan(" UNION ALL ".join(scans), sizes)


def _plan_select(columns: Sequence[str], source: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608  # all quoted


def _sources(table: GlueTable, files: Sequence[Path]) -> list[tuple[list[str], str]]:
    """The table's columns, and the files they are of; once for each way to read them."""
    kind = table.parameters.get("classification", "text")
    if kind == "parquet":
        return [(_casts(table), plan_files(files))]
    if kind == "json":
        types = ", ".join(f"{literal(c.name)}: {literal(DUCKDB_TYPES[c.type])}" for c in table.columns)
        options = f"columns = {{{types}}}, format = 'newline_delimited', filename = true"
        return [(_casts(table), f"read_json({literal_paths(files)}, {options})")]
    zipped = [path for path in files if starts_as_gzip(path)]
    plain = [path for path in files if path not in set(zipped)]
    line, *others = (identifier(column.name) for column in table.columns)
    columns = [line, *(f"CAST(NULL AS VARCHAR) AS {name}" for name in others)]
    return [(columns, _lines(line, some, how)) for some, how in ((plain, "none"), (zipped, "gzip")) if some]


def _casts(table: GlueTable) -> list[str]:
    return [f"CAST({identifier(c.name)} AS {DUCKDB_TYPES[c.type]}) AS {identifier(c.name)}" for c in table.columns]


def _lines(line: str, files: Sequence[Path], compression: str) -> str:
    return (
        f"read_csv({literal_paths(files)}, columns = {{{line}: 'VARCHAR'}}, header = false, auto_detect = false, delim = '\x01', quote = '',"
        f" escape = '', compression = '{compression}', filename = true, null_padding = true, max_line_size = {_LONGEST_LINE_BYTES})"
    )
