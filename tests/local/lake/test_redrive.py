"""Which refused lines go back on the road, and that none does twice."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from local.lake.redrive import (
    SENT,
    ErrorObjectDamaged,
    NamedLine,
    RedriveBusy,
    SentFile,
    decode_envelope,
    find_in_lake,
    is_error_object,
    plan_redrive,
    read_refused_lines,
    read_sent,
)
from sql.redriving import Hours
from tests.local.lake.refused import SESSION, envelope, line

if TYPE_CHECKING:
    from pathlib import Path


def test_every_line_is_in_one_class() -> None:
    lines = [line(1), line(1), line(2, "-1"), line(2, "-1"), line(3), line(4), b"{", b"", line(5), line(5, "2.5")]
    plan = plan_redrive(lines, in_lake={(SESSION, 3)}, sent={(SESSION, 4)})
    assert [(SESSION, 1), (SESSION, 5)] == [each.name for each in plan.to_send]
    assert {"line_not_json": 2, "price_not_positive": 1} == plan.refused
    assert (10, 3, 1, 1) == (plan.found, plan.copies, plan.in_lake, plan.sent_before)
    assert plan.is_balanced


@given(
    lines=st.lists(
        st.one_of(st.builds(line, st.integers(0, 5), st.sampled_from(["1", "-1", "2"])), st.binary(max_size=9))
    ),
    in_lake=st.sets(st.tuples(st.just(SESSION), st.integers(0, 5))),
    sent=st.sets(st.tuples(st.just(SESSION), st.integers(0, 5))),
)
def test_any_lines_balance_and_none_is_sent_twice(
    lines: list[bytes], in_lake: set[tuple[str, int]], sent: set[tuple[str, int]]
) -> None:
    plan = plan_redrive(lines, in_lake=in_lake, sent=sent)
    names = [each.name for each in plan.to_send]
    assert plan.is_balanced
    assert len(names) == len(set(names))
    assert not set(names) & (in_lake | sent)
    assert not plan_redrive(lines, in_lake=in_lake, sent=sent | set(names)).to_send


@pytest.mark.parametrize("raw", [b"one", b"one\ntwo\n", b"\xff\x00", b"", b"\n"])
def test_an_envelope_gives_back_the_lines_own_bytes(raw: bytes) -> None:
    assert raw == b"\n".join(decode_envelope(envelope(raw))) + b"\n" * raw.endswith(b"\n")


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"rawData":7}', b'{"rawData":"%"}', b"\xff"])
def test_an_envelope_that_cannot_be_read_is_itself_a_refused_line(text: bytes) -> None:
    assert [text] == decode_envelope(text)
    assert 1 == sum(plan_redrive([text], in_lake=(), sent=()).refused.values())


def test_error_objects_are_read_plain_and_gzipped(tmp_path: Path) -> None:
    folder = tmp_path / "errors/coinbase/processing-failed/2026/11/23/02"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(envelope(line(1)) + b"\n" + envelope(line(2)) + b"\n")
    (folder / "b").write_bytes(gzip.compress(envelope(b"\xff") + b"\n"))
    with open_lake(tmp_path) as lake:
        assert [line(1), line(2), b"\xff"] == list(read_refused_lines(lake, Hours()))
        assert [] == list(read_refused_lines(lake, Hours(first="2026/11/23/03")))
        assert set() == find_in_lake(LakeEngine(lake), [NamedLine((SESSION, 1), line(1))])
        assert set() == find_in_lake(LakeEngine(lake), ())


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("errors/coinbase/processing-failed/2026/11/23/02/a", True),
        ("errors/coinbase/format-conversion-failed/2026/11/23/03/a", True),
        ("errors/coinbase/metadata-extraction-failed/2026/11/23/03/a.gz", True),
        ("errors/coinbase/processing-failed/2026/11/23/01/a", False),
        ("errors/coinbase/processing-failed/2026/11/23/04/a", False),
        ("errors/coinbase/of-another-kind/2026/11/23/02/a", False),
        ("raw/coinbase/2026/11/23/02/a", False),
    ],
)
def test_an_error_object_is_known_by_its_key_and_hour(key: str, expected: bool) -> None:  # a case's column
    assert expected == is_error_object(key, Hours("2026/11/23/02", "2026/11/23/03"))


def test_a_damaged_error_object_stops_everything(tmp_path: Path) -> None:
    folder = tmp_path / "errors/coinbase/processing-failed/2026/11/23/02"
    folder.mkdir(parents=True)
    (folder / "cut").write_bytes(gzip.compress(envelope(line(1)) * 9)[:-12])
    with open_lake(tmp_path) as lake, pytest.raises(ErrorObjectDamaged, match="nothing was sent"):
        list(read_refused_lines(lake, Hours()))


def test_what_was_sent_is_remembered_and_a_torn_tail_is_no_name(tmp_path: Path) -> None:
    with SentFile(tmp_path) as sent_file:
        sent_file.append([(SESSION, 1), (SESSION, 2)])
    with (tmp_path / SENT).open("ab") as torn:
        torn.write(f'["{SESSION}", 3'.encode())
    assert {(SESSION, 1), (SESSION, 2)} == read_sent(tmp_path)
    with SentFile(tmp_path) as sent_file:
        sent_file.append([(SESSION, 4)])
    assert {(SESSION, 1), (SESSION, 2), (SESSION, 4)} == read_sent(tmp_path)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with SentFile(tmp_path), pytest.raises(RedriveBusy, match="Another redrive"), SentFile(tmp_path):
        pass


def test_nothing_was_sent_where_no_redrive_ran(tmp_path: Path) -> None:
    assert set() == read_sent(tmp_path)
