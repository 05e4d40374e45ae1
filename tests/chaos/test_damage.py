"""A disk that flips bits in the journal: every line it cost is named, every trade that was in one is healed, and the audit finds no damage."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.audit import command as audit
from local.lake.folder import claim_lake, open_lake
from producer.segment import Entry
from producer.survey import records
from tests.chaos.conftest import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.conftest import Stage


def flip(segment: Path, rng: random.Random, *, flips: int, zeroed_bytes: int) -> None:
    """Single bits, and one stretch as a lost page leaves it."""
    content = bytearray(segment.read_bytes())
    for _ in range(flips):
        content[rng.randrange(100, len(content))] ^= 1 << rng.randrange(8)
    start = rng.randrange(100, len(content) - zeroed_bytes)
    content[start : start + zeroed_bytes] = bytes(zeroed_bytes)
    segment.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_damaged_journal_cost_is_named_and_healed_and_no_damage_to_the_audit(stage: Stage, seed: int) -> None:
    claim_lake(stage.lake_path, "simulated", now=datetime.now(UTC))
    rng = random.Random(seed)
    stage.faults("busy")
    first = stage.produce()
    stage.wait_for_frames(400)
    first.kill()
    ((session, segment),) = [(path.parent.name, path) for path in stage.journal.glob("*/*.seg")]
    flip(segment, rng, flips=3, zeroed_bytes=4_096)
    left = {found.n for found in records(segment) if isinstance(found, Entry)}
    lost = set(range(max(left))) - left
    assert len(lost) > 3
    stage.faults()
    second = stage.produce()
    wait_for("the backlog to be delivered", lambda: stage.lines_accepted() > len(left))
    before = -1
    while before != (asked := stage.truth().rest_count[200]):  # until nothing is asked of REST any more
        before = asked
        stage.wait_for_frames(40)
    second.terminate()
    assert 0 == second.wait(), second.text
    stage.flush()
    with open_lake(stage.lake_path) as lake:
        named = lake.connection.sql(f"SELECT json_extract(detail, '$.lost') FROM processed WHERE kind = 'session' AND json_extract_string(detail, '$.of_session') = '{session}'").fetchall()  # fmt: skip
        statuses = lake.connection.sql("SELECT DISTINCT status FROM gaps WHERE reason = 'journal_damaged'").fetchall()
    result = CliRunner().invoke(audit, ["--lake", str(stage.lake_path), "--settle", "1ms"])

    assert 1 == len(named)
    assert {("open",), ("healed",)} == set(statuses)
    assert 3 == result.exit_code, result.output  # holes: lines that are named as lost; trades are there
