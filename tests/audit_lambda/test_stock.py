"""Integrity over a lake's life: which days an audit lists, what it keeps, and what the next one misses."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from audit_lambda.inventory import (
    LOOKED_KEY,
    UNDIVIDED_KEY,
    InventoryDamaged,
    Look,
    Seen,
    decode_inventory,
    decode_looks,
    encode_inventory,
    encode_looks,
    inventory_key,
)
from audit_lambda.objects import Pace
from audit_lambda.places import DAY_US, day_of
from audit_lambda.spans import Span
from audit_lambda.stock import keep_stock, take_stock
from local.lake.store import FolderStore
from sql.hours import HOUR_US, hour_start_us, lake_hour
from sql.replays import Record, encode_record, record_key
from tests.audit_lambda.stored import rows, write, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit_lambda.reading import Stored
    from audit_lambda.report import CheckResult
    from audit_lambda.rounds import Reach
    from audit_lambda.stock import Stock

NOW_US = hour_start_us("2026/11/23/05")
HOURLY = Span("hourly", NOW_US - 3 * HOUR_US, NOW_US)
DAILY = Span("daily", NOW_US - 29 * HOUR_US, NOW_US - 5 * HOUR_US)


class Counting(FolderStore):
    """A folder that remembers what was listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.days: set[str] = set()
        self.calls = 0

    def list_objects(self, prefix: str) -> Iterator[Stored]:
        self.days.add(prefix[-11:-1])
        self.calls += 1
        return super().list_objects(prefix)


def raw_key(days_ago: int, hour: int = 3) -> str:
    return f"raw/coinbase/{day_of(NOW_US - days_ago * DAY_US)}/{hour:02}/a.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lake of sixty days, an object of raw in each."""
    for days_ago in range(60):
        write(tmp_path, raw_key(days_ago), gzip.compress(b"{}\n", mtime=0))
    return tmp_path


def take(root: Path, span: Span = HOURLY, reach: Reach = "near", *, now_us: int = NOW_US, **changes: Any) -> Stock:
    store = changes.pop("store", None) or FolderStore(root)
    return take_stock(
        store,
        span,
        reach=reach,
        now_us=now_us,
        expiry_days=changes.pop("expiry_days", {}),
        pace=Pace(**changes),
        on_progress=lambda _: None,
    )


def audit(root: Path, span: Span = HOURLY, reach: Reach = "near", **changes: Any) -> dict[str, CheckResult]:
    stock = take(root, span, reach, **changes)
    keep_stock(FolderStore(root), stock)
    return {result.name: result for result in stock.results}


def whats(result: CheckResult) -> list[str]:
    return [finding.what for finding in result.findings]


def looks(root: Path) -> dict[str, Look]:
    return decode_looks((root / LOOKED_KEY).read_bytes())


def test_an_hourly_audit_lists_the_days_that_late_data_may_touch_however_old_the_lake_is(root: Path) -> None:
    store = Counting(root)
    take(root, store=store)
    assert ({"2026/11/22", "2026/11/23"}, 26) == (store.days, store.calls)


def test_what_one_audit_saw_the_next_one_misses(root: Path) -> None:
    first = audit(root)
    assert {"passed"} == {result.state for result in first.values()}
    assert first["present"].why.startswith("no earlier audit has left an inventory; this one does")
    (root / raw_key(0)).unlink()
    again = audit(root)
    assert [f"{raw_key(0)} is gone"] == whats(again["present"])
    assert not again["present"].why.startswith("no earlier")
    assert [f"{raw_key(0)} is gone"] == whats(audit(root)["present"])


def test_an_audit_that_ends_before_its_report_leaves_everything_as_it_was(root: Path) -> None:
    take(root)
    assert not (root / "reports").exists()


def test_only_what_differs_is_written_again(root: Path) -> None:
    audit(root)
    assert {} == take(root).inventories
    write(root, raw_key(0).replace("a.gz", "b.gz"), gzip.compress(b"{}\n", mtime=0))
    assert {inventory_key("2026/11/23")} == take(root).inventories.keys()


