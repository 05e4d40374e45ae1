from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import JournalFull
from producer.journal import Journal
from producer.lane import STEP_BYTES, WINDOW_BYTES, Lane, share
from producer.line import LineEncoder, n_of
from producer.packing import Pack

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"


def lane_with(path: Path, count: int, *, filler: int = 500, linger_s: float = 0.0) -> tuple[Journal, Lane]:
    journal = Journal(path, SESSION, fsync="never")
    encoder = LineEncoder(SESSION)
    for n in range(count):
        message = b'{"x":"%b"}' % (b"a" * filler)
        journal.append(encoder.encode(n=n, kind="ticker", source="simulated", receive_us=n, message=message))
    return journal, Lane(journal.live, linger_s=linger_s)


def advance(lane: Lane) -> None:
    while lane.read_ahead(0.0):
        pass
    lane.plan(0.0, flush=True)


def pack_of(name: str, first_n: int, size_bytes: int = 30) -> Pack:
    return Pack(name, first_n, first_n, 1, b"x" * size_bytes)


def test_what_a_lane_holds_is_bounded_and_it_reads_on_from_half(tmp_path: Path) -> None:
    journal, lane = lane_with(tmp_path, 20_000)
    advance(lane)
    held = sum(len(pack.content) for pack in lane.packs)
    assert WINDOW_BYTES <= held < WINDOW_BYTES * 1.01
    for pack in lane.packs[: len(lane.packs) // 3]:
        lane.deliver(pack)
    advance(lane)
    assert held * 3 // 4 > sum(len(pack.content) for pack in lane.packs)
    for pack in lane.packs[: len(lane.packs) // 2]:
        lane.deliver(pack)
    advance(lane)

    assert WINDOW_BYTES <= sum(len(pack.content) for pack in lane.packs) < WINDOW_BYTES * 1.01
    journal.close()


def test_one_step_is_short(tmp_path: Path) -> None:
    _, lane = lane_with(tmp_path, 20_000)
    assert lane.read_ahead(0.0)

    assert STEP_BYTES <= lane._held_bytes < STEP_BYTES * 1.01


def test_a_lane_that_is_emptied_holds_nothing(tmp_path: Path) -> None:
    journal, lane = lane_with(tmp_path, 3000)
    for _ in range(3):  # a drift of a byte a line would show
        advance(lane)
        for pack in lane.packs:
            lane.deliver(pack)

    assert (0, [], None) == (lane._held_bytes, lane.packs, lane.oldest())
    assert 0 == journal.pending


def test_packs_sent_again_go_first_in_their_order(tmp_path: Path) -> None:
    _, lane = lane_with(tmp_path, 3000)
    advance(lane)
    first, second, third, *rest = lane.packs
    lane.send_again([third, first])
    assert [first, third, second, *rest] == lane.packs
    lane.send_again([third, second])
    assert [first, third, second, *rest] == lane.packs
    lane.put_back(first)

    assert [third, second, *rest, first] == lane.packs
    assert 0 == n_of(lane.oldest() or b"")


def test_a_pack_refused_without_room_to_keep_it_stays(tmp_path: Path) -> None:
    journal, lane = lane_with(tmp_path, 600)
    advance(lane)
    pack = lane.packs[0]
    (journal.live.path / "refused.ndjson").symlink_to("/dev/full")
    with pytest.raises(JournalFull, match="No space left"):
        lane.refuse(pack, "reason")
    assert (pack, 600) == (lane.packs[0], journal.pending)
    (journal.live.path / "refused.ndjson").unlink()
    lane.refuse(pack, "reason")

    assert {"reason": pack.line_count} == journal.live.refused
    assert pack not in lane.packs


def test_a_long_line_without_room_to_keep_it_waits_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal, lane = lane_with(tmp_path, 1, filler=1_030_000)
    (journal.live.path / "refused.ndjson").symlink_to("/dev/full")
    for _ in range(3):
        advance(lane)
    assert 1 == len(caplog.records)
    assert "No space left" in lane.blocked
    (journal.live.path / "refused.ndjson").unlink()
    advance(lane)

    assert {"line_too_long": 1} == journal.live.refused
    assert 0 == lane._held_bytes


def test_each_queue_has_its_share_and_at_least_its_first() -> None:
    a = [pack_of("a", n, 300) for n in range(4)]
    b = [pack_of("b", n, 300) for n in range(4)]

    assert [*a[:2], *b[:2], *a[2:], *b[2:]] == share([a, b], 1700)
    assert [a[0], b[0], *a[1:], *b[1:]] == share([a, b], 10)
    assert a == share([a], 10)
    assert [*a] == share([a, []], 1_000_000)


@given(st.lists(st.lists(st.integers(1, 900), max_size=12), min_size=1, max_size=3), st.integers(1, 5000))
def test_sharing_loses_nothing_and_keeps_each_order(queues: list[list[int]], room: int) -> None:
    packs = [[pack_of(str(name), n, size) for n, size in enumerate(queue)] for name, queue in enumerate(queues)]
    shared = share(packs, room)

    for name, queue in enumerate(packs):
        assert queue == [pack for pack in shared if pack.session == str(name)]
