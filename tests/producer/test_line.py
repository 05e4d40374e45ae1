from __future__ import annotations

import base64
import hashlib
import json

import fastjsonschema
from hypothesis import given
from hypothesis import strategies as st

from contract import load_schema
from producer.line import (
    MAX_FRAME_BYTES,
    LineEncoder,
    encode_instant,
    encode_testimony,
    encode_unreadable,
    n_of,
    product_of,
    session_of,
)

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
VALID_LINE = fastjsonschema.compile(load_schema("line"))
VALID_UNREADABLE = fastjsonschema.compile(load_schema("testimony/unreadable"))
AT_US = 1_795_400_219_123_456  # 2026-11-23T02:16:59.123456Z


def encode(message: bytes, *, n: int = 42, product_id: str | None = None) -> bytes:
    return LineEncoder(SESSION).encode(
        n=n, kind="ticker", source="exchange_ws", receive_us=AT_US, message=message, product_id=product_id
    )


def test_an_instant_has_six_fractional_digits_in_utc() -> None:
    assert "1970-01-01T00:00:00.000000Z" == encode_instant(0)
    assert "2026-11-23T02:16:59.123456Z" == encode_instant(AT_US)


def test_a_line_is_the_frame_inside_our_envelope_byte_for_byte() -> None:
    frame = b'{"type":"ticker", "price":"1.10" ,"x":"\xc3\xa9"}'

    assert (
        b'{"v":1,"session":"01JDB3M7Q8RSTVWXYZ01234567","n":42,"kind":"ticker","source":"exchange_ws",'
        b'"receive_time":"2026-11-23T02:16:59.123456Z","message":' + frame + b"}"
    ) == encode(frame)


def test_a_line_keeps_the_contract() -> None:
    VALID_LINE(json.loads(encode(b'{"a":1}')))
    VALID_LINE(json.loads(encode(b'{"a":1}', product_id="BTC-USD")))


def test_the_cached_second_does_not_stick() -> None:
    encoder = LineEncoder(SESSION)
    times = [0, 999_999, 1_000_000, 59_999_999, 60_000_000, AT_US, AT_US + 1]
    lines = [
        encoder.encode(n=n, kind="gap", source="producer", receive_us=at, message=b"{}") for n, at in enumerate(times)
    ]

    assert [encode_instant(at) for at in times] == [json.loads(line)["receive_time"] for line in lines]


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=5),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
def test_message_number_and_session_come_back_out(message: dict[str, object], n: int, named: bool) -> None:
    frame = json.dumps(message).encode()
    line = encode(frame, n=n, product_id="ETH-USD" if named else None)

    assert frame == line.split(b',"message":', 1)[1][:-1]
    assert n == n_of(line)
    assert SESSION == session_of(line)
    assert b"\n" not in line


def test_a_pretty_printed_frame_becomes_one_line_with_the_same_meaning() -> None:
    frame = json.dumps({"a": "x\ny", "b": [1, 2]}, indent=2).encode()
    line = encode(frame.replace(b"\n", b"\r\n"))

    assert b"\n" not in line
    assert b"\r" not in line
    assert {"a": "x\ny", "b": [1, 2]} == json.loads(line)["message"]


def test_an_unreadable_frame_is_kept_as_text_with_its_hash() -> None:
    message = json.loads(encode_unreadable(b'{"cut', "frame_not_json"))

    VALID_UNREADABLE(message)
    assert '{"cut' == message["frame_text"]
    assert hashlib.sha256(b'{"cut').hexdigest() == message["frame_sha256"]


def test_a_frame_that_is_not_utf8_is_kept_as_base64() -> None:
    message = json.loads(encode_unreadable(b"\xff\xfe", "frame_not_utf8"))

    VALID_UNREADABLE(message)
    assert b"\xff\xfe" == base64.b64decode(message["frame_base64"])


def test_of_a_frame_too_long_the_head_travels() -> None:
    frame = "é".encode() * MAX_FRAME_BYTES
    message = json.loads(encode_unreadable(b"x" + frame, "frame_too_long"))

    VALID_UNREADABLE(message)
    assert message["frame_bytes"] == 2 * MAX_FRAME_BYTES + 1
    assert message["frame_text"] == "x" + "é" * 32_767


def test_testimony_is_json() -> None:
    assert {"event": "opened"} == json.loads(encode_testimony({"event": "opened"}))


def test_the_product_of_a_line_is_its_envelopes_or_its_messages() -> None:
    assert "ETH-USD" == product_of(encode(b'{"product_id":"A-B"}', product_id="ETH-USD"))
    assert "A-B" == product_of(encode(b'{"type":"ticker","product_id":"A-B","x":"product_id"}'))
    assert "" == product_of(encode(b'{"event":"opened"}'))
