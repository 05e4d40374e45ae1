from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.objects import MAX_NESTED, decode_object
from contract.reasons import LineRefused


def reason_of(text: bytes, *, levels: int = MAX_NESTED) -> str:
    with pytest.raises(LineRefused) as refused:
        decode_object(text, levels=levels)
    return refused.value.reason


def nested(depth: int) -> bytes:
    """An object of `depth` levels."""
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "line_not_json"),
        (b"[]", "line_not_json"),
        (b'{"a":1}{"b":2}', "line_not_json"),
        (b'{"a":NaN}', "line_not_json"),
        (b'{"a":01}', "line_not_json"),
        (b'{"a":"\\ud800"}', "line_not_json"),
        (b"\xef\xbb\xbf{}", "line_not_json"),
        (b'{"a":"\xff"}', "line_not_utf8"),
    ],
)
def test_what_is_not_one_json_object_is_refused(text: bytes, reason: str) -> None:
    assert reason == reason_of(text)


@pytest.mark.parametrize("depth", [2, 10, MAX_NESTED])
def test_nested_lists_are_read(depth: int) -> None:
    assert ["x"] == list(decode_object(nested(depth)))


@pytest.mark.parametrize("depth", [MAX_NESTED + 1, 990, 1_000, 1_020, 1_030, 100_000])
def test_nesting_beyond_reason_is_refused_not_raised(depth: int) -> None:
    assert "line_not_json" == reason_of(nested(depth))


def test_how_many_levels_are_beyond_reason_is_the_callers_to_say() -> None:
    assert ["x"] == list(decode_object(nested(7), levels=7))
    assert "line_not_json" == reason_of(nested(8), levels=7)


@pytest.mark.parametrize("depth", [50, 400])
def test_nested_objects_with_a_key_twice_are_refused(depth: int) -> None:
    assert "line_not_json" == reason_of(b'{"a":' * depth + b'{"b":1,"b":2}' + b"}" * depth)


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert {"a": {"a": 1}, "message": {"a": 1}} == decode_object(b'{"a":{"a":1},"message":{"a":1}}')


def test_text_that_looks_like_a_key_is_no_key() -> None:
    assert {"why": '"why":"why":'} == decode_object(b'{"why":"\\"why\\":\\"why\\":"}')


@given(st.dictionaries(st.text(), st.integers(0, 9), max_size=5), st.data())
def test_a_key_that_stands_twice_is_always_seen(members: dict[str, int], data: st.DataObject) -> None:
    space = st.text(" \t\r\n", max_size=2)
    pairs = list(members.items())
    twice = data.draw(st.booleans()) and bool(pairs)
    if twice:
        pairs.append((data.draw(st.sampled_from(pairs))[0], 7))
    written = ",".join(f"{json.dumps(key)}{data.draw(space)}:{data.draw(space)}{value}" for key, value in pairs)
    text = data.draw(st.sampled_from(["{%s}", '{"message":{%s}}', '{"x":{%s}}'])) % written
    if twice:
        assert "line_not_json" == reason_of(text.encode())
    else:
        assert json.loads(text) == decode_object(text.encode())


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(text: bytes) -> None:
    with suppress(LineRefused):
        decode_object(text)
