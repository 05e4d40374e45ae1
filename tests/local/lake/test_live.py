"""Which objects count, by what records say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.lake.live import RecordDamaged, find_live, read_record, write_record, write_whole
from sql.replays import Record, encode_record, record_key
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path

ID = "0123456789abcdef"


def keys(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_live(root).objects]


def test_an_object_of_a_replay_counts_once_its_record_is_there_and_what_it_replaces_no_longer_does(
    tmp_path: Path,
) -> None:
    old, other = put(tmp_path, "a", [ticker(1)]), put(tmp_path, "b", [ticker(2)])
    new = put(tmp_path, f"replay-{ID}-0", [ticker(1)])
    assert [old, other] == keys(tmp_path)
    write_whole(tmp_path / record_key(1), encode_record(Record(1, ID, {}, (new,), (old,))))
    assert [other, new] == keys(tmp_path)
    (tmp_path / old).unlink()
    assert [other, new] == keys(tmp_path)
    assert frozenset({old}) == find_live(tmp_path).replaced


def test_a_lake_without_objects_has_none(tmp_path: Path) -> None:
    assert () == find_live(tmp_path).objects


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"replay": 7}'])
def test_a_record_that_says_nothing_known_stops_everybody(tmp_path: Path, text: str) -> None:
    path = tmp_path / record_key(1)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RecordDamaged):
        find_live(tmp_path)


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x/record.json"
    write_record(path, {"a": 1})
    write_record(path, {"a": 2})
    assert {"a": 2} == read_record(path)
    assert [path] == list(path.parent.iterdir())
