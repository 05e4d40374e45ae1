"""The road that the benchmark measures is walked to its end; no figure is asserted."""

from __future__ import annotations

import pytest

from benchmarks.ingest import measure


@pytest.mark.slow
def test_every_stage_takes_every_frame() -> None:
    stages = [each.what for each in measure(rounds=1, count=300)]
    assert ["websockets + decode_frame + a line", "socket to journal", "socket to accepted PutRecordBatch"] == stages
