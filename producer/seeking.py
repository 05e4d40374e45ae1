"""
Which trade was the first at or after an instant, found by halving the range of trade ids.

Theory of operation. A product's trade ids rise with time, and a page `after=x` begins with the newest trade below x. So each page halves
the range in which the first trade at or after the instant may lie: some thirty pages for a billion trades.

Laws: pure but for `ask`; what REST does not hold any more counts as before the instant, so the answer is the first trade that REST can give;
a trade that is not valid tells no time.
Refuses to know: HTTP, rate limits, lakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contract.rules import parse_instant_us
from producer.continuity import Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producer.rest import RestTrade

    # The page below a trade id (None: the newest page), newest first.
    AskPage = Callable[[int | None], Sequence[RestTrade]]

# A few, so that one trade that is not valid does not hide those below it.
PROBE_TRADES: Final = 10


@dataclass(frozen=True, slots=True)
class Found:
    """
    Where an instant lies among a product's trades.

    `before` is the newest trade before it, `after` the first one at or after it; None where REST has none.
    """

    before: Edge | None
    after: Edge | None


def seek(ask: AskPage, at_us: int) -> Found:
    """The trades on both sides of an instant. Units: microseconds since the epoch."""
    newest = _newest(ask(None))
    if newest is None:
        return Found(None, None)
    if _us(newest) < at_us:
        return Found(_edge(newest), None)
    high, before, low = newest, None, 0  # every trade up to id `low` was before, or REST does not have it
    while high.trade_id - low > 1:
        middle = (low + high.trade_id) // 2
        trade = _newest([each for each in ask(middle + 1) if each.trade_id <= middle])
        if trade is None or trade.trade_id <= low:
            low = middle
        elif _us(trade) < at_us:
            low, before = middle, trade
        else:
            high = trade
    return Found(None if before is None else _edge(before), _edge(high))


def _newest(trades: Sequence[RestTrade]) -> RestTrade | None:
    return max((each for each in trades if each.valid), default=None, key=lambda each: each.trade_id)


def _us(trade: RestTrade) -> int:
    return parse_instant_us("time", trade.event_time)


def _edge(trade: RestTrade) -> Edge:
    return Edge(trade.trade_id, trade.event_time)
