"""One hour, step by step."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from compact_lambda.bucket import Taken
from compact_lambda.hour import ASIDE, HourWrong, Step, compact_hour
from sql.compaction import HourPlan
from sql.history import decode_manifest, manifest_key
from tests.compact_lambda.lakes import Aws, aws
from tests.local.lake.trades import HOUR, LATER, put, ticker, us

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from compact_lambda.hour import Written

NAME = "2026/11/23/02"


def compact(
    lake: Aws,
    keys: list[str],
    *,
    nonce: str = "n1",
    replacing: str | None = None,
    step: Callable[[Step], None] = lambda _: None,
) -> Written:
    plan = HourPlan(event_hour=NAME, start_us=us(HOUR), inputs=dict.fromkeys(keys, (NAME,)))
    return compact_hour(lake.place, plan, nonce=nonce, replacing=replacing, clock=lambda: LATER, step=step)


def test_an_hour_is_written_aside_copied_verified_named_and_cleared(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [ticker(1), ticker(1, n=5), ticker(2)])
    seen: dict[Step, list[str]] = {}
    written = compact(lake, [key], step=lambda step: seen.__setitem__(step, roots(tmp_path)))
    assert {
        "written": ["processed", "results"],
        "copied": ["history", "processed", "results"],
        "verified": ["history", "processed", "results"],
        "named": ["compacted", "history", "processed", "results"],
        "cleared": ["compacted", "history", "processed"],
    } == seen
    assert (3, 2, {key: (NAME,)}) == (written.delivered, written.manifest.trades, written.manifest.inputs)
    (named,) = written.manifest.objects
    assert re.fullmatch(r"history/coinbase/2026/11/23/02/history-[0-9a-f]{16}n1-0\.parquet", named)
    assert (tmp_path / named).is_file()
    record = json.loads((tmp_path / manifest_key(NAME)).read_bytes())
    assert written.manifest == decode_manifest(manifest_key(NAME), record)
    assert 1 == (tmp_path / manifest_key(NAME)).read_bytes().count(b"\n")  # the table reads a row a line
    assert [(us(HOUR), written.manifest.generation, 2)] == lake.athena.select(
        "SELECT hour_start_us, generation, trades FROM compacted"
    )


def roots(root: Path) -> list[str]:
    return sorted({path.relative_to(root).parts[0] for path in root.rglob("*") if path.is_file()})


def test_two_tries_share_no_key(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [ticker(1)])
    first = compact(lake, [key])
    second = compact(lake, [key], nonce="n2", replacing=first.tag)
    assert not set(first.manifest.objects) & set(second.manifest.objects)
    with pytest.raises(Taken):
        compact(lake, [key], nonce="n3", replacing=first.tag)
    assert 1 == len(lake.athena.select("SELECT * FROM ticks"))


def test_an_hour_is_made_of_its_very_objects(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [ticker(1)])
    put(tmp_path, "b", [ticker(2)])  # it came after the listing
    assert 1 == compact(lake, [key]).manifest.trades


def test_what_is_wrong_is_not_named(tmp_path: Path) -> None:
    lake = aws(tmp_path)
    key = put(tmp_path, "a", [ticker(1), ticker(2)])

    def lose_the_copy(step: Step) -> None:
        if step == "copied":
            (copy,) = tmp_path.glob("history/**/*.parquet")
            copy.unlink()

    with pytest.raises(HourWrong, match="2026/11/23/02 was not compacted: 2 trades are missing"):
        compact(lake, [key], step=lose_the_copy)
    assert ["processed", "results"] == roots(tmp_path)
    assert ASIDE.startswith("results/")
