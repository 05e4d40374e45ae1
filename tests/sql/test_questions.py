"""Questions and their values: what is declared, what a person may write, and what never becomes SQL."""

# the expected value stands on the left

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.lake.answers import run_query
from local.lake.folder import open_lake
from sql.glue import read_table
from sql.hours import lake_hour
from sql.questions import (
    Parameter,
    ParameterUnknown,
    Query,
    QueryUnknown,
    ValueRefused,
    decode_query,
    decode_value,
    list_queries,
    load_query,
    plan_query,
    query_from_sql,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sql.questions import ParameterType

TEXT = """-- What is it?
-- :product text, default every product
-- :from_us instant, default the beginning
-- A remark, default or not.
SELECT product_id, event_time_us FROM processed WHERE (:product IS NULL OR product_id = :product) AND event_time_us >= :from_us
ORDER BY event_time_us
"""


def parameter(type_: ParameterType) -> Parameter:
    return Parameter(name="x", placeholder="x", type=type_, default="", bounds_hours=False)


def write_hours(root: Path, *hours: int) -> None:
    table = read_table("delivered")
    schema = pa.schema([pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in table.columns])
    for hour in hours:
        folder = root / "processed/coinbase/ticker" / lake_hour(hour * 3_600_000_000)
        folder.mkdir(parents=True)
        row = {
            "kind": "ticker",
            "product_id": "BTC-USD",
            "event_time_us": hour * 3_600_000_000 + 1,
            "trade_id": hour,
            "price": "1",
        }
        pq.write_table(pa.Table.from_pylist([row], schema=schema), folder / "x.parquet")


def test_a_file_says_its_question_and_its_parameters() -> None:
    query = decode_query("it", TEXT)
    product = Parameter(name="product", placeholder="product", type="text", default="every product", bounds_hours=False)
    since = Parameter(name="from", placeholder="from_us", type="instant", default="the beginning", bounds_hours=True)
    assert Query(name="it", question="What is it?", parameters=(product, since), sql=TEXT) == query


def test_a_file_may_ask_for_every_hour() -> None:
    query = decode_query("it", TEXT.replace("the beginning", "the beginning (reads every hour)"))
    assert ("the beginning", False) == (query.parameters[1].default, query.parameters[1].bounds_hours)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("2026-11-23", 1_795_392_000_000_000),
        ("2026-11-23T02:30", 1_795_401_000_000_000),
        ("2026-11-23 02:30:19", 1_795_401_019_000_000),
        ("2026-11-23T02:30:19.123456Z", 1_795_401_019_123_456),
        ("2026-11-23T03:30:19.123456+01:00", 1_795_401_019_123_456),
    ],
)
def test_an_instant_is_exact_and_in_utc_unless_it_says_otherwise(text: str, expected: int) -> None:
    assert expected == decode_value(parameter("instant"), text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 500_000), ("10s", 10_000_000), ("1m", 60_000_000), ("4h", 14_400_000_000), ("1w", 604_800_000_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert expected == decode_value(parameter("duration"), text)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("instant", "yesterday"),
        ("instant", "1969-12-31"),
        ("instant", "2026-13-01"),
        ("instant", "9999-01-01"),
        ("instant", "1); DROP TABLE processed; --"),
        ("duration", "0m"),
        ("duration", "1"),
        ("duration", "-1m"),
        ("duration", "1.5m"),
        ("duration", "1month"),
        ("duration", "٣m"),
        ("count", "0"),
        ("count", "-1"),
        ("count", "1e3"),
        ("count", "1 OR 1"),
        ("count", ""),
    ],
)
def test_a_value_of_another_sort_is_refused_with_an_example(type_: ParameterType, text: str) -> None:
    with pytest.raises(ValueRefused, match=re.escape(repr(text))):
        decode_value(parameter(type_), text)


def test_an_unknown_query_says_which_there_are() -> None:
    with pytest.raises(QueryUnknown, match="ohlcv"):
        load_query("ohlvc")


@pytest.mark.parametrize("name", ["../views/ticks", "/etc/passwd", "ohlcv.sql", "", ".", "*"])
def test_a_name_is_not_a_path(name: str) -> None:
    with pytest.raises(QueryUnknown):
        load_query(name)


def test_an_unknown_parameter_says_which_there_are() -> None:
    with pytest.raises(ParameterUnknown, match="It takes: product, from, to, interval"):
        plan_query(load_query("ohlcv"), {"color": "red"})


def test_a_placeholder_in_a_select_of_ones_own_has_no_value() -> None:
    with pytest.raises(ParameterUnknown, match="This SELECT takes no value named x"):
        plan_query(query_from_sql("SELECT :x"), {})


@pytest.mark.parametrize(
    "text", ["BTC-USD' OR '1' = '1", "'", "''; DROP TABLE processed; --", ":product", "\\", "\n-- ", "${x}", "%"]
)
def test_a_value_is_only_ever_compared(tmp_path: Path, text: str) -> None:
    write_hours(tmp_path, 500_000)
    with open_lake(tmp_path) as lake:
        assert not run_query(lake, decode_query("it", TEXT), {"product": text}).rows
        assert run_query(lake, query_from_sql("SELECT count(*) AS x FROM processed"), {}).rows == [(1,)]


def test_from_bounds_the_hours_read_with_an_hour_to_spare(tmp_path: Path) -> None:
    write_hours(tmp_path, *range(500_000, 500_010))
    query = load_query("last_price")
    planned = plan_query(query, {"from": "2027-01-15T10:30"})  # hour 500,002 and a half
    assert "lake_hour >= '2027/01/15/09'" in planned.sql("athena")
    with open_lake(tmp_path) as lake:
        assert [500_009] == [row[-1] for row in run_query(lake, query, {"from": "2027-01-15T10:30"}).rows]


def test_files_of_hours_before_the_bound_are_not_opened(tmp_path: Path) -> None:
    write_hours(tmp_path, *range(500_000, 500_010))
    # The first file is opened for its columns.
    for hour in range(500_001, 500_007):
        (tmp_path / "processed/coinbase/ticker" / lake_hour(hour * 3_600_000_000) / "x.parquet").write_bytes(
            b"not Parquet"
        )
    with open_lake(tmp_path) as lake:
        since = {"from": "2027-01-15T16:00"}  # hour 500,008
        assert [500_009] == [row[-1] for row in run_query(lake, load_query("last_price"), since).rows]


def test_without_from_every_hour_is_read() -> None:
    assert "lake_hour >=" not in plan_query(load_query("last_price"), {}).sql("athena")
    assert "lake_hour >=" not in plan_query(load_query("holes"), {"from": "2027-01-15"}).sql("athena")


def test_the_list_is_of_files() -> None:
    assert {"last_price", "vwap", "ohlcv", "holes"} <= set(list_queries())
