"""
Our minutes beside Coinbase's candles: whether they agree, and where they do not, whether we know why.

Laws: decimals stay decimals, from JSON's digits on; a disagreement has a reason out of a closed set; trade ids are the better witness
(Coinbase numbers trades without holes, and says of its candles that they may be incomplete), so where ids are whole nothing is proven missing.
Refuses to know: engines, HTTP, reports.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, CandlesUnreadable
from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from audit_lambda.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from audit_lambda.findings import Severity

CHECK: Final = "candles"
MINUTE_US: Final = 60_000_000
# The most candles of one answer is 300 (Get product candles, API reference). Whether `end` is included is not documented: a page asks for
# 299 minutes and the start of the next one, which is right either way.
PAGE_MINUTES: Final = 299
_FIELDS: Final = ("open", "high", "low", "close")
_CANDLE_WIDTH: Final = 6  # time, low, high, open, close, volume

# Why a minute disagrees. `not_final`: it ended too short a time ago, for us or for them. `no_candle`: Coinbase has none, which it says may be.
# `named_hole`, `not_watched`: the lake says so itself. `ids_whole`: every numbered trade is there, and the candle says otherwise.
# `more_than_theirs`: ids are missing, and yet we have what their candle lacks. `unnamed`: they had trades that we lack, and nothing names them.
Reason = Literal["not_final", "no_candle", "named_hole", "not_watched", "ids_whole", "more_than_theirs", "unnamed"]
SEVERITY_OF: Final[Mapping[Reason, Severity]] = {
    "not_final": "notice",
    "no_candle": "notice",
    "named_hole": "notice",
    "not_watched": "notice",
    "ids_whole": "warning",
    "more_than_theirs": "warning",
    "unnamed": "damage",
}
_KNOWN: Final[Mapping[Reason, str]] = {
    "not_final": "they ended too short a time ago to be final",
    "no_candle": "Coinbase has no candle of them, which it says may be",
    "named_hole": "a hole is named there",
    "not_watched": "nobody testified to having watched them whole",
}
_UNKNOWN: Final[Mapping[Reason, str]] = {
    "ids_whole": "no trade id is missing there",
    "more_than_theirs": "trade ids are missing there, but it is the candle that has less",
    "unnamed": "trades are missing there, and no hole is named",
}


class CandlesUnreadable(Exception):
    """A body that holds no candles."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(f"Coinbase's answer holds no candles: {why}.")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """
    How far two candles may differ and agree.

    Units: shares of the larger of the two numbers; `settle_us` is how long after its end a minute is not held against anybody (the lake's
    rows may be on their way for a quarter of an hour, and more while Firehose tries again).
    """

    price_share: Decimal = Decimal(0)
    volume_share: Decimal = Decimal("0.000001")
    settle_us: int = 35 * MINUTE_US

    def thresholds(self) -> dict[str, str]:
        """As a report shows them."""
        return {
            "price_share": format(self.price_share, "f"),
            "volume_share": format(self.volume_share, "f"),
            "settle": f"{self.settle_us // 1_000}ms",
        }


@dataclass(frozen=True, slots=True)
class Candle:
    """One minute's figures."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class MinuteIds:
    """The trade ids of one minute of a product that has trades."""

    start_us: int
    trades: int
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Ids:
    """`joined`: a minute's ids have no hole and join on to those before and after, as far as the span goes. No trade, no ids."""

    first_id: int | None
    last_id: int | None
    joined: bool


@dataclass(frozen=True, slots=True)
class Minute:
    """
    What the lake knows of one minute of one product.

    Shapes: `ours` is None where no trade is there; `hole`: the reason of a named hole that touches it, or empty; `watched`: a producer
    testified to the whole of it.
    """

    product_id: str
    start_us: int
    ours: Candle | None
    ids: Ids
    hole: str
    watched: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One minute that differs: how, in words, and why."""

    minute: Minute
    differences: str
    reason: Reason


def decode_candles(body: bytes) -> dict[int, Candle]:
    """
    A body of `GET /products/{id}/candles` by the starts of its minutes, in microseconds; those without volume are left out.

    Shapes: [[time, low, high, open, close, volume], …].
    Raises: CandlesUnreadable.
    """
    try:
        told = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse)
    except ValueError as error:
        raise CandlesUnreadable(why=f"it is not JSON ({error})") from error
    if not isinstance(told, list):
        raise CandlesUnreadable(why="it is no list")
    candles = dict(map(_decode_candle, told))
    return {start_us: candle for start_us, candle in candles.items() if candle.volume > 0}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _decode_candle(told: Any) -> tuple[int, Candle]:
    numbers = isinstance(told, list) and len(told) == _CANDLE_WIDTH and all(isinstance(each, Decimal) for each in told)
    if not numbers:
        raise CandlesUnreadable(why=f"a candle is not six numbers ({str(told)[:80]})")
    start_s, low, high, first, last, volume = told
    return int(start_s) * 1_000_000, Candle(open=first, high=high, low=low, close=last, volume=volume)


def join_ids(minutes: Sequence[MinuteIds], start_us: int) -> Ids:
    """
    The ids of the minute that begins at start_us, and whether they join.

    Shapes: `minutes` of one product that have trades, in order. An edge that the span does not show counts as joined where the minute has
    trades; a minute without is joined where the ids on both its sides are.
    """
    at = bisect_left(minutes, start_us, key=lambda minute: minute.start_us)
    own = minutes[at] if at < len(minutes) and minutes[at].start_us == start_us else None
    earlier = minutes[at - 1] if at else None
    later_at = at if own is None else at + 1
    later = minutes[later_at] if later_at < len(minutes) else None
    if own is None:
        joined = earlier is not None and later is not None and later.first_id == earlier.last_id + 1
        return Ids(None, None, joined)
    joined = (
        own.last_id - own.first_id + 1 == own.trades
        and (earlier is None or earlier.last_id + 1 == own.first_id)
        and (later is None or own.last_id + 1 == later.first_id)
    )
    return Ids(own.first_id, own.last_id, joined)


def plan_pages(starts_us: Sequence[int]) -> list[tuple[int, int]]:
    """
    The pages (start, end) that hold these minutes, each of as many as one answer may have; no page begins where nothing is asked.

    Shapes: `starts_us` in order. The minute at a page's end is asked for, and belongs to the next page.
    """
    pages: list[tuple[int, int]] = []
    for start_us in starts_us:
        if not pages or start_us >= pages[-1][1]:
            pages.append((start_us, start_us + PAGE_MINUTES * MINUTE_US))
    return pages


def compare_minute(minute: Minute, theirs: Candle | None, tolerance: Tolerance, *, now_us: int) -> Disagreement | None:
    """How and why this minute disagrees with Coinbase's candle; None where they agree."""
    differences = _differences(minute.ours, theirs, tolerance)
    if not differences:
        return None
    return Disagreement(minute, differences, _reason(minute, theirs, tolerance, now_us))


