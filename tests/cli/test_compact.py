"""`ticklake compact` as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from cli.compact import EXIT_FROZEN, command
from tests.local.lake.trades import files, put, ticker, ticks

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

NINE_YEARS_EARLIER_S = 300 - 9 * 366 * 86_400.0


def compact(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["--lake", str(lake), *args])


def old(trade_id: int) -> dict[str, object]:
    return ticker(trade_id, NINE_YEARS_EARLIER_S)


def test_hours_are_compacted_once_and_said(tmp_path: Path) -> None:
    put(tmp_path, "a", [old(1), old(1), old(2)])
    before = ticks(tmp_path)
    result = compact(tmp_path)
    assert (0, "") == (result.exit_code, result.stderr)
    hour, total = result.stdout.splitlines()
    assert "1/1  2017/11/16/02  3 rows of 1 objects to 2 trades" in hour
    assert "1 hours compacted, 2 trades; 0 were already; 0 not closed yet; 0 frozen" == total
    assert "0 hours compacted; 1 were already; 0 not closed yet; 0 frozen\n" == compact(tmp_path).stdout
    assert before == ticks(tmp_path)


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a", [old(1)])
    before = files(tmp_path)
    assert "1 hours would be compacted" in compact(tmp_path, "--dry-run").stdout
    assert before == files(tmp_path)


def test_a_span_is_said_as_to_query(tmp_path: Path) -> None:
    put(tmp_path, "a", [old(1)])
    assert "0 hours would be compacted" in compact(tmp_path, "--dry-run", "--from", "2018-01-01").stdout
    assert "1 hours would be compacted" in compact(tmp_path, "--dry-run", "--to", "2018-01-01").stdout
    assert 2 == compact(tmp_path, "--from", "yesterday").exit_code


def test_a_frozen_hour_is_said_and_is_an_exit_code(tmp_path: Path) -> None:
    key = put(tmp_path, "a", [old(1)])
    compact(tmp_path)
    (tmp_path / key).unlink()
    put(tmp_path, "b", [old(2)])
    result = compact(tmp_path)
    assert EXIT_FROZEN == result.exit_code
    assert "Hour 2017/11/16/02 has late rows" in result.stdout


def test_a_lake_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    result = compact(tmp_path / "nowhere")
    assert 1 == result.exit_code
    assert "There is no lake at" in result.stderr
