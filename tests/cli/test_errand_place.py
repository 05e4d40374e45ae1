from __future__ import annotations

from pathlib import Path

import click
import pytest

from cli.errand_place import Place, check_first_hour
from producer.settings import Settings
from sql.hours import hour_start_us


def test_a_time_that_deployed_tables_do_not_know_is_refused_with_what_to_do() -> None:
    check_first_hour("2026/11/20/00", hour_start_us("2026/11/20/00"))
    check_first_hour("", 0)
    with pytest.raises(click.ClickException, match="--set LakeFirstHour=2026/11/19/23"):
        check_first_hour("2026/11/20/00", hour_start_us("2026/11/20/00") - 1)


def test_a_lake_in_a_folder_knows_every_hour() -> None:
    assert "" == Place(Settings(), Path("lake"), "ticklake", None, None, dry_run=True).first_hour()
