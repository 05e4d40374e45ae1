"""
Every view, question and check on a real Trino, beside DuckDB on the same lake: the same rows, exactly, in the same order.

Runs where TICKLAKE_TRINO names a Trino on this machine (docs/query.md says how to start one); skipped elsewhere.
"""

# the expected value stands on the left

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from audit_lambda.checks import load_checks, load_figures, load_question, load_slo, plan_check
from cli.compact import command as compact
from infra import VIEWS
from local.lake.folder import Lake, open_lake
from local.lake.live import write_whole
from sql.catalog import plan_base_views
from sql.compaction import HourPlan, plan_check_of, plan_hour, plan_near_of, plan_unload
from sql.dialect import parse_select, to_duckdb
from sql.engine import EngineFailed
from sql.hours import HOUR_US, hour_start_us
from sql.questions import list_queries, load_query, plan_query, query_from_sql
from sql.replays import Record, encode_record, placed_key, record_key
from sql.views import load_views
from tests.infra.lakes import Writer, envelope, line, put_testimony, put_trades
from tests.infra.trino import Trino, plan_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlglot import exp

    from sql.questions import Query

URL: Final = os.environ.get("TICKLAKE_TRINO", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not URL, reason="TICKLAKE_TRINO names no Trino on this machine"),
]
CHECKS: Final = {f"{check.group}/{check.name}": check for check in load_checks()}
ASKED: Final = [load_question(name) for name in ("evidence", "candle_minutes", "candle_products")]
FIGURES: Final = {query.name: query for query in (*load_figures(), load_slo(), *ASKED)}
WINDOWS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"product": "BTC-USD"},
    {"from": "2026-11-23T02:17:30.5", "to": "2026-11-23T04:00"},
    {"interval": "5m"},
    {"interval": "500ms"},
    {"top": "3"},
)
AUDITED: Final = {"from": "2026-11-23T01", "to": "2026-11-23T06", "now": "2026-11-23T12"}
IN_ORDER: Final = {
    "ticks": "product_id, trade_id",
    "copies": "product_id, trade_id, session, n, lake_kind, lake_hour",
    "refusals": "session, n, line, error_type, error_code",
    "processed": "session, n, lake_kind, lake_hour, event_time_us",
    "errors": "envelope",
    "raw": "line",
    "objects": "key",
    "history": "product_id, trade_id",
    "compacted": "event_hour",
}
# At home history has microseconds. Read as a timestamp of milliseconds, Trino rounds them, where the views of the other hours cut them.
ROUNDED: Final = {"ticks", "history", "last_price"}
ORDER: Final[list[tuple[str, Literal["ascending", "descending"]]]] = [
    ("product_id", "ascending"),
    ("event_time_us", "ascending"),
    ("trade_id", "ascending"),
]
MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Both:
    """One lake, asked by either engine."""

    root: Path
    home: Lake
    trino: Trino

    def ask_home(self, question: exp.Query) -> list[tuple[Any, ...]]:
        # Not through the engine: it would judge refused lines by today's transform, which only home can.
        return self.home.connection.sql(to_duckdb(question)).fetchall()


