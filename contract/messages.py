"""
Whether a message will become a row, and if not, why not: the one judgement that the producer and the transform share.

The transform judges a line step by step (validate_message, read_columns, name_product) and builds its row on the way. The producer
asks `refusal_of` what will become of a message before it counts the trade in it as seen.
Laws: both go through the same functions here, so what the producer counts the lake will hold.
Refuses to know: envelopes, disks, and what is done about a refusal.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from contract.columns import Form, read_columns
from contract.objects import MAX_NESTED, decode_object
from contract.reasons import LineRefused, Reason
from contract.validation import validate

Kind = Literal["ticker", "trade", "spot", "gap", "coverage", "session", "unreadable"]

_FORM_OF_KIND: Final[dict[str, Form]] = {
    "trade": "rest_trade",
    "spot": "spot",
    "gap": "gap",
    "coverage": "coverage",
    "session": "session",
    "unreadable": "unreadable",
}
_OURS: Final = frozenset({"gap", "coverage", "session", "unreadable"})
_NAMES_PRODUCT: Final = frozenset({"ticker", "gap", "coverage"})


def validate_message(kind: Kind, message: dict[str, Any]) -> Form:
    """
    The form of a message that its schema accepts.

    Raises: LineRefused, message_invalid.
    """
    form: Form = _FORM_OF_KIND.get(kind) or ("ticker" if "type" in message else "rest_ticker")
    folder = "testimony" if form in _OURS else "frames"
    validate(f"{folder}/{form}", message, reason="message_invalid", name="message")
    return form


def name_product(form: Form, message: dict[str, Any], told: str | None) -> str | None:
    """
    The message's product, or where it names none, the one that its envelope told (only a session may have neither).

    Raises: LineRefused, line_invalid if the two differ, or both are missing.
    """
    named: str | None = message["product_id"] if form in _NAMES_PRODUCT else None
    if form == "spot":
        named = "{base}-{currency}".format_map(message["data"])
    if named and told and named != told:
        raise LineRefused("line_invalid", f"the envelope says {told}, the message {named}")
    if not (named or told or form == "session"):
        raise LineRefused("line_invalid", f"neither envelope nor message names the product of this {form}")
    return named or told


def refusal_of(kind: Literal["ticker", "trade", "spot"], text: bytes, *, told: str | None = None) -> Reason | None:
    """
    Why the line with this message of the exchange will be refused; None if it will be a row.

    `told`: the product that its envelope tells, with which a message that names one must agree (a REST ticker might).
    Caller must: carry it in a good envelope, which tells the product of a REST body; nothing here sees that.
    """
    try:
        message = decode_object(text, levels=MAX_NESTED - 1)  # the envelope is a level, too
        form = validate_message(kind, message)
        read_columns(form, message)
        if told is not None:
            name_product(form, message, told)
    except LineRefused as refused:
        return refused.reason
    return None
