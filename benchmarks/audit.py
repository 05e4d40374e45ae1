"""
A day of ten products, 1.2 million ticks with everything around them, audited by every check in SQL.

The lake is whole: rows by kind and hour, the lines they came from under raw/, a coverage line per product and minute, a session's opening and
closing. The reference reads every column of every row and every line of raw/ once, with the same DuckDB, and looks at nothing: what is
beyond it is the audit's own work. One thread and 1 GB for the engine.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow.parquet as pq

import local.lake.folder
from audit_lambda.audit import audit_lake
from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.glue import read_table

if TYPE_CHECKING:
    from audit_lambda.report import Report
    from local.lake.folder import Lake

TICKS: Final = 1_200_000
PRODUCTS: Final = 10
DAY: Final = datetime(2026, 11, 23, tzinfo=UTC)
NOW: Final = DAY + timedelta(days=2)
SESSION: Final = "01M82V7M0004T8W6X0Y5Z7B3C1"  # of the day's first second
AUDIT: Final = "audit of a day, every check"
READ: Final = "reading the same rows and lines once"
OBJECTS_AN_HOUR: Final = 4

_DAY_US: Final = int(DAY.timestamp()) * 1_000_000
_SPAN_US: Final = 86_400_000_000
_TEXTS: Final = (
    "price",
    "last_size",
    "taker_side",
    *("best_bid", "best_bid_size", "best_ask", "best_ask_size"),
    *("open_24h", "high_24h", "low_24h", "volume_24h", "volume_30d"),
)


def build_lake(root: Path, *, ticks: int) -> None:
    """A whole day under `root`."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        _make_lines(connection, ticks)
        for hour in range(24):
            place = (DAY + timedelta(hours=hour)).strftime("%Y/%m/%d/%H")
            for part in range(OBJECTS_AN_HOUR):
                began_us = _DAY_US + (hour * OBJECTS_AN_HOUR + part) * _SPAN_US // (24 * OBJECTS_AN_HOUR)
                here = f"receive_time_us >= {began_us} AND receive_time_us < {began_us + _SPAN_US // (24 * OBJECTS_AN_HOUR)}"
                _write_raw(connection, root / "raw/coinbase" / place / f"{part}.gz", here)
                for kind in ("ticker", "coverage", "session"):
                    _write_rows(connection, root / f"processed/coinbase/{kind}" / place / f"{part}.parquet", kind, here)


def _make_lines(connection: duckdb.DuckDBPyConnection, ticks: int) -> None:
    """The table `lines`: each row of the lake, and `message`, what its line carries."""
    decimal = "CAST(CAST({} AS DECIMAL(20, {})) AS VARCHAR)"
    price, size = decimal.format("middle", 2), decimal.format("(1 + hash(i + 2) % 90000000) * 0.00000001", 8)
    instant = "strftime(make_timestamp({}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    connection.execute(
        f"""
        CREATE TABLE tickers AS
        SELECT
          event_time_us, event_time_us + 41000 + CAST(hash(i + 7) % 9000 AS BIGINT) AS receive_time_us, 'exchange_ws' AS source,
          'P' || i % {PRODUCTS} || '-USD' AS product_id, CAST(910000000 + i // {PRODUCTS} AS BIGINT) AS trade_id, CAST(71234567890 + 3 * i AS BIGINT) AS sequence,
          {price} AS price, {size} AS last_size, IF(hash(i + 3) % 2 = 0, 'buy', 'sell') AS taker_side,
          {decimal.format("middle - 0.01", 2)} AS best_bid, {size} AS best_bid_size, {decimal.format("middle + 0.01", 2)} AS best_ask, {size} AS best_ask_size,
          '86000.00' AS open_24h, '88000.00' AS high_24h, '85500.00' AS low_24h,
          {decimal.format("5000 + i * 0.00001", 8)} AS volume_24h, {decimal.format("160000 + i * 0.00001", 8)} AS volume_30d
        FROM (
          SELECT
            i, CAST({_DAY_US} + 1000000 + i * {_SPAN_US - 122_000_000} // {ticks} AS BIGINT) AS event_time_us,
            CAST(8700000 + CAST(sin(i / 50000.0) * 40000 AS BIGINT) + CAST(hash(i) % 90 AS BIGINT) AS DECIMAL(12, 0)) * 0.01 AS middle
          FROM range({ticks}) AS r (i)
        )
        """
    )
    connection.execute(
        f"""
        CREATE TABLE lines AS
        SELECT row_number() OVER (ORDER BY receive_time_us, kind DESC) - 1 AS n, '{SESSION}' AS session, *
        FROM (
          SELECT 'ticker' AS kind, *, CAST(NULL AS VARCHAR) AS detail,
            '{{"type":"ticker","sequence":' || sequence || ',"product_id":"' || product_id || '","price":"' || price || '","open_24h":"' || open_24h
            || '","volume_24h":"' || volume_24h || '","low_24h":"' || low_24h || '","high_24h":"' || high_24h || '","volume_30d":"' || volume_30d
            || '","best_bid":"' || best_bid || '","best_bid_size":"' || best_bid_size || '","best_ask":"' || best_ask || '","best_ask_size":"' || best_ask_size
            || '","side":"' || taker_side || '","time":"' || {instant.format("event_time_us")} || '","trade_id":' || trade_id || ',"last_size":"' || last_size || '"}}' AS message
          FROM tickers
          UNION ALL BY NAME
          SELECT 'coverage' AS kind, minute_us AS event_time_us, minute_us + 62000000 AS receive_time_us, 'producer' AS source, product_id, message AS detail, message
          FROM (
            SELECT product_id, minute_us,
              '{{"product_id":"' || product_id || '","minute":"' || strftime(make_timestamp(minute_us), '%Y-%m-%dT%H:%M:%SZ') || '","ticks":' || count(*)
              || ',"first_trade_id":' || min(trade_id) || ',"last_trade_id":' || max(trade_id)
              || ',"longest_silence_ms":900,"watched_ms":{{"exchange_ws":60000}},"heartbeats":60,"whole":true}}' AS message
            FROM (SELECT *, event_time_us - event_time_us % 60000000 AS minute_us FROM tickers)
            GROUP BY product_id, minute_us
          )
          UNION ALL BY NAME
          SELECT 'session' AS kind, {_DAY_US} AS receive_time_us, 'producer' AS source, '{{"event":"opened"}}' AS detail, '{{"event":"opened"}}' AS message
          UNION ALL BY NAME
          SELECT 'session' AS kind, {_DAY_US + _SPAN_US - 1} AS receive_time_us, 'producer' AS source, message AS detail, message
          FROM (
            SELECT '{{"event":"closed","lines":' || {ticks} + 1 + count(*) || ',"by_kind":{{"ticker":{ticks},"coverage":' || count(*) || ',"session":1}},"delivered":'
              || {ticks} + 1 + count(*) || ',"pending":0,"refused":{{}},"not_written":0,"frames":{{"ticker":{ticks}}}}}' AS message
            FROM (SELECT DISTINCT product_id, event_time_us // 60000000 FROM tickers)
          )
        )
        """
    )


