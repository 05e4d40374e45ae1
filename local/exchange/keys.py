"""
An API key that the exchange knows, and whether a client's message is signed with it.

Laws: pure; public channels need no key, so a message without any field of one is let through; a message with one is judged whole, and
nothing of what it carried is answered back.
Source: docs.cdp.coinbase.com, Exchange, "WebSocket Authentication" and REST "Authentication" (30 seconds; decimals allowed in the
timestamp). Texts as quoted in irufus/gdax-java#27, csko/gdax-python-api#11, coinbase/coinbase-pro-trading-toolkit#113 (2017 and 2018) and,
over REST, ccxt/ccxt#7237; texts and the order of the checks marked `guess` were found nowhere, nor what Coinbase answers today.
Refuses to know: connections, and who the client is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.exchange.frames import Refusal

FIELDS: Final = ("signature", "key", "passphrase", "timestamp")
WITHIN_US: Final = 30 * SECOND_US
BAD_REQUEST: Final[Refusal] = "Sorry, you could not be authenticated: Bad Request"
UNAUTHORIZED: Final[Refusal] = "Sorry, you could not be authenticated: Unauthorized"
EXPIRED: Final = "request timestamp expired"


@dataclass(frozen=True, slots=True, repr=False)
class KnownKey:
    """
    One API key as the exchange keeps it; `secret` is base64 text, as it was given out.

    Raises: ExchangeSettingsWrong if it is not.
    """

    key: str
    secret: str
    passphrase: str

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.secret, validate=True)
        except binascii.Error:
            raise ExchangeSettingsWrong("the known key's secret is no base64", "give one that is") from None

    def judge(self, message: Mapping[str, object], now_us: int) -> tuple[Refusal, str] | None:
        """Why the message is refused: the error's message and reason; None if it carries no key, or is signed with this one."""
        if message.keys().isdisjoint(FIELDS):
            return None
        given = (message.get(name) for name in FIELDS)
        signature, key, passphrase, timestamp = (value if isinstance(value, str) else "" for value in given)
        is_number = re.fullmatch(r"\d{1,12}(\.\d{1,9})?", timestamp, re.ASCII) is not None
        judged: tuple[tuple[bool, Refusal, str], ...] = (
            (key == self.key, UNAUTHORIZED, "Invalid API Key"),  # guess: REST's text
            (is_number, BAD_REQUEST, "invalid timestamp"),  # guess
            (is_number and abs(float(timestamp) * SECOND_US - now_us) <= WITHIN_US, BAD_REQUEST, EXPIRED),
            (hmac.compare_digest(signature.encode(), self._signature(timestamp)), BAD_REQUEST, "invalid signature"),
            (passphrase == self.passphrase, UNAUTHORIZED, "Invalid Passphrase"),  # guess: REST's text
        )
        return next(((refusal, reason) for good, refusal, reason in judged if not good), None)

    def _signature(self, timestamp: str) -> bytes:
        signed = (timestamp + "GET" + "/users/self/verify").encode()
        return base64.b64encode(hmac.new(base64.b64decode(self.secret), signed, hashlib.sha256).digest())
