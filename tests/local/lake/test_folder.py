"""A lake's marker and its tables in DuckDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.lake.folder import (
    LakeMarkerDamaged,
    LakeMismatch,
    LakeMissing,
    claim_lake,
    open_lake,
    read_content,
    require_lake,
    sibling_for,
)
from sql.glue import read_table

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
ODD_NAMES = [
    "plain",
    "with space",
    "it's",
    'a "quoted" one',
    "[brackets]",
    "a*b?",
    "semi;colon--",
    "ünïcode",
    "back\\slash",
]


def write_ticker(lake: Path, hour: str, *, trade_id: int, name: str = "ticklake-1.parquet") -> None:
    table = read_table("delivered")
    schema = pa.schema([pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in table.columns])
    folder = lake / "processed" / "coinbase" / "ticker" / hour
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "kind": "ticker",
        "product_id": "BTC-USD",
        "trade_id": trade_id,
        "price": "1.50",
        "event_time_us": 1_764_000_000_123_456,
    }
    pq.write_table(pa.Table.from_pylist([row], schema=schema), folder / name)


def test_a_new_lake_is_marked_with_what_it_holds_and_since_when(tmp_path: Path) -> None:
    claim_lake(tmp_path / "lake", "simulated", now=NOW)
    said = json.loads((tmp_path / "lake" / "lake.json").read_text())
    assert {"format": 1, "content": "simulated", "created": "2026-11-23T02:30:00+00:00"} == said
    assert [tmp_path / "lake" / "lake.json"] == list((tmp_path / "lake").iterdir())


def test_a_second_claim_for_the_same_content_changes_nothing(tmp_path: Path) -> None:
    claim_lake(tmp_path, "coinbase", now=NOW)
    before = (tmp_path / "lake.json").read_bytes()
    claim_lake(tmp_path, "coinbase", now=NOW.replace(year=2027))
    assert before == (tmp_path / "lake.json").read_bytes()


def test_a_lake_of_real_data_refuses_simulated_data_and_says_what_to_do(tmp_path: Path) -> None:
    claim_lake(tmp_path / "lake", "coinbase", now=NOW)
    with pytest.raises(LakeMismatch) as caught:
        claim_lake(tmp_path / "lake", "simulated", now=NOW)
    assert (tmp_path / "lake", "coinbase", "simulated") == (caught.value.path, caught.value.holds, caught.value.wanted)
    assert "--lake" in str(caught.value)
    assert "lake-simulated" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "holds", "wanted", "expected"),
    [
        ("lake", None, "simulated", "lake"),
        ("lake", "simulated", "simulated", "lake"),
        ("lake", "coinbase", "simulated", "lake-simulated"),
        ("lake", "simulated", "coinbase", "lake-coinbase"),
        ("lake-simulated", "simulated", "coinbase", "lake-coinbase"),
    ],
)
def test_the_sibling_is_the_lake_itself_unless_it_holds_the_other(
    tmp_path: Path, name: str, holds: str | None, wanted: str, expected: str
) -> None:
    if holds is not None:
        claim_lake(tmp_path / name, holds, now=NOW)  # type: ignore[arg-type]  # one of the two contents
    assert tmp_path / expected == sibling_for(tmp_path / name, wanted)  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 2, "content": "coinbase"}', '{"format": 1, "content": "gold"}']
)
def test_a_marker_that_says_nothing_known_stops_everybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lake.json").write_text(text)
    with pytest.raises(LakeMarkerDamaged):
        claim_lake(tmp_path, "coinbase", now=NOW)
    assert text == (tmp_path / "lake.json").read_text()


def test_an_unclaimed_folder_holds_nothing_yet(tmp_path: Path) -> None:
    assert read_content(tmp_path) is None
    assert read_content(tmp_path / "nowhere") is None


def test_a_folder_that_is_not_there_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing, match="no lake at"):
        open_lake(tmp_path / "nowhere")


def test_an_empty_lake_has_every_table_and_view_with_its_columns(tmp_path: Path) -> None:
    table = read_table("delivered")
    expected = [
        (c.name, {"string": "VARCHAR", "bigint": "BIGINT"}[c.type]) for c in (*table.columns, *table.partitions)
    ]
    with open_lake(tmp_path) as lake:
        described = lake.connection.execute("DESCRIBE processed").fetchall()
        assert expected == [row[:2] for row in described]
        for view in ("ticks", "gaps", "coverage", "sessions", "errors"):
            assert [] == lake.connection.execute(f"SELECT * FROM {view}").fetchall()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_lake_may_have_any_path(tmp_path: Path, name: str) -> None:
    write_ticker(tmp_path / name, "2025/11/24/16", trade_id=7)
    with open_lake(tmp_path / name) as lake:
        rows = lake.connection.execute("SELECT trade_id, lake_kind, lake_hour FROM processed").fetchall()
    assert [(7, "ticker", "2025/11/24/16")] == rows


def test_a_path_with_wildcards_reads_no_other_lake(tmp_path: Path) -> None:
    write_ticker(tmp_path / "lake*", "2025/11/24/16", trade_id=1)
    write_ticker(tmp_path / "lake-other", "2025/11/24/16", trade_id=2)
    with open_lake(tmp_path / "lake*") as lake:
        assert [(1,)] == lake.connection.execute("SELECT trade_id FROM ticks").fetchall()


def test_asking_writes_nothing_into_the_lake_and_reads_nothing_beside_it(tmp_path: Path) -> None:
    write_ticker(tmp_path / "lake", "2025/11/24/16", trade_id=1)
    (tmp_path / "beside.csv").write_text("secret\n")
    before = sorted(tmp_path.rglob("*"))
    with open_lake(tmp_path / "lake") as lake:
        lake.connection.execute("SELECT * FROM ticks").fetchall()
        with pytest.raises(duckdb.PermissionException):
            lake.connection.execute("SELECT * FROM read_text(?)", [str(tmp_path / "beside.csv")])
        with pytest.raises(duckdb.InvalidInputException):
            lake.connection.execute("SET enable_external_access = true")
    assert before == sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize("holds", ["lake.json", "raw/coinbase/x", "history/coinbase/x", "reports/coinbase/inventory/x"])
def test_a_lake_is_what_is_marked_as_one_or_holds_what_one_holds(tmp_path: Path, holds: str) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(LakeMissing):
        require_lake(tmp_path / "none")
    with pytest.raises(LakeMissing):
        require_lake(tmp_path)
    (tmp_path / holds).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / holds).touch()
    require_lake(tmp_path)


def test_a_lake_that_is_a_link_is_read_through_it(tmp_path: Path) -> None:
    write_ticker(tmp_path / "real", "2025/11/24/16", trade_id=1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_lake(tmp_path / "link") as lake:
        assert [("2025/11/24/16",)] == lake.connection.execute("SELECT lake_hour FROM processed").fetchall()
