"""`ticklake audit`: the exit code is the verdict's, the report lies in the lake, and a lake that cannot be read is still reported on."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from audit_lambda.checks import load_checks
from audit_lambda.objects import QUESTIONS
from audit_lambda.report import decode_report
from cli.audit import EXIT_CODES
from cli.main import main
from sql.athena import Athena
from sql.catalog import plan_base_views
from tests.audit_lambda.whole import build
from tests.cli.deployed import DATABASE, WORKGROUP, deployed

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from audit_lambda.report import Report
    from tests.conftest import RunTicklake


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audited") / "lake"
    build(root)
    return root


def audit(*args: Any) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, args)])


def only_report(folder: Path) -> Report:
    (path,) = folder.rglob("report.json")
    return decode_report(json.loads(path.read_text()))


def holes(report: Report) -> list[tuple[str | None, int | None, int | None]]:
    return [(f.product_id, f.first_id, f.last_id) for c in report.checks for f in c.findings if f.severity == "hole"]


def test_holes_that_are_named_are_told_and_written_into_the_lake(whole: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(whole, lake)
    done = audit("--lake", lake)

    assert EXIT_CODES["holes"] == 3 == done.exit_code, done.output
    assert done.stdout.startswith("Holes. 44 of 2,399 trade ids are missing")
    assert "process_down (unhealed)" in done.stdout
    assert "trades: 7 found" in done.stderr
    report = only_report(lake / "reports/coinbase/asked")
    assert 4 == len(holes(report))
    assert {"integrity", "completeness", "conservation"} <= {check.group for check in report.checks}
    assert [] == [check.name for check in report.checks if check.state == "not_run"]
    # Every session has closed: nothing is on its way.
    waits = [each.thresholds[name] for each in report.checks for name in ("settle", "fold") if name in each.thresholds]
    assert {"1ms"} == set(waits)
    (page,) = lake.rglob("report.html")
    assert "<!doctype html>" in page.read_text()[:100].lower()
    assert str(page) in done.stdout


def test_an_object_that_cannot_be_read_is_damage_and_what_it_keeps_from_being_asked_is_said(
    whole: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(whole, lake)
    path = next(lake.glob("processed/coinbase/coverage/**/*.parquet"))
    path.write_bytes(path.read_bytes()[:-30])
    done = audit("--lake", lake, "--report", tmp_path / "report")

    assert EXIT_CODES["damaged"] == 4 == done.exit_code, done.output
    assert done.stdout.startswith("Damaged. ")
    (unasked,) = [line for line in done.stdout.splitlines() if line.startswith("Not run: ")]
    assert "testimony, " in unasked
    damaged = [f.check for c in only_report(tmp_path / "report").checks for f in c.findings if f.severity == "damage"]
    assert ["readable"] == damaged
    assert not (lake / "reports/coinbase/asked").exists()


def test_each_verdict_has_its_exit_code() -> None:
    assert {"whole": 0, "healed": 0, "holes": 3, "damaged": 4, "unproven": 5} == EXIT_CODES


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--set", "trades.lead"], "CHECK.THRESHOLD=VALUE"),
        (["--set", "trades.nothing=1"], "No check has the threshold trades.nothing"),
        (["--set", "trades.lead=long"], "a duration is wanted"),
        (["--settle", "long"], "a duration is wanted"),
        (["--slo", "101"], "between 0 and 100"),
        (["--slo", "many"], "between 0 and 100"),
        (["--slo", "nan"], "between 0 and 100"),
        (["--candles", "api.exchange.coinbase.com"], "--candles wants a URL"),
        (["--from", "2026-11-23", "--to", "2026-11-22"], "--from has to be before --to"),
        (["--from", "yesterday"], "an instant"),
        (["--athena"], "say one of them"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(args: list[str], said: str, tmp_path: Path) -> None:
    done = audit("--lake", tmp_path, *args)
    assert 2 == done.exit_code
    assert said in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_lake_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = audit("--lake", tmp_path / "none")
    assert (1, True) == (done.exit_code, "There is no lake at" in done.stderr)


def test_a_folder_that_is_no_lake_is_neither_whole_nor_written_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for command in ("audit", "compact", "redrive", "replay", "heal"):
        done = CliRunner().invoke(main, [command, "--lake", str(tmp_path)])
        assert (1, True) == (done.exit_code, "There is no lake at" in done.stderr)
    assert ["notes.txt"] == [path.name for path in tmp_path.iterdir()]


def test_the_verdict_is_said_where_nothing_can_be_written_and_a_product_that_nobody_knows_is_pointed_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "lake.json").write_text('{"format": 1, "content": "coinbase"}')
    (tmp_path / "reports").write_text("no folder")
    done = audit("--lake", tmp_path, "--product", "btc-usd")
    assert 1 == done.exit_code
    assert done.stdout.startswith("Unproven. Nothing was to be judged in this time")
    assert "The inventory could not be kept" in done.stderr
    assert "No trade of btc-usd is known in this time" in done.stderr
    assert "The report could not be written" in done.stderr


@pytest.mark.slow
def test_a_deployed_lake_is_asked_the_same_and_says_the_same(whole: Path, tmp_path: Path) -> None:
    home = audit("--lake", whole, "--report", tmp_path / "home")
    with deployed(whole) as (hosted, environment):
        athena = Athena(hosted.client(), workgroup=WORKGROUP, database=DATABASE)
        for statement in plan_base_views():
            athena.run(statement)
        done = CliRunner(env=environment).invoke(
            main, ["audit", "--athena", "--name", "t", "--report", str(tmp_path / "there")]
        )

    assert (3, 3) == (home.exit_code, done.exit_code), done.output
    here, there = only_report(tmp_path / "home"), only_report(tmp_path / "there")
    asked = {check.name for check in load_checks()}
    found, found_there = ({c.name: c.findings for c in made.checks if c.name in asked} for made in (here, there))
    assert found == found_there
    # No stack says which bucket: the objects were not looked at (tests/cli/test_stock.py has one that does).
    assert set(QUESTIONS) == {check.name for check in there.checks if check.state == "not_run"}
    assert here.slo == there.slo


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "count", "ids"),
    [("ticker_2025-11-24.jsonl.gz", 21, 861_276), ("ticker_quiet_hour_2025-11-25T04.jsonl.gz", 3, 34_653)],
)
def test_a_recordings_holes_are_reported_exactly(
    tmp_path: Path, recorded: Path, ticklake: RunTicklake, *, file: str, count: int, ids: int
) -> None:
    lake = tmp_path / "lake"
    made = ticklake(
        *("local", "--feed", recorded / "exchange" / file, "--speed", "max", "--lake", lake),
        *("--products", "BTC-USD,ETH-USD,SOL-USD", "--linger-s", 0.5, "--buffer-s", 5),
    )
    assert 0 == made.returncode, made.stderr
    done = ticklake("audit", "--lake", lake)

    assert 3 == done.returncode, done.stderr
    report = only_report(lake)
    (trades,) = (check for check in report.checks if check.name == "trades")
    assert (count, ids, ids) == (trades.found_count, trades.found_amount, report.slo.missing)
    assert {"hole"} == {finding.severity for finding in trades.findings}
    assert {"BTC-USD": count // 3, "ETH-USD": count // 3, "SOL-USD": count // 3} == {
        product: sum(hole[0] == product for hole in holes(report)) for product in ("BTC-USD", "ETH-USD", "SOL-USD")
    }
    bad = [f for check in report.checks if check.name != "trades" for f in check.findings if f.severity == "damage"]
    assert [] == bad
