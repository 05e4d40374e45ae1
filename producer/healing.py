"""
Filling holes by trade id: which page of REST trades to ask for next, and what an answer settles.

Theory of operation. A hole's missing ids are asked for from the newest down: a page `after=id+1` holds the thousand trades below.
Ids that a page spans but does not hold are absent (all below, where it is empty; a page that is only short says nothing of what is
below it): REST may lag behind the feed, so they are asked for again a few times, further and further apart; then the hole is closed
with a receipt that names them. Trades older than the bound are not asked for, nor again
those that the page holds, but not as valid trades.

Laws: pure; one page at a time; an id is fetched at most once; every hole ends in exactly one receipt: healed, partly_healed or
unhealed, with what is still missing and why. Times are arguments.
Refuses to know: HTTP, rate limits (the caller's), and how a healed trade is journaled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from producer.intervals import IntervalSet
from producer.rest import PAGE_TRADES, RestTrade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer.continuity import Hole

# When ids that REST did not have are asked for again: it has been seen a few seconds behind the feed.
RETRY_ABSENT_S: Final = (2.0, 10.0, 60.0)

Outcome = Literal["healed", "partly_healed", "unhealed"]


@dataclass(frozen=True, slots=True)
class Page:
    """Ask for `limit` trades of a product with ids below `after`."""

    product_id: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class HealReceipt:
    """What became of a hole. Units: counts of trades."""

    hole: Hole
    outcome: Outcome
    expected: int
    fetched: int
    why: str | None


@dataclass(slots=True, eq=False)
class _Patient:
    """A hole under treatment: what is still worth asking for, what REST did not have, what is too old."""

    hole: Hole
    to_ask: IntervalSet
    absent: IntervalSet = field(default_factory=IntervalSet)
    too_old_to: int = 0  # ids up to this one happened before the bound
    spoilt: bool = False  # REST has ids of it, but not as valid trades
    was_put_back: bool = False  # Firehose refused trades of it that had been fetched
    tries: int = 0
    due_at: float = 0.0
    began_with: int = field(init=False)  # how many ids were missing when it was taken on

    def __post_init__(self) -> None:
        self.began_with = len(self.to_ask)

    def ask_again_if_idle(self) -> None:
        """What REST did not have is asked for once more where nothing else is left, so that the hole comes to its end."""
        if not self.to_ask:
            self.to_ask, self.absent = self.absent, IntervalSet()


class Healer:
    """
    The holes being healed, one page at a time, oldest hole first.

    Clock: monotonic seconds. How far back is worth healing is the caller's: `too_old_before`. `retry_absent_s`: when ids that REST
    did not have are asked for again.
    """

    def __init__(self, *, retry_absent_s: Sequence[float] = RETRY_ABSENT_S) -> None:
        self._retry_absent_s = tuple(retry_absent_s)
        self._patients: list[_Patient] = []
        self._out: _Patient | None = None

    def __len__(self) -> int:
        return len(self._patients)

    def add(self, hole: Hole, now: float) -> None:
        """Take a hole on."""
        self._patients.append(_Patient(hole, to_ask=hole.missing.copy(), due_at=now))

    def next_page(self, now: float) -> Page | None:
        """The next page to ask for; None if nothing is due, or a page is out already."""
        if self._out is not None:
            return None
        for patient in self._patients:
            newest, oldest = patient.to_ask.highest, patient.to_ask.lowest
            if patient.due_at <= now and newest is not None and oldest is not None:
                self._out = patient
                return Page(patient.hole.product_id, newest + 1, min(PAGE_TRADES, newest - oldest + 1))
        return None

    def wanted(self, page: Page, trades: Sequence[RestTrade], *, too_old_before: str | None) -> list[RestTrade]:
        """
        The trades of an answered page that are still missing and not too old, newest first, each once.

        `too_old_before`: the exchange's text for the bound, comparable as text to the trades' own; None for no bound.
        """
        assert self._out is not None
        missing, taken = self._out.hole.missing, set[int]()
        wanted = []
        for trade in trades:
            if trade.trade_id >= page.after or trade.trade_id in taken or trade.trade_id not in missing:
                continue
            if trade.valid and too_old_before is not None and trade.event_time < too_old_before:
                self._out.too_old_to = max(self._out.too_old_to, trade.trade_id)
                continue
            taken.add(trade.trade_id)
            wanted.append(trade)
        return wanted

    def answered(
        self, page: Page, trades: Sequence[RestTrade], healed: Sequence[int], now: float
    ) -> HealReceipt | None:
        """
        A page came, and `healed` of its trades were journaled and are valid; returns the receipt if the hole is done with.

        An id that was wanted and not journaled (no room) is asked for again; one whose trade is not valid is not; one that the page
        spans and does not hold is absent.
        """
        patient, self._out = self._out, None
        assert patient is not None
        if patient not in self._patients:
            return None  # its last trades arrived late while the page was out
        for trade_id in healed:
            patient.hole.missing.remove(trade_id, trade_id)
            patient.to_ask.remove(trade_id, trade_id)
        self._mark_absent(patient, page, trades)
        return self._judge(patient, now)

    def failed(self, now: float, wait_s: float) -> None:
        """The page that was out got no usable answer: the hole is due again after wait_s."""
        patient, self._out = self._out, None
        assert patient is not None
        patient.due_at = now + wait_s

    def refused(self, why: str) -> HealReceipt | None:
        """The exchange will never answer for this product (delisted, unknown): close its hole."""
        patient, self._out = self._out, None
        assert patient is not None
        return self._close(patient, why) if patient in self._patients else None

    def arrived_late(self, hole: Hole, trade_id: int) -> None:
        """One trade of a hole came on the feed after all; a hole that misses nothing any more is forgotten."""
        for patient in self._patients:
            if patient.hole is hole:
                patient.to_ask.remove(trade_id, trade_id)
                patient.absent.remove(trade_id, trade_id)
                patient.ask_again_if_idle()
        if not hole.missing:
            self._patients = [each for each in self._patients if each.hole is not hole]

    def put_back(self, product_id: str, trade_ids: IntervalSet) -> None:
        """
        Lines that brought these trades were refused: where they fill a hole that is not done with, they are missing from it again.

        They are not asked for here once more: they are a hole of their own by then, and `also_healed` fills this one with it.
        """
        for patient in self._patients:
            if patient.hole.product_id == product_id:
                before = len(patient.hole.missing)
                patient.hole.put_back(trade_ids)
                patient.was_put_back |= len(patient.hole.missing) > before

    def also_healed(self, product_id: str, trade_ids: Sequence[int]) -> list[HealReceipt]:
        """Trades that were fetched for one hole fill others, too (two producers name an outage each); receipts of those done with."""
        receipts = []
        for patient in [each for each in self._patients if each.hole.product_id == product_id]:
            filled = [each for each in trade_ids if patient.hole.missing.remove(each, each)]
            for trade_id in filled:
                patient.to_ask.remove(trade_id, trade_id)
                patient.absent.remove(trade_id, trade_id)
            if not patient.hole.missing:
                receipts.append(self._close(patient, None))
            elif filled and patient is not self._out:
                patient.ask_again_if_idle()
        return receipts

    def give_up(self, why: str) -> list[HealReceipt]:
        """Let go of every hole; receipts of those of which something was fetched."""
        begun = [each for each in self._patients if len(each.hole.missing) < each.began_with]
        receipts = [self._close(patient, why) for patient in begun]
        self._patients, self._out = [], None
        return receipts

    def next_due(self) -> float | None:
        """When the next page may be asked for; None if there is nothing to heal."""
        return min((each.due_at for each in self._patients), default=None)

    def _mark_absent(self, patient: _Patient, page: Page, trades: Sequence[RestTrade]) -> None:
        """What the page spans and does not hold; what it holds and could not be journaled is asked for again."""
        lowest = min((trade.trade_id for trade in trades if trade.trade_id < page.after), default=0)
        for first, last in patient.to_ask.take(lowest, page.after - 1):
            patient.absent.add(first, last)
        for trade in trades:
            if trade.trade_id < page.after and patient.absent.remove(trade.trade_id, trade.trade_id):
                if trade.valid:
                    patient.to_ask.add(trade.trade_id, trade.trade_id)
                else:
                    patient.spoilt = True
        patient.to_ask.take(0, patient.too_old_to)

    def _judge(self, patient: _Patient, now: float) -> HealReceipt | None:
        if patient.to_ask:
            patient.due_at = now
            return None
        if not patient.absent or patient.too_old_to or patient.tries == len(self._retry_absent_s):
            return self._close(patient, _why(patient) if patient.hole.missing else None)
        patient.due_at = now + self._retry_absent_s[patient.tries]
        patient.tries += 1
        patient.to_ask, patient.absent = patient.absent, IntervalSet()
        return None

    def _close(self, patient: _Patient, why: str | None) -> HealReceipt:
        self._patients = [each for each in self._patients if each is not patient]
        hole = patient.hole
        fetched = hole.expected - len(hole.missing)
        outcome: Outcome = "healed" if not hole.missing else "partly_healed" if fetched else "unhealed"
        return HealReceipt(hole, outcome, hole.expected, fetched, why)


def _why(patient: _Patient) -> str:
    """Why a hole that was asked for is not healed."""
    if patient.too_old_to:
        return "older than the bound on healing"
    if patient.spoilt:
        return "the exchange's REST does not have them, or not as valid trades"
    if patient.was_put_back:
        return "the exchange's REST does not have them, or Firehose refused the lines that brought them"
    return "the exchange's REST does not have them"
