"""
A generated market: ticker frames in Coinbase Exchange's exact shape, from a seed.

Laws: the same (seed, product, start) gives the same stream, whatever other products are asked for. Trade ids rise by
exactly 1, sequences strictly, prices walk around the catalogue's; a buy trades at or below the ask shown after it, a sell
at or above the bid; the book never crosses; the traded volume is exactly what volume_24h and volume_30d grow by.
Shaped after 153,122 recorded tickers of November 2025: 63 % of trades in same-time cascades of one side, gaps
between orders from 10 us to seconds, storms that hit every product at once.
Refuses to know: subscribers, sockets, the clock.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from local.exchange.catalogue import CATALOGUE, Product
from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.text import SECOND_US, encode_decimal, encode_time, trim_decimal
from local.exchange.tick import Side, Tick, Trade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DAY_US: Final = 86_400 * SECOND_US
SATOSHI: Final = 10**8  # sizes and volumes are counted in 1e-8
CASCADE_SHARE: Final = 0.36  # of orders that trade more than once; with a mean of 3 trades they hold 63 % of trades
CASCADE_MEAN: Final = 1.73  # trades per order, all orders
CASCADE_MAX: Final = 255  # the longest recorded
BURST_GAP_US: Final = 800  # half of all orders follow the one before within milliseconds (recorded median: 2.6 ms)
BURST_MEAN_US: Final = BURST_GAP_US * math.exp(1.5**2 / 2)
REVERSION_S: Final = 2 * 86_400  # prices drift back to the catalogue's within days, so a long run stays sane
STORM_S: Final = 10
STORM_SHARE: Final = 0.02
STORM_FACTOR: Final = 12


def is_storm(seed: int, time_us: int) -> bool:
    """Whether this stretch of ten seconds is one in which every product trades many times faster."""
    return Random(f"storm:{seed}:{time_us // (STORM_S * SECOND_US)}").random() < STORM_SHARE  # noqa: S311  # no secret


@dataclass(slots=True)
class _Book:
    """The best prices, in quote increments, and what stands there, in 1e-8."""

    bid: int
    ask: int
    bid_units: int = 0
    ask_units: int = 0


@dataclass(frozen=True, slots=True)
class LastTrade:
    """A product's last trade in another run: a market that goes on from it has the next trade id, a later sequence and a later time."""

    trade_id: int
    sequence: int
    event_us: int


