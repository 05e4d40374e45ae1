"""Small lakes of trades, written as the transform's rows would be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from local.lake.answers import run_query
from local.lake.folder import open_lake
from sql.glue import read_table
from sql.questions import query_from_sql

if TYPE_CHECKING:
    from pathlib import Path

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR: Final = datetime(2026, 11, 23, 2, tzinfo=UTC)  # 2026/11/23/02
LATER: Final = datetime(2026, 11, 24, tzinfo=UTC)
SESSION: Final = "01KAR2M9Q4T8W6X0Y5Z7B3C1DF"
SCHEMA: Final = pa.schema(
    [pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in read_table("delivered").columns]
)


def us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def ticker(trade_id: int, seconds: float = 300.0, **changes: Any) -> dict[str, Any]:
    """A trade so long after HOUR; its line's number is its id unless said otherwise."""
    event_time_us = us(HOUR + timedelta(seconds=seconds))
    row = {
        "kind": "ticker",
        "product_id": "BTC-USD",
        "event_time_us": event_time_us,
        "receive_time_us": event_time_us + 40_000,
        "source": "exchange_ws",
        "session": SESSION,
        "n": trade_id,
        "trade_id": trade_id,
        "sequence": trade_id * 60,
        "price": f"{86_000 + trade_id}.010",
        "last_size": "0.00000011",
        "taker_side": "buy",
    }
    return row | changes


def put(root: Path, name: str, rows: list[dict[str, Any]], *, hour: str = "2026/11/23/02", kind: str = "ticker") -> str:
    """An object of these rows; its key."""
    key = f"processed/coinbase/{kind}/{hour}/{name}.parquet"
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), root / key, compression="snappy")
    return key


def select(root: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_lake(root) as lake:
        return run_query(lake, query_from_sql(sql), {}).rows


def ticks(root: Path) -> list[tuple[Any, ...]]:
    return select(root, "SELECT * FROM ticks ORDER BY product_id, trade_id, event_time_us")


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file with its inode and time of change: the same twice means that nothing was written."""
    return {
        path.relative_to(root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
