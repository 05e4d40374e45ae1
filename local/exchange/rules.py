"""
One connection's side of Coinbase Exchange's websocket, without the socket: what a client's message means and is answered.

Laws: pure; a call is obeyed whole or refused whole (one bad product voids it); an ack lists every current subscription;
whoever has not subscribed five seconds after connecting is disconnected.
Source: docs.cdp.coinbase.com/exchange/websocket-feed/overview and …/errors; refusal texts as quoted in public issue
threads and in other people's tests against the live feed; texts marked `guess` were found nowhere.
Refuses to know: ticks, and how frames reach the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from local.exchange.frames import Refusal, encode_error, encode_subscriptions
from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local.exchange.keys import KnownKey

SUBSCRIBE_WITHIN_US: Final = 5 * SECOND_US
HEARTBEAT_US: Final = SECOND_US
STATUS_US: Final = 5 * SECOND_US  # guess: the documentation says "on a preset interval"
PRODUCT_CHANNELS: Final = ("ticker", "heartbeat", "matches")
SERVED_CHANNELS: Final = (*PRODUCT_CHANNELS, "status")
PRIVATE_CHANNELS: Final = ("level2", "level3", "full", "user")
NEEDS_KEY: Final = "level2, level3, and full channels now require authentication."
NO_TYPE: Final = "Type has to be either subscribe or unsubscribe"

Verb = Literal["subscribe", "unsubscribe"]
REFUSALS: Final[Mapping[Verb, Refusal]] = {"subscribe": "Failed to subscribe", "unsubscribe": "Failed to unsubscribe"}


class CallRefused(Exception):  # noqa: N818  # it is an answer, not an error of ours
    """A client's call that Coinbase refuses, with its reason."""


@dataclass(frozen=True, slots=True)
class Call:
    """A client's call that parsed: what to do with which products of which channels; no products means all of them."""

    verb: Verb
    channels: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client's message is answered with, and what it newly subscribed to."""

    frame: bytes
    added: tuple[tuple[str, str], ...] = ()
    refused: bool = False
    signed: bool = False  # it carried an API key, and was obeyed


@dataclass(slots=True)
class Session:
    """
    The state of one connection.

    Shapes: `subscribed` maps a channel to its products in the order they were asked for; `status` has none.
    """

    opened_us: int
    subscribed: dict[str, list[str]] = field(default_factory=dict)
    has_subscribed: bool = False
    next_heartbeat_us: int = 0
    next_status_us: int = 0
    frozen: bool = False

    def receive(
        self,
        text: str | bytes,
        *,
        valid: Collection[str],
        now_us: int,
        forgotten: Collection[str] = (),
        known_key: KnownKey | None = None,
    ) -> Reply:
        """Obey or refuse one message of the client; `forgotten` products are left out without a word; no `known_key` judges none."""
        verb: Verb = "subscribe"
        try:
            message = decode_message(text)
            if message.get("type") == "unsubscribe":
                verb = "unsubscribe"
            if known_key is not None and (refusal := known_key.judge(message, now_us)) is not None:
                return Reply(encode_error(*refusal), refused=True)
            call = decode_call(message, valid)
        except CallRefused as refused:
            return refuse(verb, str(refused))
        if forgotten:
            call = forget_products(call, forgotten)
        added = self._subscribe(call, now_us) if call.verb == "subscribe" else self._unsubscribe(call)
        return Reply(encode_subscriptions(self.subscribed), added, signed=known_key is not None and "key" in message)

    def _subscribe(self, call: Call, now_us: int) -> tuple[tuple[str, str], ...]:
        added: list[tuple[str, str]] = []
        for name, product_ids in call.channels:
            if name == "heartbeat" and name not in self.subscribed:
                self.next_heartbeat_us = now_us + HEARTBEAT_US
            if name == "status" and name not in self.subscribed:
                self.next_status_us = now_us
            known = self.subscribed.setdefault(name, [])
            fresh = [product_id for product_id in dict.fromkeys(product_ids) if product_id not in known]
            known.extend(fresh)
            added.extend((name, product_id) for product_id in fresh)
        self.has_subscribed = True
        return tuple(added)

    def _unsubscribe(self, call: Call) -> tuple[tuple[str, str], ...]:
        for name, product_ids in call.channels:
            kept = [known for known in self.subscribed.get(name, []) if product_ids and known not in product_ids]
            if kept:
                self.subscribed[name] = kept
            else:
                self.subscribed.pop(name, None)
        return ()

    def is_overdue(self, now_us: int) -> bool:
        """Whether five seconds have gone without a subscribe that was obeyed."""
        return not self.has_subscribed and now_us >= self.opened_us + SUBSCRIBE_WITHIN_US

    def next_due_us(self) -> int | None:
        """When this connection next wants something by the clock: its deadline, a heartbeat, a status."""
        if not self.has_subscribed:
            return self.opened_us + SUBSCRIBE_WITHIN_US
        due = [self.next_heartbeat_us] if "heartbeat" in self.subscribed else []
        if "status" in self.subscribed:
            due.append(self.next_status_us)
        return min(due, default=None)

    def take_heartbeats(self, now_us: int) -> tuple[str, ...]:
        """The products whose heartbeat is due now; seconds that were slept through are not made up for."""
        if "heartbeat" not in self.subscribed or now_us < self.next_heartbeat_us:
            return ()
        missed = (now_us - self.next_heartbeat_us) // HEARTBEAT_US
        self.next_heartbeat_us += (missed + 1) * HEARTBEAT_US
        return tuple(self.subscribed["heartbeat"])

    def take_status(self, now_us: int) -> bool:
        """Whether a status frame is due now."""
        if "status" not in self.subscribed or now_us < self.next_status_us:
            return False
        self.next_status_us = now_us + STATUS_US
        return True


