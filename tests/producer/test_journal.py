from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from producer.errors import JournalDamaged, JournalFull, JournalLocked
from producer.journal import Journal
from producer.line import LineEncoder
from producer.session_log import SessionLog, sync_and_close

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "01JDB3M7Q8RSTVWXYZ01234567"
SECOND = "01JDB3M7Q8RSTVWXYZ01234568"
THIRD = "01JDB3M7Q8RSTVWXYZ01234569"
FOURTH = "01JDB3M7Q8RSTVWXYZ0123456A"


def append(journal: Journal, count: int, *, filler: int = 10) -> list[bytes]:
    encoder = LineEncoder(journal.session)
    lines = []
    for _ in range(count):
        message = b'{"x":"%b"}' % (b"a" * filler)
        line = encoder.encode(n=journal.next_n, kind="ticker", source="simulated", receive_us=0, message=message)
        journal.append(line)
        lines.append(line)
    return lines


def read_all(log: SessionLog) -> list[int]:
    numbers: list[int] = []
    while entries := log.read(10_000):
        numbers += [entry.n for entry in entries]
    return numbers


def crash(journal: Journal) -> None:
    """What kill -9 does to a journal: the descriptors close, nothing is written."""
    os.close(journal._fd)
    os.close(journal._lock)


def test_lines_are_read_back_as_written_while_more_are_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    first = append(journal, 3)
    assert first == [entry.line for entry in journal.live.read(10**6)]
    assert [] == journal.live.read(10**6)
    second = append(journal, 2)

    assert second == [entry.line for entry in journal.live.read(10**6)]
    assert (5, 5) == (journal.next_n, journal.pending)


def test_reading_stops_near_the_bytes_asked_for_and_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 100, filler=1000)
    first = journal.live.read(5_000)

    assert 5 == len(first)
    assert list(range(5, 100)) == read_all(journal.live)


def test_segments_roll_over_and_are_deleted_once_settled_and_remembered(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, segment_bytes=2_000)
    append(journal, 50, filler=100)
    assert 5 < len(journal.live.segments())
    assert list(range(50)) == read_all(journal.live)
    before = journal.fill
    journal.live.settle(0, 24)
    journal.checkpoint({})
    left = journal.live.segments()

    assert 0 < int(left[0].stem) <= 25
    assert journal.fill < before
    assert 25 == journal.pending
    journal.live.settle(25, 49)
    journal.checkpoint({})
    assert 1 == len(journal.live.segments())
    append(journal, 1)
    assert [50] == read_all(journal.live)


def test_a_settled_line_behind_an_unsettled_one_keeps_its_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, segment_bytes=2_000)
    append(journal, 50, filler=100)
    journal.live.settle(1, 49)
    journal.checkpoint({})

    assert "00000000000000000000" == journal.live.segments()[0].stem


def test_a_crash_loses_no_line_and_settled_lines_are_not_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, segment_bytes=2_000)
    append(journal, 30, filler=100)
    journal.live.settle(0, 9)
    journal.live.settle(20, 24)
    journal.checkpoint({"x": 1})
    append(journal, 5)
    crash(journal)
    again = Journal(tmp_path, SECOND)
    (left,) = again.backlog

    assert (35, 20) == (left.written, left.pending)
    assert [*range(10, 20), *range(25, 35)] == read_all(left)
    assert 20 == again.backlog_pending


def test_what_was_remembered_is_inherited_with_the_lines_since(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 3)
    journal.checkpoint({"last": 3})
    append(journal, 2)
    crash(journal)
    memory, since = Journal(tmp_path, SECOND).inherited()

    assert {"last": 3} == memory
    assert [3, 4] == [entry.n for entry in since]


def test_memory_survives_a_drained_session_and_a_clean_close(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 3)
    journal.live.settle(0, 2)
    journal.checkpoint({"last": 3})
    journal.close()
    second = Journal(tmp_path, SECOND)
    memory, since = second.inherited()
    assert ({"last": 3}, []) == (memory, list(since))
    second.checkpoint(memory)
    assert [FIRST] == [log.session for log in second.forget_drained()]
    assert not (tmp_path / FIRST).exists()
    second.close()

    assert {"last": 3} == Journal(tmp_path, THIRD).inherited()[0]


def test_a_torn_tail_is_cut_and_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 3)
    crash(journal)
    path = journal.live.segments()[0]
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'0badc0de {"v":1,"sess')
    (left,) = Journal(tmp_path, SECOND).backlog

    assert (3, 21) == (left.written, left.torn_bytes)
    assert whole == path.stat().st_size
    assert [0, 1, 2] == read_all(left)


