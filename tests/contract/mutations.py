"""
Ticker lines and frames with something wrong in them, from dice: what the readers of the contract are compared over.

The changes work on text: bytes put in, put out or exchanged, values from a list of odd ones, members swapped, doubled or left out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from contract import ROOT

if TYPE_CHECKING:
    import random

MESSAGE = b'"message":'
TICKER = (ROOT / "examples/line/line.ticker.pass.json").read_bytes().rstrip(b"\n")
BYTES = [bytes([code]) for code in b'"\\{}[]:,.-+eE0123456789 \t\r/aZTz_'] + [
    b"\x00",
    b"\x7f",
    b"\xff",
    "é".encode(),
    b"\\u0030",
]
VALUES = [
    *[
        b'"%b"' % text
        for text in b"0 0.0 00 00.1 01 1. .5 . -1 -0 -0.0 1e5 1E5 +1 1.5.5 1,5 0x1 NaN 9 10 99.9 100 1.50 1.5".split(
            b" "
        )
    ],
    *[b'"%b"' % text for text in (b"", b" 1", b"1 ", b"\\u0031", b"1" * 20, b"1" * 21, b"0" * 20, b"9" * 60)],
    *[
        b'"0.%b"' % digits
        for digits in (b"0" * 18, b"0" * 19, b"0" * 17 + b"1", b"0" * 18 + b"1", b"1" * 18, b"1" * 19)
    ],
    *b"0 1 -1 -0 007 1.0 1e3 1E400 true null {} [] 999999999999999999 1000000000000000000".split(b" "),
    *[b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"9" * 400],
    *[
        b'"2026-%b.000000Z"' % text
        for text in (b"02-30T00:00:00", b"13-01T00:00:00", b"11-23T24:00:00", b"11-23T23:59:60")
    ],
    *[
        b'"%b-11-23T02:30:18.987654Z"' % year
        for year in (b"0000", b"0001", b"2013", b"2014", b"2099", b"2100", b"9999", b"20 6")
    ],
    *[
        b'"2026-11-23T02:30:18%b"' % end
        for end in (b"Z", b".1Z", b".12345Z", b".1234567Z", b".123456789Z", b".123456", b".123456+00:00")
    ],
    *[
        b'"buy"',
        b'"sell"',
        b'"SELL"',
        b'"hold"',
        b'"ticker"',
        b'"match"',
        b'"spot"',
        b'"exchange_ws"',
        b'"rest_heal"',
        b'"nowhere"',
    ],
    *[
        b'"%b"' % name
        for name in (
            b"A-B",
            b"a-b",
            b"AB",
            b"A-",
            b"A-B-C",
            b"A" * 20 + b"-B",
            b"A" * 21 + b"-B",
            b"-".join([b"A" * 20] * 4),
        )
    ],
    *[b'"%b"' % (b"-".join([b"A" * 20] * 3) + b"-" + b"B" * length) for length in (1, 2)],  # 64 and 65 characters
]
VALUE = re.compile(rb'(?<=":)(?:"[^"]*"|[0-9]+)')
NOTHING = re.compile(b"")
MEMBER = re.compile(rb'"[a-z_0-9]+":(?:"[^"]*"|[0-9]+),?')


def mutated(text: bytes, dice: random.Random) -> bytes:
    """`text` with one to three things changed: bytes, values, members."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        change = dice.randrange(8)
        at = dice.randrange(len(text) + 1)
        if change == 0:
            text = text[:at] + dice.choice(BYTES) + text[at + 1 :]
        elif change == 1:
            text = text[:at] + dice.choice(BYTES) + text[at:]
        elif change == 2:
            text = text[:at] + text[at + dice.choice((1, 1, 1, 2, 30)) :]
        elif change <= 5:
            values = list(VALUE.finditer(text)) or list(NOTHING.finditer(text))
            value = dice.choice(values)
            new = dice.choice(VALUES) if change < 5 else dice.choice(values)[0]
            text = text[: value.start()] + new + text[value.end() :]
        else:
            members = list(MEMBER.finditer(text)) or list(NOTHING.finditer(text))
            one, other = dice.choice(members), dice.choice(members)
            text = text[: one.start()] + (other[0] if change == 6 else other[0] + one[0]) + text[one.end() :]
    return text.replace(b"\n", b"")


def tick(dice: random.Random) -> bytes:
    """A good frame in the recognised order, of varied digits."""

    def decimal() -> str:
        integer = str(dice.randrange(1, 10 ** dice.randrange(1, 8)))
        return integer if dice.randrange(4) == 0 else f"{integer}.{dice.randrange(10**8):0{dice.randrange(8, 11)}}"

    frame = json.loads(TICKER)["message"]
    frame |= {
        field: decimal()
        for field in frame
        if isinstance(frame[field], str) and frame[field][0].isdigit() and field != "time"
    }
    bid, ask = sorted((decimal(), decimal()), key=float)
    frame |= {
        "best_bid": bid,
        "best_ask": ask,
        "sequence": dice.randrange(10**18),
        "trade_id": dice.randrange(1, 10**18),
    }
    if dice.randrange(2):
        del frame["best_bid_size"], frame["best_ask_size"]
    return json.dumps(frame, separators=(",", ":")).encode()


def line_of(frame: bytes) -> bytes:
    """The frame in the example's envelope."""
    return TICKER[: TICKER.index(MESSAGE) + len(MESSAGE)] + frame + b"}"
