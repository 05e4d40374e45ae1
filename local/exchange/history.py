"""
What REST can tell about past trades: every trade the exchange made, page by page, and those of a recording's holes.

Laws: ids rise; memory is bounded per product (the oldest quarter goes when it is full); a hole's trades are computed
when asked for, never stored, and are the same whenever they are asked for.
Refuses to know: HTTP, and whether a trade was ever sent on the websocket.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from local.exchange.ranges import IdRanges
from local.exchange.text import decode_time, encode_decimal, encode_time, pad_decimal, trim_decimal
from local.exchange.tick import Trade

if TYPE_CHECKING:
    from collections.abc import Iterator

HoleTrades = Literal["none", "all"] | float
REMEMBERED_COUNT: Final = 250_000  # trades per product, some 130 bytes each
MASK: Final = 2**64 - 1


def mix(*numbers: int) -> int:
    """A well-mixed 64-bit number of some integers (splitmix64), the same on every machine."""
    state = 0
    for number in numbers:
        state = (state + (number & MASK) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


def share_of(*numbers: int) -> float:
    """A seeded draw from [0, 1)."""
    return mix(*numbers) / 2**64


def pack_trade(trade: Trade) -> bytes:
    """A trade without its id, in one small object."""
    return f"{trade.price}|{trade.base_size}|{trade.event_time}|{trade.taker_side}".encode()


def unpack_trade(trade_id: int, packed: bytes) -> Trade:
    """The trade that was packed."""
    price, base_size, event_time, side = packed.decode().split("|")
    return Trade(trade_id, price, base_size, event_time, "buy" if side == "buy" else "sell")


@dataclass(frozen=True, slots=True)
class Hole:
    """
    Trades a recording lacks, between the two it has; REST holds those from `first_held` on.

    Units: prices in 10**-`places`.
    """

    before_id: int
    after_id: int
    start_us: int
    end_us: int
    start_price: int
    end_price: int
    places: int
    first_held: int
    seed: int

    def trade(self, trade_id: int) -> Trade:
        """A plausible trade for one missing id: its time and price lie between the edges', its text is stable."""
        span, at = self.after_id - self.before_id, trade_id - self.before_id
        rise = self.end_price - self.start_price
        wobble = 1 + abs(rise) // 20
        dice = mix(self.seed, trade_id)
        price = self.start_price + rise * at // span + dice % (2 * wobble + 1) - wobble
        units = 10 ** (2 + (dice >> 20) % 6) * (1 + (dice >> 32) % 97)
        return Trade(
            trade_id=trade_id,
            price=trim_decimal(encode_decimal(max(1, price), self.places)),
            base_size=encode_decimal(units, 8),
            event_time=encode_time(self.instant(trade_id)),
            taker_side="buy" if dice >> 63 else "sell",
        )

    def instant(self, trade_id: int) -> int:
        """When a missing trade happened, in microseconds; later ids never happened earlier."""
        return self.start_us + (self.end_us - self.start_us) * (trade_id - self.before_id) // (
            self.after_id - self.before_id
        )


def measure_hole(before: Trade, after: Trade, *, first_held: int, seed: int) -> Hole:
    """The hole between two trades; a clock that steps back between them makes all its times the first one's."""
    start_us, end_us = decode_time(before.event_time), decode_time(after.event_time)
    assert start_us is not None  # a Trade is made only where the time was sane
    assert end_us is not None
    places = max(len(edge.price.partition(".")[2]) for edge in (before, after))
    start_price, end_price = (int(pad_decimal(edge.price, places).replace(".", "")) for edge in (before, after))
    return Hole(
        before_id=before.trade_id,
        after_id=after.trade_id,
        start_us=start_us,
        end_us=max(start_us, end_us),
        start_price=start_price,
        end_price=end_price,
        places=places,
        first_held=first_held,
        seed=seed,
    )


