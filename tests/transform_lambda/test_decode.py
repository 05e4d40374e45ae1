from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from contract.objects import MAX_NESTED
from contract.reasons import LineRefused
from transform_lambda.decode import LINE_LIMIT_BYTES, decode_line, read_name

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


def test_the_envelope_counts_as_a_level() -> None:
    deepest = "[" * (MAX_NESTED - 2) + "]" * (MAX_NESTED - 2)
    assert "opened" == decode_line(session_line(f'{{"event":"opened","x":{deepest}}}')).message["event"]
    assert "line_not_json" == reason_of(session_line(f'{{"event":"opened","x":[{deepest}]}}'))


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
