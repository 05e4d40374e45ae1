"""
One-minute OHLCV and VWAP of one product: asked of history, and of the same ticks as gzipped JSON lines.

The same question (infra/queries/ohlcv.sql) runs on DuckDB both times, over a million ticks of 200 products. The lake is made as it would be:
rows as Firehose writes them, then compacted. The JSON side names only the fields it needs and looks for no copies, which is more than
fair to it. Bytes are those of the columns in the row groups that can hold the product, with the footers; of JSON, all of them, since gzip
cannot be read in part. Opening the lake is not counted.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow.parquet as pq
from sqlglot import exp

from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from local.lake.compact import compact_hour, survey_folder
from local.lake.folder import open_lake
from sql.dialect import DUCKDB_MACROS, literal_paths, parse_select, to_duckdb
from sql.history import plan_compaction
from sql.questions import load_query

if TYPE_CHECKING:
    import pyarrow as pa

TICKS: Final = 1_000_000
PRODUCTS: Final = 200
OBJECTS: Final = 20
START: Final = datetime(2026, 11, 23, 2, tzinfo=UTC)
SPAN_US: Final = 2 * 3_600_000_000
PRODUCT: Final = "P117-USD"
HISTORY: Final = "the same on history"
JSON: Final = "one product's OHLCV + VWAP on gzipped JSON lines"
# What the question reads of a trade.
COLUMNS: Final = ("product_id", "event_time_us", "trade_id", "price", "last_size", "generation")

_START_US: Final = int(START.timestamp()) * 1_000_000


def build_lake(root: Path, *, ticks: int) -> None:
    """The ticks as rows, as history, and as gzipped JSON lines under root/json."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(
        f"""
        CREATE TABLE t AS
        SELECT
          'ticker' AS kind, 'P' || lpad(CAST(hash(i) % {PRODUCTS} AS VARCHAR), 3, '0') || '-USD' AS product_id,
          CAST({_START_US} + i * {SPAN_US} // {ticks} AS BIGINT) AS event_time_us, CAST({_START_US} + i * {SPAN_US} // {ticks} + 41000 + hash(i + 7) % 9000 AS BIGINT) AS receive_time_us,
          'exchange_ws' AS source, '01KAR2M9Q4T8W6X0Y5Z7B3C1DF' AS session, CAST(i AS BIGINT) AS n,
          CAST(910000000 + i AS BIGINT) AS trade_id, CAST(71234567890 + 3 * i AS BIGINT) AS sequence,
          CAST(CAST((8700000 + hash(i + 1) % 9000) AS DECIMAL(12, 0)) / 100 AS DECIMAL(12, 2))::VARCHAR AS price,
          CAST(CAST(1 + hash(i + 2) % 90000000 AS DECIMAL(12, 0)) * 0.00000001 AS DECIMAL(12, 8))::VARCHAR AS last_size,
          CASE WHEN hash(i + 3) % 2 = 0 THEN 'buy' ELSE 'sell' END AS taker_side,
          '87016.06' AS best_bid, CAST(CAST(hash(i + 4) % 90000000 AS DECIMAL(12, 0)) * 0.00000001 AS DECIMAL(12, 8))::VARCHAR AS best_bid_size,
          '87016.07' AS best_ask, CAST(CAST(hash(i + 5) % 90000000 AS DECIMAL(12, 0)) * 0.00000001 AS DECIMAL(12, 8))::VARCHAR AS best_ask_size,
          '86000.00' AS open_24h, '88000.00' AS high_24h, '85500.00' AS low_24h,
          CAST(5000 + i * 0.00001 AS DECIMAL(18, 8))::VARCHAR AS volume_24h, CAST(160000 + i * 0.00001 AS DECIMAL(18, 8))::VARCHAR AS volume_30d,
          CAST(NULL AS VARCHAR) AS detail
        FROM range({ticks}) AS r (i)
        """
    )
    for number in range(OBJECTS):
        rows = connection.sql(
            f"SELECT * FROM t WHERE n >= {ticks * number // OBJECTS} AND n < {ticks * (number + 1) // OBJECTS} ORDER BY n"
        ).to_arrow_table()
        hour = (START + timedelta(microseconds=SPAN_US * number // OBJECTS)).strftime("%Y/%m/%d/%H")
        path = root / "processed/coinbase/ticker" / hour / f"ticklake-{number:02d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, compression="snappy")
        _write_json(root / "json" / f"{number:02d}.gz", rows)
    plan = plan_compaction(survey_folder(root), now=START + timedelta(days=1), from_us=0, to_us=2**62, even_open=False)
    for hour_plan in plan.hours:
        compact_hour(root, hour_plan, lambda _: None)


def _write_json(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=6) as opened:
        for row in rows.to_pylist():
            opened.write(_line(row))


def _line(row: dict[str, object]) -> bytes:
    happened_us, received_us = row["event_time_us"], row["receive_time_us"]
    assert isinstance(happened_us, int)
    assert isinstance(received_us, int)
    frame = {"type": "ticker", "sequence": row["sequence"], "product_id": row["product_id"], "price": row["price"]}
    names = (
        "open_24h",
        "volume_24h",
        "low_24h",
        "high_24h",
        "volume_30d",
        "best_bid",
        "best_bid_size",
        "best_ask",
        "best_ask_size",
    )
    frame |= {name: row[name] for name in names}
    frame |= {
        "side": row["taker_side"],
        "time": _instant(happened_us),
        "trade_id": row["trade_id"],
        "last_size": row["last_size"],
    }
    head = {"v": 1, "session": row["session"], "n": row["n"], "kind": "ticker", "source": "exchange_ws"}
    head |= {"receive_time": _instant(received_us), "message": frame}
    return json.dumps(head, separators=(",", ":")).encode() + b"\n"


def _instant(instant_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def question() -> str:
    """The question with its values, for DuckDB, over a table or view `ticks`."""
    asked = parse_select(load_query("ohlcv").sql)
    values = {"product": PRODUCT, "from_us": 0, "to_us": 2**62 // 1000, "interval_us": 60_000_000}
    return to_duckdb(exp.replace_placeholders(asked, **values))  # type: ignore[arg-type]  # a query stays one


def ask_history(root: Path) -> tuple[float, pa.Table]:
    """CPU seconds of the question on history, and the answer."""
    with open_lake(root) as lake:
        return _ask(lake.connection)


def ask_json(root: Path) -> tuple[float, pa.Table]:
    """CPU seconds of the question on JSON lines, and the answer."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        for macro in DUCKDB_MACROS:
            connection.execute(macro)
        frame = 'STRUCT(product_id VARCHAR, price VARCHAR, last_size VARCHAR, "time" VARCHAR, trade_id BIGINT)'
        connection.execute(
            f"""
            CREATE VIEW ticks AS
            SELECT
              message.product_id, message.trade_id, CAST(message.price AS DECIMAL(38, 18)) AS price,
              CAST(message.last_size AS DECIMAL(38, 18)) AS last_size, epoch_us(CAST(message."time" AS TIMESTAMP)) AS event_time_us
            FROM read_json({literal_paths(json_files(root))}, columns = {{message: '{frame}'}}, format = 'newline_delimited', compression = 'gzip')
            """
        )
        return _ask(connection)


def _ask(connection: duckdb.DuckDBPyConnection) -> tuple[float, pa.Table]:
    sql = question()
    began = time.process_time()
    answer = connection.sql(sql).to_arrow_table()
    return time.process_time() - began, answer


def json_files(root: Path) -> list[Path]:
    """The gzipped JSON lines."""
    return sorted((root / "json").glob("*.gz"))


def _cpu_history(root: Path) -> float:
    return ask_history(root)[0]


def _cpu_json(root: Path) -> float:
    return ask_json(root)[0]


def history_bytes(root: Path) -> int:
    """The bytes of history that the question has to read."""
    total = 0
    for path in sorted((root / "history").rglob("*.parquet")):
        metadata = pq.ParquetFile(path).metadata
        total += metadata.serialized_size
        for group in (metadata.row_group(at) for at in range(metadata.num_row_groups)):
            columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
            products = columns["product_id"].statistics
            assert products is not None
            if str(products.min) <= PRODUCT <= str(products.max):
                total += sum(columns[name].total_compressed_size for name in COLUMNS)
    return total


def measure(*, rounds: int = ROUNDS, ticks: int = TICKS) -> list[Ratio]:
    """JSON by history: processor time, and bytes read."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build_lake(root, ticks=ticks)
        samples = interleave({HISTORY: partial(_cpu_history, root), JSON: partial(_cpu_json, root)}, rounds=rounds)
        read = sum(path.stat().st_size for path in json_files(root)) / history_bytes(root)
        stored = sum(path.stat().st_size for path in (root / "history").rglob("*.parquet")) / ticks
    print(f"history: {stored:.1f} bytes a tick")
    return [ratio(samples, JSON, HISTORY), Ratio(f"{JSON}, bytes read", HISTORY, (read,))]


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
