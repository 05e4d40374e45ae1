"""The benchmark's day is whole for every check that looks for damage; no figure is asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.audit import audit, build_lake
from local.lake.folder import open_lake

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_day_is_whole_and_all_of_it_is_audited(tmp_path: Path) -> None:
    build_lake(tmp_path, ticks=3_000)
    report = audit(tmp_path)
    assert "whole" == report.verdict
    assert [] == [check.why for check in report.checks if check.state == "not_run"]
    assert (3_000, 0) == (report.slo.expected, report.slo.missing)
    with open_lake(tmp_path) as lake:
        assert (
            lake.connection.execute("SELECT count(*) FROM raw").fetchone()
            == lake.connection.execute("SELECT count(*) FROM processed").fetchone()
        )
