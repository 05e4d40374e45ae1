"""A lake compacted by Athena: the same history as at home, whatever happens in between."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, get_args

import pytest

from compact_lambda.hour import Place, Step
from compact_lambda.run import CompactionFailed, HourDone, HourNotDone, Outcome, Rim, Wanted, compact_lake, read_near
from local.athena.hosting import host_athena
from local.lake.compact import compact_hour, survey_folder
from sql.athena import Athena
from sql.catalog import plan_base_views
from sql.dialect import ATHENA
from sql.glue import read_table
from sql.history import plan_compaction
from sql.replays import Record, encode_record, placed_key, record_key
from sql.views import load_views
from tests.compact_lambda.lakes import BUCKET, Aws, FolderBucket, aws, failing, parse_question
from tests.local.lake.trades import LATER, files, put, select, ticker, ticks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONCES = (f"n{number}" for number in itertools.count())
COLUMNS = [column.name for column in read_table("history").columns if column.name != "generation"]
# Athena's timestamps have milliseconds; the microseconds stand beside them.
IN_MS = [f"date_trunc('millisecond', {c}) AS {c}" if c in {"event_time", "receive_time"} else c for c in COLUMNS]
HISTORY = f"SELECT {', '.join(IN_MS)} FROM history ORDER BY product_id, trade_id"
TICKS = f"SELECT {', '.join(c for c in COLUMNS)} FROM ticks ORDER BY product_id, trade_id, event_time_us"
COUNTED = TICKS.replace("FROM ticks", "FROM history WHERE generation IN (SELECT generation FROM compacted)")


class Crashed(BaseException):
    pass


class Stammering(FolderBucket):
    """A bucket whose every put is sent twice, as botocore does when the first answer is lost."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        super().put_record(key, body, replacing=replacing)
        return super().put_record(key, body, replacing=replacing)


def rim(
    *,
    now: datetime = LATER,
    step: Callable[[str, Step], None] = lambda _hour, _step: None,
    remaining_ms: Callable[[], int | None] = lambda: None,
) -> Rim:
    return Rim(clock=lambda: now, nonce=lambda: next(NONCES), step=step, remaining_ms=remaining_ms)


def run(lake: Aws, *, now: datetime = LATER, **wanted: Any) -> Outcome:
    return compact_lake(lake.place, rim(now=now), Wanted(**wanted))


def fill(root: Path) -> None:
    """Three hours: copies, a late row, a healed one, trades at the edges of hours, an undivided pack."""
    put(root, "a", [ticker(n, n * 7) for n in range(1, 515)])
    put(root, "b", [ticker(n, n * 7) for n in range(300, 600)], hour="2026/11/23/02")
    put(root, "c", [ticker(n, 3600 + n, product_id="ETH-USD") for n in range(1, 3700, 9)], hour="2026/11/23/03")
    healed = {"kind": "trade", "source": "rest_heal", "session": "01KAR2M9Q4T8W6X0Y5Z7B3C1DG", "sequence": None}
    put(root, "d", [ticker(600, 600 * 7, **healed), ticker(10, 70, **healed)], kind="trade")
    put(root, "e", [ticker(9, 600 - 86_400 * 30, product_id="SLEEPY-USD", n=9_000)], hour="2026/11/23/03")
    put(root, "f", [ticker(7_001, 50, n=9_001), ticker(7_002, 9_000, n=9_002)], kind="mixed", hour="2026/11/23/04")


def small(root: Path) -> None:
    """Two hours, three trades, one of them in two copies."""
    put(root, "f", [ticker(1), ticker(2), ticker(3, 3900, product_id="ETH-USD")])
    put(root, "g", [ticker(2, n=9_900, volume_24h="1")])


def compact_at_home(root: Path) -> None:
    for hour in plan_compaction(survey_folder(root), now=LATER, from_us=0, to_us=2**62, even_open=False).hours:
        compact_hour(root, hour, lambda _: None)