def forget_products(call: Call, forgotten: Collection[str]) -> Call:
    """The call without some products."""
    kept = tuple((name, tuple(one for one in ids if one not in forgotten)) for name, ids in call.channels)
    return Call(call.verb, kept)


def refuse(verb: Verb, reason: str) -> Reply:
    """A call refused whole."""
    return Reply(encode_error(REFUSALS[verb], reason), refused=True)


def decode_message(text: str | bytes) -> dict[str, Any]:
    """
    A client's message.

    Raises: CallRefused with Coinbase's text.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CallRefused("Malformed JSON") from error  # guess
    if not isinstance(message, dict) or message.get("type") not in REFUSALS:
        raise CallRefused(NO_TYPE)
    return message


def decode_call(message: dict[str, Any], valid: Collection[str]) -> Call:
    """
    The call a message makes.

    Shapes: products may stand at the root, for every channel named by a string or by an object without its own.
    Raises: CallRefused with Coinbase's text; one bad product is enough.
    """
    verb: Verb = message["type"]
    channels = message.get("channels")
    if not isinstance(channels, list) or not channels:
        raise CallRefused("No channels provided")
    root = decode_products(message["product_ids"], valid, verb) if "product_ids" in message else None
    return Call(verb, tuple(decode_channel(channel, root, valid, verb) for channel in channels))


def decode_channel(
    channel: object, root: tuple[str, ...] | None, valid: Collection[str], verb: Verb
) -> tuple[str, tuple[str, ...]]:
    """
    One channel of a call and its products.

    Raises: CallRefused.
    """
    product_ids = root
    name = channel
    if isinstance(channel, dict):
        name = channel.get("name")
        if "product_ids" in channel:
            product_ids = decode_products(channel["product_ids"], valid, verb)
    if name in PRIVATE_CHANNELS:
        raise CallRefused(NEEDS_KEY)
    if not isinstance(name, str) or name not in SERVED_CHANNELS:
        raise CallRefused(f"{name if isinstance(name, str) else ''} is not a valid channel")  # guess
    if verb == "subscribe" and name in PRODUCT_CHANNELS and not product_ids:
        raise CallRefused(f"You need to specify at least one product ID for channel {name}")
    return name, () if name == "status" else (product_ids or ())


def decode_products(product_ids: object, valid: Collection[str], verb: Verb) -> tuple[str, ...]:
    """
    Product ids that exist.

    Shapes: an empty list is refused as the product "" would be, as the live feed does since December 2023.
    Raises: CallRefused.
    """
    if not isinstance(product_ids, list) or not all(isinstance(product_id, str) for product_id in product_ids):
        raise CallRefused("Invalid product ID provided")
    if not product_ids and verb == "subscribe":
        raise CallRefused(" is not a valid product")
    for product_id in product_ids:
        if product_id not in valid:
            raise CallRefused(f"{product_id} is not a valid product")
    return tuple(product_ids)
