"""
Frame to contract line: our envelope is spliced around the frame's own bytes.

Laws: a frame is never re-serialised; a line is one line (no newline inside); keys stand in the contract's order, so
that a line's session and n can be read without parsing it.
Refuses to know: where lines go, and whether a message is valid (the transform judges).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from contract.messages import Kind

Source = Literal[
    "exchange_ws",
    "advanced_ws",
    "exchange_rest",
    "advanced_rest",
    "rest_heal",
    "rest_backfill",
    "spot_rest",
    "producer",
    "simulated",
]
UnreadableReason = Literal["frame_not_utf8", "frame_not_json", "frame_not_object", "frame_too_long"]

# A Firehose record holds 1,024,000 bytes (API reference, Record.Data); the envelope is under 300 bytes, the rest is margin.
MAX_FRAME_BYTES: Final = 1_000_000
# What of a frame too long to be carried still travels, so that the refusal in the lake can be read.
HEAD_BYTES: Final = 65_536

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PRODUCT: Final = b'"product_id":"'
_SESSION_AT: Final = len(b'{"v":1,"session":"')
_N_AT: Final = len(b'{"v":1,"session":"01JDB3XXXXXXXXXXXXXXXXXXXX","n":')


def encode_instant(at_us: int) -> str:
    """
    RFC 3339 text in UTC with six fractional digits.

    Units: microseconds since the epoch.
    """
    second, micro = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{micro:06d}Z"


class LineEncoder:
    """Encodes the lines of one session."""

    def __init__(self, session: str) -> None:
        self._head = b'{"v":1,"session":"%b","n":' % session.encode()
        self._second = -1
        self._second_text = b""

    def encode(
        self, *, n: int, kind: Kind, source: Source, receive_us: int, message: bytes, product_id: str | None = None
    ) -> bytes:
        """
        One line, without its newline.

        Clock: receive_us is our socket's, in microseconds since the epoch.
        Caller must: pass one JSON object as `message`, and a product_id only where the message names none.
        """
        second, micro = divmod(receive_us, 1_000_000)
        if second != self._second:  # formatting the second costs more than the rest of the line
            self._second, self._second_text = second, encode_instant(second * 1_000_000)[:20].encode()
        if b"\n" in message or b"\r" in message:
            # JSON escapes newlines inside strings, so a raw one is white space between tokens.
            message = message.replace(b"\n", b" ").replace(b"\r", b" ")
        product = b"" if product_id is None else b'"product_id":"%b",' % product_id.encode()
        return b'%b%d,"kind":"%b","source":"%b","receive_time":"%b%06dZ",%b"message":%b}' % (
            self._head,
            n,
            kind.encode(),
            source.encode(),
            self._second_text,
            micro,
            product,
            message,
        )


def encode_testimony(message: dict[str, Any]) -> bytes:
    """Our own message (gap, coverage, session) as JSON bytes."""
    return orjson.dumps(message)


def encode_unreadable(frame: bytes, reason: UnreadableReason) -> bytes:
    """
    The message of an `unreadable` line: what came, as far as a line can carry it.

    A frame that is too long keeps its head, its length and its hash; the caller sets the whole of it aside.
    """
    kept = frame[:HEAD_BYTES] if reason == "frame_too_long" else frame
    message: dict[str, Any] = {
        "reason": reason,
        "frame_bytes": len(frame),
        "frame_sha256": hashlib.sha256(frame).hexdigest(),
    }
    try:
        # A cut may fall inside a character: those bytes belong to the part that is not carried.
        message["frame_text"] = kept.decode("utf-8", "strict" if kept is frame else "ignore")
    except UnicodeDecodeError:
        message["frame_base64"] = base64.b64encode(kept).decode()
    return orjson.dumps(message)


def n_of(line: bytes) -> int:
    """
    The line's own number, read at its fixed place.

    Raises: ValueError if this is no line of ours.
    """
    return int(line[_N_AT : line.index(b",", _N_AT)])


def session_of(line: bytes) -> str:
    """The session that wrote the line, read at its fixed place."""
    return line[_SESSION_AT : _SESSION_AT + 26].decode("ascii")


def receive_us_of(line: bytes) -> int:
    """When our socket gave the line, in microseconds since the epoch."""
    at = line.index(b'"receive_time":"') + len(b'"receive_time":"')
    # Whole numbers throughout: a float of this size has no microseconds left to spare.
    return (datetime.fromisoformat(line[at : at + 27].decode("ascii")) - _EPOCH) // timedelta(microseconds=1)


def product_of(line: bytes) -> str:
    """The first product that a line names, its envelope's or its message's; empty where it names none."""
    at = line.find(_PRODUCT)
    if at < 0:
        return ""
    start = at + len(_PRODUCT)
    return line[start : line.find(b'"', start)].decode("utf-8", "replace")
