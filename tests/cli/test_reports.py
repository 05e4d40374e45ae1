"""A report told and left: the worst first, what was not judged, hostile text as text, and both files or a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import pytest

from audit_lambda.report import decode_report
from cli.reports import leave_report, print_report
from tests.audit_lambda.samples import NOT_RUN, finding, report

if TYPE_CHECKING:
    from pathlib import Path


def told(capsys: pytest.CaptureFixture[str], made: object) -> str:
    print_report(made)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_the_verdict_comes_first_and_the_worst_finding_next(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, report(finding("notice", 900), finding("damage", 1), verdict="damaged"))
    assert said.startswith("Damaged. ")
    assert said.index("damage  ") < said.index("notice  ")


def test_what_was_not_run_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    made = report()
    said = told(capsys, replace(made, checks=(*made.checks, NOT_RUN)))
    assert r"Not run: readable: time was\nup." in said


def test_a_control_sequence_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = replace(finding("damage", 1), what="\x1b[2J gone")
    assert "\x1b" not in told(capsys, report(hostile, verdict="damaged"))


def test_more_than_fit_on_a_screen_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, report(*(finding("hole", n) for n in range(1, 46)), verdict="holes"))
    assert said.endswith("5 more are in the report.\n")


def test_the_report_is_left_as_json_and_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(finding("hole", 3), verdict="holes")
    leave_report(tmp_path / "there", made)
    assert made == decode_report(json.loads((tmp_path / "there/report.json").read_text()))
    assert ["report.html", "report.json"] == sorted(path.name for path in (tmp_path / "there").iterdir())
    assert f"Report: {tmp_path / 'there/report.html'}" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(click.ClickException, match="Name a folder with --report"):
        leave_report(tmp_path / "file", report())
