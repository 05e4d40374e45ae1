"""What may lie where: our own keys by the templates that write them, and what is nobody's of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit_lambda.places import (
    ROOTS,
    TABLES,
    Place,
    day_of,
    day_of_key,
    find_place,
    judge_foreign,
    prefixes_of_day,
    survey,
)
from local.lake.store import FolderStore
from sql.history import history_key, manifest_key
from sql.hours import HOUR_US, hour_start_us
from sql.replays import kept_key, placed_key, record_key
from tests.audit_lambda.stored import ERRORS, FROM_US, HISTORY, HOUR, MANIFEST, OLD, RAW, ROWS, build_stored, write

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = f"processed/coinbase/ticker/{HOUR}"


@pytest.mark.parametrize(
    ("key", "table"),
    [
        (RAW, "raw"),
        (ROWS, "delivered"),
        (placed_key(FOLDER, "0123456789abcdef", 0), "delivered"),
        (ERRORS, "errors"),
        (HISTORY, "history"),
        (history_key(HOUR, "abc123", part=4), "history"),
        (MANIFEST, "compacted"),
        (manifest_key(HOUR), "compacted"),
    ],
)
def test_our_own_keys_have_their_place(key: str, table: str) -> None:
    place = find_place(key)
    assert place is not None
    assert (table, FROM_US) == (place.table, place.start_us)
    assert ("2026/11/23", None) == (day_of_key(key), judge_foreign(key))
    assert any(key.startswith(prefix) for prefix in prefixes_of_day("2026/11/23"))


def test_a_generation_of_history_is_known_by_its_name() -> None:
    assert Place("history", FROM_US, "abc123") == find_place(history_key(HOUR, "abc123", part=4))


@pytest.mark.parametrize(
    "key",
    [
        record_key(1),
        kept_key(1, ROWS),
        "reports/coinbase/hourly/latest/report.json",
        "reports/coinbase/inventory/2026-11-23.jsonl.gz",
        "redrive/coinbase/run.json",
        "journal/x/segment",
        "lake.json",
    ],
)
def test_what_else_lies_in_a_lake_is_not_foreign(key: str) -> None:
    assert judge_foreign(key) is None


@pytest.mark.parametrize(
    ("key", "severity"),
    [
        (f"{FOLDER}/.DS_Store", "notice"),
        (f"{FOLDER}/_SUCCESS", "notice"),
        (f"{FOLDER}/.a.parquet", "notice"),
        (f"{FOLDER}/", "notice"),
        ("raw/", "notice"),
        ("raw/coinbase/Thumbs.db", "notice"),
        (f"{FOLDER}/notes.txt", "warning"),
        (f"{FOLDER}/deeper/a.parquet", "warning"),
        (f"processed/coinbase/candles/{HOUR}/a.parquet", "warning"),
        (f"raw/coinbase/{HOUR}/export.csv", "warning"),
        ("raw/coinbase/2026/13/40/99/x.gz", "warning"),
        (f"history/coinbase/{HOUR}/x.parquet", "warning"),
        (f"compacted/coinbase/{HOUR}/manifest.json.bak", "warning"),
        ("replay/notes.json", "warning"),
        ("notes.txt", "warning"),
        ("elsewhere/x", "warning"),
    ],
)
def test_what_nobody_of_ours_wrote_is_said(key: str, severity: str) -> None:
    foreign = judge_foreign(key)
    assert foreign is not None
    assert (key, severity, True) == (foreign.key, foreign.severity, foreign.what.startswith(key))
    assert day_of_key(key) is None


def test_a_day_of_every_table_and_kind_is_listed() -> None:
    assert 13 == len(ROOTS) == len(set(ROOTS))
    assert {"raw/", "processed/", "errors/", "history/", "compacted/"} == {root.split("coinbase")[0] for root in ROOTS}
    assert all(any(root.startswith(table.prefix) for table in TABLES) for root in ROOTS)
    assert "processed/coinbase/mixed/2026/11/23/" in prefixes_of_day("2026/11/23")
    assert "2026/11/23" == day_of(hour_start_us("2026/11/23/23") + HOUR_US - 1)


def test_a_walk_finds_the_days_and_what_lies_beside_them(tmp_path: Path) -> None:
    build_stored(tmp_path)
    write(tmp_path, "lake.json", b"{}")
    write(tmp_path, ".incoming/half", b"")
    write(tmp_path, "journal/s/1", b"")
    write(tmp_path, "reports/coinbase/asked/report.json", b"")
    write(tmp_path, record_key(1), b"")
    for foreign in (
        "notes.txt",
        "processed/coinbase/readme",
        "replay/x",
        "raw/elsewhere/a/b",
        ".git/config",
        "raw/coinbase/old/x",
    ):
        write(tmp_path, foreign, b"")
    found = survey(FolderStore(tmp_path))
    assert {"2026/11/23", OLD.removeprefix("raw/coinbase/")[:10]} == found.days
    assert {
        ("notes.txt", "warning"),
        ("processed/coinbase/readme", "warning"),
        ("replay/x", "warning"),
        ("raw/elsewhere/", "warning"),
        ("raw/coinbase/old/", "warning"),
        (".git/", "notice"),
    } == {(each.key, each.severity) for each in found.foreign}


def test_a_walk_of_nothing_finds_nothing(tmp_path: Path) -> None:
    found = survey(FolderStore(tmp_path))
    assert (set(), []) == (found.days, found.foreign)
