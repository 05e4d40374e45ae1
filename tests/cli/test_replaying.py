"""A deployed lake's rows made anew: as at home, at once or not at all, and nothing is left that a reader could stumble over."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cli.compacting import compact_place
from cli.replay import command
from cli.replay_bucket import MOVE_AFTER, MOVED, SWEEP_AFTER, ReplayOvertaken, find_sessions, list_raw, tidy
from cli.replaying import Outcome, Wanted, fold, replay_place, say_end, windows
from compact_lambda.bucket import Taken
from compact_lambda.hour import Place
from compact_lambda.run import Wanted as CompactWanted
from sql.replays import is_placed, kept_key, record_key
from tests.compact_lambda.lakes import FolderBucket, aws
from tests.local.lake.test_replay import AFTER, fill, line, put_raw, replay
from tests.local.lake.trades import SESSION, files, put, select, ticker

if TYPE_CHECKING:
    from pathlib import Path

    from local.lake.replay import Receipt
    from tests.compact_lambda.lakes import Aws

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROWS = "SELECT n, price FROM processed WHERE kind <> 'refused' ORDER BY n, price"
ALL = "SELECT session, n, kind, price, event_time_us, trade_id, lake_kind, lake_hour FROM processed ORDER BY n, kind, price, lake_hour"


def run(lake: Aws, *, now: datetime = NOW, first_hour: str = "", **wanted: Any) -> Outcome:
    place = Place(lake=lake.lake, work=lake.lake, athena=lake.athena, first_hour=first_hour)
    return replay_place(place, Wanted(**wanted), lambda _place, _receipt: None, now=now)


@pytest.fixture
def lake(tmp_path: Path) -> Aws:
    fill(tmp_path / "there")
    return aws(tmp_path / "there")


def test_every_line_is_in_one_class_and_athena_sees_what_home_does(lake: Aws, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "home")
    at_home = replay(tmp_path / "home").receipt
    said: list[tuple[str, Receipt]] = []
    place = lake.place
    out = replay_place(place, Wanted(), lambda where, receipt: said.append((where, receipt)), now=NOW)
    assert [("1/1", at_home)] == said
    assert [at_home] == out.receipts
    assert AFTER == lake.athena.select(ROWS)
    assert lake.athena.select(ALL) == select(lake.root, ALL) == select(tmp_path / "home", ALL)
    assert 4 == out.replaced_objects


def test_a_second_run_writes_nothing(lake: Aws) -> None:
    run(lake)
    before = files(lake.root)
    (receipt,) = run(lake).receipts
    assert receipt.is_idle
    assert before == files(lake.root)


def test_a_dry_run_touches_nothing(lake: Aws) -> None:
    before = files(lake.root)
    out = run(lake, dry_run=True)
    assert not out.receipts[0].is_idle
    assert before == files(lake.root)


class _Breaking(FolderBucket):
    """A bucket that fails at the put of this number, before or after it is done."""

    def __init__(self, root: Path, at: int, *, done: bool) -> None:
        super().__init__(root)
        self._left, self._done = at, done

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        self._left -= 1
        if self._left == 0 and not self._done:
            raise ConnectionError
        tag = super().put_record(key, body, replacing=replacing)
        if self._left == 0:
            raise ConnectionError
        return tag


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_crash_at_any_put_shows_all_of_it_or_nothing_and_the_next_run_ends_it(lake: Aws, at: int, done: bool) -> None:
    before = lake.athena.select(ROWS)
    with pytest.raises(ConnectionError):
        run(aws_with(lake, _Breaking(lake.root, at, done=done)))
    recorded = (lake.root / record_key(1)).exists()
    assert (AFTER if recorded else before) == lake.athena.select(ROWS)
    run(lake)
    assert AFTER == lake.athena.select(ROWS)
    (receipt,) = run(lake).receipts
    assert receipt.is_idle


def aws_with(lake: Aws, bucket: FolderBucket) -> Aws:
    other = aws(lake.root)
    other.lake = bucket
    return other


class _Overtaken(FolderBucket):
    """A bucket into which somebody else puts each record first."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        if key.startswith("replay/"):
            super().put_record(key, body.replace(b'"replay":"', b'"replay":"f'), replacing=replacing)
        return super().put_record(key, body, replacing=replacing)


def test_of_two_replays_at_once_one_counts_and_the_other_is_told(lake: Aws) -> None:
    with pytest.raises(ReplayOvertaken, match="Hour 2026/11/23/02 was left as it was"):
        run(aws_with(lake, _Overtaken(lake.root)))


