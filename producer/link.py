"""
What one channel's websocket does next: when to connect, what to send, when it is dead. The socket itself is feed.py's.

Theory of operation. Waiting → (the wait is over) → connecting → (opened) → subscribing: one subscribe message at a time, each answered by
an acknowledgement or a refusal, a refusal being narrowed down to the product at fault → live. Whatever ends a connection leads back to
waiting, with full jitter and a cap; a connection that lived long starts the waits small again. With an API key every subscribe is signed; a
refusal about the key ends the connection like any other, and the next one is signed again: never quietly without it.

Laws: pure; time is an argument (`now`: monotonic seconds; `at_us`, `receive_us`: our wall clock); it never gives up; every end of a
connection is counted by why.
Refuses to know: sockets, TLS, and what a ticker says.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

from producer.errors import FeedLost, FeedRefused, KeyRefused
from producer.exchange import (
    CHANNELS,
    ExchangeError,
    Heartbeat,
    Message,
    Subscriptions,
    Ticker,
    encode_subscribe,
    is_about_key,
)
from producer.pacing import Backoff

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Sequence

    from producer.continuity import GapReason
    from producer.credentials import ApiKey
    from producer.ingest import Channel
    from producer.ledger import Ledger
    from producer.products import SubscribePlan
    from producer.ratelimit import Bucket

log = logging.getLogger(__name__)

# Coinbase closes all connections after each of its deploys: up to a minute apart, jittered.
RECONNECT_BASE_S: Final = 1.0
RECONNECT_CAP_S: Final = 60.0
RECONNECT_FLOOR_S: Final = 0.2
# A connection that lived this long was a good one.
GOOD_CONNECTION_S: Final = 30.0
# An acknowledgement that takes longer will not come; Coinbase itself gives a client 5 s to subscribe.
ACK_S: Final = 10.0
# Products that an acknowledgement left out are asked for again this often.
REMIND_S: Final = 60.0
# Products that were refused are asked for again this often: a refusal may have been the exchange's bad hour.
FORGIVE_S: Final = 300.0

_VERDICTS: Final[dict[str, str]] = {
    "silent": "nothing came for too long",
    "trades_stopped": "heartbeats told of trades that did not come",
    "heartbeats_stopped": "heartbeats stopped, so that a stop of the trades would go unseen",
}

State = Literal["waiting", "connecting", "subscribing", "live"]


class Link:
    """One channel's connections, one after another. `state` and `why` are for people and health checks."""

    def __init__(
        self,
        channel: Channel,
        *,
        url: str,
        plan: SubscribePlan,
        connects: Bucket,
        ledger: Ledger,
        rng: random.Random,
        api_key: ApiKey | None = None,
    ) -> None:
        self.state: State = "connecting"
        self.why = ""
        self.last_frame_at: float | None = None
        self._channel = channel
        self._url = url
        self._plan = plan
        self._connects = connects
        self._ledger = ledger
        self._api_key = api_key
        self._backoff = Backoff(rng, base_s=RECONNECT_BASE_S, cap_s=RECONNECT_CAP_S, floor_s=RECONNECT_FLOOR_S)
        self._not_before = 0.0
        self._opened_at = 0.0
        self._asked_at = 0.0
        self._forgiven_at = 0.0

    def wait_s(self, now: float) -> float:
        """How long to wait before connecting; 0 means connect now."""
        wait_s = self._not_before - now
        if wait_s > 0:
            return wait_s
        wait_s = self._connects.take(now)
        if not wait_s:
            self.state = "connecting"
        return wait_s

    def opened(self, now: float, at_us: int) -> list[bytes]:
        """The websocket is open: what to send first."""
        self._ledger.connections += 1
        self.state, self.last_frame_at, self._opened_at = "subscribing", now, now
        self._channel.opened(now)
        self._plan.reconnected()
        if self._plan.is_done:  # everything was refused the last time; the wait before this connection was long enough
            self._forgive(now)
        return self._ask(now, at_us)

    def frame(self, raw: bytes, receive_us: int, now: float) -> Sequence[bytes]:
        """
        One frame; returns what to send in answer, mostly nothing.

        Raises: FeedRefused if the exchange refuses everything, or complains out of turn.
        """
        message = self._channel.frame(raw, receive_us, now)
        self.last_frame_at = now
        if type(message) is Ticker or type(message) is Heartbeat:
            return ()
        return self._heed(message, receive_us, now)

    def _heed(self, message: Message, receive_us: int, now: float) -> Sequence[bytes]:
        if isinstance(message, Subscriptions):
            before = len(self._plan.good)
            self._plan.accepted(_served(message.pairs))
            if self.state == "live" and len(self._plan.good) > before:
                self._channel.subscribed(tuple(self._plan.good), now, receive_us)
        elif isinstance(message, ExchangeError):
            if is_about_key(message):  # no product is at fault: nothing to narrow down
                signed = self._api_key is not None
                raise KeyRefused(url=self._url, message=message.message, reason=message.reason, signed=signed)
            refusal = FeedRefused(url=self._url, message=message.message, reason=message.reason)
            if not self._plan.unanswered:
                raise refusal
            log.warning("%s", refusal)
            self._plan.refused(message.reason)
        else:
            return ()
        replies = self._ask(now, receive_us)
        if self._plan.is_done and self.state == "subscribing":
            self._settle(receive_us, now)
        return replies

    def _ask(self, now: float, at_us: int) -> list[bytes]:
        asks = self._plan.next_asks()
        if asks:
            self._asked_at = now
        return [self._encode(ask, at_us) for ask in asks]

    def _encode(self, ask: Sequence[str], at_us: int) -> bytes:
        return encode_subscribe(ask, None if self._api_key is None else self._api_key.sign(at_us))

    def _settle(self, receive_us: int, now: float) -> None:
        """What the exchange took is on watch; the rest is named."""
        for product_id, reason in self._plan.bad.items():
            log.error("the exchange does not serve %s: %s", product_id, reason)
        if not self._plan.good:
            raise FeedRefused(url=self._url, message="it accepted no product", reason="")
        self.state, self.why = "live", ""
        self._forgiven_at = now
        self._channel.subscribed(tuple(self._plan.good), now, receive_us)

    def remind(self, receive_us: int, now: float) -> Sequence[bytes]:
        """
        What to send because products are not on watch yet: those that an acknowledgement left out, and, rarely, those refused.

        Caller must: ask every second or so while the connection is open.
        """
        if self.state == "live" and self._plan.bad and now - self._forgiven_at >= FORGIVE_S:
            self._forgive(now)
            return self._ask(now, receive_us)
        silent = self._plan.unanswered
        patience_s = ACK_S if self.state == "subscribing" else REMIND_S
        if not silent or not self._plan.good or now - self._asked_at < patience_s:
            return ()
        log.error("the exchange does not answer for %s; asked again every %g s", ", ".join(silent[:10]), REMIND_S)
        self._asked_at = now
        if self.state == "subscribing":
            self._settle(receive_us, now)
        return [self._encode(silent, receive_us)]

    def _forgive(self, now: float) -> None:
        self._plan.forgive()
        self._forgiven_at = now

    def verdict(self, now: float) -> str | None:
        """Why the open connection counts as dead; None while it does not. Caller must: ask every second or so, and abort it."""
        if self.state == "subscribing" and not self._plan.good and now - self._asked_at >= ACK_S:
            return f"the subscribe was not answered within {ACK_S:g} s"
        watch = self._channel.watch
        return None if watch is None else _VERDICTS.get(watch.liveness(now))

    def lost(self, lost: FeedLost | FeedRefused, now: float) -> float:
        """The connection ended, or could not be opened; returns how long the wait is, in seconds."""
        if self.last_frame_at is not None and now - self._opened_at > GOOD_CONNECTION_S:
            self._backoff.reset()
        wait_s = self._backoff.next_wait_s()
        self._not_before = now + wait_s
        self._ledger.reconnects[lost.why if isinstance(lost, FeedLost) else "refused"] += 1
        self._channel.lost(_gap_reason(lost), now)
        self.state, self.why = "waiting", str(lost)
        self.last_frame_at = None
        return wait_s


def _served(pairs: Collection[tuple[str, str]]) -> set[str]:
    """The products that an acknowledgement names for every channel we ask for."""
    return set.intersection(*({product for name, product in pairs if name == channel} for channel in CHANNELS))


def _gap_reason(lost: FeedLost | FeedRefused) -> GapReason:
    return "stalled" if isinstance(lost, FeedLost) and lost.why in _VERDICTS.values() else "disconnected"
