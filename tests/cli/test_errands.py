"""An errand as a whole, over a lake: what REST does on its bad days, and that every run's receipt is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.heal import command
from local.exchange.faults import OddPages, RestStorm
from tests.cli.errands import ask, exchange, fill, gap, holes, sessions_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local.exchange.faults import Fault

FIRST, LAST = 1_000, 3_999


def bad_days() -> dict[str, Sequence[Fault]]:
    return {
        "odd pages": [
            OddPages(how=how, share=0.4) for how in ("short", "empty", "gappy", "shuffled", "no_cursor", "cut")
        ],
        "stuck pages": [OddPages(how="stuck", share=0.5)],
        "storms": [RestStorm(status=status, share=0.2) for status in (404, 429, 500, 502)],
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", bad_days())
def test_heal_run_again_and_again_on_a_bad_day_gets_there_and_never_says_what_is_not_so(
    tmp_path: Path, name: str
) -> None:
    lake = tmp_path / "lake"
    fill(lake, [FIRST - 1, LAST + 1], [gap(FIRST, LAST)])
    with exchange(range(1, LAST + 100), faults=bad_days()[name]) as (_, to):
        for _ in range(20):
            done = CliRunner().invoke(command, ["--lake", str(lake), *to])
            [(_, _, status, still_missing)] = holes(lake)
            absent = {*range(FIRST, LAST + 1)} - {trade_id for (trade_id,) in ask(lake, "SELECT trade_id FROM ticks")}
            assert absent == {each for first, last in still_missing for each in range(first, last + 1)}
            assert ("healed" if not absent else "unhealed" if len(absent) > LAST - FIRST else "partly_healed") == status
            assert (4 if absent else 0) == done.exit_code, done.output
            if not absent:
                break

    assert set() == absent
    assert sessions_whole(lake)
    assert [(LAST - FIRST + 1, LAST - FIRST + 1)] == ask(
        lake, "SELECT count(*), count(DISTINCT trade_id) FROM processed WHERE kind = 'trade'"
    )