def test_the_first_daily_audit_looks_at_every_day_and_the_following_ones_at_some(root: Path) -> None:
    audit(root, DAILY, "round")
    assert 60 == len(looks(root))
    store = Counting(root)
    stock = take(root, DAILY, "round", store=store, now_us=NOW_US + DAY_US)
    assert 8 + 2 == len(store.days)
    assert 2 == sum(look.looked_us == NOW_US + DAY_US for look in stock.looks.values()) - 8


def test_an_old_object_that_vanished_or_changed_is_found_within_the_period_and_said_daily_from_then_on(
    root: Path,
) -> None:
    audit(root, DAILY, "round")
    (root / raw_key(40)).unlink()
    write(root, raw_key(50), b"")
    found: dict[int, set[str]] = {}
    for day in range(1, 31):
        later = Span("daily", DAILY.from_us + day * DAY_US, DAILY.to_us + day * DAY_US)
        results = audit(root, later, "round", now_us=NOW_US + day * DAY_US)
        found[day] = {what.split(" ", 1)[0] for name in ("present", "unchanged") for what in whats(results[name])}
    first = {key: min(day for day in found if key in found[day]) for key in (raw_key(40), raw_key(50))}
    assert max(first.values()) <= 28
    assert all(key in found[day] for key, begun in first.items() for day in range(begun, 31))


def test_the_report_says_which_days_were_looked_at_when(root: Path) -> None:
    audit(root, DAILY, "round")
    stock = take(root, DAILY, "round", now_us=NOW_US + DAY_US)
    (present,) = [result for result in stock.results if result.name == "present"]
    assert present.why == (
        "Looked at: 8 days from 2026/11/15 to 2026/11/22, and in turn 2 days from 2026/09/25 to 2026/09/26. "
        "Of 60 days known the one not looked at for longest is 2026/09/27: looked at 2026-11-23 05:00:00 UTC."
    )
    assert ("day", "looked_us", "object_count", "found_count") == stock.figure.columns
    by_day = {row[0]: row[1:] for row in stock.figure.rows}
    assert (60, (NOW_US + DAY_US, 1, 0), (NOW_US, 1, 0)) == (len(by_day), by_day["2026/11/20"], by_day["2026/10/20"])


def test_days_for_which_there_was_no_time_are_next_and_overdue_ones_are_a_warning(root: Path) -> None:
    left = iter([True] * 20 + [False])
    results = audit(root, DAILY, "round", may_look=lambda: next(left))
    (finding,) = results["present"].findings
    assert "warning" == finding.severity
    assert finding.what.startswith("32 days of the lake were not looked at for 28 days or more, 2026/10/15 not yet")
    assert {"passed"} == {result.state for result in audit(root, DAILY, "round").values()}
    late = audit(root, DAILY, "round", now_us=NOW_US + 40 * DAY_US, may_look=lambda: False)
    assert "not since 2026-11-23 05:00:00 UTC" in late["present"].findings[0].what


def test_days_of_the_span_that_there_was_no_time_for_are_said(root: Path) -> None:
    left = iter([True] * 10 + [False])
    results = audit(root, Span("asked", 0, NOW_US), "whole", may_list=lambda: next(left))
    assert {"partly"} == {result.state for name, result in results.items() if name != "legible"}
    assert results["foreign"].why == "50 days from 2026/10/05 to 2026/11/23 were not looked at: time was up."
    assert "Looked at: 10 days from 2026/09/25 to 2026/10/04." in results["present"].why
    assert 10 == len(looks(root))


def test_a_whole_look_looks_at_every_day(root: Path) -> None:
    store = Counting(root)
    take(root, Span("asked", 0, NOW_US), "whole", store=store)
    assert 60 == len(store.days)


def test_a_day_all_of_whose_objects_went_is_still_looked_at(root: Path) -> None:
    audit(root, Span("asked", 0, NOW_US), "whole")
    (root / raw_key(30)).unlink()
    for folder in (root / raw_key(30)).parents[:2]:
        folder.rmdir()
    assert [f"{raw_key(30)} is gone"] == whats(audit(root, Span("asked", 0, NOW_US), "whole")["present"])