def test_damage_in_the_middle_is_set_aside_and_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 10, filler=100)
    crash(journal)
    path = journal.live.segments()[0]
    content = bytearray(path.read_bytes())
    third = [at for at, byte in enumerate(content) if byte == ord("\n")][2] + 60
    content[third] ^= 0x10
    path.write_bytes(content)
    (left,) = Journal(tmp_path, SECOND).backlog

    assert [0, 1, *range(3, 10)] == read_all(left)
    assert {"journal_damaged": 1} == left.refused
    assert 9 == left.pending
    (kept,) = [json.loads(each) for each in (left.path / "refused.ndjson").read_text().splitlines()]
    assert "bad_record" == kept["damage"]


def test_damage_at_the_end_of_a_dead_session_is_counted_by_what_was_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 10, filler=100)
    journal.live.settle(0, 1)
    journal.checkpoint({})
    crash(journal)
    path = journal.live.segments()[0]
    content = path.read_bytes()
    path.write_bytes(content[:-400] + b"\n" + bytes(399))
    (left,) = Journal(tmp_path, SECOND).backlog
    read = read_all(left)
    left.settle(2, read[-1])

    assert 0 == left.pending
    assert 10 == left.written
    assert 10 - 2 - len(read) == left.refused["journal_damaged"]


def test_a_second_process_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)

    with pytest.raises(JournalLocked, match=f"process {os.getpid()}, session {FIRST}"):
        Journal(tmp_path, SECOND)
    journal.close()
    Journal(tmp_path, THIRD).close()


def test_a_full_journal_takes_no_line_and_recovers_when_space_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, max_bytes=20_000, segment_bytes=2_000)
    with pytest.raises(JournalFull, match="of 20,000 bytes"):
        append(journal, 1_000, filler=100)
    written = journal.next_n
    assert list(range(written)) == read_all(journal.live)
    journal.live.settle(0, written - 1)
    journal.checkpoint({})
    append(journal, 1)

    assert [written] == read_all(journal.live)


def test_the_bytes_of_earlier_sessions_count_against_the_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 100, filler=100)
    crash(journal)
    again = Journal(tmp_path, SECOND, max_bytes=journal.live.size_bytes + 100)

    with pytest.raises(JournalFull):
        append(again, 1, filler=100)


