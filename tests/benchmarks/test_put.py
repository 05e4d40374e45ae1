"""Packs of the asked size are put, and the bill is counted; no processor time is asserted."""

from __future__ import annotations

from benchmarks.peers import firehose_server
from benchmarks.put import bill, build_packs, ours, plain
from producer.packing import BILLED_STEP_BYTES


def test_packs_have_the_size_asked_for() -> None:
    assert [40_000] * 3 == [len(pack.content) for pack in build_packs(3, 40_000)]


def test_both_clients_are_answered() -> None:
    with firehose_server() as endpoint:
        assert ours(endpoint, (3, 800), 1) > 0
        assert plain(endpoint, (3, 800), 1) > 0


def test_every_line_is_billed_whole() -> None:
    billed, line_bytes, frame_bytes = bill(ticks_a_second=50, linger_s=1.0, count=500)
    assert 0 == billed % BILLED_STEP_BYTES
    assert frame_bytes < line_bytes <= billed
