"""
Coinbase Exchange's frames to typed messages, and the subscribe frames we send.

Laws: pure; a good ticker is recognised without parsing it, another frame is parsed; what cannot be understood is named, never raised
past `decode_frame`. Whether a ticker is valid the contract says, as it will say to the transform.
Refuses to know: sockets, clocks, and what is done about a ticker that is not valid.
Source: docs.cdp.coinbase.com, Exchange, WebSocket channels; bad frames seen in recordings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from contract.messages import refusal_of
from contract.ticker import recognise_ticker
from producer.line import MAX_FRAME_BYTES, UnreadableReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHANNELS: Final = ("ticker", "heartbeat")
# Coinbase documents no text of these refusals. Seen by others on the Exchange feed, 2017 to 2023: "Sorry, you could not be authenticated:
# Bad Request" with "invalid signature" or "request timestamp expired", "…: Unauthorized" with "IP does not match IP whitelist", and
# "… channels now require authentication"; on Advanced Trade's "authentication failure"; over REST "Invalid API Key", "Invalid Passphrase".
_ABOUT_KEY: Final = re.compile(
    r"authenticat|unauthori[sz]ed|signature|passphrase|api ?key|timestamp expired|ip whitelist", re.IGNORECASE
)


# NamedTuples, not dataclasses: one is made per frame, and a tuple is built in a quarter of the time.
class Ticker(NamedTuple):
    """
    One trade, if it is `valid`; otherwise the transform will refuse its line, and no row will hold the trade.

    trade_id 0 and empty texts stand where the frame's own value has the wrong type.
    """

    product_id: str
    trade_id: int
    event_time: str
    price: str
    valid: bool


class Heartbeat(NamedTuple):
    """One product's pulse, once a second. last_trade_id 0 means unknown."""

    product_id: str
    last_trade_id: int
    event_time: str = ""


class Subscriptions(NamedTuple):
    """All current subscriptions: (channel, product_id) pairs."""

    pairs: frozenset[tuple[str, str]]


class ExchangeError(NamedTuple):
    """The exchange's own complaint."""

    message: str
    reason: str


class Other(NamedTuple):
    """A type we do not use; Coinbase may add types at any time."""

    type: str


class Unreadable(NamedTuple):
    """No message: the frame's text is kept under this reason."""

    reason: UnreadableReason


Message = Ticker | Heartbeat | Subscriptions | ExchangeError | Other | Unreadable


def encode_subscribe(products: Sequence[str], signed: Mapping[str, str] | None = None) -> bytes:
    """
    A subscribe frame for ticker and heartbeat of these products; `signed` is what an API key adds (producer.credentials).

    Ids stand in each channel object: at the root, with object channels, they fail as " is not a valid product"
    (observed by others since December 2023).
    """
    channels = [{"name": name, "product_ids": list(products)} for name in CHANNELS]
    return orjson.dumps({"type": "subscribe", "channels": channels, **(signed or {})})


def is_about_key(error: ExchangeError) -> bool:
    """Whether a complaint is about who we are, not about what we asked for."""
    return _ABOUT_KEY.search(f"{error.message} {error.reason}") is not None


def decode_frame(raw: bytes) -> Message:
    """What one websocket message says; `Unreadable` if it says nothing."""
    recognised = recognise_ticker(raw)
    if recognised is not None:
        return Ticker(*recognised, True)
    if len(raw) > MAX_FRAME_BYTES:
        return Unreadable("frame_too_long")
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Unreadable(_why_not_json(raw))
    kind = parsed.get("type") if isinstance(parsed, dict) else None
    if not isinstance(kind, str):
        return Unreadable("frame_not_object")
    if kind == "ticker":
        return _decode_ticker(parsed, valid=refusal_of("ticker", raw) is None)
    decode = _DECODERS.get(kind)
    return decode(parsed) if decode else Other(kind)


def _why_not_json(raw: bytes) -> UnreadableReason:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "frame_not_utf8"
    return "frame_not_json"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if type(value) is int else 0  # JSON true is no number, though Python's bool is an int


def _decode_ticker(parsed: dict[str, Any], *, valid: bool) -> Ticker:
    get = parsed.get
    return Ticker(_text(get("product_id")), _number(get("trade_id")), _text(get("time")), _text(get("price")), valid)


def _decode_heartbeat(parsed: dict[str, Any]) -> Heartbeat:
    return Heartbeat(_text(parsed.get("product_id")), _number(parsed.get("last_trade_id")), _text(parsed.get("time")))


def _decode_subscriptions(parsed: dict[str, Any]) -> Subscriptions:
    channels = parsed.get("channels")
    pairs = set()
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict):
            pairs |= {(_text(channel.get("name")), _text(product)) for product in channel.get("product_ids") or ()}
    return Subscriptions(frozenset(pairs))


def _decode_error(parsed: dict[str, Any]) -> ExchangeError:
    return ExchangeError(_text(parsed.get("message")), _text(parsed.get("reason")))


_DECODERS: Final[dict[str, Callable[[dict[str, Any]], Message]]] = {
    "heartbeat": _decode_heartbeat,
    "subscriptions": _decode_subscriptions,
    "error": _decode_error,
}
