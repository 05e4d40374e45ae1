from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunTicklake


def test_the_help_names_every_command_and_each_has_its_own_help() -> None:
    runner = CliRunner()
    text = runner.invoke(main, ["--help"]).output

    for name in COMMANDS:
        assert name in text
        shown = runner.invoke(main, [name, "--help"])
        assert 0 == shown.exit_code, shown.output
        assert "Usage:" in shown.output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["fly"])

    assert 2 == result.exit_code
    assert "No such command 'fly'" in result.output


def test_the_producer_loads_none_of_the_laptops_libraries(ticklake: RunTicklake) -> None:
    done = ticklake("--version")
    assert 0 == done.returncode
    script = "import cli.main, cli.run, sys; print([m for m in ('duckdb', 'pyarrow', 'aiohttp', 'rich', 'yaml') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]" == shown.stdout.strip()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["run", "--products", "BTC"], "a product looks like BTC-USD"),
        (["run", "--stream", "arn:aws:x"], "not an ARN"),
        (["local", "--feed", "simulated", "--speed", "fast"], "say a number above 0, or max"),
        (["local", "--feed", "/nowhere.jsonl"], "/nowhere.jsonl"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    args: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, args)

    assert 0 != result.exit_code
    assert says in result.output
    assert "Traceback" not in result.output


def test_what_the_system_refuses_on_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    recording = tmp_path / "r.jsonl"
    recording.write_text("{}\n")

    result = CliRunner().invoke(main, ["local", "--feed", str(recording), "--lake", str(tmp_path / "file" / "lake")])

    assert 1 == result.exit_code
    assert isinstance(result.exception, SystemExit), "not a stack trace"
    assert f"Not a directory ({tmp_path}/file/lake" in result.output