class ProductMarket:
    """One product's endless stream of ticks, from the product's own numbers on or from those of its last trade."""

    def __init__(
        self, product: Product, *, seed: int, start_us: int, busy: float = 1.0, after: LastTrade | None = None
    ) -> None:
        self._product = product
        self._seed = seed
        self._random = Random(f"market:{seed}:{product.product_id}")  # noqa: S311  # no secret
        rate = product.trades_per_s * busy / CASCADE_MEAN
        self._calm_gap_us = max(2 * SECOND_US / rate - BURST_MEAN_US, 1.0)
        # The first trade lies before the start, so that there is a last ticker to send from the first moment.
        self._now_us = start_us - int(min(self._random.expovariate(rate), 600.0) * SECOND_US) - 1
        self._deviation = self._random.gauss(0, product.volatility / 3)
        self._base_ticks = product.base_price * 10**product.price_places
        self._trade_id = product.first_trade_id + self._random.randrange(900_000)
        self._sequence = product.first_sequence + self._random.randrange(90_000_000)
        if after is not None:
            self._trade_id, self._sequence = after.trade_id, max(after.sequence, self._sequence)
            self._now_us = max(self._now_us, min(after.event_us, start_us - 1))
        self._book = _Book(1, 2)
        self._requote()
        last = self._book.bid
        self._open = max(1, round(last * math.exp(self._random.gauss(0, product.volatility))))
        self._low = max(1, round(min(last, self._open) * (1 - self._random.random() * product.volatility)))
        self._high = round(max(last, self._open) * (1 + self._random.random() * product.volatility)) + 1
        traded = product.trades_per_s * product.typical_size * 86_400 * 4
        self._day_units = self._draw_units(traded)
        self._month_units = self._day_units * 25 + self._draw_units(traded)

    def ticks(self) -> Iterator[Tick]:
        """Every tick, for ever; the first is due before the start."""
        while True:
            yield from self._order()
            self._pass_time()
            self._requote()

    def _order(self) -> Iterator[Tick]:
        """One taker's order: one to 255 trades of one side at one instant."""
        draw = self._random
        side: Side = "buy" if self._chance(0.5) else "sell"
        event_time = encode_time(self._now_us)
        self._sequence += 2 + int(draw.lognormvariate(3.6, 1.4))
        for nth in range(self._cascade_count()):
            if nth:
                self._sequence += 2 if self._chance(0.8) else 3
            yield self._trade(side, event_time)

    def _cascade_count(self) -> int:
        draw = self._random
        if draw.random() >= CASCADE_SHARE:
            return 1
        if self._chance(0.03):
            return min(CASCADE_MAX, 8 + int(draw.paretovariate(1.3) * 3))
        return 2 + int(draw.expovariate(1.6))

    def _trade(self, side: Side, event_time: str) -> Tick:
        draw, book = self._random, self._book
        self._trade_id += 1
        units = self._draw_size()
        price = book.ask if side == "buy" else book.bid
        if self._chance(0.45):  # the level is gone: the book shown is the one after the trade
            step = 1 + int(draw.expovariate(1.0) * self._product.spread_ticks / 3)
            if side == "buy":
                book.ask, book.ask_units = price + step, self._draw_size()
            elif price > step:
                book.bid, book.bid_units = price - step, self._draw_size()
        elif side == "buy":
            book.ask_units = max(1, book.ask_units - units)
        else:
            book.bid_units = max(1, book.bid_units - units)
        self._low, self._high = min(self._low, price), max(self._high, price)
        self._day_units += units
        self._month_units += units
        return self._encode(side, event_time, price, units)

    def _encode(self, side: Side, event_time: str, price: int, units: int) -> Tick:
        product, book = self._product, self._book
        places, wider = product.price_places, 10 ** (product.book_places - product.price_places)
        price_text = trim_decimal(encode_decimal(price, places))
        size_text = encode_decimal(units, 8)
        if self._chance(0.97):  # recorded: mostly trimmed, not always
            size_text = trim_decimal(size_text)
        frame = (
            f'{{"type":"ticker","sequence":{self._sequence},"product_id":"{product.product_id}","price":"{price_text}",'
            f'"open_24h":"{trim_decimal(encode_decimal(self._open, places))}",'
            f'"volume_24h":"{encode_decimal(self._day_units, 8)}",'
            f'"low_24h":"{trim_decimal(encode_decimal(self._low, places))}",'
            f'"high_24h":"{trim_decimal(encode_decimal(self._high, places))}",'
            f'"volume_30d":"{encode_decimal(self._month_units, 8)}",'
            f'"best_bid":"{encode_decimal(book.bid * wider, product.book_places)}",'
            f'"best_bid_size":"{encode_decimal(book.bid_units, 8)}",'
            f'"best_ask":"{encode_decimal(book.ask * wider, product.book_places)}",'
            f'"best_ask_size":"{encode_decimal(book.ask_units, 8)}",'
            f'"side":"{side}","time":"{event_time}","trade_id":{self._trade_id},"last_size":"{size_text}"}}'
        )
        trade = Trade(self._trade_id, price_text, size_text, event_time, side)
        return Tick(self._now_us, "ticker", product.product_id, frame.encode(), self._sequence, self._trade_id, trade)

    def _pass_time(self) -> None:
        """Let the next order's gap go by: the price walks, old volume rolls out of its window."""
        draw, product = self._random, self._product
        gap_us = draw.lognormvariate(math.log(BURST_GAP_US), 1.5)
        if self._chance(0.5):
            gap_us = draw.expovariate(1.0) * self._calm_gap_us
            if is_storm(self._seed, self._now_us):
                gap_us /= STORM_FACTOR
        gap_us = max(1, int(gap_us))
        gap_s = gap_us / SECOND_US
        self._now_us += gap_us
        self._deviation -= self._deviation * min(1.0, gap_s / REVERSION_S)
        self._deviation += draw.gauss(0, product.volatility * math.sqrt(gap_s / 86_400))
        rolled = min(1.0, gap_us / DAY_US) * draw.uniform(0.6, 1.4)
        self._day_units = max(SATOSHI, self._day_units - int(self._day_units * rolled))
        self._month_units = max(self._day_units, self._month_units - int(self._month_units * rolled / 30))

    def _requote(self) -> None:
        """New best prices around the walk; never crossed, never below one increment."""
        draw = self._random
        spread = 1 if self._chance(0.5) else 1 + int(draw.expovariate(1.0) * self._product.spread_ticks)
        middle = self._base_ticks * math.exp(self._deviation)
        bid = max(1, round(middle - spread / 2))
        self._book = _Book(bid, bid + spread, self._draw_size(), self._draw_size())

    def _draw_size(self) -> int:
        """A size in 1e-8, in whole base increments; some are the round numbers people type."""
        draw = self._random
        size = self._product.typical_size * draw.lognormvariate(0.0, 1.7)
        if self._chance(0.15):
            magnitude = 10.0 ** math.floor(math.log10(size))
            size = round(size / magnitude) * magnitude
        increment: int = 10 ** (8 - self._product.base_places)
        return max(1, round(size * SATOSHI / increment)) * increment

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _draw_units(self, mean: float) -> int:
        return max(SATOSHI, int(mean * self._random.uniform(0.7, 1.3) * SATOSHI))


@dataclass(frozen=True, slots=True)
class Market:
    """
    A generated market of several products: a `Source` that never ends.

    Units: `busy` multiplies every product's trades per second. Shapes: `after` has the last trade of products that were traded before.
    Raises: ExchangeSettingsWrong for a product the catalogue does not have.
    """

    seed: int
    start_us: int
    product_ids: tuple[str, ...] = tuple(CATALOGUE)
    busy: float = 1.0
    after: Mapping[str, LastTrade] = field(default_factory=dict)
    endless: Literal[True] = True

    def __post_init__(self) -> None:
        unknown = sorted(set(self.product_ids) - set(CATALOGUE))
        if unknown:
            problem = f"the simulated market does not trade {', '.join(unknown)}"
            raise ExchangeSettingsWrong(problem, f"it has {', '.join(CATALOGUE)}")

    def ticks(self) -> Iterator[Tick]:
        """Every product's ticks, merged by the instant they are due."""
        streams: Iterable[Iterator[Tick]] = (
            ProductMarket(
                CATALOGUE[product_id],
                seed=self.seed,
                start_us=self.start_us,
                busy=self.busy,
                after=self.after.get(product_id),
            ).ticks()
            for product_id in self.product_ids
        )
        return heapq.merge(*streams, key=lambda tick: tick.due_us)
