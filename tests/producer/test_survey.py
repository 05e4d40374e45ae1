from __future__ import annotations

from typing import TYPE_CHECKING

from producer.journal import Journal
from producer.line import LineEncoder
from producer.lock import holder_of
from producer.segment import Damage, Entry
from producer.survey import look_over, read_lines, verify

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
AT_US = 1_795_435_200_000_000


def running(path: Path, count: int, *, segment_bytes: int = 10**9) -> Journal:
    journal = Journal(path, SESSION, fsync="never", segment_bytes=segment_bytes)
    encoder = LineEncoder(SESSION)
    for n in range(count):
        journal.append(
            encoder.encode(
                n=n, kind="ticker", source="simulated", receive_us=AT_US + n, message=b'{"x":"%b"}' % (b"a" * 90)
            )
        )
    return journal


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_a_journal_in_use_is_looked_over_without_a_lock_and_without_a_change(tmp_path: Path) -> None:
    journal = running(tmp_path, 30, segment_bytes=1_000)
    journal.live.settle(0, 9)
    journal.checkpoint({})
    before = snapshot(tmp_path)
    overview = look_over(tmp_path / SESSION)

    assert (30, 10, 20) == (overview.next_n, overview.delivered, overview.pending)
    assert AT_US + 10 == overview.oldest_pending_us
    assert 0 < overview.first_n <= 10
    assert 20 == len(list(read_lines(tmp_path / SESSION, pending_only=True)))
    assert verify(tmp_path / SESSION, lambda _: None).is_intact
    assert before == snapshot(tmp_path)
    assert SESSION in (holder_of(tmp_path) or "")
    journal.close()
    assert holder_of(tmp_path) is None


def test_nothing_pending_has_no_age(tmp_path: Path) -> None:
    journal = running(tmp_path, 3)
    journal.live.settle(0, 2)
    journal.checkpoint({})

    assert look_over(tmp_path / SESSION).oldest_pending_us is None


def test_damage_is_named_by_file_and_offset_and_what_is_lost_by_number(tmp_path: Path) -> None:
    running(tmp_path, 30).close()
    path = tmp_path / SESSION / "00000000000000000000.seg"
    content = bytearray(path.read_bytes())
    offset = content.index(b"\n", 1000) + 1
    content[offset + 40] ^= 1
    path.write_bytes(bytes(content) + b"torn")
    told: list[int] = []
    verdict = verify(tmp_path / SESSION, told.append)
    (damage,) = verdict.damages

    assert (path, offset, "bad_record") == (damage.path, damage.offset, damage.why)
    assert (29, 1) == (verdict.intact, len(verdict.lost))
    assert verdict.torn is not None
    assert b"torn" == verdict.torn.content
    assert not verdict.is_intact
    assert 29 == len(told)


def test_a_torn_tail_alone_is_intact(tmp_path: Path) -> None:
    running(tmp_path, 3).close()
    with (tmp_path / SESSION / "00000000000000000000.seg").open("ab") as file:
        file.write(b"torn")

    assert verify(tmp_path / SESSION, lambda _: None).is_intact
    assert 4 == look_over(tmp_path / SESSION).torn_bytes
    assert all(isinstance(each, Entry) for each in read_lines(tmp_path / SESSION, pending_only=False))


def test_a_missing_segment_a_bad_checkpoint_and_a_bad_note_are_damage(tmp_path: Path) -> None:
    running(tmp_path, 30, segment_bytes=1_000).close()
    folder = tmp_path / SESSION
    sorted(folder.glob("*.seg"))[1].unlink()
    (folder / "checkpoint.json").write_text("{")
    (folder / "refused.ndjson").write_text('{"n":1}\n{"n":\n')
    verdict = verify(folder, lambda _: None)

    assert 2 == len(verdict.other_damage)
    assert "line 2" in verdict.other_damage[1]
    assert 0 < len(verdict.lost) < 30
    assert [] == verdict.damages


def test_a_segment_that_goes_while_it_is_read_is_passed_over(tmp_path: Path) -> None:
    running(tmp_path, 30, segment_bytes=1_000).close()
    lines = read_lines(tmp_path / SESSION, pending_only=False)
    first = next(lines)
    sorted((tmp_path / SESSION).glob("*.seg"))[1].unlink()
    rest = list(lines)

    assert isinstance(first, Entry)
    assert not any(isinstance(each, Damage) for each in rest)
    assert 0 < len(rest) < 29