def test_what_expired_is_not_missed(root: Path) -> None:
    audit(root, DAILY, "round")
    for days_ago in (45, 55):
        (root / raw_key(days_ago)).unlink()
    whole = Span("asked", 0, NOW_US)
    assert [f"{raw_key(45)} is gone"] == whats(audit(root, whole, "whole", expiry_days={"raw": 50})["present"])


def test_objects_that_a_replays_record_names_may_go_and_others_not(root: Path) -> None:
    folder = f"processed/coinbase/ticker/{lake_hour(NOW_US - 2 * HOUR_US)}"
    for name in ("a", "b", "replay-0123456789abcdef-0"):
        write_parquet(root, f"{folder}/{name}.parquet", rows("delivered", 3))
    audit(root)
    for name in ("a", "replay-0123456789abcdef-0"):
        (root / f"{folder}/{name}.parquet").unlink()
    record = Record(number=1, id="fedcba9876543210", receipt={}, placed=(), replaced=(f"{folder}/a.parquet",))
    write(root, record_key(1), encode_record(record))
    assert [] == whats(audit(root)["present"]), "one was replaced, one is of a replay that never took effect"
    (root / f"{folder}/b.parquet").unlink()
    assert [f"{folder}/b.parquet is gone"] == whats(audit(root)["present"])
    write(root, record_key(1), b"torn")
    assert 1 == audit(root)["readable"].found_count


def test_what_lies_beside_the_days_is_said_by_those_who_walk_the_lake(root: Path) -> None:
    write(root, "processed/readme.txt", b"")
    write(root, f"raw/coinbase/{day_of(NOW_US)}/x.gz", b"")
    assert [f"raw/coinbase/{day_of(NOW_US)}/x.gz"] == [what.split(" ")[0] for what in whats(audit(root)["foreign"])]
    daily = audit(root, DAILY, "round")["foreign"]
    assert ["processed/readme.txt"] == [what.split(" ")[0] for what in whats(daily)]


def test_an_inventory_of_the_older_form_is_taken_over_and_left_empty(root: Path) -> None:
    seen = Seen(size_bytes=(root / raw_key(0)).stat().st_size, tag="", sha256="")
    whole = {raw_key(days_ago): seen for days_ago in range(60)} | {raw_key(30, hour=4): seen, raw_key(0, hour=4): seen}
    write(root, UNDIVIDED_KEY, encode_inventory(whole))
    assert [f"{raw_key(0, hour=4)} is gone"] == whats(audit(root)["present"])
    assert {} == decode_inventory(UNDIVIDED_KEY, (root / UNDIVIDED_KEY).read_bytes())
    assert {0, NOW_US} == {look.looked_us for look in looks(root).values()}
    key = inventory_key(day_of(NOW_US - 30 * DAY_US))
    assert {raw_key(30), raw_key(30, hour=4)} == decode_inventory(key, (root / key).read_bytes()).keys()
    daily = audit(root, DAILY, "round", now_us=NOW_US)
    assert {f"{raw_key(0, hour=4)} is gone", f"{raw_key(30, hour=4)} is gone"} == set(whats(daily["present"]))


def test_an_inventory_that_cannot_be_read_stops_the_audit_and_one_that_is_gone_is_said(root: Path) -> None:
    audit(root)
    kept = root / inventory_key("2026/11/23")
    kept.write_bytes(b"torn")
    with pytest.raises(InventoryDamaged):
        take(root)
    kept.unlink()
    (finding,) = audit(root)["present"].findings
    assert ("warning", True) == (finding.severity, "2026-11-23.jsonl.gz is gone" in finding.what)
    assert () == audit(root)["present"].findings


def test_what_another_audit_left_meanwhile_is_kept(root: Path) -> None:
    stock = take(root)
    write(root, LOOKED_KEY, encode_looks({"2020/01/01": Look(1, 2, 3), "2026/11/23": Look(1, 2, 3)}))
    keep_stock(FolderStore(root), stock)
    assert Look(1, 2, 3) == looks(root)["2020/01/01"]
    assert NOW_US == looks(root)["2026/11/23"].looked_us
