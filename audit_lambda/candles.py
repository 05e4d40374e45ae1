"""
The lake cross-checked with Coinbase's own candles: our minutes from ticks, asked of the lake, against theirs, product by product.

Laws: never more than some products' minutes are held, and one product's candles, a page at a time; a product whose candles could not be had, or for
which there was no time, is said by name and makes the check no better than run in part; only whole minutes are compared, in which the lake
has trades or a producer testified to have watched; `now` is an argument.
Refuses to know: HTTP (candle_fetch), how the lake is asked for its minutes (candle_minutes), what makes two candles differ and why (candle_compare).
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, CandlesUnavailable
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from audit_lambda.candle_compare import (
    CHECK,
    MINUTE_US,
    Candle,
    CandlesUnreadable,
    Minute,
    Tolerance,
    compare_minute,
    decode_candles,
    list_findings,
    make_finding,
    plan_pages,
)
from audit_lambda.candle_minutes import ask, plan_batches, read_holes, read_minutes, read_products
from audit_lambda.checks import MOST_FINDINGS, load_question
from audit_lambda.findings import SEVERITIES, Finding
from audit_lambda.report import CheckResult
from sql.engine import EngineFailed
from sql.hours import EPOCH
from sql.questions import decode_instant_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from audit_lambda.candle_compare import Disagreement
    from audit_lambda.candle_minutes import Hole, Product
    from audit_lambda.report import State
    from sql.engine import Engine

QUESTION: Final = "Do Coinbase's own candles say the same as our ticks, minute by minute?"
# Minutes of products asked for at once: about 40 MB as Python holds them, and 40 pages of Athena's answer.
MOST_MINUTES: Final = 40_000
# Products in a row whose candles could not be had: the exchange is not there, and to ask for the others takes a minute each.
MOST_FAILURES: Final = 3
NO_TIME: Final = "there was no time left to ask for them"
_NOTHING: Final = "there is no whole minute with trades or with testimony that somebody watched"
_US: Final = timedelta(microseconds=1)


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
    may_go_on: Callable[[], bool] = lambda: True,
    tolerance: Tolerance = Tolerance(),  # noqa: B008  # frozen
    most_minutes: int = MOST_MINUTES,
) -> CheckResult:
    """
    What the lake and Coinbase's candles disagree about.

    Shapes: `values` may have `product`, `from` and `to`, as a person writes them. The span's first and last minute count where they are
    whole.
    Clock: minutes that end after `now` are not compared; `now` is the clock of the exchange that is asked. Before every page `may_go_on` is asked.
    Raises: ValueRefused, ParameterUnknown.
    """
    scope = _Scope({name: values[name] for name in ("product", "from", "to") if name in values}, (now - EPOCH) // _US)
    run = _Run(engine, fetch, scope, may_go_on, tolerance)
    try:
        products = read_products(engine, scope.values)
        holes = read_holes(engine, scope.values)
    except EngineFailed as failed:
        return run.result("not_run", why=str(failed).rstrip("."))
    for batch in plan_batches(products, from_us=scope.from_us, most=most_minutes):
        run.compare(batch, holes)
    return run.conclude()


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is asked, and when."""

    values: Mapping[str, str]
    now_us: int

    @property
    def from_us(self) -> int:
        return (decode_instant_us(self.values["from"]) if "from" in self.values else None) or 0

    def whole_minutes(self) -> tuple[int, int]:
        """The span without its cut first and last minute."""
        to_us = (decode_instant_us(self.values["to"]) if "to" in self.values else None) or self.now_us
        to_us = min(to_us, self.now_us)
        return self.from_us + -self.from_us % MINUTE_US, to_us - to_us % MINUTE_US