class TradeHistory:
    """The trades of one product, by id."""

    def __init__(
        self, *, seed: int = 0, hole_trades: HoleTrades | None = None, remembered_count: int = REMEMBERED_COUNT
    ) -> None:
        """Shapes: `hole_trades` None means that a jump in ids is no hole of a recording but the source's own."""
        self._seed = seed
        self._hole_trades = hole_trades
        self._remembered_count = remembered_count
        self._ids: list[int] = []
        self._packed: list[bytes] = []  # a tenth of the memory that as many Trade objects take
        self._holes: dict[int, Hole] = {}  # by the id after the hole
        self.withheld = IdRanges()  # ids that REST never gives, though the market had them
        self.forgotten_below = 0

        self.last: Trade | None = None  # the newest trade

    def add(self, trade: Trade, *, hole_trades: HoleTrades | None = None) -> tuple[int, int] | None:
        """Remember one trade; the ids of the hole before it, if there is one. `hole_trades` overrides the setting."""
        if not self._ids or trade.trade_id > self._ids[-1]:
            hole = self._find_hole(trade, self._hole_trades if hole_trades is None else hole_trades)
            self._ids.append(trade.trade_id)
            self._packed.append(pack_trade(trade))
            self.last = trade
            if len(self._ids) > self._remembered_count:
                self._forget()
            return hole
        at = bisect_left(self._ids, trade.trade_id)
        if self._ids[at] != trade.trade_id and trade.trade_id >= self.forgotten_below:
            self._insert(at, trade)
        return None

    def _insert(self, at: int, trade: Trade) -> None:
        """Remember a trade that came late; the hole it lay in is now on both sides of it."""
        if hole := self._holes.get(self._ids[at]):
            self._holes[trade.trade_id] = hole
            self.withheld.remove_range(trade.trade_id, trade.trade_id)
        self._ids.insert(at, trade.trade_id)
        self._packed.insert(at, pack_trade(trade))

    def _find_hole(self, after: Trade, hole_trades: HoleTrades | None) -> tuple[int, int] | None:
        before = self.last
        if before is None or hole_trades is None or after.trade_id == before.trade_id + 1:
            return None
        first, last = before.trade_id + 1, after.trade_id - 1
        held = plan_held(first, last, hole_trades, self._seed)
        self._holes[after.trade_id] = measure_hole(before, after, first_held=held, seed=self._seed)
        self.withheld.add_range(first, held - 1)
        return first, last

    def withhold(self, trade_id: int, rest_holds: HoleTrades) -> None:
        """Let REST never tell this trade, by a seeded draw where only a share is held."""
        if plan_held(trade_id, trade_id, rest_holds, self._seed) > trade_id:
            self.withheld.add(trade_id)

    def _forget(self) -> None:
        cut = self._remembered_count // 4
        self.forgotten_below = self._ids[cut]
        for trade_id in [known for known in self._holes if known <= self.forgotten_below]:
            del self._holes[trade_id]
        del self._ids[:cut]
        del self._packed[:cut]

    def get(self, trade_id: int) -> Trade | None:
        """One trade, if REST holds it."""
        return next(self.below(trade_id + 1, above=trade_id - 1), None)

    def below(self, trade_id: int | None = None, *, above: int = 0) -> Iterator[Trade]:
        """The trades REST holds with above < id < trade_id, newest first."""
        at = len(self._ids) if trade_id is None else bisect_left(self._ids, trade_id)
        yield from self._below_in_hole(at, trade_id, above)
        while at > 0 and self._ids[at - 1] > above:
            at -= 1
            if self._ids[at] not in self.withheld:
                yield unpack_trade(self._ids[at], self._packed[at])
            yield from self._below_in_hole(at, None, above)

    def _below_in_hole(self, at: int, trade_id: int | None, above: int) -> Iterator[Trade]:
        hole = self._holes.get(self._ids[at]) if at < len(self._ids) else None
        if hole is None:
            return
        start = self._ids[at] - 1 if trade_id is None else min(trade_id, self._ids[at]) - 1
        known = self._ids[at - 1] if at else 0
        for missing in range(start, max(hole.first_held - 1, above, known), -1):
            if missing not in self.withheld:
                yield hole.trade(missing)

    def between(self, start_us: int, end_us: int) -> Iterator[Trade]:
        """Every trade the market had with start <= event time < end, oldest first: also what REST tells nobody one by one."""

        def instant(packed: bytes) -> int:
            return decode_time(unpack_trade(0, packed).event_time) or 0

        at = bisect_left(self._packed, start_us, key=instant)
        end = bisect_right(self._packed, end_us - 1, key=instant)
        for nth in range(at, end):
            yield from self._hole_between(nth, start_us, end_us)
            yield unpack_trade(self._ids[nth], self._packed[nth])
        yield from self._hole_between(end, start_us, end_us)

    def _hole_between(self, nth: int, start_us: int, end_us: int) -> Iterator[Trade]:
        """The trades of the hole before the nth that was told, of these instants."""
        hole = self._holes.get(self._ids[nth]) if nth < len(self._ids) else None
        if hole is None:
            return
        missing = range(self._ids[nth - 1] + 1 if nth else hole.before_id + 1, self._ids[nth])
        for at in range(
            bisect_left(missing, start_us, key=hole.instant), bisect_left(missing, end_us, key=hole.instant)
        ):
            yield hole.trade(missing[at])


def plan_held(first: int, last: int, hole_trades: HoleTrades, seed: int) -> int:
    """
    The first id of a hole that REST holds (last + 1 if none): all, none, or by a seeded draw for a share of the ids.

    Shapes: of holes with a share f, two thirds are held whole (with probability f) or not at all, one third is held
    in its newest part f; so that over many holes the share of ids is about f, and all three cases occur.
    """
    if isinstance(hole_trades, str):
        return first if hole_trades == "all" else last + 1
    draw = share_of(seed, first, last)
    if draw < 2 / 3:
        return first if draw < hole_trades * 2 / 3 else last + 1
    return last + 1 - round((last - first + 1) * hole_trades)
