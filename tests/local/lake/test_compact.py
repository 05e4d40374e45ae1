"""Closed hours into history: the same answers before, during and after, whatever happens in between."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, get_args

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.lake.compact import (
    CompactionBusy,
    CompactionWrong,
    LakeUnreadable,
    Step,
    compact_hour,
    hold_lake,
    survey_folder,
    sweep,
)
from local.lake.folder import LakeError, LakeMissing
from local.lake.live import write_whole
from sql.glue import read_table
from sql.history import GRACE, plan_compaction
from sql.replays import Record, encode_record, placed_key, record_key
from tests.local.lake.trades import HOUR, LATER, SESSION, files, put, select, ticker, ticks, us

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sql.history import CompactionPlan

FOREVER = 2**62


class Crashed(Exception):  # noqa: N818
    pass


def plan(root: Path, now: datetime = LATER, *, even_open: bool = False) -> CompactionPlan:
    return plan_compaction(survey_folder(root), now=now, from_us=0, to_us=FOREVER, even_open=even_open)


def compact(root: Path, now: datetime = LATER) -> list[str]:
    with hold_lake(root):
        hours = plan(root, now).hours
        for hour in hours:
            compact_hour(root, hour, lambda _: None)
        return [hour.event_hour for hour in hours]


def fill(root: Path) -> None:
    """Three hours: copies, a late row, a healed one, trades at the edges of hours, an undivided pack."""
    put(root, "a", [ticker(n, n * 7) for n in range(1, 515)])
    put(root, "b", [ticker(n, n * 7) for n in range(300, 600)], hour="2026/11/23/02")
    put(root, "c", [ticker(n, 3600 + n, product_id="ETH-USD") for n in range(1, 3700)], hour="2026/11/23/03")
    healed = {"kind": "trade", "source": "rest_heal", "session": "01KAR2M9Q4T8W6X0Y5Z7B3C1DG", "sequence": None}
    put(root, "d", [ticker(600, 600 * 7, **healed), ticker(10, 70, **healed)], kind="trade")
    put(root, "e", [ticker(9, 600 - 86_400 * 30, product_id="SLEEPY-USD", n=9_000)], hour="2026/11/23/03")
    put(root, "f", [ticker(7_001, 50, n=9_001), ticker(7_002, 9_000, n=9_002)], kind="mixed", hour="2026/11/23/04")


def test_the_view_answers_the_same_before_and_after(tmp_path: Path) -> None:
    fill(tmp_path)
    before = ticks(tmp_path)
    assert ["2026/10/24/02", "2026/11/23/01", "2026/11/23/02", "2026/11/23/03", "2026/11/23/04"] == compact(tmp_path)
    assert before == ticks(tmp_path)
    assert [(0,)] == select(tmp_path, "SELECT count(*) FROM uncompacted")
    assert [(len(before),)] == select(tmp_path, "SELECT count(*) FROM history")


def test_the_view_answers_the_same_whichever_hours_are_compacted(tmp_path: Path) -> None:
    fill(tmp_path)
    before = ticks(tmp_path)
    hours = list(plan(tmp_path).hours)
    random.Random(7).shuffle(hours)
    for hour in hours:
        compact_hour(tmp_path, hour, lambda _: None)
        assert before == ticks(tmp_path)


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path)
    before = files(tmp_path)
    assert [] == compact(tmp_path)
    assert before == files(tmp_path)


def test_history_has_exact_decimals_and_times_sorted_in_small_groups(tmp_path: Path) -> None:
    price = "12345678901234567890.123456789012345678"
    rows = [ticker(n, n % 3000 + 90.000001, product_id=f"P{n % 7}-USD", price=price) for n in range(20_000)]
    put(tmp_path, "a", rows)
    compact(tmp_path)
    (path,) = tmp_path.glob("history/coinbase/2026/11/23/02/*.parquet")
    table = pq.read_table(path)
    declared = [column.name for column in read_table("history").columns]
    assert declared == table.column_names
    assert {Decimal(price)} == set(table["price"].to_pylist())
    order = list(zip(*(table[name].to_pylist() for name in ("product_id", "event_time_us", "trade_id")), strict=True))
    assert sorted(order) == order
    times = [us(each.replace(tzinfo=HOUR.tzinfo)) for each in table["event_time"].to_pylist() if each]
    assert times == table["event_time_us"].to_pylist()
    metadata = pq.ParquetFile(path).metadata
    assert 4 == metadata.num_row_groups
    assert {"ZSTD"} == {metadata.row_group(0).column(at).compression for at in range(metadata.num_columns)}
    assert {name: str(kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)} == {
        column.name: {
            "string": "string",
            "bigint": "int64",
            "timestamp": "timestamp[us]",
            "decimal(38,18)": "decimal128(38, 18)",
        }[column.type]
        for column in read_table("history").columns
    }


def test_an_hour_whose_trades_a_replay_took_elsewhere_is_made_anew_once(tmp_path: Path) -> None:
    wrong = put(tmp_path, "wrong", [ticker(1), ticker(2)])
    compact(tmp_path)
    placed = placed_key("processed/coinbase/ticker/2026/11/23/07", "0123456789abcdef", 0)
    put(tmp_path, PurePosixPath(placed).stem, [ticker(1, 18_300), ticker(2, 18_300)], hour="2026/11/23/07")
    write_whole(tmp_path / record_key(1), encode_record(Record(1, "0123456789abcdef", {}, (placed,), (wrong,))))
    after = ticks(tmp_path)
    assert 2 == len(after)
    assert ["2026/11/23/02", "2026/11/23/07"] == compact(tmp_path)
    assert after == ticks(tmp_path)
    assert [] == compact(tmp_path)


def test_a_late_row_is_seen_at_once_and_reopens_its_hour(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path)
    put(tmp_path, "late", [ticker(9_999, 120, n=9_999)], kind="trade")
    assert [(1,)] == select(tmp_path, "SELECT count(*) FROM ticks WHERE trade_id = 9999")
    assert ["2026/11/23/02"] == compact(tmp_path)
    assert [(1,)] == select(tmp_path, "SELECT count(*) FROM ticks WHERE trade_id = 9999")
    assert [(0,)] == select(tmp_path, "SELECT count(*) FROM uncompacted")


def test_a_fuller_late_copy_wins_and_a_poorer_one_does_not(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1), ticker(2)])
    compact(tmp_path)
    put(tmp_path, "b", [ticker(1, n=10, volume_24h="5"), ticker(2, n=11, taker_side=None)])
    for _ in range(2):
        assert [(1, 10), (2, 2)] == select(tmp_path, "SELECT trade_id, n FROM ticks ORDER BY trade_id")
        compact(tmp_path)


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("compacted", [[], [0], [1], [0, 1], [1, 0]])
def test_copies_on_both_sides_of_an_hour_are_one_trade(tmp_path: Path, winner: int, compacted: list[int]) -> None:
    copies = [ticker(1, 3599.9, n=0), ticker(1, 3600.1, n=1)]
    copies[winner]["volume_24h"] = "5"
    put(tmp_path, "a", [copies[0], ticker(2, 60, n=2)])
    put(tmp_path, "b", [copies[1], ticker(3, 7000, n=3)], hour="2026/11/23/03")
    hours = {hour.event_hour: hour for hour in plan(tmp_path).hours}
    for at in compacted:
        compact_hour(tmp_path, hours[f"2026/11/23/0{2 + at}"], lambda _: None)
    assert [(winner,)] == select(tmp_path, "SELECT n FROM ticks WHERE trade_id = 1")
    assert [(3,)] == select(tmp_path, "SELECT count(*) FROM ticks")


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.lists(
        st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.booleans()), min_size=1, max_size=5),
        min_size=1,
        max_size=4,
    ),
    data=st.data(),
)
def test_any_order_of_objects_and_compactions_answers_alike(
    tmp_path_factory: pytest.TempPathFactory, objects: list[list[tuple[int, int, bool]]], data: st.DataObject
) -> None:
    root, plain = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("plain")
    for number, rows in enumerate(objects):
        # Each trade happens at its own time, at times within a second of a full hour; its copies differ in fullness and name.
        made = [
            ticker(trade, 1800 * trade - trade % 2, n=number * 10 + at, volume_24h="1" if full else None)
            for at, (trade, _, full) in enumerate(rows)
        ]
        for each in (root, plain):
            put(each, f"o{number}", made, hour=f"2026/11/23/0{2 + rows[0][1]}")
        if data.draw(st.booleans()):
            for hour in plan(root).hours:
                if data.draw(st.booleans()):
                    compact_hour(root, hour, lambda _: None)
        assert ticks(plain) == ticks(root)


@pytest.mark.parametrize(
    "step",
    [step if step in {"placed", "named"} else pytest.param(step, marks=pytest.mark.slow) for step in get_args(Step)],
)
def test_a_crash_after_any_step_leaves_a_lake_that_answers_and_the_next_run_ends_the_work(
    tmp_path: Path, step: Step
) -> None:
    put(tmp_path, "f", [ticker(1), ticker(2), ticker(3, 3900, product_id="ETH-USD")])
    put(tmp_path, "g", [ticker(2, n=9_900, volume_24h="1")])
    before = ticks(tmp_path)

    def crash(done: Step) -> None:
        if done == step:
            raise Crashed

    for hour in plan(tmp_path).hours:
        with pytest.raises(Crashed):
            compact_hour(tmp_path, hour, crash)
    assert before == ticks(tmp_path)
    compact(tmp_path)
    assert before == ticks(tmp_path)
    assert [(len(before),)] == select(tmp_path, "SELECT count(*) FROM history")
    # Again with an hour that was compacted before, and reopened.
    put(tmp_path, "h", [ticker(8_001, 71, n=9_901)])
    (reopened,) = plan(tmp_path).hours
    with pytest.raises(Crashed):
        compact_hour(tmp_path, reopened, crash)
    assert len(before) + 1 == len(ticks(tmp_path))
    compact(tmp_path)
    assert len(before) + 1 == len(ticks(tmp_path))


def test_what_a_crash_left_and_what_was_replaced_is_swept_later(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1)])
    compact(tmp_path)
    (old,) = tmp_path.glob("history/coinbase/*/*/*/*/*.parquet")
    os.utime(old, (0, 0))
    put(tmp_path, "b", [ticker(2)])
    compact(tmp_path)
    (tmp_path / ".incoming/history-x.parquet").write_bytes(b"half")
    written_at = LATER.fromtimestamp(max(path.stat().st_mtime for path in tmp_path.rglob("*")), tz=LATER.tzinfo)
    assert [] == sweep(tmp_path, now=written_at)
    assert {old, tmp_path / ".incoming/history-x.parquet"} == set(sweep(tmp_path, now=written_at + timedelta(hours=2)))
    assert 2 == len(ticks(tmp_path))
    assert [] == compact(tmp_path)


def test_an_hour_is_closed_when_it_ended_long_enough_ago(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1, 100)])
    end = HOUR + timedelta(hours=1)
    assert (0, 1) == (
        len(plan(tmp_path, end + GRACE - timedelta(seconds=1)).hours),
        len(plan(tmp_path, end).open_hours),
    )
    assert ["2026/11/23/02"] == [hour.event_hour for hour in plan(tmp_path, end + GRACE).hours]
    assert 1 == len(plan(tmp_path, HOUR, even_open=True).hours)


@pytest.mark.parametrize(
    ("from_s", "to_s", "expected"), [(-9e9, 9e9, 3), (0, 3600, 1), (1, 3599, 1), (3600, 7200, 1), (1800, 5400, 2)]
)
def test_a_span_takes_the_hours_it_touches(tmp_path: Path, from_s: float, to_s: float, expected: int) -> None:
    put(tmp_path, "a", [ticker(1, 100), ticker(2, 3700), ticker(3, 7300)])
    span = [us(HOUR) + int(seconds * 1_000_000) for seconds in (from_s, to_s)]
    hours = plan_compaction(survey_folder(tmp_path), now=LATER, from_us=span[0], to_us=span[1], even_open=False).hours
    assert expected == len(hours)


def test_an_hour_whose_objects_are_gone_stays_as_it_is(tmp_path: Path) -> None:
    key = put(tmp_path, "a", [ticker(1)])
    compact(tmp_path)
    (tmp_path / key).unlink()
    assert [(1,)] == select(tmp_path, "SELECT count(*) FROM ticks")
    put(tmp_path, "b", [ticker(2)])
    assert ("2026/11/23/02",) == plan(tmp_path).frozen
    assert [] == compact(tmp_path)
    assert [(1,)] == select(tmp_path, "SELECT trade_id FROM ticks")


def test_an_hour_whose_history_is_gone_is_made_anew(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1)])
    compact(tmp_path)
    for path in tmp_path.glob("history/coinbase/*/*/*/*/*.parquet"):
        path.unlink()
    assert [(1,)] == select(tmp_path, "SELECT trade_id FROM ticks")
    assert ["2026/11/23/02"] == compact(tmp_path)


def test_an_hour_whose_history_and_objects_are_gone_is_no_empty_hour(tmp_path: Path) -> None:
    key = put(tmp_path, "a", [ticker(1)])
    compact(tmp_path)
    for path in (*tmp_path.glob("history/coinbase/*/*/*/*/*.parquet"), tmp_path / key):
        path.unlink()
    with pytest.raises(LakeError, match="not there"):
        ticks(tmp_path)


def test_what_is_written_is_compared_with_the_rows(tmp_path: Path) -> None:
    key = put(tmp_path, "a", [ticker(1), ticker(2)])
    (hour,) = plan(tmp_path).hours

    def lose_a_trade(step: Step) -> None:
        if step == "written":
            (aside,) = tmp_path.glob(".incoming/*.parquet")
            pq.write_table(pq.read_table(aside).slice(1), aside)

    with pytest.raises(CompactionWrong, match="1 trades are missing"):
        compact_hour(tmp_path, hour, lose_a_trade)

    def change_a_price(step: Step) -> None:
        if step == "written":
            put(tmp_path, "a", [ticker(1), ticker(2, price="1")])

    with pytest.raises(CompactionWrong, match="1 rows are as no copy was delivered"):
        compact_hour(tmp_path, hour, change_a_price)
    assert key in files(tmp_path)
    assert [(2,)] == select(tmp_path, "SELECT count(*) FROM ticks")


def test_two_cannot_compact_at_once(tmp_path: Path) -> None:
    with hold_lake(tmp_path), pytest.raises(CompactionBusy), hold_lake(tmp_path):
        pass


def test_a_folder_that_is_not_there_and_an_object_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        survey_folder(tmp_path / "nowhere")
    path = tmp_path / "processed/coinbase/ticker/2026/11/23/02/x.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no Parquet")
    with pytest.raises(LakeUnreadable, match=r"x\.parquet"):
        survey_folder(tmp_path)


def test_a_lake_may_have_any_path(tmp_path: Path) -> None:
    root = tmp_path / "it's [odd]*, ünïcode"
    put(root, "a", [ticker(1)])
    assert ["2026/11/23/02"] == compact(root)
    assert [(1,)] == select(root, "SELECT count(*) FROM ticks")


def test_nothing_else_of_a_trade_is_lost(tmp_path: Path) -> None:
    whole: dict[str, Any] = dict.fromkeys(
        [
            "best_bid",
            "best_bid_size",
            "best_ask",
            "best_ask_size",
            "open_24h",
            "high_24h",
            "low_24h",
            "volume_24h",
            "volume_30d",
        ],
        "0.000000000000000001",
    )
    put(tmp_path, "a", [ticker(1, **whole), ticker(2)])
    before = ticks(tmp_path)
    compact(tmp_path)
    assert before == ticks(tmp_path)
    assert SESSION in before[0]
    assert os.sep not in before[0]
