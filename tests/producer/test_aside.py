from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.aside import HEAD_BYTES, Aside, Note, bytes_aside, note_of_damage
from producer.errors import JournalFull
from producer.segment import Damage

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path) -> list[dict[str, object]]:
    return [json.loads(each) for each in (folder / "refused.ndjson").read_bytes().splitlines()]


def test_texts_are_kept_whole_while_there_is_room_and_noted_after_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aside = Aside(tmp_path / "session")
    aside.room_bytes = lambda: 400 - bytes_aside(tmp_path / "session")
    for n in range(4):
        aside.keep([Note({"n": n, "reason": "why"}, b"x" * 300)])
    first, *others = read(tmp_path / "session")

    assert {"n": 0, "reason": "why", "text": "x" * 300} == first
    noted = {"bytes": 300, "sha256": hashlib.sha256(b"x" * 300).hexdigest(), "head_text": "x" * HEAD_BYTES}
    assert [{"n": n, "reason": "why", **noted} for n in (1, 2, 3)] == others
    assert 1 == caplog.text.count("has taken its share")


def test_what_is_wanted_whole_is_refused_where_it_has_no_room(tmp_path: Path) -> None:
    aside = Aside(tmp_path)
    aside.room_bytes = lambda: 100
    with pytest.raises(JournalFull, match="more than its share"):
        aside.keep_whole(Note({"n": 1}, b"x" * 300))

    assert 0 == bytes_aside(tmp_path)


def test_damage_is_noted_with_its_place(tmp_path: Path) -> None:
    Aside(tmp_path).keep([note_of_damage(Damage(tmp_path / "0.seg", 7, b"\xff", "bad_record"))])

    assert [{"damage": "bad_record", "segment": "0.seg", "offset": 7, "base64": "/w=="}] == read(tmp_path)


def test_a_file_beside_the_sessions_has_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    assert (0, 0) == (bytes_aside(tmp_path / "lock"), bytes_aside(tmp_path / "none"))


@given(content=st.binary(max_size=400), whole=st.booleans())
def test_a_note_is_one_line_whatever_it_holds(content: bytes, whole: bool) -> None:
    encoded = Note({"n": 1}, content).encode(whole=whole)

    assert 1 == json.loads(encoded)["n"]
    assert (1, encoded[-1:]) == (encoded.count(b"\n"), b"\n")
