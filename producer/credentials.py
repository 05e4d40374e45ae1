"""
The optional Coinbase API key: out of a secret's JSON, into the fields that sign one subscribe message.

Coinbase Exchange's ticker and heartbeat are public and need no key; a subscribe may be signed all the same.

Laws: pure; time is an argument. No text made here shows a key, a secret or a passphrase, nor any part of what could not be read:
not a repr, not an error, not an error's cause. A key travels inside TLS only, or on this machine.
Refuses to know: where the text was kept, and what a subscribe asks for.
Source: docs.cdp.coinbase.com, Exchange, "WebSocket Authentication" and REST "Authentication". The signature is as documented there; no
real key was ever tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from producer.errors import SettingsError

TEXT_VARIABLE: Final = "TICKLAKE_API_KEY"
FILE_VARIABLE: Final = "TICKLAKE_API_KEY_FILE"
FIELDS: Final = ("key", "secret", "passphrase")

# What is signed: the request that would verify the same key over REST.
_SIGNED_REQUEST: Final = "GET/users/self/verify"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class _Hidden:
    """What an error shows in a secret's place."""

    def __repr__(self) -> str:
        return "(not shown)"


HIDDEN: Final = _Hidden()


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """One Coinbase Exchange API key. Shapes: `secret` is the bytes that the key's base64 text stands for."""

    key: str = field(repr=False)
    secret: bytes = field(repr=False)
    passphrase: str = field(repr=False)

    def __repr__(self) -> str:
        return "ApiKey(not shown)"

    def sign(self, at_us: int) -> dict[str, str]:
        """
        What a subscribe message carries beside its channels.

        Clock: ours, microseconds since the epoch; Coinbase takes what is within 30 seconds of its own.
        """
        timestamp = str(at_us // 1_000_000)
        digest = hmac.digest(self.secret, f"{timestamp}{_SIGNED_REQUEST}".encode(), hashlib.sha256)
        return {
            "signature": base64.b64encode(digest).decode(),
            "key": self.key,
            "passphrase": self.passphrase,
            "timestamp": timestamp,
        }


def decode_api_key(text: str | bytes, *, name: str = TEXT_VARIABLE) -> ApiKey:
    """
    The key that a secret's JSON holds: {"key": …, "secret": …, "passphrase": …}; further fields are left alone.

    Raises: SettingsError of the setting `name`, which quotes nothing of the text.
    """
    parsed = _parse(text)
    if parsed is None:
        raise SettingsError(name=name, value=HIDDEN, why=f"it has to be a JSON object with {_listed(FIELDS)}")
    missing = [each for each in FIELDS if not isinstance(parsed.get(each), str) or not parsed[each].strip()]
    if missing:
        raise SettingsError(name=name, value=HIDDEN, why=f"it lacks {_listed(missing)}, each a text that is not empty")
    secret = _decode_base64(parsed["secret"])
    if not secret:
        raise SettingsError(name=name, value=HIDDEN, why='its "secret" is not base64, as Coinbase Exchange gives it')
    return ApiKey(key=parsed["key"], secret=secret, passphrase=parsed["passphrase"])


def check_way(ws_url: str) -> None:
    """
    Whether a key may travel to this address.

    Raises: SettingsError if everybody on the way could read it.
    """
    url = urlsplit(ws_url)
    if url.scheme != "wss" and url.hostname not in _LOOPBACK:
        why = f"with an API key it has to begin with wss://, or to be on this machine; or leave {TEXT_VARIABLE}[_FILE] out"
        raise SettingsError(name="ws_url", value=ws_url, why=why)


def _parse(text: str | bytes) -> dict[str, Any] | None:
    # The parser's error carries the whole document: it is dropped here, and is no error's cause.
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
