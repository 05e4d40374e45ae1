"""A day of a lake's objects: readable to their end, as they were first seen, still there and ours; each kind of damage is found by its check."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from audit_lambda.comparing import Leave
from audit_lambda.objects import QUESTIONS, Inspection, Pace, unasked
from audit_lambda.reading import ObjectUnread
from local.lake.store import FolderStore
from sql.history import ManifestDamaged
from sql.hours import HOUR_US
from sql.replays import Replays
from tests.audit_lambda.stored import (
    DAY,
    ERRORS,
    FROM_US,
    HISTORY,
    HOUR,
    LINES,
    MANIFEST,
    NOW_US,
    OLD,
    OLD_DAY,
    RAW,
    ROWS,
    SPAN,
    build_stored,
    rows,
    write,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from audit_lambda.inventory import Inventory, Look
    from audit_lambda.objects import Progress
    from audit_lambda.report import CheckResult

EARLIER = "raw/coinbase/2026/11/23/00/late.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_stored(tmp_path)


def look(
    root: Path,
    before: Inventory | None = None,
    *,
    day: str = DAY,
    is_near: bool = True,
    leave: Leave | None = None,
    may_read: Callable[[], bool] = lambda: True,
    store: FolderStore | None = None,
) -> tuple[dict[str, CheckResult], Inventory, Look]:
    told: list[Progress] = []
    inspection = Inspection(
        store or FolderStore(root),
        span=SPAN,
        now_us=NOW_US,
        leave=leave or Leave(),
        pace=Pace(may_read=may_read),
        on_progress=told.append,
    )
    seen, inventory = inspection.look_at(day, before, is_near=is_near)
    results = inspection.results({})
    assert list(QUESTIONS) == [result.name for result in results]
    assert {day} == {progress.day for progress in told}
    assert sorted(told, key=lambda p: (p.listed_count, p.read_count)) == told
    return {result.name: result for result in results}, inventory, seen


def found(results: Mapping[str, CheckResult]) -> dict[str, list[str]]:
    return {name: [finding.what.split(" ", 1)[0] for finding in result.findings] for name, result in results.items()}


NOTHING: dict[str, list[str]] = {"readable": [], "unchanged": [], "present": [], "foreign": []}


def test_a_whole_day_is_clean_and_leaves_an_inventory(root: Path) -> None:
    results, inventory, seen = look(root)
    assert NOTHING == found(results)
    assert {"passed"} == {result.state for result in results.values()}
    assert {RAW, ROWS, ERRORS, HISTORY, MANIFEST} == inventory.keys()
    assert {64} == {len(each.sha256) for each in inventory.values()}
    assert (NOW_US, 5, 0) == (seen.looked_us, seen.object_count, seen.found_count)
    again, later, _ = look(root, inventory)
    assert NOTHING == found(again)
    assert inventory == later


def test_a_day_that_is_not_of_the_span_is_listed_and_not_read(root: Path) -> None:
    results, inventory, _ = look(root, day=OLD_DAY, is_near=False)
    assert NOTHING == found(results)
    assert {OLD: ""} == {key: seen.sha256 for key, seen in inventory.items()}
    write(root, OLD, b"")
    changed, _, seen = look(root, inventory, day=OLD_DAY, is_near=False)
    assert (NOTHING | {"unchanged": [OLD]}, 1) == (found(changed), seen.found_count)


@pytest.mark.parametrize("key", [RAW, ROWS, HISTORY])
def test_a_cut_object_is_found_at_once(root: Path, key: str) -> None:
    write(root, key, (root / key).read_bytes()[:-1])
    assert NOTHING | {"readable": [key]} == found(look(root)[0])


def test_a_foreign_parquet_object_is_damage(root: Path) -> None:
    foreign = f"processed/coinbase/ticker/{HOUR}/export.parquet"
    write_parquet(root, foreign, pa.table({"when": [1, 2]}))
    results, _, _ = look(root)
    assert NOTHING | {"readable": [foreign]} == found(results)
    assert "damage" == results["readable"].findings[0].severity


@pytest.mark.parametrize("key", [RAW, ROWS, ERRORS, HISTORY])
def test_other_content_of_the_same_length_is_found_against_the_inventory(root: Path, key: str) -> None:
    before = look(root)[1]
    if key == RAW:
        write(
            root, key, gzip.compress(LINES.replace(b'"v":1', b'"v":3'), mtime=0) + gzip.compress(b'{"v":2}\n', mtime=0)
        )
    elif key == ERRORS:
        write(root, key, b'{"rawData":"e31="}\n')
    else:
        write_parquet(root, key, rows("delivered" if key == ROWS else "history", last_size="6"))
    results, after, seen = look(root, before)
    assert NOTHING | {"unchanged": [key]} == found(results)
    assert (FROM_US, 1) == (results["unchanged"].findings[0].first_us, seen.found_count)
    assert NOTHING | {"unchanged": [key]} == found(look(root, after)[0]), "it is said until somebody accepts it"


@pytest.mark.parametrize("key", [RAW, ROWS, ERRORS, HISTORY, MANIFEST])
def test_an_object_that_vanished_is_named_in_every_audit_from_then_on(root: Path, key: str) -> None:
    before = look(root)[1]
    (root / key).unlink()
    results, after, seen = look(root, before)
    assert NOTHING | {"present": [key]} == found(results)
    assert (5, 1) == (seen.object_count, seen.found_count)
    assert NOTHING | {"present": [key]} == found(look(root, after)[0])


def test_what_may_go_is_forgotten(root: Path) -> None:
    before = look(root)[1]
    for key in (ROWS, HISTORY):
        (root / key).unlink()
    write_parquet(root, f"history/coinbase/{HOUR}/history-fedcba9876543210.parquet", rows("history"))
    leave = Leave(replays=lambda: Replays(replaced=frozenset({ROWS})))
    results, after, _ = look(root, before, leave=leave)
    assert () == results["present"].findings
    assert not {ROWS, HISTORY} & after.keys()


def test_a_replays_record_that_cannot_be_believed_is_damage_and_gives_no_leave(root: Path) -> None:
    def ask() -> Replays:
        raise ManifestDamaged(key="replay/00000002.json", why="it is not there, and later ones are")

    before = look(root)[1]
    (root / ROWS).unlink()
    results, _, _ = look(root, before, leave=Leave(replays=ask))
    assert NOTHING | {"readable": ["replay/00000002.json"], "present": [ROWS]} == found(results)


def test_a_late_object_is_read_though_its_hour_is_before_the_span(root: Path) -> None:
    before = look(root)[1]
    late = f"raw/coinbase/{HOUR}/stream-1-b.gz"
    for key in (late, EARLIER):
        write(root, key, gzip.compress(b"{}\n", mtime=0))
    results, after, _ = look(root, before)
    assert NOTHING == found(results)
    assert after[late].sha256
    assert after[EARLIER].sha256
    write(root, EARLIER, b"no gzip")
    assert NOTHING == found(look(root)[0]), "where nobody knows what was there before, only the span is read"


def test_an_hour_that_goes_on_is_not_read_yet(root: Path) -> None:
    before = look(root)[1]
    write(root, "raw/coinbase/2026/11/23/03/half.gz", b"half")
    assert NOTHING == found(look(root, before)[0])


@pytest.mark.parametrize(("allowed", "state"), [(2, "partly"), (0, "not_run")])
def test_what_was_not_read_for_want_of_time_is_said(root: Path, allowed: int, state: str) -> None:
    left = iter([*[True] * allowed, False])
    results, inventory, _ = look(root, may_read=lambda: next(left))
    assert state == results["readable"].state
    assert f"{5 - allowed} of 5 objects were not read: time was up" == results["readable"].why
    assert allowed == sum(bool(seen.sha256) for seen in inventory.values())
    assert NOTHING == found(look(root, inventory)[0])


def test_what_is_no_object_of_a_lake_is_said_and_damages_nothing(root: Path) -> None:
    folder = f"processed/coinbase/ticker/{HOUR}"
    for key in (f"{folder}/notes.txt", f"{folder}/.DS_Store", f"{folder}/_SUCCESS", f"raw/coinbase/{DAY}/x.gz"):
        write(root, key, b"")
    results, inventory, _ = look(root)
    said = {finding.what.split(" ", 1)[0]: finding.severity for finding in results["foreign"].findings}
    expected = {"notes.txt": "warning", ".DS_Store": "notice", "_SUCCESS": "notice"}
    assert {f"{folder}/{name}": severity for name, severity in expected.items()} | {
        f"raw/coinbase/{DAY}/x.gz": "warning"
    } == said
    assert NOTHING == found(results) | {"foreign": []}
    assert 5 == len(inventory)


def test_an_object_that_the_store_does_not_give_now_is_not_damage(root: Path) -> None:
    class Busy(FolderStore):
        def read_chunks(self, key: str) -> Iterator[bytes]:
            if key == ROWS:
                raise ObjectUnread(why="S3 says: slow down")
            return super().read_chunks(key)

    results, inventory, _ = look(root, store=Busy(root))
    assert NOTHING == found(results)
    assert "partly" == results["readable"].state
    assert f"1 of 5 objects were not read: {ROWS}: S3 says: slow down" == results["readable"].why
    assert not inventory[ROWS].sha256


def test_an_object_that_goes_while_it_is_looked_at_is_missed_if_it_was_known(root: Path) -> None:
    class Losing(FolderStore):
        def read_chunks(self, key: str) -> Iterator[bytes]:
            (root / RAW).unlink(missing_ok=True)
            return super().read_chunks(key)

    before = look(root)[1]
    assert NOTHING | {"present": [RAW]} == found(look(root, before, store=Losing(root))[0])


def test_findings_without_end_are_counted_and_the_first_are_named(root: Path) -> None:
    known = look(root)[1]
    gone = {f"raw/coinbase/{HOUR}/{n:05}.gz": known[RAW] for n in range(1_500)}
    present = look(root, known | gone)[0]["present"]
    assert (1_500, 1_000) == (present.found_count, len(present.findings))


def test_where_objects_could_not_be_looked_at_every_check_says_so() -> None:
    assert {("not_run", "S3 says no")} == {(result.state, result.why) for result in unasked("S3 says no")}
    assert list(QUESTIONS) == [result.name for result in unasked("x")]


def test_an_hour_touches_the_span_if_a_part_of_it_does(root: Path) -> None:
    assert SPAN.to_us == FROM_US + HOUR_US
    _, inventory, _ = look(root)
    assert all(seen.sha256 for seen in inventory.values())
