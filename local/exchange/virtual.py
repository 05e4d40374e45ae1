"""
A whole exchange in virtual time: no sockets, no waiting, one seed for everything.

Laws: time goes by only in `advance`, which stops at every instant at which something falls due, so that frames, heartbeats
and faults happen in their true order. What connections are sent waits in their inboxes with the instant it came.
Refuses to know: what a client makes of it. A test steps its own machinery between two advances.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from local.exchange.actions import Accepted, Action, Close, Refused, Send
from local.exchange.core import Exchange
from local.exchange.market import Market
from local.exchange.settings import Settings
from local.exchange.text import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local.exchange.faults import Fault
    from local.exchange.rest import Answer
    from local.exchange.tick import Source
    from local.exchange.truth import Truth

OPENED_US = 1_763_996_400 * SECOND_US  # 2025-11-24T15:00:00Z


@dataclass(frozen=True, slots=True)
class Received:
    """One frame and when it came."""

    at_us: int
    frame: bytes


@dataclass(slots=True)
class VirtualConnection:
    """
    One connection as its client sees it.

    Shapes: `inbox` holds what was sent and not yet taken; `closed` how the exchange ended it (a code of None: without a
    word), after everything in the inbox. `ready_us` is when the upgrade was answered: later than asked for if accepting
    was slow.
    """

    number: int
    ready_us: int = 0
    inbox: deque[Received] = field(default_factory=deque)
    closed: Close | None = None

    def take(self) -> list[Received]:
        """Everything in the inbox, which is then empty."""
        taken = list(self.inbox)
        self.inbox.clear()
        return taken


class VirtualExchange:
    """An exchange and the time it lives in."""

    def __init__(
        self,
        source: Source | None = None,
        *,
        seed: int = 0,
        products: Sequence[str] = ("BTC-USD", "ETH-USD", "SOL-USD"),
        busy: float = 1.0,
        faults: Sequence[Fault] = (),
        settings: Settings | None = None,
        opened_us: int = OPENED_US,
    ) -> None:
        """Shapes: `source` None generates a market of `products`; `settings`, if given, override seed and faults."""
        self.now_us = opened_us
        source = source or Market(seed=seed, start_us=opened_us, product_ids=tuple(products), busy=busy)
        self.exchange = Exchange(source, settings or Settings(seed=seed, faults=tuple(faults)), now_us=opened_us)
        self.connections: dict[int, VirtualConnection] = {}

    @property
    def truth(self) -> Truth:
        """What really happened so far."""
        return self.exchange.truth

    def connect(self) -> VirtualConnection | Refused:
        """
        A new connection, or the refusal.

        Caller must: not use a connection before its `ready_us`.
        """
        answer = self.exchange.connect(self.now_us)
        if not isinstance(answer, Accepted):
            return answer
        connection = self.connections[answer.connection] = VirtualConnection(
            answer.connection, ready_us=self.now_us + round(answer.delay_s * SECOND_US)
        )
        return connection

    def subscribe(
        self,
        connection: VirtualConnection,
        products: Iterable[str],
        channels: Iterable[str] = ("heartbeat", "ticker"),
    ) -> None:
        """Send one subscribe."""
        ids = list(products)
        named = [{"name": channel, "product_ids": ids} for channel in channels]
        self.send(connection, orjson.dumps({"type": "subscribe", "channels": named}))

    def send(self, connection: VirtualConnection, text: str | bytes) -> None:
        """Send one message as the client; on a closed connection it goes nowhere."""
        self._deliver(self.exchange.receive(connection.number, text, self.now_us))

    def close(self, connection: VirtualConnection) -> None:
        """Close a connection as the client."""
        self.exchange.disconnect(connection.number)
        self.connections.pop(connection.number, None)

    def advance(self, by_s: float) -> None:
        """Let time go by; everything that falls due in it happens at its instant."""
        self.advance_to(self.now_us + round(by_s * SECOND_US))

    def advance_to(self, until_us: int) -> None:
        """Let time go by until an instant."""
        while True:
            due_us = self.exchange.next_due_us()
            if due_us is None or due_us > until_us:
                break
            self.now_us = max(self.now_us, due_us)
            self._deliver(self.exchange.step(self.now_us))
        self.now_us = max(self.now_us, until_us)

    def _deliver(self, actions: list[Action]) -> None:
        for action in actions:
            connection = self.connections.get(action.connection)
            if connection is None:
                continue
            if isinstance(action, Send):
                connection.inbox.append(Received(self.now_us, action.frame))
            elif isinstance(action, Close):
                connection.closed = action
                del self.connections[action.connection]

    def rest(self, path: str, **query: object) -> Answer | None:
        """What GET `path` answers; None where the connection breaks."""
        return self.exchange.rest(path, {name: str(value) for name, value in query.items()}, self.now_us)

    def rest_trades(self, product_id: str, **query: object) -> list[dict[str, Any]] | int:
        """One page of trades, newest first; the HTTP status where it is not 200, 0 where there is no answer."""
        answer = self.rest(f"/products/{product_id}/trades", **query)
        if answer is None or answer.status != 200:  # noqa: PLR2004  # HTTP's OK
            return answer.status if answer else 0
        page: list[dict[str, Any]] = orjson.loads(answer.body)
        return page