def test_history_is_the_same_as_at_home_row_by_row(tmp_path: Path) -> None:
    lake, home = aws(tmp_path / "aws"), tmp_path / "home"
    fill(lake.root)
    shutil.copytree(lake.root, home)
    before = lake.athena.select(TICKS)
    out = run(lake)
    compact_at_home(home)
    assert ["2026/10/24/02", "2026/11/23/01", "2026/11/23/02", "2026/11/23/03", "2026/11/23/04"] == [
        hour.event_hour for hour in out.done
    ]
    assert select(home, HISTORY) == lake.athena.select(HISTORY)
    assert before == lake.athena.select(TICKS)
    assert [(0,)] == lake.athena.select("SELECT count(*) FROM uncompacted")
    assert 1_014 == sum(hour.trades for hour in out.done) == len(before)


def test_a_lake_that_athena_compacted_is_read_at_home_and_the_other_way_round(tmp_path: Path) -> None:
    lake, home = aws(tmp_path / "aws"), tmp_path / "home"
    small(lake.root)
    shutil.copytree(lake.root, home)
    before = ticks(home)
    run(lake)
    compact_at_home(home)
    assert [(len(before),)] == select(lake.root, "SELECT count(*) FROM history")
    assert [(0,)] == select(lake.root, "SELECT count(*) FROM uncompacted")
    assert [row[4:] for row in before] == [row[4:] for row in ticks(lake.root)]  # its times have milliseconds
    assert () == plan_compaction(survey_folder(lake.root), now=LATER, from_us=0, to_us=2**62, even_open=False).hours
    there = aws(home)
    assert [] == run(there).done
    assert len(before) == len(there.athena.select(TICKS))


@pytest.mark.slow
def test_over_athenas_protocol_history_and_answers_are_the_same(tmp_path: Path) -> None:
    small(tmp_path)
    with host_athena(tmp_path, bucket=BUCKET) as hosted:
        athena = Athena(hosted.client(), workgroup="primary", database="ticklake")
        for statement in plan_base_views():
            athena.run(statement)
        for view in load_views().values():
            athena.run(f"CREATE OR REPLACE VIEW {view.name} AS {view.select.sql(ATHENA)}")
        ask = parse_question(TICKS)
        before = athena.ask(ask).rows
        place = Place(lake=FolderBucket(tmp_path), work=FolderBucket(tmp_path), athena=athena)
        out = compact_lake(place, rim(), Wanted())
        assert ["2026/11/23/02", "2026/11/23/03"] == [hour.event_hour for hour in out.done]
        assert 0 < min(hour.scanned_bytes for hour in out.done)
        assert before == athena.ask(ask).rows
        assert 0 == athena.ask(parse_question("SELECT count(*) FROM uncompacted")).rows[0][0]


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    run(lake)
    before = files(tmp_path)
    out = run(lake)
    assert ([], [], 2) == (out.done, out.not_done, out.served_count)
    assert before == files(tmp_path)
    assert 0 == out.scanned_bytes


@pytest.mark.parametrize(
    "step",
    [step if step in {"copied", "named"} else pytest.param(step, marks=pytest.mark.slow) for step in get_args(Step)],
)
def test_a_crash_after_any_step_leaves_a_lake_that_answers_and_the_next_run_ends_the_work(
    tmp_path: Path, step: Step
) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1), ticker(2), ticker(2, n=9_900, volume_24h="1")])
    before = lake.athena.select(TICKS)

    def crash(_hour: str, done: Step) -> None:
        if done == step:
            raise Crashed

    with pytest.raises(Crashed):
        compact_lake(lake.place, rim(step=crash), Wanted())
    assert before == lake.athena.select(TICKS)
    run(lake)
    assert before == lake.athena.select(TICKS) == lake.athena.select(COUNTED)
    # Again with an hour that was compacted before, and reopened.
    put(tmp_path, "h", [ticker(8_001, 71, n=9_901)])
    with pytest.raises(Crashed):
        compact_lake(lake.place, rim(step=crash), Wanted())
    run(lake)
    assert 3 == len(lake.athena.select(TICKS))


