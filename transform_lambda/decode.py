"""
Bytes of one line to a validated Line: UTF-8, one JSON object, the envelope's schema, the message's schema.

Laws: what the contract refuses of a line's text, envelope and message is refused here, and so is a line longer than a Firehose record.
Nothing here changes a value.
Refuses to know: what the values mean (contract/rules.py) and where rows go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from contract.messages import validate_message
from contract.objects import decode_object
from contract.reasons import LineRefused
from contract.validation import validate

if TYPE_CHECKING:
    from contract.columns import Form
    from contract.messages import Kind

LINE_LIMIT_BYTES: Final = 1_024_000  # the largest record Firehose takes (PutRecordBatch, API reference: 1,000 KiB)

_TESTIMONY: Final = frozenset({"gap", "coverage", "session"})


class Line(NamedTuple):
    """One line that its schemas accept. `testimony` is the message's own text where the message is ours (gap, coverage, session)."""

    session: str
    n: int
    kind: Kind
    source: str
    receive_time: str
    product_id: str | None
    form: Form
    message: dict[str, Any]
    testimony: str | None


def decode_line(text: bytes) -> Line:
    """
    One validated line.

    Shapes: `text` has no newline at its end.
    Raises: LineRefused with line_*, message_invalid, or the frame_* reason of an unreadable frame's testimony.
    """
    if len(text) > LINE_LIMIT_BYTES:
        raise LineRefused(
            "line_too_long", f"the line has {len(text)} bytes; a Firehose record holds {LINE_LIMIT_BYTES}"
        )
    envelope = decode_object(text)
    validate("line", envelope, reason="line_invalid", name="line")
    message = envelope["message"]
    form = validate_message(envelope["kind"], message)
    if form == "unreadable":
        raise LineRefused(
            message["reason"],
            f"the producer received {message['frame_bytes']} bytes, SHA-256 {message['frame_sha256']}",
        )
    return Line(
        session=envelope["session"],
        n=envelope["n"],
        kind=envelope["kind"],
        source=envelope["source"],
        receive_time=envelope["receive_time"],
        product_id=envelope.get("product_id"),
        form=form,
        message=message,
        testimony=_own_text(text, envelope) if form in _TESTIMONY else None,
    )


_VALUE: Final = rb'[^"\\]*'
_HEAD: Final = re.compile(
    rb'\{"v":1,"session":"%b","n":[0-9]+,"kind":"%b","source":"%b","receive_time":"%b",(?:"product_id":"%b",)?"message":'
    % ((_VALUE,) * 5),
)


def _own_text(text: bytes, envelope: dict[str, Any]) -> str:
    """The message's own JSON text, byte for byte where the envelope's keys stand in the contract's order, else written anew."""
    # No key stands twice (refused before), so a message that is the last member ends at the last brace.
    head = _HEAD.match(text) if next(reversed(envelope)) == "message" else None
    if head:
        return text[head.end() : text.rindex(b"}")].strip().decode()
    return orjson.dumps(envelope["message"]).decode()


_NAME: Final = re.compile(rb'\{"v":1,"session":"([0-9A-HJKMNP-TV-Z]{26})","n":(0|[1-9][0-9]{0,17}),')


def read_name(text: bytes) -> tuple[str | None, int | None]:
    """The session and n of a line that was refused, as far as its head still shows them."""
    name = _NAME.match(text)
    return (name[1].decode(), int(name[2])) if name else (None, None)
