"""Each guess from both of its sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.athena.engine import Outcome, Running, Where
from local.athena.errors import StatementFailed
from local.athena.guesses import Guesses
from local.athena.statements import decode_statement
from tests.local.lake.trades import put, ticker

INSERT = """
INSERT INTO history (trade_id, event_time, event_hour)
SELECT trade_id, TIMESTAMP '2026-11-23 02:00:00.123', lake_hour FROM delivered ORDER BY trade_id
"""


def run(lake: Path, text: str, **guesses: Any) -> Outcome:
    where = Where(lake.resolve(), "b", "d", Guesses(**guesses))
    return Running(where, decode_statement(text), {}, query_name="q").run()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    put(tmp_path, "a", [ticker(n) for n in (3, 1, 2)])
    return tmp_path


def test_insert_writes_under_hives_own_path_where_the_table_does_not_look(lake: Path) -> None:
    (key,) = run(lake, INSERT).written
    assert "history/coinbase/event_hour=2026%2F11%2F23%2F02" == str(Path(key).parent)
    assert [(0,)] == run(lake, "SELECT count(*) AS n FROM history").rows


def test_or_it_writes_where_the_tables_template_says(lake: Path) -> None:
    outcome = run(lake, INSERT, insert_location="template")
    assert ("history/coinbase/2026/11/23/02", 3) == (str(Path(outcome.written[0]).parent), outcome.update_count)
    assert [(3, "2026/11/23/02", None)] == run(
        lake, "SELECT count(*) AS n, max(event_hour) AS h, max(price) AS p FROM history"
    ).rows


def test_insert_does_not_keep_the_order_of_its_select_or_does(lake: Path) -> None:
    orders = [
        pq.ParquetFile(lake / run(lake, INSERT, insert_keeps_order=keeps).written[0]).read()["trade_id"].to_pylist()
        for keeps in (False, True)
    ]
    assert ([3, 1, 2], [1, 2, 3]) == tuple(orders)


def test_timestamps_are_written_as_int96_or_not(lake: Path) -> None:
    types = []
    for int96 in (True, False):
        (key,) = run(lake, INSERT, insert_int96=int96).written
        schema = pq.ParquetFile(lake / key).schema
        types.append(schema.column(schema.names.index("event_time")).physical_type)
        assert pa.types.is_timestamp(pq.read_schema(lake / key).field("event_time").type)
    assert ["INT96", "INT64"] == types


def test_an_insert_writes_so_many_partitions_and_no_more(lake: Path) -> None:
    put(lake, "b", [ticker(4)], hour="2026/11/23/03")
    assert 2 == len(run(lake, INSERT, insert_partitions_limit=2).written)
    with pytest.raises(StatementFailed, match="HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 1"):
        run(lake, INSERT, insert_partitions_limit=1)