def test_a_late_object_reopens_its_hour(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    run(lake)
    put(tmp_path, "late", [ticker(9_999, 120, n=9_999)], kind="trade")
    assert 3 == len(lake.athena.select(TICKS))  # it shows once its hour was compacted again
    (hour,) = run(lake).done
    assert ("2026/11/23/02", True, 3) == (hour.event_hour, hour.reopened, hour.trades)
    assert 4 == len(lake.athena.select(TICKS))


def test_an_hour_whose_trades_a_replay_took_elsewhere_holds_none_of_them_any_more(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    wrong = put(tmp_path, "wrong", [ticker(1), ticker(2)])
    run(lake)
    folder = "processed/coinbase/ticker/2026/11/23/07"
    placed = placed_key(folder, "0123456789abcdef", 0)
    put(tmp_path, PurePosixPath(placed).stem, [ticker(1, 18_300), ticker(2, 18_300)], hour="2026/11/23/07")
    record = Record(1, "0123456789abcdef", {}, (placed,), (wrong,))
    lake.lake.put_record(record_key(1), encode_record(record), replacing=None)
    out = run(lake)
    assert [("2026/11/23/02", 0, True), ("2026/11/23/07", 2, False)] == [
        (hour.event_hour, hour.trades, hour.reopened) for hour in out.done
    ]
    shown = lake.athena.select("SELECT trade_id, event_time_us FROM ticks ORDER BY trade_id")
    assert [(1, 7), (2, 7)] == [(trade_id, us // 3_600_000_000 % 24) for trade_id, us in shown]
    assert [] == run(lake).done


def test_the_view_begins_with_what_is_not_compacted(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1), ticker(2, 3900)])
    put(tmp_path, "b", [ticker(3, 7300)], hour="2026/11/23/04")
    out = run(lake, now=datetime(2026, 11, 23, 4, 40, tzinfo=UTC))
    assert ("2026/11/23/04",) == out.open_hours
    assert "2026/11/23/03" == out.first_hour == lake.athena.first_hour
    assert 3 == len(lake.athena.select(TICKS))
    # An hour long past, healed: nobody sees it until it is compacted, or until a run has no time for it and moves the view back.
    put(tmp_path, "c", [ticker(4, -86_400)], kind="trade", hour="2026/11/22/02")
    out = compact_lake(lake.place, rim(remaining_ms=lambda: 0), Wanted())
    assert ([], 2, "2026/11/22/01") == (out.done, out.unread_count, lake.athena.first_hour)
    assert 4 == len(lake.athena.select(TICKS))
    run(lake)
    assert ("2026/11/23/23", 4) == (lake.athena.first_hour, len(lake.athena.select(TICKS)))


def test_hours_that_the_tables_do_not_know_are_left_and_hold_nothing_up(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    sleepy = [ticker(9, 300 - 86_400 * days, product_id=f"SLEEPY{days}-USD", n=9_000 + days) for days in (20, 30, 40)]
    put(tmp_path, "a", [ticker(1), *sleepy])
    old = put(tmp_path, "b", [ticker(2, 300 - 86_400 * 50)], hour="2026/10/04/02")
    known = replace(lake.place, first_hour="2026/11/22/00")
    out = compact_lake(known, rim(), Wanted())
    assert (["2026/11/23/02"], []) == ([hour.event_hour for hour in out.done], out.not_done)
    assert ((), timedelta(0), "2026/11/23/23") == (out.waiting, out.oldest_age, lake.athena.first_hour)
    assert not any(old in statement for statement in lake.athena.statements)
    # Once the tables know more, the next run takes them.
    later = ["2026/10/04/02", "2026/10/14/02", "2026/10/24/02", "2026/11/03/02"]
    assert later == [hour.event_hour for hour in run(lake).done]
    assert 5 == len(lake.athena.select(TICKS))


def test_no_hour_is_begun_without_the_time_to_end_it_and_the_oldest_come_first(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    for number in range(4):
        put(tmp_path, f"o{number}", [ticker(number, 3600 * number + 300)], hour=f"2026/11/23/0{2 + number}")
    left = iter([900_000, 900_000, 900_000, 100_000, 100_000])
    out = compact_lake(lake.place, rim(remaining_ms=lambda: next(left)), Wanted())
    assert ["2026/11/23/02", "2026/11/23/03"] == [hour.event_hour for hour in out.done]
    assert ("2026/11/23/04", "2026/11/23/05") == out.waiting
    assert timedelta(hours=19) - timedelta(minutes=35) == out.oldest_age
    assert "2026/11/23/03" == lake.athena.first_hour
    assert 4 == len(lake.athena.select(TICKS))
    assert ["2026/11/23/04", "2026/11/23/05"] == [hour.event_hour for hour in run(lake).done]


def test_a_big_lake_is_looked_into_window_by_window_and_no_hour_is_made_of_half_its_objects(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1), ticker(2, 3590)])
    put(tmp_path, "b", [ticker(3, 200), ticker(4, 3700)], hour="2026/11/23/03")
    put(tmp_path, "c", [ticker(5, 7300)], hour="2026/11/23/04")
    out = run(lake, window_hours=1)
    assert [("2026/11/23/02", 2, 3), ("2026/11/23/03", 2, 1), ("2026/11/23/04", 1, 1)] == [
        (hour.event_hour, hour.inputs, hour.trades) for hour in out.done
    ]
    assert 3 == sum('SELECT DISTINCT "$path" AS object' in statement for statement in lake.athena.statements)


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    before = files(tmp_path)
    out = run(lake, dry_run=True)
    assert ["2026/11/23/02", "2026/11/23/03"] == [hour.event_hour for hour in out.planned]
    assert before == files(tmp_path)
    assert "2014/01/01/00" == lake.athena.first_hour


def test_a_span_takes_the_hours_it_touches(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    from_us = int(datetime(2026, 11, 23, 3, 30, tzinfo=UTC).timestamp()) * 1_000_000
    assert ["2026/11/23/03"] == [hour.event_hour for hour in run(lake, from_us=from_us).done]
    assert "2026/11/23/01" == lake.athena.first_hour


def test_what_no_manifest_names_is_swept_after_a_day_and_nothing_else(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1)])
    run(lake)
    (first,) = tmp_path.glob("history/coinbase/2026/11/23/02/*")
    put(tmp_path, "b", [ticker(2)])
    run(lake)
    (second,) = set(tmp_path.glob("history/coinbase/2026/11/23/02/*")) - {first}
    leftover = tmp_path / "history/coinbase/2026/11/22/02/history-x-0.parquet"
    leftover.parent.mkdir(parents=True)
    shutil.copyfile(first, leftover)
    stranger = tmp_path / "history/coinbase/readme.txt"
    stranger.write_text("not ours")
    written_at = datetime.fromtimestamp(second.stat().st_mtime, UTC)
    assert () == run(lake, now=written_at + timedelta(hours=23)).swept
    swept = run(lake, now=written_at + timedelta(hours=25)).swept
    assert {path.relative_to(tmp_path).as_posix() for path in (first, leftover)} == set(swept)
    assert (False, False, True, True) == tuple(path.exists() for path in (first, leftover, second, stranger))
    assert 2 == len(lake.athena.select(TICKS))


def test_two_at_once_do_each_hour_once(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    theirs: list[Outcome] = []

    def other_run(hour: str, step: Step) -> None:
        if (hour, step) == ("2026/11/23/02", "verified") and not theirs:
            theirs.append(run(lake))

    ours = compact_lake(lake.place, rim(step=other_run), Wanted())
    assert ["2026/11/23/02", "2026/11/23/03"] == [hour.event_hour for hour in theirs[0].done]
    assert ([], [], ()) == (ours.done, ours.failures, ours.waiting)
    assert [True, True] == [hour.taken for hour in ours.not_done]
    assert 3 == len(lake.athena.select(TICKS))
    assert [] == run(lake).done


def test_a_put_whose_answer_was_lost_is_recognised(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1)])
    lake.lake = Stammering(tmp_path)
    out = run(lake)
    assert (1, []) == (len(out.done), out.not_done)


