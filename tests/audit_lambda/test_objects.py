"""Objects of a lake: readable to their end, as they were first seen, and still there; each kind of damage is found by its check."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit_lambda.objects import (
    PREFIXES,
    QUESTIONS,
    InventoryDamaged,
    Leave,
    ObjectUnread,
    Seen,
    check_objects,
    decode_inventory,
    encode_inventory,
)
from local.lake.store import FolderStore
from sql.hours import HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from audit_lambda.objects import Inventory
    from audit_lambda.report import CheckResult

HOUR = "2026/11/23/02"
FROM_US = hour_start_us(HOUR)
RAW = f"raw/coinbase/{HOUR}/stream-1-a.gz"
ROWS = f"processed/coinbase/ticker/{HOUR}/a.parquet"
ERRORS = f"errors/coinbase/processing-failed/{HOUR}/a"
HISTORY = f"history/coinbase/{HOUR}/history-0123456789abcdef.parquet"
MANIFEST = f"compacted/coinbase/{HOUR}/manifest.json"
LINES = b"".join(b'{"v":1,"n":%d}\n' % (n * n) for n in range(1000))
OLD = "raw/coinbase/2026/10/01/00/stream-1-a.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for key in (RAW, OLD):
        write(tmp_path, key, gzip.compress(LINES, mtime=0) + gzip.compress(b'{"v":2}\n', mtime=0))
    write(tmp_path, ERRORS, b'{"rawData":"e30="}\n')
    for key in (ROWS, HISTORY):
        rows = pa.table({"price": [f"{n}.50" for n in range(5000)], "n": list(range(5000))})
        (tmp_path / key).parent.mkdir(parents=True)
        pq.write_table(rows, tmp_path / key, write_page_checksum=True, compression="none")
    write(tmp_path, MANIFEST, b'{"generation":"0123456789abcdef"}')
    return tmp_path


def write(root: Path, key: str, content: bytes) -> None:
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    (root / key).write_bytes(content)


def audit(
    root: Path,
    before: Mapping[str, Seen] | None = None,
    *,
    leave: Leave | None = None,
    may_go_on: Callable[[], bool] = lambda: True,
    store: FolderStore | None = None,
) -> tuple[dict[str, CheckResult], Inventory]:
    told: list[tuple[int, int]] = []
    results, inventory = check_objects(
        store or FolderStore(root),
        before=before,
        from_us=FROM_US,
        to_us=FROM_US + HOUR_US,
        now_us=FROM_US + 24 * HOUR_US,
        leave=leave or Leave(),
        may_go_on=may_go_on,
        on_progress=lambda *counts: told.append(counts),
    )
    assert [(n + 1, told[0][1]) for n in range(len(told))] == told
    assert list(QUESTIONS) == [result.name for result in results]
    return {result.name: result for result in results}, inventory


def found(results: Mapping[str, CheckResult]) -> dict[str, list[str]]:
    return {name: [finding.what.split(" ", 1)[0] for finding in result.findings] for name, result in results.items()}


NOTHING: dict[str, list[str]] = {"readable": [], "unchanged": [], "present": []}


def test_a_whole_lake_is_clean_and_leaves_an_inventory(root: Path) -> None:
    results, inventory = audit(root)
    assert NOTHING == found(results)
    assert {"passed"} == {result.state for result in results.values()}
    assert {RAW, ROWS, ERRORS, HISTORY, MANIFEST, OLD} == inventory.keys()
    assert 64 == len(inventory[ROWS].sha256)
    assert not inventory[OLD].sha256, "outside the span it is listed, not read"
    again, later = audit(root, inventory)
    assert NOTHING == found(again)
    assert inventory == later


@pytest.mark.parametrize("key", [RAW, ROWS, HISTORY])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 0.999])
def test_a_flipped_byte_is_found_at_once(root: Path, key: str, share: float) -> None:
    content = bytearray((root / key).read_bytes())
    content[int(len(content) * share)] ^= 0x10
    write(root, key, bytes(content))
    assert NOTHING | {"readable": [key]} == found(audit(root)[0])


@pytest.mark.parametrize("key", [RAW, ROWS, HISTORY])
@pytest.mark.parametrize("kept", [0, 3, 7, 100, -1])
def test_a_cut_object_is_found_at_once(root: Path, key: str, kept: int) -> None:
    write(root, key, (root / key).read_bytes()[:kept])
    assert NOTHING | {"readable": [key]} == found(audit(root)[0])


@pytest.mark.parametrize("key", [RAW, ROWS, ERRORS, HISTORY])
def test_other_content_of_the_same_length_is_found_against_the_inventory(root: Path, key: str) -> None:
    before = audit(root)[1]
    if key == RAW:
        write(root, key, gzip.compress(b'{"v":3}\n' * 1000, mtime=0) + gzip.compress(b'{"v":2}\n', mtime=0))
    elif key == ERRORS:
        write(root, key, b'{"rawData":"e31="}\n')
    else:
        rows = pa.table({"price": [f"{n}.51" for n in range(5000)], "n": list(range(5000))})
        pq.write_table(rows, root / key, write_page_checksum=True, compression="none")
    results, after = audit(root, before)
    assert NOTHING | {"unchanged": [key]} == found(results)
    assert FROM_US == results["unchanged"].findings[0].first_us
    assert NOTHING | {"unchanged": [key]} == found(audit(root, after)[0]), "it is said until somebody accepts it"


def test_an_object_out_of_the_span_is_compared_by_length(root: Path) -> None:
    before = audit(root)[1]
    write(root, OLD, b"")
    assert NOTHING | {"unchanged": [OLD]} == found(audit(root, before)[0])


@pytest.mark.parametrize("key", [RAW, ROWS, ERRORS, HISTORY, MANIFEST, OLD])
def test_an_object_that_vanished_is_named_in_every_audit_from_then_on(root: Path, key: str) -> None:
    before = audit(root)[1]
    (root / key).unlink()
    results, after = audit(root, before)
    assert NOTHING | {"present": [key]} == found(results)
    assert NOTHING | {"present": [key]} == found(audit(root, after)[0])


def test_an_object_may_go_for_a_reason_that_is_known(root: Path) -> None:
    before = audit(root)[1]
    for key in (OLD, ROWS, HISTORY):
        (root / key).unlink()
    write(root, f"history/coinbase/{HOUR}/history-fedcba9876543210.parquet", b"")
    write(root, MANIFEST, b'{"generation":"fedcba9876543210"}')
    leave = Leave(replaced={ROWS}, expiry_days={"raw": 30})
    results, after = audit(root, before, leave=leave)
    assert () == results["present"].findings
    assert not {OLD, ROWS, HISTORY} & after.keys()


def test_an_expiry_gives_no_leave_before_its_time(root: Path) -> None:
    before = audit(root)[1]
    (root / OLD).unlink()
    assert [OLD] == found(audit(root, before, leave=Leave(expiry_days={"raw": 90, "errors": 1}))[0])["present"]


def test_a_new_object_is_taken_into_the_inventory(root: Path) -> None:
    before = audit(root)[1]
    late = f"raw/coinbase/{HOUR}/stream-1-b.gz"
    write(root, late, gzip.compress(b"{}\n", mtime=0))
    results, after = audit(root, before)
    assert NOTHING == found(results)
    assert after[late].sha256


def test_what_was_not_read_for_want_of_time_is_said(root: Path) -> None:
    left = iter([True, True, False])
    results, inventory = audit(root, may_go_on=lambda: next(left))
    assert "not_run" == results["readable"].state
    assert "3 of 5 objects were not read: time was up" == results["readable"].why
    assert 2 == sum(bool(seen.sha256) for seen in inventory.values())
    assert NOTHING == found(audit(root, inventory)[0])


def test_where_there_is_no_earlier_audit_it_is_said(root: Path) -> None:
    results, _ = audit(root)
    assert "no earlier audit has left an inventory; this one does" == results["present"].why


def test_a_key_with_an_impossible_hour_does_not_stop_an_audit(root: Path) -> None:
    write(root, "raw/coinbase/2026/13/40/99/x.gz", b"")
    assert NOTHING == found(audit(root)[0])


def test_every_prefix_of_data_is_looked_at() -> None:
    assert {"raw/", "processed/", "errors/", "history/", "compacted/"} == {
        prefix.split("coinbase")[0] for prefix in PREFIXES
    }


def test_an_inventory_comes_back_as_it_was_kept() -> None:
    inventory = {"raw/x": Seen(size_bytes=1, tag='a"b', sha256=""), "raw/ä\n": Seen(size_bytes=2, tag="", sha256="00")}
    assert inventory == decode_inventory(encode_inventory(inventory))
    assert encode_inventory(inventory) == encode_inventory(dict(reversed(inventory.items())))


def test_an_inventory_is_kept_and_read_line_by_line() -> None:
    digest = "0" * 64
    inventory = {f"raw/coinbase/{n:040}": Seen(size_bytes=n, tag=digest[:32], sha256=digest) for n in range(5_000)}
    text_bytes = 5_000 * 200
    tracemalloc.start()
    try:
        stored = encode_inventory(inventory)
        assert tracemalloc.get_traced_memory()[1] < text_bytes
    finally:
        tracemalloc.stop()
    assert inventory == decode_inventory(stored)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"x",
        gzip.compress(b"x\n", mtime=0),
        gzip.compress(b"{}\n", mtime=0),
        gzip.compress(b"[]\n", mtime=0),
        gzip.compress(b'{"key": 5, "size_bytes": 1, "tag": "", "sha256": ""}\n', mtime=0),
        gzip.compress(b'{"key": "raw/x", "size_bytes": "1", "tag": "", "sha256": ""}\n', mtime=0),
        gzip.compress(b"{}\n", mtime=0)[:-5],
    ],
)
def test_an_inventory_that_cannot_be_read_is_a_sentence(stored: bytes) -> None:
    with pytest.raises(InventoryDamaged, match=r"inventory/objects\.jsonl\.gz cannot be read .* Restore it"):
        decode_inventory(stored)


def test_an_object_that_the_store_does_not_give_now_is_not_damage(root: Path) -> None:
    class Busy(FolderStore):
        def read_chunks(self, key: str) -> Iterator[bytes]:
            if key == ROWS:
                raise ObjectUnread(why="S3 says: slow down")
            return super().read_chunks(key)

    results, inventory = audit(root, store=Busy(root))
    assert NOTHING == found(results)
    assert "not_run" == results["readable"].state
    assert f"1 of 5 objects were not read: {ROWS}: S3 says: slow down" == results["readable"].why
    assert not inventory[ROWS].sha256
