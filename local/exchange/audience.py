"""
Who listens: the connections that are open, what each is subscribed to, and which of them are to get a frame now.

Laws: pure; a look-up a frame, so what is subscribed is indexed when it changes, not when a tick comes; a silence keeps frames from a connection
that stays open.
Refuses to know: what a frame says, and how a client subscribes (rules.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local.exchange.actions import Close
from local.exchange.rules import Session

if TYPE_CHECKING:
    from local.exchange.actions import Action
    from local.exchange.mischief import Mischief

STREAMED: Final = ("ticker", "matches")


class Audience:
    """
    Every open connection's session, by its number.

    `is_heard`: somebody listens to a stream. `tickers`: the connections that are subscribed to tickers of any product.
    """

    def __init__(self, mischief: Mischief | None) -> None:
        self.sessions: dict[int, Session] = {}
        self.is_heard = False
        self.tickers: tuple[int, ...] = ()
        self._mischief = mischief
        self._next_connection = 0
        self._listeners: dict[tuple[str, str], tuple[int, ...]] = {}

    def open(self, opened_us: int) -> int:
        """A new connection's number."""
        self._next_connection += 1
        self.sessions[self._next_connection] = Session(opened_us)
        return self._next_connection

    def forget(self, connection: int) -> None:
        """Nothing goes to a connection that is gone; unknown ones are gone already."""
        if self.sessions.pop(connection, None) is not None:
            self.index()

    def close(self, connection: int, code: int | None, reason: str, actions: list[Action]) -> None:
        """Close a connection and forget it."""
        actions.append(Close(connection, code, reason))
        self.forget(connection)

    def close_all(self, code: int | None, reason: str, actions: list[Action]) -> None:
        """Close every connection."""
        for connection in list(self.sessions):
            self.close(connection, code, reason, actions)

    def index(self) -> None:
        """Note who listens to what, so that a tick costs one look-up."""
        listeners: dict[tuple[str, str], list[int]] = {}
        for connection, session in self.sessions.items():
            for channel, product_ids in session.subscribed.items():
                for product_id in product_ids:
                    listeners.setdefault((channel, product_id), []).append(connection)
        self._listeners = {key: tuple(connections) for key, connections in listeners.items()}
        self.is_heard = any(channel in STREAMED for channel, _ in listeners)
        self.tickers = tuple(
            connection for connection, session in self.sessions.items() if session.subscribed.get("ticker")
        )

    def streamed_products(self) -> set[str]:
        """The products that somebody listens to a stream of."""
        return {product_id for channel, product_id in self._listeners if channel in STREAMED}

    def hearing(self, channel: str, product_id: str, now_us: int) -> tuple[int, ...]:
        """The connections that are to get a frame of this product now."""
        to = self._listeners.get((channel, product_id), ())
        if self._mischief is None or not to:
            return to
        return tuple(connection for connection in to if not self.is_silenced(connection, product_id, now_us))

    def is_silenced(self, connection: int, product_id: str, now_us: int, *, beat: bool = False) -> bool:
        """Whether a silence keeps a tick, or with `beat` a heartbeat, from this connection."""
        if self._mischief is None:
            return False
        silences = self._mischief.silences(self.sessions[connection].opened_us, now_us)
        return any(fault.product in (None, product_id) and not (beat and fault.beat) for fault in silences)
