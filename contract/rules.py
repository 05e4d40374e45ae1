"""
What no schema can say: times that name an instant, decimals that fit the lake's columns, prices above zero, a book that is not crossed.

Laws: a decimal goes through as the exchange's own text; times become integer microseconds by integer arithmetic alone; nothing here
uses a float, and nothing fills in for what is missing.
Refuses to know: which frame a value came from (its name comes along for the sentence).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from contract.reasons import LineRefused

FIRST_YEAR: Final = 2014  # Coinbase Exchange had no trades before; year 0001 is Go's zero time, seen in real feeds
LAST_YEAR: Final = 2099
MAX_INTEGER_DIGITS: Final = 20  # DECIMAL(38,18), the type of the view `ticks`
MAX_FRACTION_DIGITS: Final = 18
SECOND_US: Final = 1_000_000
_DAY_S: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

# "2026-11-23T02:30:19": year 0 to 3, month 5 to 6, day 8 to 9, hour 11 to 12, minute 14 to 15, second 17 to 18.
_SECOND_CHARS: Final = 19


def parse_instant_us(name: str, text: str) -> int:
    """
    Microseconds since the epoch; digits beyond the sixth are cut, never rounded up into the next hour.

    Caller must: pass what the contract's `instant` pattern accepts.
    Raises: LineRefused, time_out_of_range or time_invalid. A leap second (23:59:60) names no instant here: our clocks have none.
    """
    try:
        epoch_s = second_of_text(text[:_SECOND_CHARS])
    except LineRefused as refused:
        raise LineRefused(refused.reason, f"{name}: {refused.detail}") from None
    return epoch_s * SECOND_US + int(text[_SECOND_CHARS + 1 : -1].ljust(6, "0")[:6])


@lru_cache(maxsize=4096)
def second_of_text(text: str) -> int:
    """
    Seconds since the epoch of "2026-11-23T02:30:19" (UTC): ten digits, for every year we accept.

    Raises: LineRefused, as above.
    """
    year = int(text[:4])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise LineRefused("time_out_of_range", f"{text} lies outside {FIRST_YEAR} to {LAST_YEAR}")
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    try:
        day = date(year, int(text[5:7]), int(text[8:10])).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise LineRefused("time_invalid", f"{text}: {error}") from None
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - the clock's own numbers
        raise LineRefused("time_invalid", f"{text}: no such time of day")
    return day * _DAY_S + hour * 3600 + minute * 60 + second


def check_price(name: str, text: str) -> str:
    """
    The text, unchanged: an exact decimal above zero.

    Caller must: pass what the contract's `decimal` pattern accepts.
    Raises: LineRefused, price_not_positive or decimal_out_of_range.
    """
    if text[0] == "-" or not text.strip("0."):
        raise LineRefused("price_not_positive", f"{name} is {text}")
    return _check_digits(name, text)


def check_number(name: str, text: str) -> str:
    """
    The text, unchanged: an exact decimal, zero or above (minus zero carries a sign that the lake's columns do not).

    Caller must: pass what the contract's `decimal` pattern accepts.
    Raises: LineRefused, number_negative or decimal_out_of_range.
    """
    if text[0] == "-":
        raise LineRefused("number_negative", f"{name} is {text}")
    return _check_digits(name, text)


def _check_digits(name: str, text: str) -> str:
    if len(text) > MAX_FRACTION_DIGITS + 1:  # shorter text cannot break either limit
        integer, _, fraction = text.partition(".")
        if len(integer) > MAX_INTEGER_DIGITS or len(fraction) > MAX_FRACTION_DIGITS:
            raise LineRefused(
                "decimal_out_of_range",
                f"{name} is {text}, beyond {MAX_INTEGER_DIGITS} and {MAX_FRACTION_DIGITS} digits",
            )
    return text


def check_book(best_bid: str | None, best_ask: str | None) -> None:
    """
    Nothing, where both are absent or the ask is at or above the bid.

    Raises: LineRefused, book_half_missing or book_crossed.
    """
    if best_bid is None and best_ask is None:
        return
    if best_bid is None or best_ask is None:
        raise LineRefused("book_half_missing", f"best_bid is {best_bid}, best_ask is {best_ask}")
    if Decimal(best_ask) < Decimal(best_bid):
        raise LineRefused("book_crossed", f"best_ask {best_ask} is below best_bid {best_bid}")
