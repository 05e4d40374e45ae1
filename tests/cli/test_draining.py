"""What a drain leaves for the next producer, beside what tests/cli/test_journal.py sees of it as a user."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cli.draining import drain_journal
from producer.legacy import look_at_legacy
from producer.settings import Settings
from producer.settlement import PutAnswer
from tests.cli.test_journal import fill, flip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from producer.packing import Pack


class Taker:
    """A Firehose that takes every pack."""

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        return [PutAnswer("id") for _ in packs]


def test_what_is_to_be_said_of_damage_waits_for_the_next_producer_and_is_said_to_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 20).close()
    flip(tmp_path)
    left = asyncio.run(drain_journal(Settings(journal=tmp_path), Taker(), None))
    memory = look_at_legacy(tmp_path).memory

    assert 0 == left
    assert ["session", "gap"] == [kind for kind, _, _ in memory["unwritten"]]
    assert ["journal_damaged"] == [hole["reason"] for hole in memory["continuity"]["open"]]
    assert "2 lines of testimony about what was lost or refused wait for the next producer" in capsys.readouterr().out