def test_an_hour_that_fails_keeps_no_other_waiting(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    lake.athena.before = failing("results/compacting/2026/11/23/02/")
    out = run(lake)
    assert ["2026/11/23/03"] == [hour.event_hour for hour in out.done]
    assert ["2026/11/23/02"] == [hour.event_hour for hour in out.failures] == list(out.waiting)
    assert "2026/11/23/01" == lake.athena.first_hour
    with pytest.raises(CompactionFailed, match=r"1 hours were not compacted.*2026/11/23/02: .*told to fail"):
        raise CompactionFailed(failures=out.failures)
    lake.athena.before = lambda _: None
    assert ["2026/11/23/02"] == [hour.event_hour for hour in run(lake).done]


def test_three_failures_in_a_row_end_the_run(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    for number in range(5):
        put(tmp_path, f"o{number}", [ticker(number, 3600 * number + 300)], hour=f"2026/11/23/0{2 + number}")
    lake.athena.before = failing("UNLOAD")
    out = run(lake)
    assert (3, 5) == (len(out.failures), len(out.waiting))


def test_what_is_written_is_compared_with_the_rows(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1), ticker(2)])

    def change_a_price(_hour: str, step: Step) -> None:
        if step == "copied":
            put(tmp_path, "a", [ticker(1), ticker(2, price="1"), ticker(3)])

    out = compact_lake(lake.place, rim(step=change_a_price), Wanted())
    (failure,) = out.failures
    assert "1 trades are missing; 1 rows are as no copy was delivered" in failure.why
    assert not list(tmp_path.glob("compacted/**/*.json"))


