"""
What can be made to go wrong, as data: one small record per sort of fault.

Laws: constants in, nothing decided here (mischief.py does). Seconds count from the exchange's opening. A fault on frames
hits the `at`-th ticker frame that is about to be sent (from 1; of `product` alone where one is named) and the `count - 1`
after it, or, without `at`, a seeded `share` of the frames in its window.
Refuses to know: sockets, sessions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from local.exchange.errors import ExchangeSettingsWrong

if TYPE_CHECKING:
    from local.exchange.history import HoleTrades

PageOddity = Literal["short", "empty", "gappy", "shuffled", "no_cursor", "stuck", "cut"]
Alteration = Literal["size", "zero_time", "negative_price", "wrong_type", "cut", "not_utf8", "huge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a fault is at work: `from_s` <= seconds since opening < `to_s`."""

    from_s: float = 0.0
    to_s: float = math.inf

    def covers(self, elapsed_s: float) -> bool:
        """Whether it is at work now."""
        return self.from_s <= elapsed_s < self.to_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFault(Window):
    """Which frames are hit."""

    at: int | None = None
    count: int = 1
    share: float = 0.0
    product: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(FrameFault):
    """The frame is not sent. REST holds its trade, or with `rest_holds` only a share of them, or none."""

    rest_holds: HoleTrades = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(FrameFault):
    """The frame is sent `times` times."""

    times: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(FrameFault):
    """The frame is sent after the `by` next frames of its product."""

    by: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alter(FrameFault):
    """The frame is sent with something wrong in it."""

    how: Alteration = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump(FrameFault):
    """
    Trade ids jump by `by` from this frame on: trades nobody was told of, which REST holds by `rest_holds`.

    Shapes: needs `product` or hits whichever product the frame is of; only in a generated market.
    """

    by: int = 10
    rest_holds: HoleTrades = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(FrameFault):
    """
    Every connection is closed with `code`, or broken off without a word where it is None.

    Shapes: with `at` before that frame is sent, else once at `from_s`; what fell due meanwhile is never sent.
    """

    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Window):
    """
    Connections opened before `from_s` are sent no ticks, nor heartbeats unless they `beat`; with `deaf` nothing is read
    from them either (a half-open socket); with `all_connections` new ones fare no better.
    """

    beat: bool = False
    deaf: bool = False
    all_connections: bool = False
    product: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseConnections(Window):
    """The upgrade is answered with an HTTP status."""

    status: int = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowAccept(Window):
    """The upgrade is answered `delay_s` late."""

    delay_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseSubscribe(Window):
    """Every subscribe is refused whole, for this reason."""

    reason: str = "Failed to process request"


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreSubscribe(Window):
    """A subscribe is neither obeyed nor answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetProduct(Window):
    """A subscribe is obeyed, but without this product; the ack does not name it."""

    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadProduct(Window):
    """The websocket does not know this product, though REST /products lists it."""

    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroHeartbeat(Window):
    """Heartbeats say `last_trade_id: 0`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep(Window):
    """Every `time` the exchange writes is `step_s` off, on the websocket and on REST."""

    step_s: float = -2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestFault(Window):
    """Which REST calls are hit: those whose path begins with `path`, such as /v2/ or /products/BTC-USD/; without one, all."""

    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestStorm(RestFault):
    """A seeded `share` of REST calls is answered with `status`."""

    status: int = 503
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OddPages(RestFault):
    """
    A seeded `share` of the pages of trades is odd: only the newest third of the page (`short`), nothing (`empty`), every third trade left out
    (`gappy`), oldest first (`shuffled`), without headers that say where to go on (`no_cursor`), the newest page wherever it was asked to begin
    (`stuck`), or the first half of the body (`cut`).
    """

    how: PageOddity = "short"
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestDown(RestFault):
    """REST connections are broken off without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRest(RestFault):
    """REST answers `delay_s` late."""

    delay_s: float = 3.0


Fault = (
    Drop
    | Duplicate
    | Reorder
    | Alter
    | Jump
    | Disconnect
    | Silence
    | RefuseConnections
    | SlowAccept
    | RefuseSubscribe
    | IgnoreSubscribe
    | ForgetProduct
    | BadProduct
    | ZeroHeartbeat
    | ClockStep
    | RestStorm
    | OddPages
    | RestDown
    | SlowRest
)


def _name(kind: type[Fault]) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("-")


FAULTS: Final[dict[str, type[Fault]]] = {_name(kind): kind for kind in get_args(Fault)}


def parse_fault(text: str) -> Fault:
    """
    A fault from its text: `drop:at=100,count=5`, `silence:from_s=10,to_s=40,beat=true`, `rest-down`.

    Shapes: `none` as a value of code means no code; `all`, `none` or a share for rest_holds.
    Raises: ExchangeSettingsWrong, naming what there is.
    """
    name, _, rest = text.partition(":")
    kind = FAULTS.get(name.strip())
    if kind is None:
        raise ExchangeSettingsWrong(f"there is no fault {name!r}", f"there are {', '.join(FAULTS)}")
    known = {field.name: str(field.type) for field in fields(kind)}
    given: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        key, _, value = part.partition("=")
        if key not in known:
            raise ExchangeSettingsWrong(f"{name} has no {key!r}", f"it has {', '.join(known)}")
        given[key] = _parse_value(name, key, value, known[key])
    return kind(**given)


def _parse_value(name: str, key: str, value: str, wanted: str) -> Any:
    try:
        if wanted == "bool":
            return {"true": True, "false": False}[value]
        if wanted == "HoleTrades":
            return value if value in ("all", "none") else float(value)
        if wanted in {"Alteration", "PageOddity"}:
            kinds = get_args(Alteration if wanted == "Alteration" else PageOddity)
            return {how: how for how in kinds}[value]
        if wanted.startswith("int"):
            return None if value == "none" and "None" in wanted else int(value)
        return float(value) if wanted == "float" else value
    except (KeyError, ValueError):
        raise ExchangeSettingsWrong(f"{name}: {key}={value!r} cannot be read", f"it takes {wanted}") from None