def write_lake(root: Path) -> None:
    writer = Writer(root)
    put_trades(writer)
    put_testimony(writer)
    refused = {"reason": "price_not_positive", "detail": "price is -1", "line": line(0, price="-1").decode()}
    writer.put({"kind": "refused", "n": 0, "detail": json.dumps(refused)}, lake_kind="mixed")
    writer.put(
        {"kind": "refused", "session": None, "n": None, "detail": json.dumps({"line_base64": "w7xi"})},
        lake_kind="mixed",
    )
    writer.write()
    for place, (group, zipped) in enumerate(
        [
            ([envelope(line(1, price="0")), envelope(line(2))], False),
            ([envelope(line(3, price="-2"), spelling="lambdaArn", as_text=True), envelope(b'{"cut":')], True),
            ([envelope(line(4, price="-1") + b"\n" + line(5) + b"\n\n")], False),
            ([{"rawData": "§"}, {"rawData": ""}, {}, {"arrivalTimestamp": "99999999999999999999"}], False),
        ]
    ):
        name = f"ticklake-1-{place}" + (
            ".gz" if zipped else ""
        )  # Athena and Trino go by the name, home by the first bytes
        writer.put_errors("processing-failed", group, name=name, zipped=zipped)
    conversion = {"rawData": "eyJuIjo3fQ==", "lastErrorCode": "DataFormatConversion.InvalidSchema"}
    writer.put_errors("format-conversion-failed", [conversion], name="x", zipped=False)
    raw = root / "raw" / "coinbase" / "2026/11/23/01"
    raw.mkdir(parents=True)
    (root / "reports" / "coinbase" / "inventory").mkdir(parents=True)
    put_replay(root)
    (raw / "ticklake-1-raw").write_bytes(b"".join(line(n) + b"\n" for n in range(6)))