class _Deaf(FolderBucket):
    """A bucket whose answer to the put of a record is lost, so that it is sent again and meets itself."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        tag = super().put_record(key, body, replacing=replacing)
        if key.startswith("replay/"):
            raise Taken(key=key)
        return tag


def test_a_record_whose_answer_was_lost_is_recognised(lake: Aws) -> None:
    assert 4 == run(aws_with(lake, _Deaf(lake.root))).replaced_objects
    assert AFTER == lake.athena.select(ROWS)


def test_what_was_replaced_is_moved_when_nobody_can_be_reading_it(lake: Aws) -> None:
    old = {key for key in files(lake.root) if key.startswith("processed/")}
    run(lake)
    assert old <= set(files(lake.root))
    written = datetime.now(UTC)  # as the folder's clock has it
    run(lake, now=written + MOVE_AFTER - timedelta(minutes=1))
    assert old <= set(files(lake.root))
    run(lake, now=written + MOVE_AFTER + timedelta(minutes=1))
    after = set(files(lake.root))
    assert not old & after
    assert {kept_key(1, key) for key in old} | {f"{MOVED}00000001"} <= after
    assert AFTER == lake.athena.select(ROWS) == select(lake.root, ROWS)
    run(lake, now=written + MOVE_AFTER + timedelta(minutes=1))
    assert after == set(files(lake.root))


def test_what_a_crash_left_is_removed_after_a_day(lake: Aws) -> None:
    with pytest.raises(ConnectionError):
        run(aws_with(lake, _Breaking(lake.root, 3, done=False)))
    left = {key for key in files(lake.root) if is_placed(key)}
    assert left
    shutil.rmtree(lake.root / "raw")  # so that no replay goes on from there
    run(lake)
    assert left <= set(files(lake.root))
    run(lake, now=datetime.now(UTC) + SWEEP_AFTER + timedelta(minutes=1))
    assert not left & set(files(lake.root))


class _SweptMeanwhile(FolderBucket):
    """A bucket that another run tidies right before a record is put, when a day has passed."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        if key.startswith("replay/"):
            tidy(FolderBucket(self._root), [], now=NOW + timedelta(minutes=2))
        return super().put_record(key, body, replacing=replacing)


def test_what_a_crash_left_a_day_ago_is_not_counted_while_another_run_sweeps_it(lake: Aws) -> None:
    with pytest.raises(ConnectionError):
        run(aws_with(lake, _Breaking(lake.root, 5, done=False)))
    left = [path for path in lake.root.rglob("*.parquet") if is_placed(path.relative_to(lake.root).as_posix())]
    assert left
    for path in left:
        at = (NOW - SWEEP_AFTER + timedelta(minutes=1)).timestamp()
        os.utime(path, (at, at))
    run(aws_with(lake, _SweptMeanwhile(lake.root)))
    assert not any(path.exists() for path in left)
    assert AFTER == lake.athena.select(ROWS)


