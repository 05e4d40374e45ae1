"""
Which products to record, which of them are this producer's, and how they are asked for so that one bad one voids nothing.

Coinbase refuses a whole subscribe message for one product it does not know, and its error names neither the message nor always
the product. So products are checked against its list first; what is refused all the same is named by its answer, or found by halving.

Laws: pure; a product is never dropped without being named in `unknown`, `offline` or `bad`; the same products, shards and lists give
the same plan everywhere.
Refuses to know: HTTP, sockets, and channels.
Source: docs.cdp.coinbase.com, Exchange: Get all known trading pairs, WebSocket overview; refusals as quoted in public issue threads.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

ALL: Final = "ALL"
_PRODUCT: Final = re.compile(r"(?=.{3,64}\Z)[A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20})+", re.ASCII)
_PATTERN: Final = re.compile(r"[A-Z0-9*]{1,20}(?:-[A-Z0-9*]{1,20})*", re.ASCII)
_SHARD: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,4})", re.ASCII)


def is_product(text: str) -> bool:
    """Whether this can be a product's id (contract)."""
    return bool(_PRODUCT.fullmatch(text))


def is_pattern(text: str) -> bool:
    """Whether this can stand among the wanted products: an id, a wildcard such as *-USD or BTC-*, or all; in upper case."""
    return is_product(text) or text == ALL or (bool(_PATTERN.fullmatch(text)) and "*" in text)


def is_wildcard(text: str) -> bool:
    """Whether only the exchange's list can say what this stands for."""
    return text == ALL or "*" in text


# Which


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """
    What the patterns mean today.

    `wanted`: to be subscribed, in the patterns' order. `unknown`: ids the exchange does not list, wildcards that match nothing online.
    `offline`: asked for by id and listed, but not trading; they are wanted too, as they may trade again, unless delisted.
    """

    wanted: tuple[str, ...]
    unknown: tuple[str, ...]
    offline: tuple[str, ...]


def plan_products(patterns: Sequence[str], listed: Sequence[Mapping[str, Any]]) -> ProductPlan:
    """
    What to subscribe to.

    Shapes: `listed` is the array of GET /products; entries without a usable id are passed over.
    """
    status = {
        each["id"]: _status(each) for each in listed if isinstance(each.get("id"), str) and is_product(each["id"])
    }
    online = sorted(product_id for product_id, is_at in status.items() if is_at == "online")
    wanted: dict[str, None] = {}
    unknown: dict[str, None] = {}
    offline: dict[str, None] = {}
    for pattern in map(str.upper, patterns):
        if is_product(pattern):
            found = [pattern] if status.get(pattern, "delisted") != "delisted" else []
            if pattern in status and status[pattern] != "online":
                offline[pattern] = None
        else:
            found = _matching(pattern, online)
        wanted |= dict.fromkeys(found)
        if not found and pattern not in offline:
            unknown[pattern] = None
    return ProductPlan(tuple(wanted), tuple(unknown), tuple(offline))


def _status(product: Mapping[str, Any]) -> str:
    """`online`, `delisted` or anything else that means not trading now."""
    status = product.get("status")
    if status == "online" and product.get("trading_disabled") is True:
        return "trading_disabled"
    return status if isinstance(status, str) else "unknown"


def _matching(pattern: str, online: Sequence[str]) -> list[str]:
    if pattern == ALL:
        return list(online)
    return [each for each in online if fnmatchcase(each, pattern)] if is_pattern(pattern) else []


# Whose


def parse_shard(text: str) -> tuple[int, int]:
    """
    "2/4" as (2, 4): the second of four shards, counted from 1.

    Raises: SettingsError.
    """
    match = _SHARD.fullmatch(text)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count:
        raise SettingsError(name="shard", value=text, why="write which of how many, such as 2/4, from 1/4 to 4/4")
    return index, count


def shard_products(products: Iterable[str], index: int, count: int) -> tuple[str, ...]:
    """
    The products of shard `index` of `count`, in order.

    Rendezvous hashing: every shard draws a number for every product, and the highest has it. So every product has one shard, and a
    shard added takes about 1/count of the products, from the others evenly; no other product moves.
    """
    return tuple(each for each in products if max(range(1, count + 1), key=lambda shard: _draw(shard, each)) == index)