def test_a_disk_that_is_full_is_the_same_and_leaves_no_half_line(tmp_path: Path) -> None:
    # A file-size limit makes the kernel refuse the write midway, as a full disk does.
    script = f"""
import resource, signal, sys
from pathlib import Path
from producer.errors import JournalFull
from producer.journal import Journal
from producer.line import LineEncoder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path({str(tmp_path)!r}), {FIRST!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
encoder, written = LineEncoder({FIRST!r}), 0
try:
    while True:
        journal.append(encoder.encode(n=written, kind="ticker", source="simulated", receive_us=0, message=b'{{"x":1}}'))
        written += 1
except JournalFull as full:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(encoder.encode(n=written, kind="ticker", source="simulated", receive_us=0, message=b'{{"x":2}}'))
    print(written, full)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    written = int(done.stdout.split(" ", 1)[0])
    (left,) = Journal(tmp_path, SECOND).backlog

    assert "takes no more lines" in done.stdout
    assert 10 < written
    assert 0 == left.torn_bytes
    assert list(range(written + 1)) == read_all(left)


def test_no_room_for_a_checkpoint_leaves_the_earlier_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 3)
    journal.live.settle(0, 0)
    journal.checkpoint({})
    (journal.live.path / "checkpoint.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):  # an error that is not "no room" is not dressed up as one
        journal.checkpoint({})
    crash(journal)

    assert [1, 2] == read_all(Journal(tmp_path, SECOND).backlog[0])


def test_a_refused_line_stays_readable_with_its_reason(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    lines = append(journal, 2)
    entry, _ = journal.live.read(10**6)
    journal.live.refuse([entry], "line_too_long")
    journal.live.set_aside(1, "frame_too_long", b"\xff\x00")
    kept = [json.loads(each) for each in (journal.live.path / "refused.ndjson").read_text().splitlines()]

    assert {"n": 0, "reason": "line_too_long", "text": lines[0].decode()} == kept[0]
    assert {"n": 1, "reason": "frame_too_long", "frame": True, "base64": "/wA="} == kept[1]
    assert (1, {"line_too_long": 1}) == (journal.pending, journal.live.refused)


def test_a_drained_session_with_refused_lines_leaves_them_for_a_person(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 1)
    journal.live.refuse(journal.live.read(10**6), "line_too_long")
    journal.checkpoint({})
    journal.close()
    second = Journal(tmp_path, SECOND)
    second.checkpoint({})
    second.forget_drained()

    assert ["refused.ndjson"] == [path.name for path in (tmp_path / FIRST).iterdir()]
    second.close()
    assert [SECOND] == [log.session for log in Journal(tmp_path, THIRD).backlog]


def test_a_checkpoint_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 1)
    crash(journal)
    (tmp_path / FIRST / "checkpoint.json").write_text('{"format":2}')

    with pytest.raises(JournalDamaged, match="of a later version"):
        Journal(tmp_path, SECOND)


def test_flushing_to_disk_follows_the_setting(tmp_path: Path) -> None:
    for name, session, expected in (("never", FIRST, False), ("interval", SECOND, True), ("always", THIRD, False)):
        setting: Any = name
        journal = Journal(tmp_path / name, session, fsync=setting)
        append(journal, 1)
        journal.checkpoint({})
        descriptors = journal.descriptors_to_sync()
        assert (2 if expected else 0) == len(descriptors)  # the lines, and the checkpoint
        for descriptor in descriptors:
            sync_and_close(descriptor)
            assert [] == journal.descriptors_to_sync()
            with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
                os.fstat(descriptor)
        journal.close()


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST)

    assert not os.get_inheritable(journal._fd)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > journal._fd


def test_a_small_bound_is_freed_by_delivery_for_ever(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FIRST, max_bytes=64 * 1024)
    for _ in range(5):
        with pytest.raises(JournalFull):
            append(journal, 10_000, filler=100)
        assert journal.pending > 200
        journal.live.settle(0, journal.next_n - 1)
        journal.checkpoint({})
        assert journal.fill < 0.1

    append(journal, 200, filler=100)
    journal.close()


def test_a_full_disk_has_room_for_the_checkpoint_that_frees_it(small_disk: Path) -> None:
    journal = Journal(small_disk, FIRST, max_bytes=8 * 1024 * 1024)
    for _ in range(3):
        with pytest.raises(JournalFull, match=r"No space left|the disk took"):
            append(journal, 100_000, filler=1000)
        assert journal.pending > 1000
        journal.live.settle(0, journal.next_n - 1)
        journal.checkpoint({"x": "y" * 50_000})
        assert (small_disk / "reserve").exists()

    append(journal, 1000, filler=1000)
    assert 1000 == journal.pending
    crash(journal)
    (left,) = Journal(small_disk, SECOND).backlog
    assert 1000 == len(read_all(left))


def test_a_journal_opens_on_a_full_disk_and_what_was_left_can_make_room(small_disk: Path) -> None:
    journal = Journal(small_disk, FIRST)
    with pytest.raises(JournalFull):
        append(journal, 100_000, filler=1000)
    crash(journal)
    with (small_disk / "other").open("wb", buffering=0) as other:  # somebody else's file takes the rest
        while other.write(bytes(4096)) == 4096 if _has_room(small_disk) else False:
            pass
    again = Journal(small_disk, SECOND)
    with pytest.raises(JournalFull):
        append(again, 1)
    (left,) = again.backlog
    read = read_all(left)
    left.settle(0, read[-1])
    again.checkpoint({})
    again.forget_drained()
    append(again, 1)

    assert 1 == again.pending
    again.close()


def _has_room(path: Path) -> bool:
    state = os.statvfs(path)
    return state.f_bavail * state.f_bsize >= 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, where this machine lets us make one."""
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount a small file system here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_refused_lines_count_against_the_bound_up_to_their_share_also_those_left_for_a_person(tmp_path: Path) -> None:
    left = tmp_path / FIRST
    left.mkdir()
    (left / "refused.ndjson").write_bytes(b"x" * 3_000 + b"\n")
    journal = Journal(tmp_path, SECOND, max_bytes=20_000, segment_bytes=2_000)
    assert 3_001 / 20_000 < journal.fill < 3_200 / 20_000
    with pytest.raises(JournalFull, match="3,001 of them of refused lines"):
        append(journal, 1_000, filler=100)
    (left / "refused.ndjson").write_bytes(b"x" * 100_000)
    journal.checkpoint({})
    assert 0.25 + 0.75 < journal.fill < 1.25
    (left / "refused.ndjson").unlink()  # a person has read them
    journal.checkpoint({})
    append(journal, 1)


def test_what_is_refused_beyond_its_share_keeps_the_feed_writing_and_is_noted_line_by_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, FIRST, max_bytes=40_000, segment_bytes=2_000)
    for _ in range(200):  # a Firehose that refuses everything for good
        append(journal, 1, filler=400)
        journal.live.refuse(journal.live.read(10**6), "firehose_InvalidArgumentException")
        journal.checkpoint({})
    notes = [json.loads(each) for each in (tmp_path / FIRST / "refused.ndjson").read_text().splitlines()]
    whole = [note for note in notes if "text" in note]

    assert (200, {"firehose_InvalidArgumentException": 200}) == (journal.next_n, journal.live.refused)
    assert list(range(200)) == [note["n"] for note in notes]
    assert 0 < len(whole) < 40
    assert all({"n", "reason", "bytes", "sha256", "head_text"} == set(note) for note in notes[len(whole) :])
    assert 1 == caplog.text.count("Move the files refused.ndjson away")
    with pytest.raises(JournalFull, match="more than its share"):
        journal.live.set_aside(3, "frame_too_long", b"x" * 3_000)
