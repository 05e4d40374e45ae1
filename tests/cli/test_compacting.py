"""`ticklake compact --athena` as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import click
import pytest
from click.testing import CliRunner
from moto import mock_aws

from cli.compact import EXIT_FROZEN, command
from cli.compacting import compact_place, find_place, say_hour
from compact_lambda.run import HourNotDone, Wanted
from compact_lambda.tables import RANGE
from infra.errors import AwsRefused
from tests.compact_lambda.lakes import aws, failing
from tests.compact_lambda.test_tables import glue_with_history
from tests.local.lake.trades import files, put, ticker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NINE_YEARS_EARLIER_S = 300 - 9 * 366 * 86_400.0
TEMPLATE = """
Resources: {Wait: {Type: "AWS::SNS::Topic"}}
Outputs: {%s}
"""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        yield


def old(trade_id: int) -> dict[str, object]:
    return ticker(trade_id, NINE_YEARS_EARLIER_S)


def make_stack(name: str, outputs: dict[str, str]) -> None:
    written = ", ".join(f"{key}: {{Value: {value}}}" for key, value in outputs.items())
    boto3.client("cloudformation", "us-east-1").create_stack(StackName=name, TemplateBody=TEMPLATE % written)


def test_an_hour_is_a_line_and_the_run_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [old(1), old(1), old(2)])
    compact_place(lake.place, Wanted())
    hour, total = capsys.readouterr().out.splitlines()
    assert hour.startswith("2017/11/16/02  3 rows of 1 objects to 2 trades, ")
    assert total.startswith("1 hours compacted, 2 trades; 0 were already; 0 not closed yet; 0 frozen; ")
    compact_place(lake.place, Wanted())
    assert "0 hours compacted; 1 were already; 0 not closed yet; 0 frozen; 0 B scanned" in capsys.readouterr().out


def test_a_dry_run_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [old(1)])
    before = files(tmp_path)
    compact_place(lake.place, Wanted(dry_run=True))
    said = capsys.readouterr().out
    assert "2017/11/16/02  from 1 objects\n1 hours would be compacted; 0 were already" in said
    assert before == files(tmp_path)


def test_a_failed_hour_is_said_and_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = aws(tmp_path)
    put(tmp_path, "a", [old(1)])
    lake.athena.before = failing("UNLOAD")
    with pytest.raises(click.ClickException, match="1 hours were not compacted"):
        compact_place(lake.place, Wanted())
    assert "2017/11/16/02  FAILED: Athena could not answer" in capsys.readouterr().out


def test_an_hour_that_another_run_compacted_is_no_failure() -> None:
    assert "h  left to another run: theirs" == say_hour(HourNotDone(event_hour="h", why="theirs", taken=True))


def test_ctrl_c_says_what_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_prefix: str, _region: str | None) -> None:
        pressed = KeyboardInterrupt()
        pressed.add_note("Query q1 was stopped in Athena.")
        raise pressed

    monkeypatch.setattr("cli.compacting.find_place", interrupted)
    result = CliRunner().invoke(command, ["--athena"])
    assert 130 == result.exit_code
    assert "Query q1 was stopped in Athena.\nInterrupted: the hours that were compacted count" in result.stderr


def test_a_frozen_hour_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [old(1)])
    compact_place(lake.place, Wanted())
    (tmp_path / key).unlink()
    put(tmp_path, "b", [old(2)])
    assert ("2017/11/16/02",) == compact_place(lake.place, Wanted()).frozen
    assert "Hour 2017/11/16/02 has late rows" in capsys.readouterr().out
    assert 3 == EXIT_FROZEN


@pytest.mark.usefixtures("account")
def test_the_stacks_say_where_the_lake_is() -> None:
    make_stack("t-storage", {"LakeBucketName": "t-lake", "WorkBucketName": "t-work"})
    make_stack("t-pipeline", {"DatabaseName": "ticks", "WorkgroupName": "t-pipeline"})
    glue_with_history("ticks", **{RANGE: "2026/11/22/00,NOW+1HOURS"})
    place = find_place("t", None)
    assert ("t-lake", "t-work", "2026/11/22/00") == (place.lake.name, place.work.name, place.first_hour)


@pytest.mark.usefixtures("account")
def test_what_the_stacks_do_not_say_is_named() -> None:
    make_stack("t-storage", {"LakeBucketName": "t-lake", "WorkBucketName": "t-work"})
    with pytest.raises(AwsRefused, match="it does not say DatabaseName, WorkgroupName"):
        find_place("t", None)
    result = CliRunner().invoke(command, ["--athena", "--name", "t"])
    assert 1 == result.exit_code
    assert "`ticklake deploy` makes it" in result.stderr


@pytest.mark.usefixtures("account")
def test_what_aws_refuses_is_one_sentence() -> None:
    make_stack("t-storage", {"LakeBucketName": "no-such-lake", "WorkBucketName": "t-work"})
    make_stack("t-pipeline", {"DatabaseName": "ticks", "WorkgroupName": "t-pipeline"})
    glue_with_history("ticks")
    result = CliRunner().invoke(command, ["--athena", "--name", "t"])
    assert 1 == result.exit_code
    assert "While compacting no-such-lake, AWS said: NoSuchBucket" in result.stderr


def test_a_folder_and_athena_are_not_said_together(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--athena", "--lake", str(tmp_path)])
    assert 2 == result.exit_code
    assert "say one of them" in result.stderr