def _draw(shard: int, product_id: str) -> bytes:
    # Part of the promise between producers of different versions: every one has to draw the same number for ever.
    return blake2b(f"{shard}/{product_id}".encode(), digest_size=16).digest()


# How they are asked for


def spread(
    products: Sequence[str], *, per_connection: int, per_message: int
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """
    Connections, each with its subscribe messages, each with its products.

    Products are dealt to the connections like cards, because those named first are often the busiest.
    """
    connection_count = -(-len(products) // per_connection)
    hands = [products[at::connection_count] for at in range(connection_count)]
    return tuple(tuple(tuple(hand[at : at + per_message]) for at in range(0, len(hand), per_message)) for hand in hands)


class SubscribePlan:
    """
    One connection's subscribing: what to ask next, until every product is `good` or `bad` (with the exchange's reason).

    All messages are asked at once; when one is refused and no product is named, they are asked one by one, and what is refused is
    halved until a bad product stands alone. Caller must: send what `next_asks` returns, after every answer again.
    """

    def __init__(self, messages: Iterable[Sequence[str]]) -> None:
        self.good: set[str] = set()
        self.bad: dict[str, str] = {}
        self._messages = [tuple(message) for message in messages]
        self._queue = deque(message for message in self._messages if message)
        self._asked: list[tuple[str, ...]] = []
        self._one_by_one = False

    @property
    def is_done(self) -> bool:
        """Nothing to ask, nothing unanswered."""
        return not self._queue and not self._asked

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Products that were asked for and neither accepted nor refused yet."""
        return tuple(each for ask in self._asked for each in ask)

    def next_asks(self) -> list[tuple[str, ...]]:
        """The products of each subscribe message to send now."""
        if self._one_by_one:
            asks = [self._queue.popleft()] if self._queue and not self._asked else []
        else:
            asks = list(self._queue)
            self._queue.clear()
        self._asked += asks
        return asks

    def accepted(self, products: Collection[str]) -> None:
        """The exchange acknowledged these products; an ack lists all of the connection's, those of older messages too."""
        for ask in (*self._asked, *self._queue):
            self.good.update(each for each in ask if each in products)
        self._asked = _without(self._asked, self.good)
        self._queue = deque(_without(self._queue, self.good))

    def refused(self, reason: str, ask: Sequence[str] | None = None) -> None:
        """
        The exchange refused `ask` (None: it did not say which).

        Every product in question that `reason` names is bad; where it names none, what was asked is asked again in smaller parts.
        """
        suspects = [each for each in self._asked if ask is None or set(each) <= set(ask)]
        words = set(re.findall(r"[A-Z0-9]+(?:-[A-Z0-9]+)+", reason))
        named = {each for suspect in suspects for each in suspect if each in words}
        if named:
            suspects = [each for each in suspects if named & set(each)]
            again = _without(suspects, named)
        elif len(suspects) == 1:
            (suspect,) = suspects
            half = len(suspect) // 2
            named = set() if half else set(suspect)
            again = [suspect[:half], suspect[half:]] if half else []
            self._one_by_one = True
        else:
            again = suspects
            self._one_by_one = True
        self.bad |= dict.fromkeys(sorted(named), reason)
        self._asked = [each for each in self._asked if each not in suspects]
        self._queue.extendleft(reversed(again))

    def forgive(self) -> None:
        """Ask for the bad ones again, one by one: a refusal may have been the exchange's bad hour."""
        self._queue.extend((product_id,) for product_id in self.bad)
        self.bad.clear()
        self._one_by_one = True

    def reconnected(self) -> None:
        """A new connection knows nothing: ask for everything again but what is bad; what is under suspicion stays divided."""
        suspects = [*self._asked, *self._queue]
        doubtful = {each for suspect in suspects for each in suspect} if self._one_by_one else set()
        known = _without(self._messages, doubtful | self.bad.keys())
        self._queue = deque([*known, *(suspects if self._one_by_one else ())])
        self._asked = []
        self.good = set()


def _without(asks: Iterable[tuple[str, ...]], products: Collection[str]) -> list[tuple[str, ...]]:
    left = (tuple(each for each in ask if each not in products) for ask in asks)
    return [ask for ask in left if ask]