@dataclass(slots=True)
class _Run:
    """One run over the products: what was compared, and what was not and why."""

    engine: Engine
    fetch: CandleSource
    scope: _Scope
    may_go_on: Callable[[], bool]
    tolerance: Tolerance
    compared: int = 0
    failures: int = 0
    # The worst, at most MOST_FINDINGS; all are counted.
    findings: list[Finding] = field(default_factory=list)
    found_count: int = 0
    found_amount: int = 0
    # Why no more product is asked for.
    given_up: str = ""
    left: list[tuple[Product, str]] = field(default_factory=list)

    def compare(self, batch: Sequence[Product], holes: Mapping[str, Sequence[Hole]]) -> None:
        self._look_at_time()
        if not self.given_up:
            try:
                rows = ask(self.engine, load_question("candle_minutes"), self._names(batch))
            except EngineFailed as failed:
                self.given_up = str(failed).rstrip(".")
        if self.given_up:
            self.left += [(product, self.given_up) for product in batch]
            return
        minutes = dict(read_minutes(rows, holes, self.scope.whole_minutes()))
        for product in batch:
            self._compare_product(product, minutes.pop(product.product_id, []))

    def _names(self, batch: Sequence[Product]) -> dict[str, str]:
        if "product" in self.scope.values:
            return dict(self.scope.values)
        return {
            **self.scope.values,
            "first_product": batch[0].product_id,
            "last_product": batch[-1].product_id,
        }

    def _look_at_time(self) -> None:
        if not self.given_up and not self.may_go_on():
            self.given_up = NO_TIME

    def _compare_product(self, product: Product, minutes: Sequence[Minute]) -> None:
        if not minutes:  # none of them is whole
            return
        if self.given_up:
            self._leave(product, self.given_up)
            return
        try:
            theirs = self._fetch_pages(product.product_id, [minute.start_us for minute in minutes])
        except CandlesRefused as refused:
            self._find([make_finding(minutes, "notice", str(refused).rstrip("."))])
        except (CandlesUnavailable, CandlesUnreadable) as failed:
            self._leave(product, failed.why if isinstance(failed, CandlesUnavailable) else str(failed).rstrip("."))
            return
        else:
            compared = (self._compare_minute(minute, theirs.get(minute.start_us)) for minute in minutes)
            self._find(list_findings([each for each in compared if each is not None]))
        self.compared += 1
        self.failures = 0

    def _compare_minute(self, minute: Minute, theirs: Candle | None) -> Disagreement | None:
        return compare_minute(minute, theirs, self.tolerance, now_us=self.scope.now_us)

    def _find(self, found: Sequence[Finding]) -> None:
        self.found_count += len(found)
        self.found_amount += sum(finding.amount for finding in found)
        self.findings = sorted([*self.findings, *found], key=_badness)[:MOST_FINDINGS]

    def _leave(self, product: Product, why: str) -> None:
        self.left.append((product, why))
        if not self.given_up:
            self.failures += 1
            if self.failures == MOST_FAILURES:
                self.given_up = f"the candles of {MOST_FAILURES} products in a row could not be had, last: {why}"

    def _fetch_pages(self, product_id: str, starts_us: Sequence[int]) -> dict[int, Candle]:
        theirs: dict[int, Candle] = {}
        for start_us, end_us in plan_pages(starts_us):
            self._look_at_time()
            if self.given_up:
                raise CandlesUnavailable(product_id=product_id, why=self.given_up)
            page = decode_candles(self.fetch(product_id, start_us=start_us, end_us=end_us))
            theirs |= {at_us: candle for at_us, candle in page.items() if start_us <= at_us < end_us}
        return theirs

    def conclude(self) -> CheckResult:
        """The result, once every product had its turn."""
        self._find([_left_out(product, why) for product, why in self.left])
        if self.left:
            of = len(self.left) + self.compared
            why = f"{len(self.left)} of {of} product{'s' * (of > 1)} could not be compared: {self.left[0][1]}"
            return self.result("partly" if self.compared else "not_run", why=why)
        return self.result("found" if self.findings else "passed", why="" if self.compared else _NOTHING)

    def result(self, state: State, *, why: str) -> CheckResult:
        return CheckResult(
            name=CHECK,
            group="candles",
            question=QUESTION,
            thresholds=self.tolerance.thresholds(),
            state=state,
            why=why,
            found_count=self.found_count,
            found_amount=self.found_amount,
            findings=tuple(self.findings),
        )


def _badness(finding: Finding) -> tuple[int, str, int]:
    return -SEVERITIES.index(finding.severity), finding.product_id or "", finding.first_us or 0


def _left_out(product: Product, why: str) -> Finding:
    return Finding(
        check=CHECK,
        group="candles",
        severity="notice",
        product_id=product.product_id,
        session=None,
        first_us=None,
        last_us=None,
        first_id=None,
        last_id=None,
        amount=product.minutes,
        what=f"minutes not compared with Coinbase's candles: {why}",
    )