def put_replay(root: Path) -> None:
    """One object placed and its original replaced, and one that was never recorded."""
    keys = sorted(p.relative_to(root).as_posix() for p in (root / "processed/coinbase/ticker").rglob("*.parquet"))
    old = keys[0]
    folder = old.rpartition("/")[0]
    rows = pq.read_table(root / old, partitioning=None)
    new, stray = (placed_key(folder, digit * 16, 0) for digit in "0f")
    pq.write_table(rows.slice(0, rows.num_rows // 2), root / new)
    pq.write_table(rows, root / stray)
    write_whole(root / record_key(1), encode_record(Record(1, "0" * 16, {"found": 1}, (new,), (old,))))


def write_inventory(root: Path, home: Lake) -> None:
    home.list_objects()
    rows = home.connection.sql("SELECT * FROM objects").to_arrow_table().to_pylist()
    (root / "reports" / "coinbase" / "inventory" / "objects.json").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )


def hours_of(root: Path) -> tuple[str, str]:
    found = {m[1] for path in root.rglob("*") if (m := re.search(r"/(\d{4}/\d\d/\d\d)/\d\d/[^/]+$", str(path)))}
    return f"{min(found)}/00", f"{max(found)}/23"


@pytest.fixture(scope="module", params=["rows", "two hours of history"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    root = tmp_path_factory.mktemp("lake")
    write_lake(root)
    if request.param != "rows":
        options = ["--lake", str(root), "--even-open", "--from", "2026-11-23T02", "--to", "2026-11-23T04"]
        done = CliRunner().invoke(compact, options)
        assert 0 == done.exit_code, done.output
    trino = Trino(url=URL, schema=f"ticklake_{secrets.token_hex(4)}")
    trino.run(f"CREATE SCHEMA {trino.schema} WITH (location = 'local://{tmp_path_factory.mktemp('schema')}')")
    try:
        for statement in plan_tables(trino.schema, root, hours_of(root)):
            trino.run(statement)
        for statement in plan_base_views():
            trino.run(statement)
        for name in load_views():  # as they stand in their files
            trino.run((VIEWS / f"{name}.sql").read_text())
        with open_lake(root) as home:
            write_inventory(root, home)
            yield Both(root=root, home=home, trino=trino)
    finally:  # of external tables only the names go
        trino.run(f"DROP SCHEMA {trino.schema} CASCADE")


def assert_same(both: Both, question: exp.Query, *, rounded: bool = False) -> None:
    expected, answer = both.ask_home(question), both.trino.ask(question)
    assert len(expected) == len(answer.rows)
    for want, got in zip(expected, answer.rows, strict=True):
        assert [None] * len(want) == [
            (column, w, g) if not same(w, g, rounded=rounded) else None
            for column, w, g in zip(answer.columns, want, got, strict=True)
        ]


def same(home: Any, trino: Any, *, rounded: bool) -> bool:
    if isinstance(home, float) and isinstance(trino, float):
        return home == pytest.approx(trino, rel=1e-12, nan_ok=True)
    if isinstance(home, datetime) and isinstance(trino, datetime):
        cut = home.replace(microsecond=home.microsecond // 1000 * 1000)
        return trino == cut or (rounded and trino == cut + MILLISECOND)
    return bool(home == trino) and isinstance(home, Decimal) == isinstance(trino, Decimal)


@pytest.mark.parametrize("name", [*load_views(), "processed", "raw", "errors", "history", "compacted", "objects"])
def test_every_table_and_view_holds_the_same(both: Both, name: str) -> None:
    if name == "copies" and both.ask_home(parse_select("SELECT * FROM compacted")):
        pytest.skip("home leaves out the objects that only compacted hours need, Athena whole hours")
    columns = ", ".join(f'"{column}"' for column in both.trino.run(f"SELECT * FROM {name} LIMIT 0").columns)
    order = IN_ORDER.get(name, "session, n")
    question = parse_select(f"SELECT {columns} FROM {name} ORDER BY {order}")
    if name not in IN_ORDER:
        question = parse_select(
            f"SELECT {columns} FROM {name} ORDER BY {'session, n' if 'session' in columns else columns}"
        )
    assert_same(both, question, rounded=name in ROUNDED)


def windows_of(query: Query) -> list[dict[str, str]]:
    known = {parameter.name for parameter in query.parameters}
    return [window for window in WINDOWS if set(window) <= known]


@pytest.mark.parametrize(
    ("name", "window"), [(name, window) for name in list_queries() for window in windows_of(load_query(name))], ids=str
)
def test_every_question_is_answered_the_same(both: Both, name: str, window: dict[str, str]) -> None:
    assert_same(both, plan_query(load_query(name), window), rounded=name in ROUNDED)


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_finds_the_same(both: Both, name: str) -> None:
    assert_same(both, plan_check(CHECKS[name], AUDITED))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_the_same(both: Both, name: str) -> None:
    known = {parameter.name for parameter in FIGURES[name].parameters}
    assert_same(both, plan_query(FIGURES[name], {key: value for key, value in AUDITED.items() if key in known}))


def hour_plan(both: Both) -> HourPlan:
    """An hour, and every object with trades."""
    kinds = [both.root / "processed" / "coinbase" / kind for kind in ("ticker", "trade", "mixed")]
    paths = [path for kind in kinds for path in kind.rglob("*.parquet") if pq.read_metadata(path).num_rows]
    keys = sorted(path.relative_to(both.root).as_posix() for path in paths)
    hour = "2026/11/23/02"
    return HourPlan(event_hour=hour, start_us=hour_start_us(hour), inputs=dict.fromkeys(keys, (hour,)))


def of_folder(sql: str, both: Both) -> str:
    """The statement with the folder for the bucket `b`."""
    return sql.replace("s3://b/", f"local://{both.root}/")


def test_what_trino_writes_of_an_hour_is_what_home_makes_of_it(both: Both, tmp_path: Path) -> None:
    plan = hour_plan(both)
    unload = re.fullmatch(
        r"UNLOAD \((.*)\) TO .*", plan_unload(plan, generation="g1", bucket="b", folder="s3://b/f/"), re.DOTALL
    )
    assert unload is not None
    folder = f"local://{tmp_path}/written"
    written = f"{both.trino.schema}.written"
    both.trino.run(
        f"CREATE TABLE {written} WITH (format = 'PARQUET', external_location = '{folder}') AS {of_folder(str(unload[1]), both)}"
    )
    both.trino.run(f"DROP TABLE {written}")
    expected = both.home.connection.sql(
        to_duckdb(plan_hour(plan, generation="g1")).replace("uncompacted", "processed")
    ).to_arrow_table()
    # Trino leaves out the ORDER BY of rows that it stores; of UNLOAD Athena documents that each file keeps it.
    got = pq.read_table(tmp_path / "written").select(expected.column_names).sort_by(ORDER)
    assert expected.num_rows == got.num_rows > 100
    times = ("event_time", "receive_time")
    rest = [name for name in expected.column_names if name not in times]
    assert expected.select(rest).to_pylist() == got.select(rest).to_pylist()
    for name in times:
        home = pc.floor_temporal(expected[name], unit="millisecond").cast(pa.timestamp("ms"))
        assert home.to_pylist() == got[name].cast(pa.timestamp("ms")).to_pylist()


def test_an_hour_is_checked_against_its_objects(both: Both) -> None:
    plan = hour_plan(both)
    generations = both.ask_home(parse_select("SELECT generation FROM compacted WHERE event_hour = '2026/11/23/02'"))
    generation = generations[0][0] if generations else "none"
    answer = both.trino.run(of_folder(plan_check_of(plan, generation=generation, bucket="b").sql("athena"), both))
    ((delivered, rows, trades, missing, unexpected, unlike),) = answer.rows
    assert delivered > trades
    assert (trades, 0, 0) == (rows, unexpected, unlike)
    assert bool(generations) == (missing == 0)


def test_an_object_says_near_which_hours_it_holds_trades(both: Both) -> None:
    answer = both.trino.run(of_folder(plan_near_of(hour_plan(both).inputs.keys(), bucket="b").sql("athena"), both))
    trades = {key for key in hour_plan(both).inputs if "trade" in key or "ticker" in key}
    found = {str(row[0]).removeprefix(f"local://{both.root}/") for row in answer.rows}
    assert trades <= found <= set(hour_plan(both).inputs)
    assert {0} == {us % HOUR_US for row in answer.rows for us in row[1:]}


def test_what_overflows_overflows_in_both(both: Both) -> None:
    for wrong in (
        "CAST('100000000000000000000' AS DECIMAL(38, 18))",
        "CAST(CAST('99999999999999999999.99999999999' AS DECIMAL(38, 18)) AS DECIMAL(30, 10))",
        "CAST('99999999999999999999' AS DECIMAL(38, 18)) + CAST('1' AS DECIMAL(38, 18))",
        "CAST(CAST('1' AS DECIMAL(38, 18)) / CAST('0' AS DECIMAL(38, 8)) AS DECIMAL(38, 18))",
    ):
        question = plan_query(query_from_sql(f"SELECT {wrong} AS x"), {})
        with pytest.raises(Exception, match=r"(?i)out of range|overflow|could not|division by zero"):
            both.ask_home(question)
        with pytest.raises(EngineFailed):
            both.trino.ask(question)


def test_exact_quotients_are_the_same(both: Both) -> None:
    pairs = [(f"{n}.{n:018d}", f"{d}.{d:08d}") for n in (0, 1, 7, 99_999, 123_456_789) for d in (1, 3, 7, 99_999_999)]
    values = ", ".join(f"('{n}', '{d}'), ('-{n}', '{d}')" for n, d in pairs)
    question = parse_select(
        f"SELECT CAST(CAST(n AS DECIMAL(38, 18)) / CAST(d AS DECIMAL(38, 8)) AS DECIMAL(38, 18)) FROM (VALUES {values}) AS t (n, d)"
    )
    assert_same(both, question)


def test_instants_of_any_year_are_the_same(both: Both) -> None:
    values = ", ".join(map(str, (0, 1, 999, 1_763_999_999_999_999, 4_102_444_799_999_999, 9_223_372_036_854_775)))
    instant = "TIMESTAMP '1970-01-01 00:00:00.000' + us / 1000 * INTERVAL '0.001' SECOND"
    assert_same(both, parse_select(f"SELECT {instant} FROM (VALUES {values}) AS t (us)"))
    assert_same(both, parse_select(f"SELECT date_format({instant}, '%Y/%m/%d/%H') FROM (VALUES {values}) AS t (us)"))
