"""A small lake of objects of each table, in a folder, for the tests of the checks of integrity."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from audit_lambda.spans import Span
from sql.glue import read_table
from sql.hours import HOUR_US, hour_start_us

if TYPE_CHECKING:
    from pathlib import Path

HOUR: Final = "2026/11/23/02"
DAY: Final = HOUR[:10]
FROM_US: Final = hour_start_us(HOUR)
NOW_US: Final = FROM_US + 24 * HOUR_US
SPAN: Final = Span("asked", FROM_US, FROM_US + HOUR_US)
RAW: Final = f"raw/coinbase/{HOUR}/stream-1-a.gz"
ROWS: Final = f"processed/coinbase/ticker/{HOUR}/a.parquet"
ERRORS: Final = f"errors/coinbase/processing-failed/{HOUR}/a"
HISTORY: Final = f"history/coinbase/{HOUR}/history-0123456789abcdef.parquet"
MANIFEST: Final = f"compacted/coinbase/{HOUR}/manifest.json"
OLD: Final = "raw/coinbase/2026/10/01/00/stream-1-a.gz"
OLD_DAY: Final = "2026/10/01"
LINES: Final = b"".join(b'{"v":1,"n":%d}\n' % (n * n) for n in range(1000))
_TYPES: Final[dict[str, pa.DataType]] = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "decimal(38,18)": pa.decimal128(38, 18),
    "timestamp": pa.timestamp("us"),
}


def columns_of(table: str) -> dict[str, pa.DataType]:
    """The table's columns, with the types that they have at home."""
    return {column.name: _TYPES[column.type] for column in read_table(table).columns}


def rows(table: str, count: int = 500, *, last_size: str = "5") -> pa.Table:
    """Rows of a table that differ, in one text and one number."""
    varied = {
        "detail" if table == "delivered" else "session": [f"{n}.{last_size}0" for n in range(count)],
        "n": [*range(count)],
    }
    return pa.table(
        {name: pa.array(varied.get(name, [None] * count), type_) for name, type_ in columns_of(table).items()}
    )


def write(root: Path, key: str, content: bytes) -> None:
    """An object."""
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    (root / key).write_bytes(content)


def write_parquet(root: Path, key: str, table: pa.Table, **options: Any) -> None:
    """A Parquet object, its pages with checksums and not compressed, so that each byte of it tells."""
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, root / key, **{"write_page_checksum": True, "compression": "none", **options})


def build_stored(root: Path) -> Path:
    """A lake of one hour in each table, and one old object of raw."""
    for key in (RAW, OLD):
        write(root, key, gzip.compress(LINES, mtime=0) + gzip.compress(b'{"v":2}\n', mtime=0))
    write(root, ERRORS, b'{"rawData":"e30="}\n')
    write_parquet(root, ROWS, rows("delivered"))
    write_parquet(root, HISTORY, rows("history"))
    write(root, MANIFEST, b'{"generation":"0123456789abcdef"}')
    return root
