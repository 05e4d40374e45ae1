from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.journal import Journal
from producer.line import LineEncoder
from producer.salvage import salvage
from producer.segment import Entry, encode_record
from producer.session_log import SessionLog
from producer.survey import verify

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
NEXT = "01JDB3M7Q8RSTVWXYZ01234568"


def line(n: int) -> bytes:
    return LineEncoder(SESSION).encode(
        n=n, kind="ticker", source="simulated", receive_us=n, message=b'{"x":"%b"}' % (b"a" * 90)
    )


def journal_of(path: Path, count: int, *, settled: tuple[int, int] | None = None) -> Path:
    journal = Journal(path, SESSION, fsync="never", segment_bytes=2_000)
    for n in range(count):
        journal.append(line(n))
    if settled is not None:
        journal.live.settle(*settled)
    journal.checkpoint({"seen": count})
    journal.close()
    return path / SESSION


def drained(path: Path) -> list[int]:
    """What the next producer would send."""
    journal = Journal(path, NEXT, fsync="never")
    (left,) = journal.backlog
    numbers = [entry.n for entry in left.read(10**9)]
    assert left.written == left.delivered + left.pending + sum(left.refused.values())
    journal.close()
    return numbers


def test_an_intact_journal_comes_out_as_it_went_in(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 50, settled=(0, 19))
    told: list[int] = []
    salvaged = salvage(old, tmp_path / "new" / SESSION, told.append)

    assert (50, 20, 30, {}, 0) == (
        salvaged.written,
        salvaged.delivered,
        salvaged.pending,
        salvaged.refused,
        salvaged.unbalanced,
    )
    assert list(range(20, 50)) == drained(tmp_path / "new")
    assert {"seen": 50} == SessionLog(tmp_path / "new" / SESSION).memory
    assert salvaged.copied == len(told)


def test_damage_in_the_middle_costs_its_lines_and_is_kept(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 50)
    path = sorted(old.glob("*.seg"))[1]
    content = bytearray(path.read_bytes())
    content[500:700] = bytes(200)
    path.write_bytes(content)
    before = {each.name: each.read_bytes() for each in old.iterdir()}
    salvaged = salvage(old, tmp_path / "new" / SESSION, lambda _: None)
    kept = [json.loads(each) for each in (tmp_path / "new" / SESSION / "refused.ndjson").read_text().splitlines()]

    assert {"journal_damaged": len(salvaged.lost)} == salvaged.refused
    assert 50 == salvaged.copied + len(salvaged.lost)
    assert 0 == salvaged.unbalanced
    assert salvaged.damaged_bytes == sum(len(each.get("text", each.get("base64"))) for each in kept if "text" in each)
    assert before == {each.name: each.read_bytes() for each in old.iterdir()}
    assert salvaged.copied == len(drained(tmp_path / "new"))
    assert verify(tmp_path / "new" / SESSION, lambda _: None).is_intact


def test_a_lost_checkpoint_makes_every_line_pending(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 50, settled=(0, 4))
    (old / "checkpoint.json").write_text("?")
    salvage(old, tmp_path / "new" / SESSION, lambda _: None)

    assert list(range(50)) == drained(tmp_path / "new")


def test_a_torn_tail_and_a_repeated_line_are_left_out(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 50)
    with max(old.glob("*.seg")).open("ab") as file:
        file.write(encode_record(line(49)) + b"torn")
    salvaged = salvage(old, tmp_path / "new" / SESSION, lambda _: None)

    assert (50, 1, 0, 0) == (salvaged.copied, salvaged.repeats, salvaged.damaged_bytes, salvaged.unbalanced)
    assert list(range(50)) == drained(tmp_path / "new")


def test_refused_lines_of_before_come_along(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 5)
    log = SessionLog(old)
    log.refuse([Entry(2, line(2))], "line_too_long")
    log.checkpoint()
    salvaged = salvage(old, tmp_path / "new" / SESSION, lambda _: None)

    assert ({"line_too_long": 1}, 4) == (salvaged.refused, salvaged.pending)
    assert (old / "refused.ndjson").read_bytes() == (tmp_path / "new" / SESSION / "refused.ndjson").read_bytes()


def test_a_folder_that_exists_is_not_written_into(tmp_path: Path) -> None:
    old = journal_of(tmp_path / "old", 5)
    (tmp_path / "new" / SESSION).mkdir(parents=True)
    with pytest.raises(FileExistsError):
        salvage(old, tmp_path / "new" / SESSION, lambda _: None)


@settings(max_examples=60)
@given(
    flips=st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 255)), max_size=6),
    cut=st.integers(0, 3_000),
    settled=st.integers(-1, 39),
)
def test_whatever_happens_to_the_bytes_the_receipt_balances_and_intact_lines_survive(
    flips: list[tuple[int, int]], cut: int, settled: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        old = journal_of(root / "old", 40, settled=(0, settled) if settled >= 0 else None)
        segments = sorted(old.glob("*.seg"))
        for at, flip in flips:
            path = segments[at % len(segments)]
            content = bytearray(path.read_bytes())
            content[at % len(content)] ^= flip
            path.write_bytes(content)
        with segments[-1].open("r+b") as file:
            file.truncate(max(0, segments[-1].stat().st_size - cut))
        verdict = verify(old, lambda _: None)
        salvaged = salvage(old, root / "new" / SESSION, lambda _: None)

        assert 0 == salvaged.unbalanced
        assert verdict.intact == salvaged.copied + salvaged.repeats
        assert verdict.lost == salvaged.lost
        assert salvaged.pending == len(drained(root / "new"))
