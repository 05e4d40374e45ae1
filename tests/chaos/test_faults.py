"""The engine misbehaves in every way it knows: conservation balances, and copies are gone from the view `ticks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.conftest import counts_of, wait_for

if TYPE_CHECKING:
    from tests.chaos.conftest import Stage

EACH = (
    "throttle=0.5",
    "refuse=0.5",
    "refuse=#0",
    "busy=0.5",
    "fail=0.5",
    "lost-answer=0.3:0.1",
    "slow=0.5:0.2",
    "reset=0.5",
)


def survives(stage: Stage, *faults: str, frames: int) -> str:
    """A session under these faults, which end with it; returns what it said."""
    stage.faults(*faults)
    producer = stage.produce()
    stage.wait_for_frames(frames)
    wait_for("deliveries", lambda: stage.lines_accepted() > 20 or faults == ("refuse=#0",))
    producer.terminate()
    producer.says("SIGTERM: stopping")
    stage.faults()
    assert 0 == producer.wait(), producer.text
    stage.count_lines()
    counts = counts_of(producer.text)
    assert counts["written"] == counts["delivered"]
    assert "balanced" in producer.text
    assert "NOT BALANCED" not in producer.text
    return producer.text


def test_all_at_once(stage: Stage) -> None:
    faults = ("throttle=0.2", "busy=0.1", "fail=0.1", "lost-answer=0.15:0.1", "slow=0.1:0.1", "reset=0.1")
    survives(stage, *faults, frames=400)
    lake = stage.read_lake()

    stage.check(lake)


@pytest.mark.parametrize("fault", EACH)
@pytest.mark.slow
def test_each_alone(stage: Stage, fault: str) -> None:
    text = survives(stage, fault, frames=400)
    lake = stage.read_lake()
    stage.check(lake)
    copies = lake.rows - sum(len(numbers) for numbers in lake.numbers.values())

    if fault.startswith("lost-answer"):
        assert "ambiguous" in text
    else:
        assert 0 == copies
