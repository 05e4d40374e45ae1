"""A replay done in a folder: what a crash leaves, what is moved and what is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.lake.live import RecordDamaged, find_live, write_whole
from local.lake.replay import Receipt, ReplayPlan
from local.lake.swap import finish_replays, replay_hour
from sql.replays import Record, encode_record, kept_key, placed_key, record_key
from tests.local.lake.trades import files, put, ticker

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "processed/coinbase/ticker/2026/11/23/02"
NEW = placed_key(FOLDER, "0123456789abcdef", 0)
RECEIPT = Receipt("2026/11/23/02", 1, 0, 0, 1, 0, 0, 0)


def plan(root: Path) -> ReplayPlan:
    old = put(root, "old", [ticker(1)])
    content = (root / put(root, "elsewhere", [ticker(1)], hour="2026/11/23/05")).read_bytes()
    return ReplayPlan(RECEIPT, {NEW: content}, Record(1, "0123456789abcdef", {"found": 1}, (NEW,), (old,)))


def test_each_step_is_told_once_it_is_done(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    (old,) = planned.record.replaced
    seen: dict[str, tuple[bool, bool, bool]] = {}

    def look(step: str) -> None:
        there = files(tmp_path)
        seen[step] = (NEW in there, record_key(1) in there, old in there)

    replay_hour(tmp_path, planned, look)
    assert {
        "planned": (False, False, True),
        "placed": (True, False, True),
        "named": (True, True, True),
        "moved": (True, True, False),
    } == seen
    assert kept_key(1, old) in files(tmp_path)


def test_what_never_counted_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = put(tmp_path, "replay-of-mine", [ticker(1)])
    (tmp_path / NEW).write_bytes(b"a crash left this")
    finish_replays(tmp_path)
    assert {kept} == set(files(tmp_path))
    assert [tmp_path / kept] == list(find_live(tmp_path).objects)


def test_nothing_is_moved_while_a_record_cannot_be_believed(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    write_whole(tmp_path / record_key(1), encode_record(planned.record))
    write_whole(tmp_path / record_key(3), encode_record(planned.record))
    before = files(tmp_path)
    with pytest.raises(RecordDamaged, match=r"00000002\.json"):
        finish_replays(tmp_path)
    assert before == files(tmp_path)
