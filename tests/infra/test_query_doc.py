"""docs/query.md: complete, and every command and program in it runs."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.compact import command as compact
from cli.query import command
from infra import ROOT
from sql.glue import read_table
from sql.questions import list_queries, load_query
from sql.views import load_views

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT.parent / "docs" / "query.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
STATEMENTS = re.findall(r"^```sql\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a lake of one trade."""
    hour = tmp_path / "lake" / "processed" / "coinbase" / "ticker" / "2026" / "11" / "23" / "13"
    hour.mkdir(parents=True)
    row = {
        "kind": "ticker",
        "product_id": "BTC-USD",
        "trade_id": 1,
        "price": "1.5",
        "last_size": "2",
        "event_time_us": 1_795_441_080_000_000,
    }
    schema = pa.schema(
        [pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in read_table("delivered").columns]
    )
    pq.write_table(pa.Table.from_pylist([row], schema=schema), hour / "x.parquet")
    monkeypatch.chdir(tmp_path)
    assert 0 == CliRunner().invoke(compact, ["--even-open"]).exit_code
    return tmp_path


def table_under(title: str) -> dict[str, str]:
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, flags=re.MULTILINE))


def test_every_question_is_listed_in_its_own_words() -> None:
    assert {name: load_query(name).question for name in list_queries()} == table_under("The questions that are there")


def test_every_option_is_documented() -> None:
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert options - {"--help"} == set(table_under("Options"))


def test_every_table_and_view_is_named() -> None:
    assert {*load_views(), "processed", "errors", "raw", "history", "compacted"} == set(
        table_under("A question of your own")
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ticklake query")])
def test_every_command_answers(line: str) -> None:
    result = CliRunner().invoke(command, shlex.split(line)[2:])
    assert (0, "") == (result.exit_code, result.stderr)
    if "--format json" in line:
        json.loads(result.stdout)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[0])
def test_every_program_runs(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    for module in re.findall(r"^(?:import|from) (\w+)", program, flags=re.MULTILINE):
        pytest.importorskip(module)
    exec(compile(program, "docs/query.md", "exec"), {})
    out = capsys.readouterr().out
    assert out
    if "notional" in program:
        assert re.search(r"BTC-USD\W+1\W+2\.?0*\W+3\.0*\b", out)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_answers(statement: str) -> None:
    result = CliRunner().invoke(command, [statement, "--format", "csv"])
    assert "BTC-USD,1,2,3" == result.stdout.splitlines()[1]


def test_there_is_something_to_run() -> None:
    assert len(COMMANDS) > 5
    assert (6, 1) == (len(PROGRAMS), len(STATEMENTS))