class _Conflicting(FolderBucket):
    """A bucket that answers the put of new rows as S3 does where two puts came at once, and neither is done."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        if is_placed(key):
            raise Taken(key=key)
        return super().put_record(key, body, replacing=replacing)


def test_rows_that_are_not_there_are_never_recorded(lake: Aws) -> None:
    before = lake.athena.select(ROWS)
    with pytest.raises(FileNotFoundError):
        run(aws_with(lake, _Conflicting(lake.root)))
    assert not (lake.root / record_key(1)).exists()
    assert before == lake.athena.select(ROWS)


def test_athena_names_only_the_objects_of_the_lines_asked_for(lake: Aws) -> None:
    later = put(lake.root, "later", [ticker(n, 7200) for n in range(500, 503)], hour="2026/11/23/04")
    run(lake)
    (asked,) = [text for text in lake.athena.statements if "BETWEEN" in text]
    named = {str(row[0]) for row in lake.athena.select(asked)}
    assert named
    assert not any(path.endswith(later) for path in named)


def test_hours_whose_rows_may_be_on_their_way_wait(lake: Aws) -> None:
    soon = datetime(2026, 11, 23, 3, 34, tzinfo=UTC)
    out = run(lake, now=soon)
    assert (["2026/11/23/02"], []) == (out.open_hours, out.receipts)
    assert any("1 hours are not closed yet" in text for text in say_end(out, dry_run=False))
    assert 1 == len(run(lake, now=soon, even_open=True).receipts)
    assert AFTER == lake.athena.select(ROWS)


@pytest.mark.parametrize("first_hour", ["2026/11/23/03", "2026/11/23/05"])
def test_an_hour_that_the_tables_do_not_know_is_left_and_said(lake: Aws, first_hour: str) -> None:
    before = files(lake.root)
    out = run(lake, first_hour=first_hour)
    assert {"2026/11/23/02"} == set(out.left)
    assert f"the tables know no hour before {first_hour}" in out.left["2026/11/23/02"]
    assert before == files(lake.root)


def test_rows_of_an_hour_that_the_tables_do_not_know_are_not_placed_again_and_again(lake: Aws) -> None:
    put_raw(lake.root, [line(9, at="2026-11-23T01:30:00Z")], hour="2026/11/23/02")
    out = run(lake, first_hour="2026/11/23/02")
    assert "rows of it belong to 2026/11/23/01" in out.left["2026/11/23/02"]


def test_a_raw_object_that_is_cut_leaves_its_hour_and_the_others_go_on(lake: Aws) -> None:
    path = put_raw(lake.root, [line(n) for n in range(20, 60)], hour="2026/11/23/04")
    path.write_bytes(path.read_bytes()[:-20])
    put_raw(lake.root, [line(100)], hour="2026/11/23/05")
    out = run(lake)
    assert f"s3://lake/raw/coinbase/2026/11/23/04/{path.name} cannot be read" in out.left["2026/11/23/04"]
    assert ["2026/11/23/02", "2026/11/23/05"] == [receipt.raw_hour for receipt in out.receipts]


def test_objects_without_a_line_of_the_hour_are_not_fetched(lake: Aws) -> None:
    reads: list[str] = []

    class Watched(FolderBucket):
        def read_object(self, key: str) -> bytes:
            reads.append(key)
            return super().read_object(key)

    put_raw(lake.root, [line(n) for n in range(200, 203)], hour="2026/11/23/06")
    run(aws_with(lake, Watched(lake.root)), from_us=1_795_413_600_000_000)
    assert ["raw"] == [key.partition("/")[0] for key in reads]


def test_a_span_is_listed_by_what_its_hours_have_in_common(tmp_path: Path) -> None:
    for hour in ("2026/11/22/23", "2026/11/23/02", "2026/11/23/03", "2027/01/01/00"):
        put_raw(tmp_path, [line(1)], hour=hour)
    bucket = FolderBucket(tmp_path)
    assert ["2026/11/22/23", "2026/11/23/02"] == list(list_raw(bucket, first="2026/11/22/23", last="2026/11/23/02"))
    assert ["2026/11/23/02"] == list(list_raw(bucket, first="2026/11/23/02", last="2026/11/23/02"))
    assert 4 == len(list_raw(bucket, first="1970/01/01/00", last="9999/12/31/23"))


def test_sessions_are_read_from_lines_of_any_order_and_junk_is_none() -> None:
    turned = b'{"n":7,"session":"s","v":1}'
    assert {SESSION: (1, 3), "s": (7, 7)} == find_sessions(
        [line(3), line(1), turned, b"\xff", b"{", b"7", b'{"n":true,"session":"x"}']
    )


def test_compacted_hours_show_the_new_rows_once_the_run_has_ended(
    lake: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = "SELECT n, price FROM ticks ORDER BY n"
    compact_place(lake.place, CompactWanted(even_open=True))
    wrong = lake.athena.select(ticks)
    out = run(lake)
    assert wrong == lake.athena.select(ticks)
    capsys.readouterr()
    fold(lake.place, out)
    assert "Compacting" in capsys.readouterr().out
    assert [(n, Decimal(price)) for n, price in AFTER] == lake.athena.select(ticks) != wrong
    fold(lake.place, run(lake))
    assert not capsys.readouterr().out


def test_hours_are_taken_some_at_a_time() -> None:
    hours = {str(n): [str(n)] for n in range(5)}
    assert [["0", "1"], ["2", "3"], ["4"]] == [list(window) for window in windows(hours, 2)]


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--athena", "--lake", "x"], "say one of them"), (["--even-open"], "goes with --athena")],
)
def test_options_that_do_not_go_together_are_a_usage_error(options: list[str], said: str) -> None:
    result = CliRunner().invoke(command, options)
    assert (2, True) == (result.exit_code, said in result.stderr)
