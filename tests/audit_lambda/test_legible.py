"""Lines that no engine can read are named by object and number, whatever pieces the object comes in."""

from __future__ import annotations

import gzip
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.legible import LONGEST_LINE_BYTES, LegibleStore, Lines, is_text
from audit_lambda.verdict import decide_verdict
from local.lake.store import FolderStore
from tests.audit_lambda.whole import SECOND

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b'{"v":1,"session":"' + SECOND.encode() + b'","n":%d,"kind":"ticker"}'
BAD = GOOD % 7 + b"\xff"
RAW = "raw/coinbase/2025/03/03/03/one.gz"


def faults(*pieces: bytes) -> list[tuple[int, str]]:
    lines = Lines()
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    return [(bad.number, bad.why) for bad in lines.take()]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"a\xffb", "it is not UTF-8 (byte 2 is 0xff)"),
        (b"\xed\xa0\x80", "it is not UTF-8 (byte 1 is 0xed)"),
        (b"a\rb", "a carriage return inside"),
        (b"a\x01b", "the byte 0x01"),
        (b"x" * (LONGEST_LINE_BYTES + 1), "it has 4,194,305 bytes"),
    ],
)
def test_a_line_that_cannot_be_read_is_numbered_and_the_reason_said(line: bytes, why: str) -> None:
    ((number, said),) = faults(b"good\n" * 3 + line + b"\ngood\n")
    assert (4, True) == (number, why in said)


def test_what_every_engine_reads_is_no_fault() -> None:
    assert [] == faults("grüße\n\r\n\na\r\nlast without an end".encode())
    assert [] == faults(b"x" * LONGEST_LINE_BYTES, b"\n")
    assert [] == faults()


@given(
    st.lists(st.sampled_from([b"good", "grün".encode(), b"", b"b\xffd", b"b\rd", b"b\x01d"]), max_size=12),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces_make_no_difference(lines: list[bytes], cuts: list[int]) -> None:
    text = b"\n".join(lines)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[first:last] for first, last in pairwise(places)]
    expected = [number for number, line in enumerate(lines, 1) if line.startswith(b"b")]
    assert expected == [number for number, _ in faults(*pieces)]


def test_a_line_of_any_length_is_not_held() -> None:
    million = b"x" * 1_000_000
    assert [(2, "it has 20,000,000 bytes"), (4, "it has 5,000,001 bytes")] == faults(
        b"a\n", *[million] * 20, b"\nc\n", *[million] * 5, b"x"
    )


def test_it_is_named_with_its_object_and_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / RAW
    path.parent.mkdir(parents=True)
    text = GOOD % 6 + b"\n" + BAD + b"\n" + b"\xfe\n"
    path.write_bytes(gzip.compress(text[:70]) + gzip.compress(text[70:]))  # two members
    store = LegibleStore(FolderStore(tmp_path))
    assert path.read_bytes() == b"".join(store.read_chunks(RAW))
    result = store.result()
    assert ("found", 2) == (result.state, result.found_count)
    ours, foreign = result.findings
    assert ("damage", SECOND, 7, 7) == (ours.severity, ours.session, ours.first_id, ours.last_id)
    assert ours.what.startswith(f"{RAW}, line 2: it is not UTF-8 (byte 69 is 0xff); it begins {{")
    assert (None, None, f"{RAW}, line 3: it is not UTF-8 (byte 1 is 0xfe); it begins \\xfe") == (
        foreign.session,
        foreign.first_id,
        foreign.what,
    )
    assert 1_740_970_800_000_000 == foreign.first_us
    assert "damaged" == decide_verdict([result])


def test_lines_of_a_damaged_object_are_looked_at_as_far_as_they_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / RAW
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"\xff\n" + b"good\n" * 9)[:-12])
    store = LegibleStore(FolderStore(tmp_path))
    assert path.read_bytes() == b"".join(store.read_chunks(RAW))
    assert [1] == [finding.amount for finding in store.result().findings]


def test_what_was_not_read_was_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / RAW
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"good\n"))
    store = LegibleStore(FolderStore(tmp_path))
    assert ("not_run", "time was up") == (
        store.result(unread="time was up").state,
        store.result(unread="time was up").why,
    )
    assert path.read_bytes() == b"".join(store.read_chunks(RAW))
    assert ("partly", "passed") == (store.result(unread="time was up").state, store.result().state)
    assert "unproven" == decide_verdict([store.result(unread="time was up")])


def test_only_objects_of_lines_are_looked_at(tmp_path: Path) -> None:
    key = "processed/coinbase/ticker/2025/03/03/03/one.parquet"
    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).write_bytes(b"PAR1\xff\r\x01")
    store = LegibleStore(FolderStore(tmp_path))
    assert b"PAR1\xff\r\x01" == b"".join(store.read_chunks(key))
    assert ("passed", ()) == (store.result().state, store.result().findings)
    assert is_text("errors/coinbase/processing-failed/2025/03/03/03/one")
    assert not is_text("reports/coinbase/raw.gz")


def test_everything_else_is_the_stores_own(tmp_path: Path) -> None:
    store, own = LegibleStore(FolderStore(tmp_path)), FolderStore(tmp_path)
    store.put_record("reports/x", b"1")
    assert b"1" == store.read_record("reports/x")
    assert list(own.list_objects("reports/")) == list(store.list_objects("reports/"))
    assert own.list_level("reports/") == store.list_level("reports/")
