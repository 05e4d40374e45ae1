from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from transform_lambda.decode import LINE_LIMIT_BYTES, MAX_NESTED, decode_line, read_name
from transform_lambda.reasons import LineRefused

LINES = ROOT / "examples/line"
SESSION = "01JDB3M8ZK4Q6W7X8Y9ABCDEFG"


def example(name: str) -> bytes:
    return (LINES / name).read_bytes().rstrip(b"\n")


def reason_of(text: bytes) -> str:
    with pytest.raises(LineRefused) as refused:
        decode_line(text)
    return refused.value.reason


def session_line(message: str) -> bytes:
    head = f'{{"v":1,"session":"{SESSION}","n":0,"kind":"session","source":"producer","receive_time":"2026-11-23T02:30:19.123456Z"'
    return f'{head},"message":{message}}}'.encode()


def test_a_line_of_exactly_the_limit_is_read() -> None:
    short = session_line('{"event":"opened","why":""}')
    text = session_line('{"event":"opened","why":"' + "x" * (LINE_LIMIT_BYTES - len(short)) + '"}')
    assert (LINE_LIMIT_BYTES, 0) == (len(text), decode_line(text).n)


def test_one_byte_more_is_too_long() -> None:
    short = session_line('{"event":"opened","why":""}')
    assert "line_too_long" == reason_of(
        session_line('{"event":"opened","why":"' + "x" * (LINE_LIMIT_BYTES + 1 - len(short)) + '"}')
    )


@pytest.mark.parametrize("depth", [10, MAX_NESTED - 2])
def test_nested_lists_are_read(depth: int) -> None:
    text = session_line('{"event":"opened","x":' + "[" * depth + "]" * depth + "}")
    assert "opened" == decode_line(text).message["event"]


@pytest.mark.parametrize("depth", [MAX_NESTED - 1, 990, 1_000, 1_020, 1_030, 100_000])
def test_nesting_beyond_reason_is_refused_not_raised(depth: int) -> None:
    assert "line_not_json" == reason_of(session_line('{"event":"opened","x":' + "[" * depth + "]" * depth + "}"))


@pytest.mark.parametrize("depth", [50, 400])
def test_nested_objects_with_a_key_twice_are_refused(depth: int) -> None:
    assert "line_not_json" == reason_of(
        session_line('{"event":"opened","x":' + '{"a":' * depth + '{"b":1,"b":2}' + "}" * depth + "}")
    )


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert {"a": {"a": 1}} == decode_line(session_line('{"event":"opened","x":{"a":{"a":1}}}')).message["x"]


def test_text_that_looks_like_a_key_is_no_key() -> None:
    assert '"why":"why":' == decode_line(session_line('{"event":"opened","why":"\\"why\\":\\"why\\":"}')).message["why"]


@given(st.dictionaries(st.text(), st.integers(0, 9), max_size=5), st.data())
def test_a_key_that_stands_twice_is_always_seen(members: dict[str, int], data: st.DataObject) -> None:
    space = st.text(" \t\r", max_size=2)
    pairs = [(key, value) for key, value in members.items() if key != "event"]
    twice = data.draw(st.booleans()) and bool(pairs)
    if twice:
        pairs.append((data.draw(st.sampled_from(pairs))[0], 7))
    written = "".join(f",{json.dumps(key)}{data.draw(space)}:{data.draw(space)}{value}" for key, value in pairs)
    text = session_line(f'{{"event":"opened"{written}}}')
    if twice:
        assert "line_not_json" == reason_of(text)
    else:
        assert dict(pairs) | {"event": "opened"} == decode_line(text).message


@pytest.mark.parametrize(
    "message",
    [
        '{"event":"closed","lines":1.0}',
        '{"event":"closed","by_kind":{"ticker":1.0}}',
        '{"event":"closed","refused":{"x":1e0}}',
    ],
)
def test_a_float_is_no_count_however_deep(message: str) -> None:
    assert "message_invalid" == reason_of(session_line(message))


def test_a_float_where_the_schema_says_nothing_is_carried() -> None:
    assert 1.5 == decode_line(session_line('{"event":"closed","minutes":1.5}')).message["minutes"]


def test_a_trade_id_in_a_range_or_an_edge_must_be_an_integer() -> None:
    text = example("line.gap.pass.json")
    assert "message_invalid" == reason_of(text.replace(b"[7004,7004]", b"[7004.0,7004]"))
    assert "message_invalid" == reason_of(text.replace(b'"trade_id":7010', b'"trade_id":7010.0'))


@pytest.mark.parametrize(
    "message",
    [
        '{"event":"opened"}',
        '{ "event" : "opened" , "note" : "a \\u00e9 \\" }" }',
        '{"event":"opened","x":1.50e1,"y":"\\/"}',
        '{"event":"opened","z":{"message":{"message":1}}}',
    ],
)
def test_the_messages_own_text_is_kept_byte_for_byte(message: str) -> None:
    assert message == decode_line(session_line(message)).testimony


def test_spaces_around_the_message_are_not_its_own() -> None:
    assert '{"event":"opened"}' == decode_line(session_line(' {"event":"opened"} ') + b" \r").testimony


def test_a_message_in_another_place_is_written_anew() -> None:
    line: dict[str, Any] = json.loads(session_line('{"event":"opened","x":[1,2]}'))
    turned = json.dumps(dict(reversed(line.items()))).encode()
    assert '{"event":"opened","x":[1,2]}' == decode_line(turned).testimony


def test_a_product_behind_the_message_does_not_become_part_of_it() -> None:
    text = session_line('{"event":"opened"}')[:-1] + b',"product_id":"ABC-USD"}'
    assert '{"event":"opened"}' == decode_line(text).testimony


def test_a_cut_line_still_says_its_name() -> None:
    assert (SESSION, 42) == read_name(example("line.line_not_json-cut.fail.txt"))


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"\xff", b'{"v":1,"session":"01JDB3M8ZK4Q6W7X8Y9ABCDEFG","n":99999999999999999999,']
)
def test_what_shows_no_name_has_none(text: bytes) -> None:
    assert (None, None) == read_name(text)


def test_an_unreadable_frame_is_refused_with_its_size_and_digest() -> None:
    with pytest.raises(LineRefused, match=r"received 16 bytes, SHA-256 [0-9a-f]{64}"):
        decode_line(example("line.frame_not_json.fail.json"))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(text: bytes) -> None:
    assert reason_of(text) in {"line_not_utf8", "line_not_json", "line_invalid"}