def _differences(ours: Candle | None, theirs: Candle | None, tolerance: Tolerance) -> str:
    if ours is None or theirs is None:
        alone = ours or theirs
        return "" if alone is None else f"a volume of {_text(alone.volume)} against no trade"
    prices = [
        f"{name} {_text(getattr(ours, name))} against {_text(getattr(theirs, name))}"
        for name in _FIELDS
        if _apart(getattr(ours, name), getattr(theirs, name), tolerance.price_share)
    ]
    if _apart(ours.volume, theirs.volume, tolerance.volume_share):
        prices.append(f"volume {_text(ours.volume)} against {_text(theirs.volume)}")
    return ", ".join(prices)


def _apart(ours: Decimal, theirs: Decimal, share: Decimal) -> bool:
    return abs(ours - theirs) > share * max(ours, theirs)


def _text(number: Decimal) -> str:
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _reason(minute: Minute, theirs: Candle | None, tolerance: Tolerance, now_us: int) -> Reason:
    has_less = minute.ours is not None and theirs is not None and _has_less(theirs, minute.ours, tolerance)
    rules: tuple[tuple[bool, Reason], ...] = (
        (minute.start_us + MINUTE_US + tolerance.settle_us > now_us, "not_final"),
        (theirs is None, "no_candle"),
        (minute.ids.joined, "ids_whole"),
        (bool(minute.hole), "named_hole"),
        (not minute.watched, "not_watched"),
        (has_less, "more_than_theirs"),
    )
    return next((reason for holds, reason in rules if holds), "unnamed")


def _has_less(less: Candle, more: Candle, tolerance: Tolerance) -> bool:
    inside = less.high <= more.high and less.low >= more.low
    return inside and more.volume - less.volume > tolerance.volume_share * more.volume


def list_findings(disagreements: Sequence[Disagreement]) -> list[Finding]:
    """Each minute that nothing explains, worst first; then those with a known reason, together by product and reason."""
    unknown = [_unknown_finding(each) for each in disagreements if each.reason in _UNKNOWN]
    known: dict[tuple[str, Reason, str], list[Disagreement]] = {}
    for each in disagreements:
        if each.reason in _KNOWN:
            hole = each.minute.hole if each.reason == "named_hole" else ""
            known.setdefault((each.minute.product_id, each.reason, hole), []).append(each)
    unknown.sort(key=lambda finding: (finding.severity != "damage", finding.product_id, finding.first_us))
    return unknown + [_known_finding(group) for group in known.values()]


def _unknown_finding(each: Disagreement) -> Finding:
    what = f"ours against Coinbase's candle: {each.differences}; {_UNKNOWN[each.reason]}"
    return make_finding([each.minute], SEVERITY_OF[each.reason], what)


def _known_finding(group: Sequence[Disagreement]) -> Finding:
    reason = group[0].reason
    hole = f" ({group[0].minute.hole})" if reason == "named_hole" else ""
    minutes = "1 minute differs" if len(group) == 1 else f"{len(group)} minutes differ"
    what = f"{minutes} from Coinbase's candles, and we know why: {_KNOWN[reason]}{hole}"
    return make_finding([each.minute for each in group], SEVERITY_OF[reason], what)


def make_finding(minutes: Sequence[Minute], severity: Severity, what: str) -> Finding:
    """A finding about these minutes of one product."""
    return Finding(
        check=CHECK,
        group="candles",
        severity=severity,
        product_id=minutes[0].product_id,
        session=None,
        first_us=min(minute.start_us for minute in minutes),
        last_us=max(minute.start_us for minute in minutes) + MINUTE_US - 1,
        first_id=min((minute.ids.first_id for minute in minutes if minute.ids.first_id is not None), default=None),
        last_id=max((minute.ids.last_id for minute in minutes if minute.ids.last_id is not None), default=None),
        amount=len(minutes),
        what=what,
    )