def _write_rows(connection: duckdb.DuckDBPyConnection, path: Path, kind: str, here: str) -> None:
    columns = ", ".join(column.name for column in read_table("delivered").columns)
    rows = connection.sql(f"SELECT {columns} FROM lines WHERE kind = '{kind}' AND {here} ORDER BY n").to_arrow_table()
    if rows.num_rows:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, compression="snappy")


def _write_raw(connection: duckdb.DuckDBPyConnection, path: Path, here: str) -> None:
    lines = connection.sql(
        f"""
        SELECT '{{"v":1,"session":"' || session || '","n":' || n || ',"kind":"' || kind || '","source":"' || source || '","receive_time":"'
          || strftime(make_timestamp(receive_time_us), '%Y-%m-%dT%H:%M:%S.%fZ') || '","message":' || message || '}}' AS line
        FROM lines WHERE {here} ORDER BY n
        """
    ).fetchall()
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as opened:
        opened.write(b"".join(line.encode() + b"\n" for (line,) in lines))


def audit(root: Path) -> Report:
    """The audit of the day, by one thread."""
    with _open_small(root) as lake:
        return audit_lake(
            LakeEngine(lake),
            lake=str(root),
            values={"from": DAY.isoformat(), "to": (DAY + timedelta(days=1)).isoformat()},
            now=NOW,
        )


def _open_small(root: Path) -> Lake:
    """The lake, opened with one thread and 1 GB."""
    # The configuration of an open lake is locked; so it is limited where it is locked.
    lock = local.lake.folder.lock

    def limit_and_lock(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = '700MB'")
        lock(connection, root)

    local.lake.folder.lock = limit_and_lock
    try:
        return open_lake(root)
    finally:
        local.lake.folder.lock = lock


def _cpu_audit(root: Path) -> float:
    began = time.process_time()
    report = audit(root)
    spent_s = time.process_time() - began
    worst = [f for c in report.checks for f in c.findings if f.severity not in {"notice", "warning"}]
    assert (report.verdict, worst) == ("whole", []), (
        report.verdict,
        worst[:3],
        [c.why for c in report.checks if c.why],
    )
    print(f"audit: {spent_s:.1f} s of one core, {_peak()} at most", file=sys.stderr)
    return spent_s


def _peak() -> str:
    """The most memory that this process had. getrusage would say what the one that started it had, if that was more."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((line.split(maxsplit=1)[1] for line in lines if line.startswith("VmHWM")), "unknown")


def _cpu_read(root: Path) -> float:
    with _open_small(root) as lake:
        columns = [column.name for column in read_table("delivered").columns]
        began = time.process_time()
        lake.connection.execute(f"SELECT {', '.join(f'max({name})' for name in columns)} FROM processed").fetchall()
        lake.connection.execute("SELECT max(line), count(*) FROM raw").fetchall()
        return time.process_time() - began


def measure(*, rounds: int = ROUNDS, ticks: int = TICKS) -> list[Ratio]:
    """The audit by a bare reading: processor time."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build_lake(root, ticks=ticks)
        samples = interleave({AUDIT: partial(_cpu_audit, root), READ: partial(_cpu_read, root)}, rounds=rounds)
    return [ratio(samples, AUDIT, READ)]


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
