"""
The lake cross-checked with Coinbase's own candles: our minutes from ticks, asked of the lake, against theirs, page by page.

Laws: a page that could not be had makes the check not run, with the reason, never passed; only whole minutes are compared, in which the lake
has trades or a producer testified to have watched; `now` is an argument.
Refuses to know: HTTP (candle_fetch), what makes two candles differ and why (candle_compare).
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, CandlesUnavailable
from __future__ import annotations

from datetime import UTC, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Protocol

from audit_lambda.candle_compare import (
    CHECK,
    MINUTE_US,
    Candle,
    CandlesUnreadable,
    Minute,
    MinuteIds,
    Tolerance,
    compare_minute,
    decode_candles,
    join_ids,
    list_findings,
    make_finding,
    plan_pages,
)
from audit_lambda.checks import MOST_FINDINGS
from audit_lambda.report import CheckResult
from infra import AUDIT_QUERIES
from sql.engine import EngineFailed
from sql.hours import EPOCH
from sql.questions import decode_instant_us, decode_query, load_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from audit_lambda.candle_compare import Disagreement
    from audit_lambda.findings import Finding
    from sql.engine import Engine
    from sql.questions import Query

QUESTION: Final = "Do Coinbase's own candles say the same as our ticks, minute by minute?"
_US: Final = timedelta(microseconds=1)
_MINUTE_IDS: Final = "minute_ids"

Hole = tuple[int, int, str]  # from, until, why; microseconds


class CandlesUnavailable(Exception):
    """No answer, or none that says anything about the product: the network, a limit, a fault of the exchange."""

    def __init__(self, *, product_id: str, why: str) -> None:
        self.product_id, self.why = product_id, why
        super().__init__(f"Coinbase's candles of {product_id} could not be had: {why}.")


class CandlesRefused(Exception):
    """The exchange has no candles of this product (unknown there, delisted)."""

    def __init__(self, *, product_id: str, why: str) -> None:
        self.product_id, self.why = product_id, why
        super().__init__(f"Coinbase has no candles of {product_id}: {why}.")


class CandleSource(Protocol):
    """Where candles come from."""

    def __call__(self, product_id: str, *, start_us: int, end_us: int) -> bytes:
        """
        The body of one page of one-minute candles, at most 300.

        Raises: CandlesUnavailable, CandlesRefused.
        """


def check_candles(
    engine: Engine,
    fetch: CandleSource,
    *,
    values: Mapping[str, str],
    now: datetime,
    tolerance: Tolerance = Tolerance(),  # noqa: B008  # frozen
) -> CheckResult:
    """
    What the lake and Coinbase's candles disagree about.

    Shapes: `values` may have `product`, `from` and `to`, as a person writes them. The span's first and last minute count where they are
    whole.
    Clock: minutes that end after `now` are not compared; `now` is the clock of the exchange that is asked.
    Raises: ValueRefused, ParameterUnknown.
    """
    now_us = (now - EPOCH) // _US
    try:
        minutes = read_minutes(engine, values, now_us=now_us)
        if not minutes:
            return _not_run(
                tolerance, why="there is no whole minute with trades or with testimony that somebody watched"
            )
        disagreements, refusals = _compare(minutes, fetch, tolerance, now_us)
    except (EngineFailed, CandlesUnavailable, CandlesUnreadable) as failed:
        return _not_run(tolerance, why=str(failed).rstrip("."))
    found = [*list_findings(disagreements), *refusals]
    return CheckResult(
        name=CHECK,
        group="candles",
        question=QUESTION,
        thresholds=tolerance.thresholds(),
        state="found" if found else "passed",
        found_count=len(found),
        found_amount=sum(finding.amount for finding in found),
        findings=tuple(found[:MOST_FINDINGS]),
    )


def _not_run(tolerance: Tolerance, *, why: str) -> CheckResult:
    return CheckResult(CHECK, "candles", QUESTION, tolerance.thresholds(), "not_run", why=why)


def _compare(
    minutes: Sequence[Minute], fetch: CandleSource, tolerance: Tolerance, now_us: int
) -> tuple[list[Disagreement], list[Finding]]:
    """What disagrees, and a finding for each product that Coinbase has no candles of."""
    disagreements: list[Disagreement] = []
    refusals: list[Finding] = []
    for product_id, group in groupby(minutes, key=lambda minute: minute.product_id):
        own = list(group)
        try:
            theirs = _fetch_pages(fetch, product_id, [minute.start_us for minute in own])
        except CandlesRefused as refused:
            refusals.append(make_finding(own, "notice", str(refused).rstrip(".")))
            continue
        compared = (compare_minute(minute, theirs.get(minute.start_us), tolerance, now_us=now_us) for minute in own)
        disagreements += [each for each in compared if each is not None]
    return disagreements, refusals


def _fetch_pages(fetch: CandleSource, product_id: str, starts_us: Sequence[int]) -> dict[int, Candle]:
    theirs: dict[int, Candle] = {}
    for start_us, end_us in plan_pages(starts_us):
        page = decode_candles(fetch(product_id, start_us=start_us, end_us=end_us))
        theirs |= {at_us: candle for at_us, candle in page.items() if start_us <= at_us < end_us}
    return theirs


def read_minutes(engine: Engine, values: Mapping[str, str], *, now_us: int) -> list[Minute]:
    """
    The whole minutes of the span in which the lake has trades or a producer testified to have watched, by product and time.

    Raises: EngineFailed, ValueRefused, ParameterUnknown.
    """
    scope = {name: values[name] for name in ("product", "from", "to") if name in values}
    ours = {_key(row, "interval_start"): _candle(row) for row in _ask(engine, load_query("ohlcv"), scope)}
    ids = _read_ids(engine, scope)
    watched = {_key(row, "minute"): bool(row["whole"]) for row in _ask(engine, load_query("coverage"), scope)}
    holes = _read_holes(engine, scope)
    from_us, to_us = _whole_minutes(scope, now_us)
    known = ours.keys() | {key for key, whole in watched.items() if whole}
    return [
        Minute(
            product_id=product_id,
            start_us=start_us,
            ours=ours.get((product_id, start_us)),
            ids=join_ids(ids.get(product_id, ()), start_us),
            hole=_hole_at(holes.get(product_id, ()), start_us),
            watched=watched.get((product_id, start_us), False),
        )
        for product_id, start_us in sorted(known)
        if from_us <= start_us and start_us + MINUTE_US <= to_us
    ]


def _ask(engine: Engine, query: Query, scope: Mapping[str, str]) -> list[dict[str, Any]]:
    answer = engine.ask(plan_query(query, scope))
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _key(row: Mapping[str, Any], column: str) -> tuple[str, int]:
    return row["product_id"], _us(row[column])


def _us(instant: datetime) -> int:
    return (instant.replace(tzinfo=UTC) - EPOCH) // _US


def _candle(row: Mapping[str, Any]) -> Candle:
    return Candle(open=row["open"], high=row["high"], low=row["low"], close=row["close"], volume=row["volume"])


def _read_ids(engine: Engine, scope: Mapping[str, str]) -> dict[str, list[MinuteIds]]:
    text = (AUDIT_QUERIES / f"{_MINUTE_IDS}.sql").read_text(encoding="utf-8")
    by_product: dict[str, list[MinuteIds]] = {}
    for row in _ask(engine, decode_query(_MINUTE_IDS, text), scope):
        numbers = (int(row[name]) for name in ("start_us", "trades", "first_id", "last_id"))
        by_product.setdefault(row["product_id"], []).append(MinuteIds(*numbers))
    return by_product


def _read_holes(engine: Engine, scope: Mapping[str, str]) -> dict[str, list[Hole]]:
    """Every named hole, whatever became of it: a minute whose ids are whole by now asks for none."""
    by_product: dict[str, list[Hole]] = {}
    for row in _ask(engine, load_query("holes"), scope):
        first, last = row["before_time"] or row["receive_time"], row["after_time"] or row["receive_time"]
        by_product.setdefault(row["product_id"], []).append((_us(first), _us(last), row["reason"]))
    return by_product


def _hole_at(holes: Sequence[Hole], start_us: int) -> str:
    touching = (
        reason for first_us, last_us, reason in holes if first_us < start_us + MINUTE_US and last_us >= start_us
    )
    return next(touching, "")


def _whole_minutes(scope: Mapping[str, str], now_us: int) -> tuple[int, int]:
    """The span without its cut first and last minute."""
    from_us = (decode_instant_us(scope["from"]) if "from" in scope else None) or 0
    to_us = (decode_instant_us(scope["to"]) if "to" in scope else None) or now_us
    to_us = min(to_us, now_us)
    return from_us + -from_us % MINUTE_US, to_us - to_us % MINUTE_US
