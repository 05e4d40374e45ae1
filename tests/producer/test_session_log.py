from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from producer.errors import JournalFull
from producer.journal import Journal
from producer.line import LineEncoder
from producer.segment import encode_record
from producer.session_log import SessionLog

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "01JDB3M7Q8RSTVWXYZ01234567"


def line(n: int, filler: int = 100) -> bytes:
    message = b'{"x":"%b"}' % (b"a" * filler)
    return LineEncoder(FIRST).encode(n=n, kind="ticker", source="simulated", receive_us=0, message=message)


def session(path: Path, count: int, *, segment_bytes: int = 10**9, settled: tuple[int, int] | None = None) -> Path:
    """A dead session's folder."""
    journal = Journal(path, FIRST, segment_bytes=segment_bytes)
    for n in range(count):
        journal.append(line(n))
    if settled is not None:
        journal.live.settle(*settled)
    journal.checkpoint({"seen": count})
    journal.close()
    return path / FIRST


def recovered(path: Path) -> SessionLog:
    each = SessionLog(path)
    each.recover()
    return each


def read_all(log: SessionLog) -> list[int]:
    numbers: list[int] = []
    while entries := log.read(10_000):
        numbers += [entry.n for entry in entries]
    return numbers


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"format":1}', '{"settled":3}', "[]", "null", "\0" * 200],
)
def test_a_damaged_checkpoint_is_set_aside_and_every_line_on_disk_is_pending_again(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = session(tmp_path, 30, settled=(0, 9))
    (path / "checkpoint.json").write_text(content)
    log = recovered(path)

    assert (30, 30) == (log.written, log.pending)
    assert list(range(30)) == read_all(log)
    assert (path / "checkpoint.json.damaged").read_text() == content
    assert "sent again" in caplog.text


def test_a_checkpoint_whose_counts_do_not_balance_is_damaged(tmp_path: Path) -> None:
    path = session(tmp_path, 30, settled=(0, 9))
    state = json.loads((path / "checkpoint.json").read_text())
    (path / "checkpoint.json").write_text(json.dumps({**state, "delivered": 9}))

    assert 30 == recovered(path).pending


def test_lines_whose_segments_are_gone_were_settled_even_if_the_checkpoint_is_lost(tmp_path: Path) -> None:
    path = session(tmp_path, 50, segment_bytes=2_000, settled=(0, 29))
    first = int(min(path.glob("*.seg")).stem)
    assert 10 < first <= 30
    (path / "checkpoint.json").unlink()
    log = recovered(path)

    assert (50, first, 50 - first) == (log.written, log.delivered, log.pending)
    assert list(range(first, 50)) == read_all(log)


def test_a_segment_that_somebody_deleted_is_lines_lost_by_name(tmp_path: Path) -> None:
    path = session(tmp_path, 50, segment_bytes=2_000)
    segments = sorted(path.glob("*.seg"))
    segments[2].unlink()
    log = recovered(path)
    read = read_all(log)
    lost = sorted(set(range(50)) - set(read))

    assert list(range(int(segments[2].stem), int(segments[3].stem))) == lost
    assert {"journal_damaged": len(lost)} == log.refused
    assert len(read) == log.pending


def test_a_segment_deleted_under_the_reader_is_lines_lost_by_name(tmp_path: Path) -> None:
    path = session(tmp_path, 50, segment_bytes=2_000)
    log = recovered(path)
    assert [0] == [entry.n for entry in log.read(1)]
    (path / "00000000000000000000.seg").unlink()
    read = read_all(log)
    log.settle(0, 0)
    log.settle(read[0], 49)

    assert (0, 50) == (log.pending, log.delivered + log.refused["journal_damaged"])


def test_all_segments_deleted_leaves_nothing_pending(tmp_path: Path) -> None:
    path = session(tmp_path, 20, settled=(0, 4))
    for each in path.glob("*.seg"):
        each.unlink()
    log = recovered(path)

    assert [] == read_all(log)
    assert (0, {"journal_damaged": 15}) == (log.pending, log.refused)


def test_a_torn_tail_in_an_older_segment_is_damage(tmp_path: Path) -> None:
    path = session(tmp_path, 50, segment_bytes=2_000)
    older = sorted(path.glob("*.seg"))[1]
    os.truncate(older, older.stat().st_size - 20)
    log = recovered(path)
    read = read_all(log)
    (note,) = [json.loads(each) for each in (path / "refused.ndjson").read_text().splitlines()]

    assert 49 == len(read)
    assert {"journal_damaged": 1} == log.refused
    assert ("torn_tail", older.name) == (note["damage"], note["segment"])


def test_damage_without_room_to_keep_it_stops_reading_before_it(tmp_path: Path) -> None:
    path = session(tmp_path, 20)
    segment = path / "00000000000000000000.seg"
    content = bytearray(segment.read_bytes())
    content[1000] ^= 1
    segment.write_bytes(content)
    (path / "refused.ndjson").symlink_to("/dev/full")
    log = recovered(path)
    before = read_all(log)
    assert {} == log.refused
    (path / "refused.ndjson").unlink()
    after = read_all(log)

    assert {"journal_damaged": 1} == log.refused
    assert 19 == len(before + after)
    assert sorted(before + after) == before + after


def test_an_old_line_on_a_newer_ones_place_is_not_given_out_twice(tmp_path: Path) -> None:
    path = session(tmp_path, 10)
    with (path / "00000000000000000000.seg").open("ab") as file:
        file.write(encode_record(line(3)) + encode_record(line(10)))
    log = recovered(path)

    assert list(range(11)) == read_all(log)
    assert {} == log.refused


def test_lines_since_the_memory_are_read_from_the_segments_that_have_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, segment_bytes=2_000)
    for n in range(50):
        if n == 40:
            journal.checkpoint({"seen": 40})
        journal.append(line(n))
    journal.close()
    log = recovered(tmp_path / FIRST)
    for path in log.segments()[:3]:
        path.write_bytes(b"not read")

    assert ({"seen": 40}, list(range(40, 50))) == (log.memory, [entry.n for entry in log.lines_since_memory()])


def test_refused_lines_are_kept_all_or_none(tmp_path: Path) -> None:
    path = session(tmp_path, 5)
    log = recovered(path)
    entries = log.read(10**6)
    (path / "refused.ndjson").symlink_to("/dev/full")
    with pytest.raises(JournalFull):
        log.refuse(entries, "why")
    assert (5, {}) == (log.pending, log.refused)
    (path / "refused.ndjson").unlink()
    log.refuse(entries, "why")

    assert (0, {"why": 5}) == (log.pending, log.refused)
    assert [0, 1, 2, 3, 4] == [json.loads(each)["n"] for each in (path / "refused.ndjson").read_text().splitlines()]


def test_removal_takes_the_checkpoint_last(tmp_path: Path) -> None:
    path = session(tmp_path, 5, settled=(0, 4))
    log = recovered(path)
    segment = log.segments()[0]
    segment.unlink()  # a crash in the middle of removing
    again = recovered(path)

    assert (0, 5, []) == (again.pending, again.delivered, read_all(again))
    again.remove()
    assert not path.exists()
