"""`ticklake redrive` on a lake with refused lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.redrive import command
from local.lake.answers import run_query
from local.lake.folder import open_lake
from local.lake.redrive import SentFile
from sql.questions import query_from_sql
from tests.local.lake.refused import SESSION, envelope, line

if TYPE_CHECKING:
    from click.testing import Result


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Three refused lines that pass today, one of them twice, and one that does not."""
    folder = tmp_path / "lake/errors/coinbase/processing-failed/2026/11/23/02"
    folder.mkdir(parents=True)
    raws = [line(1) + b"\n" + line(2) + b"\n", line(3), line(3), line(4, "-1")]
    (folder / "x").write_bytes(b"".join(envelope(raw) + b"\n" for raw in raws))
    return tmp_path / "lake"


def redrive(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["--lake", str(lake), *args])


def rows(lake: Path) -> list[int]:
    with open_lake(lake) as opened:
        return [n for (n,) in run_query(opened, query_from_sql("SELECT n FROM processed ORDER BY n"), {}).rows]


def test_what_passes_today_becomes_rows_and_a_second_run_sends_nothing(lake: Path) -> None:
    first = redrive(lake)
    assert (0, "") == (first.exit_code, first.stderr)
    assert (
        "5 refused lines = 3 sent + 0 in the lake already + 0 sent before + 1 copies + 1 refused today as well   balanced"
        in first.stdout
    )
    assert "price_not_positive: 1" in first.stdout
    assert [1, 2, 3] == rows(lake)
    second = redrive(lake)
    assert (
        "5 refused lines = 0 sent + 3 in the lake already + 0 sent before + 1 copies + 1 refused today as well   balanced"
        in second.stdout
    )
    assert [1, 2, 3] == rows(lake)


def test_a_dry_run_touches_nothing(lake: Path) -> None:
    before = sorted(lake.rglob("*"))
    assert "= 3 would be sent +" in redrive(lake, "--dry-run").stdout
    assert before == sorted(lake.rglob("*"))


def test_lines_on_their_way_are_not_sent_again(lake: Path) -> None:
    with SentFile(lake) as sent_file:
        sent_file.append([(SESSION, 1), (SESSION, 3)])
    assert "= 1 sent + 0 in the lake already + 2 sent before +" in redrive(lake).stdout
    assert [2] == rows(lake)


def test_two_at_once_are_refused(lake: Path) -> None:
    with SentFile(lake):
        result = redrive(lake)
    assert 1 == result.exit_code
    assert "Another redrive holds" in result.stderr


@pytest.mark.parametrize("stream", ["", 'x","Records":[', "arn:aws:firehose:us-east-1:1:deliverystream/x", "x" * 65])
def test_a_stream_has_a_name_of_its_own(lake: Path, stream: str) -> None:
    result = redrive(lake, "--stream", stream)
    assert 2 == result.exit_code
    assert "--stream wants" in result.stderr


def test_a_lake_without_refusals_has_nothing_to_send(tmp_path: Path) -> None:
    (tmp_path / "lake/raw/coinbase").mkdir(parents=True)
    assert redrive(tmp_path / "lake").stdout.startswith("0 refused lines = 0 sent")


def test_every_option_is_documented_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs/redrive.md").read_text(encoding="utf-8")
    assert sorted(each.opts[0] for each in command.params) == sorted(
        re.findall(r"^\| `(--[a-z-]+)` \|", text, re.MULTILINE)
    )
