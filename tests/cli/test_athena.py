"""`ticklake query --athena`: a stack found, Athena asked over HTTP, its progress and its cost told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.athena import describe_bytes, describe_cost
from cli.main import main
from local.athena.errors import StatementFailed
from sql.athena import Athena
from sql.catalog import plan_base_views
from sql.views import load_views
from tests.cli.deployed import DATABASE, WORKGROUP, deployed
from tests.conftest import ROOT
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from local.athena.hosting import HostedAthena


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deployed") / "lake"
    put(root, "a", [ticker(n, n * 20, price=f"{100 + n % 7}.5") for n in range(1, 60)])
    return root


@dataclass
class Hold:
    """Where a statement with HOLD in it stands still."""

    runs: threading.Event
    goes_on: threading.Event
    hosted: HostedAthena | None = None


@pytest.fixture(scope="module")
def hold() -> Hold:
    return Hold(threading.Event(), threading.Event())


@pytest.fixture(scope="module")
def stack(lake: Path, hold: Hold) -> Iterator[dict[str, str]]:
    """The environment that reaches it; FAIL in a statement fails it."""

    def before(statement: str) -> None:
        if "FAIL" in statement:
            raise StatementFailed("Bytes scanned limit was exceeded \x1b[31m")
        if "HOLD" in statement:
            hold.runs.set()
            hold.goes_on.wait(60)

    with deployed(lake, before=before) as (hosted, environment):
        hold.hosted = hosted
        engine = Athena(hosted.client(), workgroup=WORKGROUP, database=DATABASE)
        for statement in plan_base_views():
            engine.run(statement)
        yield environment


def query(environment: dict[str, str], *args: Any) -> Result:
    return CliRunner(env=environment).invoke(main, ["query", "--name", "t", *map(str, args)])


def at_home(lake: Path, *args: Any) -> str:
    return CliRunner().invoke(main, ["query", "--lake", str(lake), *map(str, args)]).stdout


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_the_answer_is_the_one_at_home_and_the_rest_goes_to_standard_error(
    stack: dict[str, str], lake: Path, form: str
) -> None:
    args = ("ohlcv", "--interval", "5m", "--from", "2026-11-23T02:00", "--format", form)
    told = query(stack, *args, "--athena")
    assert (0, at_home(lake, *args)) == (told.exit_code, told.stdout)
    assert "Athena: succeeded, " in told.stderr
    assert "$0.000045 at list prices of " in told.stderr


def test_parquet_and_pictures_are_made_of_it_as_at_home(stack: dict[str, str], lake: Path, tmp_path: Path) -> None:
    for name, environment in (("there", ("--athena",)), ("here", ("--lake", lake))):
        args = ("ohlcv", *environment, "--output", tmp_path / f"{name}.parquet")
        assert 0 == query(stack, *args).exit_code
    assert pq.read_table(tmp_path / "here.parquet").equals(pq.read_table(tmp_path / "there.parquet"))
    drawn = query(stack, "ohlcv", "--athena", "--product", "BTC-USD", "--plot", tmp_path / "a.png")
    assert (0, "") == (drawn.exit_code, drawn.stdout)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (("SELECT * FROM nowhere",), 1, "TABLE_NOT_FOUND: Table 'awsdatacatalog.ticks.nowhere' does not exist"),
        (("SELECT 'FAIL' AS x",), 1, r"Bytes scanned limit was exceeded \x1b[31m"),
        (("SELECT 'FAIL' AS x",), 1, "Narrow it with --from and --product"),
        (("ohlvc",), 1, "There is no query named ohlvc"),
        (("vwap", "--lake", "lake"), 2, "say one of them"),
        (("vwap", "--name", "other"), 1, "looking for the stack other-pipeline"),
        (("DROP TABLE ticks",), 1, "it is not one SELECT"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    stack: dict[str, str], args: tuple[str, ...], code: int, sentence: str
) -> None:
    result = query(stack, *args, "--athena")
    assert code == result.exit_code
    assert sentence in result.stderr
    assert "\x1b" not in result.stderr


def test_ctrl_c_stops_the_question_there_and_says_so(stack: dict[str, str], hold: Hold) -> None:
    select = "SELECT 'HOLD' AS x"
    program = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", "query", select, "--athena", "--name", "t"],
        cwd=ROOT,
        env=os.environ | stack,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hold.runs.wait(60)
    program.send_signal(signal.SIGINT)
    out, told = program.communicate(timeout=60)
    hold.goes_on.set()
    assert hold.hosted is not None
    execution = hold.hosted.server.service.executions.all()[-1]
    assert (130, "", "CANCELLED") == (program.returncode, out, execution.state)
    assert f"Query {execution.id} was stopped in Athena, which bills what it had scanned." in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5 * 10**12, "5.0 TB")],
)
def test_bytes_are_said_as_people_do(size_bytes: int, text: str) -> None:
    assert text == describe_bytes(size_bytes)


def test_a_terabyte_costs_what_the_price_list_says() -> None:
    assert "scanned 1.1 TB, $5.000000 at list prices of " in describe_cost(2**40)


def test_status_says_which_views_are_there(stack: dict[str, str]) -> None:
    told = CliRunner(env=stack).invoke(main, ["status", "--name", "t"])
    assert f"views: 2 of {2 + len(load_views())}; missing: copies, coverage" in told.output
    assert 1 == told.exit_code


def test_null_is_not_empty_text(stack: dict[str, str]) -> None:
    told = query(stack, "SELECT '' AS e, CAST(NULL AS VARCHAR) AS n", "--athena", "--format", "json")
    assert [{"e": "", "n": None}] == json.loads(told.stdout)
