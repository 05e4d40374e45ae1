"""`ticklake query` as a person types it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.query import command
from sql.glue import read_table
from sql.questions import list_queries

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

ROWS = [
    {
        "product_id": "BTC-USD",
        "trade_id": 1,
        "price": "87000.10",
        "last_size": "0.50000000",
        "taker_side": "buy",
        "event_time_us": 1_763_978_400_000_001,
    },
    {
        "product_id": "ETH-USD",
        "trade_id": 9007199254740993,
        "price": "0.000000000000000001",
        "last_size": "2",
        "event_time_us": 1_763_978_461_000_000,
    },
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    table = read_table("delivered")
    schema = pa.schema([pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in table.columns])
    folder = tmp_path / "lake" / "processed" / "coinbase" / "ticker" / "2025" / "11" / "24" / "10"
    folder.mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist([{"kind": "ticker", **row} for row in ROWS], schema=schema), folder / "x.parquet"
    )
    return tmp_path / "lake"


def ask(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, [*args, "--lake", str(lake)])


def test_a_question_is_answered_as_a_table(lake: Path) -> None:
    result = ask(lake, "last_price")
    assert (0, "") == (result.exit_code, result.stderr)
    header, bitcoin, ether = result.stdout.splitlines()
    assert [
        "product_id",
        "price",
        "event_time",
        "taker_side",
        "last_size",
        "best_bid",
        "best_ask",
        "trade_id",
    ] == header.split()
    assert ["BTC-USD", "87000.1", "2025-11-24T10:00:00.000001Z", "buy", "0.5", "1"] == bitcoin.split()
    assert ["ETH-USD", "0.000000000000000001", "2025-11-24T10:01:01.000000Z", "2", "9007199254740993"] == ether.split()


def test_csv_and_json_hold_the_same_exact_values(lake: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(lake, "last_price", "--format", "csv").stdout)))
    objects = json.loads(ask(lake, "last_price", "--format", "json").stdout)
    assert [("87000.1", "1"), ("0.000000000000000001", "9007199254740993")] == [
        (row["price"], row["trade_id"]) for row in rows
    ]
    assert [("87000.1", 1), ("0.000000000000000001", 9007199254740993)] == [
        (row["price"], row["trade_id"]) for row in objects
    ]
    assert [None, None] == [row["best_bid"] for row in objects]


def test_json_stays_json_where_a_number_is_none(lake: Path) -> None:
    answer = ask(
        lake,
        "SELECT CAST('nan' AS DOUBLE) AS a, CAST('inf' AS DOUBLE) AS b, CAST(0.5 AS DOUBLE) AS c FROM ticks LIMIT 1",
        "--format",
        "json",
    ).stdout
    assert [{"a": "nan", "b": "inf", "c": 0.5}] == json.loads(answer)


def test_parquet_holds_the_engines_own_types(lake: Path, tmp_path: Path) -> None:
    result = ask(lake, "last_price", "--output", str(tmp_path / "answer.parquet"))
    assert (0, "") == (result.exit_code, result.output)
    schema = pq.read_schema(tmp_path / "answer.parquet")
    assert (pa.decimal128(38, 18), pa.timestamp("us")) == (schema.field("price").type, schema.field("event_time").type)


@pytest.mark.parametrize("ending", ["csv", "json", "txt"])
def test_a_file_gets_what_the_terminal_would(lake: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"answer.{ending}"
    assert not ask(lake, "last_price", "--output", str(target)).output
    assert ask(lake, "last_price", "--format", {"txt": "table"}.get(ending, ending)).stdout == target.read_text()


def test_a_select_of_ones_own_is_asked_in_athenas_dialect(lake: Path) -> None:
    result = ask(lake, "SELECT max_by(product_id, trade_id) AS p FROM ticks", "--format", "csv")
    assert "p\nETH-USD\n" == result.stdout


@pytest.mark.parametrize(
    ("args", "rows"),
    [
        (("--product", "ETH-USD"), 1),
        (("--from", "2025-11-24T10:01"), 1),
        (("--to", "2025-11-24T10:01"), 1),
        (("--set", "product=BTC-USD"), 1),
        (("--product", "DOGE-USD"), 0),
    ],
)
def test_options_become_values(lake: Path, args: tuple[str, ...], rows: int) -> None:
    assert rows == len(json.loads(ask(lake, "last_price", *args, "--format", "json").stdout))


def test_no_rows_are_said(lake: Path) -> None:
    assert ask(lake, "holes").stdout.endswith("(no rows)\n")


def test_the_list_names_every_question_and_its_options() -> None:
    listed = CliRunner().invoke(command, ["--list"]).stdout
    assert all(f"{name}: " in listed for name in list_queries())
    assert "--set top=" in listed


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ((), 2, "Say what to ask"),
        (("ohlvc",), 1, "There is no query named ohlvc"),
        (("last_price", "--interval", "1m"), 1, "last_price takes no value named interval"),
        (("ohlcv", "--interval", "1 fortnight"), 1, "'1 fortnight' cannot be the value of interval"),
        (("ohlcv", "--from", "soon"), 1, "an instant of 1970 or later is wanted"),
        (("last_price", "--format", "parquet"), 2, "name a file with --output"),
        (("last_price", "--set", "product"), 2, "NAME=VALUE"),
        (("DROP TABLE ticks",), 1, "it is not one SELECT"),
        (("SELECT nothing FROM nowhere",), 1, "could not be answered"),
        (("last_price", "--output", "/no/such/folder/x.csv"), 1, "could not be written"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(lake: Path, args: tuple[str, ...], code: int, sentence: str) -> None:
    result = ask(lake, *args)
    assert code == result.exit_code
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_a_lake_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    result = ask(tmp_path / "nowhere", "last_price")
    assert 1 == result.exit_code
    assert "There is no lake at" in result.stderr


def test_text_from_the_lake_cannot_steer_the_terminal(lake: Path) -> None:
    result = ask(
        lake, "SELECT chr(27) || '[31mred' || chr(10) || '[bold]x[/bold]' || chr(8238) AS t FROM ticks LIMIT 1"
    )
    assert "\\x1b[31mred\\n[bold]x[/bold]\\u202e" == result.stdout.splitlines()[1].rstrip()
