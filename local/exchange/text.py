"""
Coinbase's text of numbers and instants, from and to exact integers.

Laws: no float ever; an instant is integer microseconds since 1970 in UTC; a decimal is integer units of 10**-places.
Refuses to know: which field wants which form.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000
# Coinbase opened in 2012; a time outside these years is one of the odd values real feeds carry (year 0001 was seen).
SANE_YEARS: Final = range(2012, 2101)


def encode_decimal(units: int, places: int) -> str:
    """`units` x 10**-places with exactly `places` decimals: (12345, 2) -> "123.45"."""
    if places == 0:
        return str(units)
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def trim_decimal(text: str) -> str:
    """The same number without trailing zeros after the point: "91915.00" -> "91915"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def pad_decimal(text: str, places: int = 8) -> str:
    """The same number with at least `places` decimals: "9042.88" -> "9042.88000000"."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(places, '0')}"


def encode_time(time_us: int) -> str:
    """An instant with six fractional digits, as on the websocket: "2025-11-24T17:14:48.870548Z"."""
    return (EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds")[:26] + "Z"


def trim_time(text: str) -> str:
    """The same instant without trailing zeros in its fraction, as REST /trades gives it: "…:59.86Z"."""
    return trim_decimal(text.removesuffix("Z")) + "Z"


def decode_time(text: object) -> int | None:
    """Microseconds since 1970; None where it is no instant or lies outside any year Coinbase traded in."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None or instant.year not in SANE_YEARS:
        return None
    return (instant - EPOCH) // MICROSECOND
