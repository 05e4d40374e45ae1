"""
Spot prices: what an answer means, and what is said of prices that did not come.

Laws: pure but for the intake's `write`; a price is journaled before it is counted; one that the transform will refuse is journaled, too, and
missed; nothing that fails is silent: a request is counted by why, a missed price is counted, and the log says when a product's prices
cease and when they come again. Time is an argument (`now`: monotonic seconds, `receive_us`: our wall clock).
Refuses to know: HTTP, and trades (a spot price names none, so it proves nothing about them).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from producer.errors import BodyUnreadable
from producer.rest import AGAIN, check_spot

if TYPE_CHECKING:
    from producer.intake import Intake
    from producer.ledger import Ledger
    from producer.rest import RestAnswer
    from producer.spotdesk import SpotDesk

log = logging.getLogger(__name__)

_OK: Final = 200
# Too many requests; unavailable, which Coinbase also says when it throttles (Coinbase App API, errors).
_THROTTLED: Final = frozenset({429, 503})
_SAID_CHARS: Final = 200


class Spots:
    """The spot prices of one producer."""

    def __init__(self, desk: SpotDesk, intake: Intake, ledger: Ledger) -> None:
        self.desk = desk
        self._intake = intake
        self._ledger = ledger
        self._why: dict[str, str] = {}  # of products whose last request brought no price
        self._missing: dict[str, int] = {}  # prices in a row that did not come

    def tick(self, now: float) -> None:
        """Count what was due and never came. Caller must: call it a few times a second."""
        for product_id, missed in self.desk.take_missed(now).items():
            self._miss(product_id, missed)

    def answered(self, product_id: str, answer: RestAnswer, *, now: float, receive_us: int) -> None:
        """What came for a product."""
        if answer.status == _OK:
            self._use(product_id, answer.body, now, receive_us)
        elif answer.status in AGAIN:
            why = answer.why or f"HTTP {answer.status}"
            self._failed(product_id, f"HTTP {answer.status}" if answer.status else "none", why, now, answer.status)
        else:
            self._refused(product_id, answer)

    def _use(self, product_id: str, body: bytes, now: float, receive_us: int) -> None:
        try:
            check_spot(body)
        except BodyUnreadable as unreadable:
            self._failed(product_id, "unreadable", str(unreadable), now, _OK)
            return
        refusal = self._intake.take_spot(product_id, body, receive_us)
        if refusal == "journal_full":
            self._failed(product_id, refusal, "the journal is full", now, _OK)
        elif refusal is not None:
            self._count(product_id, refusal, f"the price breaks the contract ({refusal})")
            self._miss(product_id, self.desk.done(product_id, now, priced=False))
        else:
            self._ledger.spot_prices += 1
            self._miss(product_id, self.desk.done(product_id, now))
            self._came(product_id)

    def _refused(self, product_id: str, answer: RestAnswer) -> None:
        why = f"HTTP {answer.status}: {answer.body[:_SAID_CHARS].decode('utf-8', 'replace')}"
        if self._why.get(product_id) != why:  # said once, not with every period
            log.error("no spot price of %s: %s; it is asked for again, rarely", product_id, why)
        self._count(product_id, f"HTTP {answer.status}", why)
        self.desk.refused(product_id)

    def _failed(self, product_id: str, counted_as: str, why: str, now: float, status: int | None) -> None:
        self._count(product_id, counted_as, why)
        wait_s = self.desk.failed(product_id, now, throttled=status in _THROTTLED)
        log.info("no spot price of %s yet (%s); next try in %.1f s", product_id, why, wait_s)

    def _count(self, product_id: str, counted_as: str, why: str) -> None:
        self._ledger.spot_failed[counted_as] += 1
        self._why[product_id] = why

    def _miss(self, product_id: str, missed: int) -> None:
        if not missed:
            return
        self._ledger.spot_missed += missed
        if product_id not in self._missing:
            why = self._why.get(product_id, "not asked for, or not answered, in time")
            log.warning("the spot price of %s was due and did not come (%s)", product_id, why)
        self._missing[product_id] = self._missing.get(product_id, 0) + missed

    def _came(self, product_id: str) -> None:
        self._why.pop(product_id, None)
        missed = self._missing.pop(product_id, 0)
        if missed:
            log.warning("spot prices of %s come again; %d in a row did not", product_id, missed)
