"""`ticklake backfill` against the simulated exchange's REST over HTTP, through the local stream into a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.backfill import command
from tests.cli.errands import ask, exchange, fill, gap, holes, sessions_whole

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

FROM = ("--from", "2026-11-20T12:15:00")  # trade 900


def backfill(lake: Path, *args: str, product: str = "BTC-USD") -> Result:
    return CliRunner().invoke(command, ["--product", product, "--lake", str(lake), *args])


def test_from_a_time_to_the_lakes_first_trade_without_a_hole_and_a_second_run_sends_nothing(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, range(1_500, 1_510))
    with exchange(range(1, 1_600)) as (_, to):
        before = sorted(lake.rglob("*"))
        dry = backfill(lake, *FROM, *to, "--dry-run")
        assert "BTC-USD: trades 900..1499, 600 from 2026-11-20T12:15:00Z on; to fetch: 600 trades" in dry.stdout
        assert before == sorted(lake.rglob("*"))
        done = backfill(lake, *FROM, *to)
        assert 0 == done.exit_code, done.output
        assert "600 missing = 600 fetched + 0 still missing" in done.stdout
        files = sorted(lake.rglob("*"))
        again = backfill(lake, *FROM, *to)
        assert (0, "BTC-USD: nothing to fetch: the lake's own trades begin there.\n") == (again.exit_code, again.stdout)
        assert files == sorted(lake.rglob("*"))

    assert [(610, 900, 1_509)] == ask(lake, "SELECT count(*), min(trade_id), max(trade_id) FROM ticks")
    assert [("2026/11/20/12", 600)] == ask(
        lake, "SELECT lake_hour, count(*) FROM ticks WHERE kind = 'trade' GROUP BY lake_hour"
    )
    assert [(900, 1_499, "healed", [])] == holes(lake)
    edges = ask(lake, "SELECT DISTINCT reason, before_trade_id, after_trade_id FROM gaps")
    assert [("process_down", 899, 1_500)] == edges
    assert sessions_whole(lake)


def test_between_two_times_only_what_the_lake_lacks_is_fetched_and_what_rest_lacks_is_named(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, [*range(920, 930), 960], [gap(930, 959)])
    with exchange([*range(1, 940), *range(945, 1_600)]) as (_, to):
        done = backfill(lake, *FROM, "--to", "2026-11-20T12:16:20", *to)  # trade 980

    assert 4 == done.exit_code
    held = {trade_id for (trade_id,) in ask(lake, "SELECT trade_id FROM ticks")}
    assert {*range(900, 980)} - {*range(940, 945)} == held
    assert [(900, 919, "healed", []), (930, 959, "partly_healed", [[940, 944]]), (961, 979, "healed", [])] == holes(
        lake
    )


def test_where_rest_has_nothing_older_that_is_said(tmp_path: Path) -> None:
    with exchange(range(1_000, 1_600)) as (_, to):
        done = backfill(tmp_path / "lake", *FROM, "--to", "2026-11-20T12:20:00", *to)

    assert 0 == done.exit_code, done.output
    assert "REST has no trade before 2026-11-20T12:16:40" in done.stdout
    assert [(200, 1_000)] == ask(tmp_path / "lake", "SELECT count(*), min(trade_id) FROM ticks")
    assert [(None,)] == ask(tmp_path / "lake", "SELECT DISTINCT before_trade_id FROM gaps")


def test_a_backfill_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, range(1_200, 1_510), [gap(900, 1_499, reason="process_down")])
    with exchange(range(1, 1_600)) as (_, to):
        done = backfill(lake, *FROM, *to)

    assert 0 == done.exit_code, done.output
    assert "300 missing = 300 fetched" in done.stdout
    assert [(900, 1_499, "healed", [])] == holes(lake)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "Say with --from"),
        ([*FROM, "--to", "2026-11-20T12:15:00"], "--from has to be before --to"),
        ([*FROM, "--product", "BTC"], "it looks like BTC-USD"),
        ([*FROM, "--dry-run"], "There is no lake"),
    ],
)
def test_what_cannot_work_is_one_sentence(tmp_path: Path, args: list[str], says: str) -> None:
    result = backfill(tmp_path / "lake", *args)

    assert 2 == result.exit_code
    assert says in result.output
    assert not (tmp_path / "lake").exists()


def test_too_much_is_refused_with_its_size_and_an_unknown_product_with_rests_words(tmp_path: Path) -> None:
    with exchange(range(1, 1_600)) as (_, to):
        much = backfill(tmp_path / "lake", *FROM, "--to", "2026-11-20T12:20:00", "--max-trades", "299", *to)
        unknown = backfill(tmp_path / "lake", *FROM, *to, product="NO-SUCH")

    assert (1, 1) == (much.exit_code, unknown.exit_code)
    assert "That is 300 trades, about 1 pages" in much.output
    assert "HTTP 404" in unknown.output
    assert not list((tmp_path / "lake").rglob("*.parquet"))
