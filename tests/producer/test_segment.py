from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from producer.line import LineEncoder
from producer.segment import READ_BYTES, Damage, Entry, decode_record, encode_header, encode_record, scan

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"


def line(n: int, filler: int = 10) -> bytes:
    message = b'{"x":"%b"}' % (b"a" * filler)
    return LineEncoder(SESSION).encode(n=n, kind="ticker", source="simulated", receive_us=n, message=message)


def write(path: Path, lines: list[bytes]) -> bytes:
    content = encode_header(SESSION) + b"".join(encode_record(each) for each in lines)
    path.write_bytes(content)
    return content


def test_lines_come_back_in_order_across_reads(tmp_path: Path) -> None:
    lines = [line(n, filler=300_000) for n in range(8)]
    assert len(write(tmp_path / "a.seg", lines)) > READ_BYTES

    assert [Entry(n, each) for n, each in enumerate(lines)] == [found for _, found in scan(tmp_path / "a.seg")]


def test_reading_goes_on_where_it_stood(tmp_path: Path) -> None:
    lines = [line(n) for n in range(5)]
    write(tmp_path / "a.seg", lines)
    offsets = [offset for offset, _ in scan(tmp_path / "a.seg")]

    assert [Entry(3, lines[3]), Entry(4, lines[4])] == [found for _, found in scan(tmp_path / "a.seg", offsets[2])]


def test_a_torn_tail_is_named_at_every_cut(tmp_path: Path) -> None:
    content = write(tmp_path / "a.seg", [line(0), line(1)])
    whole = content.index(b"\n", content.index(b"\n") + 1) + 1
    for cut in range(whole + 1, len(content)):
        (tmp_path / "cut.seg").write_bytes(content[:cut])
        found = [each for _, each in scan(tmp_path / "cut.seg")]
        assert Entry(0, line(0)) == found[0]
        assert [Damage(tmp_path / "cut.seg", whole, content[whole:cut], "torn_tail")] == found[1:]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_costs_at_most_the_two_lines_it_touches(at: int, flip: int) -> None:
    lines = [line(n) for n in range(20)]
    content = bytearray(encode_header(SESSION) + b"".join(encode_record(each) for each in lines))
    content[at % len(content)] ^= flip
    records = bytes(content).split(b"\n")[:-1]
    intact = [found for record in records if (found := decode_record(record)) is not None]

    assert {entry.n for entry in intact} <= set(range(20))
    assert len(intact) >= 18
    assert all(lines[entry.n] == entry.line for entry in intact)


def test_a_zeroed_page_is_damage_and_the_rest_is_salvaged(tmp_path: Path) -> None:
    lines = [line(n) for n in range(200)]
    content = bytearray(write(tmp_path / "a.seg", lines))
    content[8192:12288] = bytes(4096)
    (tmp_path / "a.seg").write_bytes(content)
    found = [each for _, each in scan(tmp_path / "a.seg")]
    entries = [each for each in found if isinstance(each, Entry)]
    damage = [each for each in found if isinstance(each, Damage)]

    assert ["bad_record"] == [each.why for each in damage]
    assert len(content) == sum(len(encode_record(each.line)) for each in entries) + len(damage[0].content) + len(
        encode_header(SESSION)
    )
    assert all(lines[entry.n] == entry.line for entry in entries)


def test_a_header_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.seg").write_bytes(b"ticklake-journal 2 X\n" + encode_record(line(0)))

    assert [each.why if isinstance(each, Damage) else each.n for _, each in scan(tmp_path / "a.seg")] == [
        "bad_header",
        0,
    ]
