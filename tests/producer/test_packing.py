from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producer.packing import (
    BILLED_STEP_BYTES,
    MAX_BATCH_BODY_BYTES,
    MAX_BATCH_PACKS,
    MAX_PACK_BYTES,
    MAX_PACK_LINES,
    Pack,
    Waiting,
    plan_batch,
    plan_packs,
)
from producer.segment import Entry

SIZES = st.lists(
    st.one_of(st.integers(1, 700), st.sampled_from([MAX_PACK_BYTES - 2, MAX_PACK_BYTES - 1, MAX_PACK_BYTES, 400_000])),
    max_size=40,
)


def waiting(sizes: list[int], *, since: float = 0.0, first_n: int = 0) -> list[Waiting]:
    return [Waiting(Entry(first_n + at, b"x" * size), since) for at, size in enumerate(sizes)]


def pack_of(size_bytes: int) -> Pack:
    return Pack("S", 0, 0, 1, b"x" * size_bytes)


@given(SIZES, st.booleans())
def test_no_limit_is_broken_and_no_line_lost_or_moved(sizes: list[int], flush: bool) -> None:
    lines = waiting(sizes, since=0.0)
    plan = plan_packs("S", lines, now=0.0, linger_s=0.0 if flush else 5.0)
    packed = [line for pack in plan.packs for line in pack.content.split(b"\n")[:-1]]
    taken = [each.entry.line for each in lines[: plan.taken]]

    assert [line for line in taken if len(line) < MAX_PACK_BYTES] == packed
    assert [line for line in taken if len(line) >= MAX_PACK_BYTES] == [entry.line for entry in plan.oversize]
    assert all(len(pack.content) <= MAX_PACK_BYTES for pack in plan.packs)
    assert all(pack.line_count <= MAX_PACK_LINES for pack in plan.packs)
    assert all(pack.last_n - pack.first_n + 1 == pack.line_count for pack in plan.packs)
    if flush:
        assert len(lines) == plan.taken


def test_the_pack_limit_is_exact() -> None:
    fits = plan_packs("S", waiting([MAX_PACK_BYTES - 1]), now=0.0, linger_s=0.0)
    too_long = plan_packs("S", waiting([MAX_PACK_BYTES]), now=0.0, linger_s=0.0)

    assert [len(pack.content) for pack in fits.packs] == [MAX_PACK_BYTES]
    assert ((), 1, 1) == (too_long.packs, len(too_long.oversize), too_long.taken)


def test_lines_wait_for_the_linger_time() -> None:
    lines = waiting([500] * 30)

    assert 0 == plan_packs("S", lines, now=4.9, linger_s=5.0).taken
    assert 30 == plan_packs("S", lines, now=5.0, linger_s=5.0).taken


def test_a_five_hundred_and_first_line_goes_into_the_next_pack() -> None:
    plan = plan_packs("S", waiting([100] * 501), now=0.0, linger_s=0.0)

    assert all(pack.line_count <= 500 for pack in plan.packs)
    assert 501 == sum(pack.line_count for pack in plan.packs)


def test_a_full_pack_is_cut_where_the_bill_rounds_least() -> None:
    plan = plan_packs("S", waiting([549] * 600), now=0.0, linger_s=5.0)
    (pack,) = plan.packs

    assert 484 <= pack.line_count <= 500
    assert pack.billed_bytes - len(pack.content) < 550
    assert 0 == pack.billed_bytes % BILLED_STEP_BYTES


def test_young_lines_may_stay_behind_for_a_better_fill() -> None:
    lines = waiting([549] * 12, since=0.0) + waiting([549] * 8, since=3.0, first_n=12)
    (pack,) = plan_packs("S", lines, now=5.0, linger_s=5.0).packs

    assert 18 == pack.line_count  # 18 x 550 = 9,900 of 10,240 bytes; all 20 would be 11,000 of 15,360


def test_lines_that_are_not_neighbours_never_share_a_pack() -> None:
    lines = waiting([100] * 3) + waiting([100] * 3, first_n=7)
    plan = plan_packs("S", lines, now=0.0, linger_s=0.0)

    assert [(0, 2), (7, 9)] == [(pack.first_n, pack.last_n) for pack in plan.packs]


def test_a_batch_keeps_both_limits_of_a_call() -> None:
    assert MAX_BATCH_PACKS == plan_batch([pack_of(100)] * 600)
    assert 3 == plan_batch([pack_of(1_000_000)] * 5)
    assert 1 == plan_batch([pack_of(1_000_000)] * 5, max_body_bytes=10)
    assert 0 == plan_batch([])


@given(st.lists(st.integers(1, MAX_PACK_BYTES), max_size=12))
def test_a_batch_holds_however_its_bytes_are_counted(sizes: list[int]) -> None:
    packs = [pack_of(size) for size in sizes]
    batch = packs[: plan_batch(packs)]

    assert sum(len(pack.content) for pack in batch) <= MAX_BATCH_BODY_BYTES
    assert sum(pack.base64_bytes for pack in batch) <= MAX_BATCH_BODY_BYTES
