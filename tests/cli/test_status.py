from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.status import command, describe_alarms, is_well
from infra.stacks import StackState
from tests.cli.deployed import deployed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WHOLE = {"storage": StackState("t-storage", "UPDATE_COMPLETE")}


def alarm(state: str) -> Mapping[str, str]:
    return {"AlarmName": "t-pipeline-journal-old", "StateValue": state, "StateReason": "5 datapoints"}


def test_an_alarm_that_is_up_comes_with_its_entry_in_the_runbook() -> None:
    late: Mapping[str, str] = {"AlarmName": "t-upkeep-compact-late", "StateValue": "ALARM", "StateReason": "one hour"}
    pipeline = [alarm("ALARM"), alarm("OK"), alarm("INSUFFICIENT_DATA")]
    lines = list(describe_alarms({"t-pipeline-": pipeline, "t-upkeep-": [late]}))
    assert [
        "alarms: 4, 2 up, 1 without data so far",
        "  journal-old: 5 datapoints  (docs/operations.md#journal-old)",
        "  compact-late: one hour  (docs/operations.md#compact-late)",
    ] == lines


@pytest.mark.parametrize(
    ("status", "state", "well"),
    [
        ("UPDATE_COMPLETE", "OK", True),
        ("UPDATE_COMPLETE", "INSUFFICIENT_DATA", True),
        ("UPDATE_COMPLETE", "ALARM", False),
        ("UPDATE_ROLLBACK_COMPLETE", "OK", False),
    ],
)
def test_all_is_well_if_every_stack_is_whole_and_no_alarm_is_up(status: str, state: str, well: bool) -> None:
    assert well == is_well({"storage": StackState("s", status)}, [alarm(state)])


def test_the_stacks_are_shown_even_where_the_views_cannot_be_looked_at(tmp_path: Path) -> None:
    with deployed(tmp_path) as (_, stack):
        nowhere = {"AWS_ENDPOINT_URL_GLUE": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
        told = CliRunner(env=stack | nowhere).invoke(command, ["--name", "t"])
    assert 1 == told.exit_code
    assert "t-pipeline  CREATE_COMPLETE" in told.output
    assert "Error: While looking at the views of ticks" in told.output
