"""
A schedule of faults from a seed: a few of every sort, and a calm end in which everything can be made good.

Laws: pure; the same arguments give the same schedule; no fault is at work in the last third of the run.
Refuses to know: what a client should make of it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, get_args

from local.exchange.faults import (
    Alter,
    BadProduct,
    ClockStep,
    Disconnect,
    Drop,
    Duplicate,
    Fault,
    ForgetProduct,
    IgnoreSubscribe,
    Jump,
    OddPages,
    PageOddity,
    RefuseConnections,
    RefuseSubscribe,
    Reorder,
    RestDown,
    RestStorm,
    Silence,
    SlowAccept,
    SlowRest,
    ZeroHeartbeat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CLOSE_CODES: Final = (None, 1000, 1001, 1006, 1008, 1009, 1011, 1012)
ODD_PAGES_SHARE: Final = 0.2
HELD: Final = ("all", "all", "none", 0.5)
ALTERATIONS: Final = ("size", "zero_time", "negative_price", "wrong_type", "cut", "not_utf8")


class _Draw:
    """The dice of one schedule."""

    def __init__(self, seed: int, duration_s: float, products: Sequence[str]) -> None:
        self.random = Random(f"chaos:{seed}")  # noqa: S311  # no secret
        self._trouble_s = duration_s * 2 / 3
        self._products = products

    def window(self) -> tuple[float, float]:
        start_s = self.random.uniform(0, self._trouble_s)
        return start_s, self.random.uniform(start_s, self._trouble_s)

    def moment(self) -> float:
        return self.random.uniform(0, self._trouble_s)

    def product(self) -> str:
        return self.random.choice(self._products)

    def at(self) -> int:
        return 1 + int(self.random.expovariate(1 / 100))


def _code(draw: _Draw) -> int | None:
    """A close code; 1006 is none that can be sent, it is what the client sees when there was no word."""
    code = draw.random.choice(CLOSE_CODES)
    return None if code == 1006 else code  # noqa: PLR2004  # the RFC's


MAKERS: Final[Mapping[str, Callable[[_Draw, float, float], Fault]]] = {
    "drop": lambda draw, _a, _b: Drop(
        at=draw.at(), count=1 + int(draw.random.expovariate(0.2)), rest_holds=draw.random.choice(HELD)
    ),
    "drop share": lambda draw, a, b: Drop(from_s=a, to_s=b, share=draw.random.uniform(0.001, 0.2)),
    "duplicate": lambda draw, a, b: Duplicate(from_s=a, to_s=b, share=0.05, times=draw.random.randint(2, 3)),
    "reorder": lambda draw, a, b: Reorder(from_s=a, to_s=b, share=0.05, by=draw.random.randint(1, 4)),
    "alter": lambda draw, a, b: Alter(from_s=a, to_s=b, share=0.02, how=draw.random.choice(ALTERATIONS)),
    "jump": lambda draw, _a, _b: Jump(
        at=draw.at(), by=draw.random.randint(1, 3000), rest_holds=draw.random.choice(HELD)
    ),
    "disconnect": lambda draw, _a, _b: Disconnect(from_s=draw.moment(), code=_code(draw)),
    "disconnect at": lambda draw, _a, _b: Disconnect(at=draw.at(), code=_code(draw)),
    "silence": lambda draw, a, b: Silence(from_s=a, to_s=b, beat=draw.random.random() < 0.5),  # noqa: PLR2004  # a coin
    "half open": lambda _draw, a, b: Silence(from_s=a, to_s=b, deaf=True),
    "silent product": lambda draw, a, b: Silence(
        from_s=a, to_s=b, beat=True, product=draw.product(), all_connections=True
    ),
    "refuse": lambda draw, a, b: RefuseConnections(from_s=a, to_s=b, status=draw.random.choice((429, 500, 503))),
    "slow accept": lambda draw, a, b: SlowAccept(from_s=a, to_s=b, delay_s=draw.random.uniform(0.1, 20)),
    "refuse subscribe": lambda _draw, a, b: RefuseSubscribe(from_s=a, to_s=b),
    "ignore subscribe": lambda _draw, a, b: IgnoreSubscribe(from_s=a, to_s=b),
    "forget product": lambda draw, a, b: ForgetProduct(from_s=a, to_s=b, product=draw.product()),
    "bad product": lambda draw, a, b: BadProduct(from_s=a, to_s=b, product=draw.product()),
    "zero heartbeat": lambda _draw, a, b: ZeroHeartbeat(from_s=a, to_s=b),
    "clock": lambda draw, a, b: ClockStep(from_s=a, to_s=b, step_s=draw.random.uniform(-3, 3)),
    "rest storm": lambda draw, a, b: RestStorm(
        from_s=a, to_s=b, status=draw.random.choice((429, 500, 502, 503)), share=draw.random.uniform(0.2, 1)
    ),
    "rest down": lambda _draw, a, b: RestDown(from_s=a, to_s=b),
    "slow rest": lambda draw, a, b: SlowRest(from_s=a, to_s=b, delay_s=draw.random.uniform(0.1, 20)),
}


def draw_faults(seed: int, *, duration_s: float, products: Sequence[str]) -> tuple[Fault, ...]:
    """
    One to six faults, and perhaps odd pages, for a run of `duration_s` seconds.

    Shapes: frames are hit by number at most some hundreds in, so a short run of a calm market may miss a few.
    """
    draw = _Draw(seed, duration_s, products)
    names = draw.random.sample(sorted(MAKERS), k=draw.random.randint(1, 6))
    return (*(MAKERS[name](draw, *draw.window()) for name in names), *_draw_odd_pages(seed, duration_s))


def _draw_odd_pages(seed: int, duration_s: float) -> tuple[Fault, ...]:
    """Odd pages of trades for one seed in five, drawn by dice of their own: what else a seed draws stays as it was before there were any."""
    dice = Random(f"odd pages:{seed}")  # noqa: S311  # no secret
    if dice.random() >= ODD_PAGES_SHARE:
        return ()
    begins_s, lasts_s = dice.uniform(0, duration_s / 3), dice.uniform(0, duration_s / 3)
    how = dice.choice(get_args(PageOddity))
    return (OddPages(from_s=begins_s, to_s=begins_s + lasts_s, how=how, share=dice.uniform(0.2, 1)),)
