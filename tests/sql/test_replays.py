"""The rules of replays: which objects count, what a record says, what is not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.history import ManifestDamaged
from sql.replays import (
    Record,
    Replays,
    counts,
    decode_record,
    encode_record,
    gather,
    is_placed,
    is_record,
    kept_key,
    placed_key,
    plan_holding,
    record_key,
)

FOLDER = "processed/coinbase/ticker/2026/11/23/02"
OLD, NEW, NEWER = f"{FOLDER}/old.parquet", placed_key(FOLDER, "0123456789abcdef", 0), placed_key(FOLDER, "f" * 16, 0)
FIRST = Record(1, "0123456789abcdef", {"found": 1}, (NEW,), (OLD,))
SECOND = Record(2, "f" * 16, {"found": 1}, (NEWER,), (NEW,))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"{FOLDER}/a.parquet", True),
        (f"{FOLDER}/a.json", False),
        (OLD, False),
        (NEW, True),
        (placed_key(FOLDER, "fedcba9876543210", 0), False),
    ],
)
def test_an_object_counts_unless_a_replay_says_otherwise(key: str, expected: bool) -> None:
    assert expected == counts(key, gather([FIRST]))


def test_what_a_replay_placed_another_may_replace() -> None:
    both = gather([SECOND, FIRST])
    assert [False, False, True] == [counts(key, both) for key in (OLD, NEW, NEWER)]
    assert 3 == both.next_number
    assert Replays() == gather([])


def test_a_record_that_is_missing_is_not_passed_over() -> None:
    with pytest.raises(ManifestDamaged, match=r"replay/00000001\.json cannot be believed"):
        gather([SECOND])


KEYS = st.lists(st.from_regex(r"[0-9A-Za-z .~!'-]{1,30}\.parquet", fullmatch=True), max_size=4, unique=True)


@given(placed=KEYS, replaced=KEYS, number=st.integers(1, 99_999_999))
def test_a_record_is_read_as_it_was_written(placed: list[str], replaced: list[str], number: int) -> None:
    names = [tuple(f"{FOLDER}/{name}" for name in some) for some in (placed, replaced)]
    record = Record(number, "0" * 16, {"found": 7, "raw_hour": "2026/11/23/02"}, *names)
    assert record == decode_record(record_key(number), encode_record(record))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"replay":"a","receipt":{}}\n{',
        b'{"replay":"a","receipt":{}}\n{"key":"raw/x","counts":true}',
        b'{"replay":"a","receipt":{}}\n{"key":"processed/coinbase/ticker/../../../x","counts":false}',
        b'{"replay":"a","receipt":{}}\n{"key":7,"counts":false}',
        b'{"replay":"a","receipt":{}}\n{"counts":false}',
    ],
)
def test_a_record_that_does_not_say_what_it_should_is_not_believed(stored: bytes) -> None:
    with pytest.raises(ManifestDamaged):
        decode_record(record_key(1), stored)


def test_keys_say_what_they_are() -> None:
    assert ("replay/00000007.json", True, False) == (
        record_key(7),
        is_record(record_key(7)),
        is_record("replay/x.json"),
    )
    assert (True, False) == (is_placed(NEW), is_placed(f"{FOLDER}/ticklake-1-replay-0.parquet"))
    assert f"replaced/00000007/{OLD}" == kept_key(7, OLD)
    with pytest.raises(ManifestDamaged):
        decode_record("replay/x.json", encode_record(FIRST))


def test_sessions_asked_for_are_values_not_sql() -> None:
    sql = plan_holding({"b": (0, 7), "a'; DROP": (3, 10**30)}).sql("athena")
    assert """session = 'a''; DROP' AND n BETWEEN 3 AND 9223372036854775807""" in sql
    assert "session = 'b' AND n BETWEEN 0 AND 7" in sql
    assert "FROM delivered" in sql
    assert "n IS NULL) AND ((session" in sql
