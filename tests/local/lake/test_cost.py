"""A lake's bill, from figures that can be counted by hand."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from local.lake.cost import (
    Packing,
    Stored,
    billed_bytes,
    count_sent,
    measure_sent,
    measure_stored,
    plan_bill,
)
from local.lake.folder import LakeMissing
from sql.prices import GB, load_prices
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path

SECOND_US = 1_000_000


def line(at_s: float, *, session: str = "A", size_bytes: int = 400) -> bytes:
    instant = f"2026-11-23T02:00:{at_s:09.6f}Z"
    head = json.dumps({"session": session, "receive_time": instant, "message": ""}).encode()
    return head[:-2] + b"x" * (size_bytes - len(head) - 1) + b'"}\n'


def test_a_line_is_as_long_as_it_says() -> None:
    assert 400 == len(line(1))
    assert {"session", "receive_time", "message"} == json.loads(line(1)).keys()


@pytest.mark.parametrize(("size_bytes", "expected"), [(1, 5120), (5120, 5120), (5121, 10240)])
def test_a_record_is_billed_in_steps(size_bytes: int, expected: int) -> None:
    assert expected == billed_bytes(size_bytes)


def test_a_pack_ends_when_it_is_full_or_its_first_line_has_waited() -> None:
    packing = Packing(max_lines=3, max_bytes=10_000, linger_us=5 * SECOND_US)
    lines = [line(0), line(1), line(4.9), line(4.9), line(9.8), line(9.9), line(20, size_bytes=9_800), line(20)]
    sent = count_sent(lines, packing)
    # three lines; two; one that came too late for them; the long one; one that had no room beside it
    assert (8, 5) == (sent.lines, sent.packs)
    assert 4 * 5120 + 10240 == sent.billed_bytes
    assert 7 * 5120 + 10240 == sent.billed_singly_bytes
    assert sum(map(len, lines)) == sent.useful_bytes
    assert 20 * SECOND_US == sent.last_us - sent.first_us


def test_sessions_do_not_share_packs_and_a_line_of_nobody_is_counted() -> None:
    sent = count_sent([line(0), line(0, session="B"), line(1), b"\xff\n"], Packing(500, 1_024_000, 5 * SECOND_US))
    assert (4, 3) == (sent.lines, sent.packs)


def test_nothing_costs_nothing_but_the_key(tmp_path: Path) -> None:
    sent = measure_sent(tmp_path, Packing(500, 1_024_000, 0))
    assert 0 == sent.lines
    bill = plan_bill(sent, measure_stored(tmp_path))
    assert 0 == bill.total
    assert Decimal(1) == sum(item.cost for item in bill.monthly)
    with pytest.raises(LakeMissing):
        measure_sent(tmp_path / "nowhere", Packing(500, 1_024_000, 0))


def test_objects_are_read_gzipped_or_not_and_counted_by_table(tmp_path: Path) -> None:
    folder = tmp_path / "raw/coinbase/2026/11/23/02"
    folder.mkdir(parents=True)
    (folder / "a.gz").write_bytes(gzip.compress(line(1) + line(2)))
    (folder / "b").write_bytes(line(3))
    key = put(tmp_path, "x", [ticker(1)])
    assert 3 == measure_sent(tmp_path, Packing(500, 1_024_000, 0)).lines
    stored = measure_stored(tmp_path)
    assert (2, 1, 0) == (stored.objects["raw"], stored.objects["processed"], stored.objects["history"])
    assert (tmp_path / key).stat().st_size == stored.sizes_bytes["processed"]


def test_a_bill_is_amounts_times_prices() -> None:
    sent = count_sent([line(at % 60) for at in range(1000)], Packing(500, 1_024_000, 10**9))
    stored = Stored(
        objects={"processed": 3, "raw": 1, "errors": 0, "history": 0, "compacted": 0},
        sizes_bytes={"processed": GB, "raw": GB, "errors": 0, "history": 0, "compacted": 0},
    )
    bill = plan_bill(sent, stored)
    costs = {(item.name, item.unit): item.cost for item in bill.once}
    assert Decimal(sent.billed_bytes) / GB * Decimal("0.029") == costs["Firehose ingest", "GB"]
    assert Decimal("0.000015") == costs["Firehose partitioning", "objects"]
    assert Decimal("0.00002") == costs["S3 PUT requests", "objects"]
    assert Decimal("0.046") == bill.monthly[0].cost
    assert bill.total_singly > 9 * bill.total - sum(c for (_, unit), c in costs.items() if unit != "GB") * 9
    assert bill.total == sum(costs.values())


def test_every_price_has_its_unit_and_source_and_says_whether_it_was_compared() -> None:
    loaded = load_prices()
    assert "2026-11-23" == str(loaded["as_of"])
    for name, listed in loaded["prices"].items():
        assert Decimal(listed["price"]) > 0, name
        assert listed["unit"], name
        assert listed["source"], name
        assert isinstance(listed["verified"], bool), name
    assert all(assumed["why"] for assumed in loaded["assumptions"].values())