def test_a_try_that_took_too_long_does_not_count(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1)])
    instants = iter([LATER, LATER, LATER, LATER + timedelta(hours=13)])
    out = compact_lake(lake.place, Rim(clock=lambda: next(instants), nonce=lambda: "n"), Wanted())
    (failure,) = out.failures
    assert "more than 12 hours" in failure.why


def test_an_hour_whose_objects_are_gone_stays_as_it_is(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [ticker(1)])
    run(lake)
    (tmp_path / key).unlink()
    put(tmp_path, "b", [ticker(2)])
    out = run(lake)
    assert ([], ("2026/11/23/02",)) == (out.done, out.frozen)
    assert [(1,)] == lake.athena.select("SELECT trade_id FROM ticks")


def test_an_hour_beside_a_trade_and_without_one_has_no_objects(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [ticker(1, 3590)])  # near the next hour as well
    assert [("2026/11/23/02", 1), ("2026/11/23/03", 0)] == [(h.event_hour, h.trades) for h in run(lake).done]
    assert [] == run(lake).done
    assert 1 == len(lake.athena.select(TICKS))


def test_an_empty_lake_has_its_view_moved_and_nothing_else(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    out = run(lake)
    assert ("2026/11/23/23", []) == (out.first_hour, out.done)
    assert {} == files(tmp_path)


def test_hours_of_objects_that_were_not_asked_for_are_left_out() -> None:
    hour_us = 1_795_399_200_000_000
    rows = [("s3://lake/a", hour_us, hour_us), ("s3://lake/b", hour_us, hour_us), ("s3://lake/a", None, None)]
    assert {"a": ("2026/11/23/02", "unknown"), "c": ()} == read_near(rows, ["a", "c"], bucket="lake")


def test_each_hour_is_told(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    small(tmp_path)
    told: list[HourDone | HourNotDone] = []
    compact_lake(lake.place, Rim(clock=lambda: LATER, nonce=lambda: "n", tell=told.append), Wanted())
    first, second = told
    assert isinstance(first, HourDone)
    assert ("2026/11/23/02", 3, 2, 2, False) == (
        first.event_hour,
        first.delivered,
        first.trades,
        first.inputs,
        first.reopened,
    )
    assert "2026/11/23/03" == second.event_hour
