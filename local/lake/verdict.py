"""
What today's transform says of lines that were refused when they arrived.

Laws: the transform's own code decides; nothing raises for what a line holds.
Refuses to know: where error objects lie.
"""

from __future__ import annotations

import binascii
import json

import pybase64

from contract.reasons import LineRefused
from transform_lambda.decode import decode_line
from transform_lambda.row import build_row


def judge_line(line: bytes) -> str:
    """The reason for which the transform refuses the line, or nothing if it would make a row of it."""
    try:
        build_row(decode_line(line))
    except LineRefused as refused:
        return refused.reason
    return ""


def judge_envelope(envelope: str) -> str | None:
    """One verdict per line of an error object's rawData, one under the other; None where the envelope cannot be read."""
    try:
        raw = pybase64.b64decode(json.loads(envelope)["rawData"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None
    return "\n".join(judge_line(line) for line in raw.removesuffix(b"\n").split(b"\n"))
