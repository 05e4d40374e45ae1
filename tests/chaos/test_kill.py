"""`kill -9` at seeded random instants: every line that was counted reaches the lake, every trade is there or its hole is named."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chaos.conftest import Stage


def kill_again_and_again(stage: Stage, *, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(kills):
        producer = stage.produce()
        if rng.random() < 0.2:  # anywhere in its start, too
            time.sleep(rng.uniform(0.0, 1.0))
        else:
            stage.wait_for_frames(rng.randint(1, 150))
            time.sleep(rng.uniform(0.0, 0.05))
        producer.kill()
        if stage.journal.exists():
            stage.count_lines()
    last = stage.produce()
    stage.wait_for_frames(50)
    last.terminate()
    assert 0 == last.wait(), last.text
    stage.count_lines()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_five_kills_lose_nothing_that_was_counted(stage: Stage, seed: int) -> None:
    kill_again_and_again(stage, kills=5, seed=seed)
    lake = stage.read_lake()

    stage.check(lake)
    assert len(lake.numbers) > 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_twenty_kills_lose_nothing_that_was_counted(stage: Stage, seed: int) -> None:
    kill_again_and_again(stage, kills=20, seed=seed)

    stage.check(stage.read_lake())
