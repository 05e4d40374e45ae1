"""
A ticker frame in Coinbase's own field order as a regular expression, and the checks that no regular expression makes.

Generated from the schemas and from the table of columns. What it matches, and what then names a second (`second_of`) and has a book in
order (`is_book_in_order`), is a good ticker beyond doubt. What it does not match says nothing: parsing (messages.py) is the authority.
Laws: nothing with an escape, a space, a key too many, a leading zero or more digits than always fit is matched (tests compare with
the authority over mutated frames).
Refuses to know: who embeds it, and what becomes of the pieces.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from contract import load_schema
from contract.columns import COLUMNS
from contract.reasons import LineRefused
from contract.rules import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, check_number, check_price, second_of_text

if TYPE_CHECKING:
    from collections.abc import Collection

_OPTIONAL: Final = frozenset({"best_bid_size", "best_ask_size"})  # frames from before 2022 have none
_BOOK: Final = frozenset({"best_bid", "best_ask"})

_INTEGER_PART: Final = rf"(?:0|[1-9][0-9]{{0,{MAX_INTEGER_DIGITS - 1}}}+)"
_FRACTION_PART: Final = rf"(?:\.[0-9]{{1,{MAX_FRACTION_DIGITS}}}+)?+"
_ABOVE_ZERO: Final = r'(?!0(?:\.0++)?+")'
SECOND: Final = r".{19}"  # whether it is a second, and which, `second_of` says
MICROS: Final = "[0-9]{6}"
_SECOND_SHAPE: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


def ticker_pattern(captured: Collection[str]) -> str:
    """
    Matches a whole frame.

    `captured`: which pieces are groups: any field but side; `body`, all members before the side, with the comma before each; `happened`,
    from the side's value to the time's second; `second` and `micros` of the time; `tail`, all members behind the time.
    Shapes: groups come in the order of the text; best_bid and best_ask always are two each, the decimal and its integer part.
    Caller must: not capture `happened` and `time` together, which overlap.
    """

    def piece(name: str, pattern: str) -> str:
        return f"({pattern})" if name in captured else pattern

    columns = COLUMNS["ticker"]
    at = [field for _, field, _ in columns].index("side")  # and behind it the time, of which readers want other pieces
    body, tail = (
        piece(name, "".join(_member(field, rule, captured=field in captured) for _, field, rule in part))
        for name, part in (("body", columns[:at]), ("tail", columns[at + 2 :]))
    )
    second, micros = piece("second", SECOND), piece("micros", MICROS)
    if "time" in captured:
        happened = rf'(?:buy|sell)","time":"({second}\.{micros}Z)'
    else:
        happened = piece("happened", rf'(?:buy|sell)","time":"{second}') + rf"\.{micros}Z"
    return rf'\{{"type":"ticker"{body},"side":"{happened}"{tail}\}}'


def text_pattern(schema: dict[str, Any]) -> str:
    """A string, without its quotes, as the schema says. Quantifiers are possessive: a quote follows, so no shorter match can help."""
    bound = rf'(?=[^"]{{0,{schema["maxLength"]}}}")' if "maxLength" in schema else ""
    return bound + re.sub(r"(\{\d+,\d+\}|\)\+)", r"\1+", schema["pattern"].removeprefix("^").removesuffix("$"))


def integer_pattern(schema: dict[str, Any]) -> str:
    """An integer of so few digits that none is beyond the schema's maximum."""
    above_zero = rf"[1-9][0-9]{{0,{len(str(schema['maximum'])) - 2}}}+"
    return above_zero if schema["minimum"] else f"(?:0|{above_zero})"


def _member(field: str, rule: object, *, captured: bool) -> str:
    """One member of the frame, with the comma before it."""
    schema = load_schema("frames/ticker")
    definition = schema["definitions"][schema["properties"][field]["$ref"].rpartition("/")[2]]
    quote = "" if definition.get("type") == "integer" else '"'
    value = _value(field, rule, definition)
    value = f"({value})" if captured and field not in _BOOK else value
    member = f',"{field}":{quote}{value}{quote}'
    return f"(?:{member})?+" if field in _OPTIONAL else member


def _value(field: str, rule: object, definition: dict[str, Any]) -> str:
    if field in _BOOK:
        return f"(({_INTEGER_PART}){_FRACTION_PART})"
    if rule in {check_price, check_number}:
        return f"{_ABOVE_ZERO if rule is check_price else ''}{_INTEGER_PART}{_FRACTION_PART}"
    return integer_pattern(definition) if definition.get("type") == "integer" else text_pattern(definition)


@lru_cache(maxsize=4096)
def second_of(text: bytes) -> int:
    """
    Seconds since the epoch of what SECOND matched.

    Raises: LineRefused if it names no second of ours. That is no verdict yet: the authority says what is wrong.
    """
    if not _SECOND_SHAPE.fullmatch(text):
        raise LineRefused("time_invalid", "a time has not the shape of one")
    return second_of_text(text.decode())


def is_book_in_order(bid: bytes, bid_integer: bytes, ask: bytes, ask_integer: bytes) -> bool:
    """Whether the bid is at or below the ask; each is given with its integer part."""
    # Decimals whose integer parts are equally long stand in the order of their texts, but for zeros at their ends.
    return (bid <= ask and len(bid_integer) == len(ask_integer)) or Decimal(bid.decode()) <= Decimal(ask.decode())
