"""
Testimony about lines that the disk lost or Firehose refused for good: which numbers of which session, and which trades were, or may have been, in them.

Laws: nothing is lost in silence: one line says the numbers, one gap line each range of trade ids, before a checkpoint settles them; what is
named is healed like any other hole, but a trade whose line is refused a second time is not fetched a third.
Refuses to know: how the trades are found out (loss.py, refusal.py), and what the testimony is written to.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ulid import ULID

from contract.reasons import LineRefused
from contract.rules import parse_instant_us
from producer.calling import call_in_thread
from producer.continuity import Continuity
from producer.intervals import IntervalSet
from producer.line import encode_testimony
from producer.loss import Known, find_lost_trades
from producer.refusal import holes_of, read_refused, times_of
from producer.session_log import DAMAGED

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from producer.continuity import Hole
    from producer.intake import Intake
    from producer.segment import Entry
    from producer.session_log import SessionLog

log = logging.getLogger(__name__)

# One line names at most this many ranges (contract/testimony/session.v1.schema.json); more go into further lines.
_MAX_RANGES: Final = 1000
GIVEN_UP: Final = "Firehose refused the lines that brought them twice"


class Witness:
    """Tells what each session's damage and refusals cost; `intake` writes it down, as lines of `session`."""

    def __init__(self, intake: Intake, session: str) -> None:
        self._intake = intake
        self._session = session
        self._refused: dict[str, IntervalSet] = {}  # trades that were refused once
        self._named: dict[str, IntervalSet] = {}  # trades named already: damage is found piece by piece

    async def tell(
        self, damaged: SessionLog, stop: asyncio.Event, *, about: dict[str, object], clock: Callable[[], int]
    ) -> None:
        """
        Testify to a session's losses; it has none to be told afterwards, unless `stop` came first.

        Clock: `clock` is ours, in microseconds since the epoch. `about`: what a session's testimony says of itself.
        """
        lost = damaged.losses.copy()
        find = partial(
            find_lost_trades,
            damaged.segments(),
            lost,
            self._known(damaged.memory),
            began_us=_began_us(damaged.session),
        )
        holes = await call_in_thread(find, stop)  # a whole session is read: the feed goes on meanwhile
        if holes is not None:
            for first, last in lost:
                damaged.losses.remove(first, last)
            self._testify(damaged.session, lost, holes, about, clock())

    def _testify(
        self, session: str, lost: IntervalSet, holes: Sequence[Hole], about: dict[str, object], receive_us: int
    ) -> None:
        self._tell_numbers(session, DAMAGED, lost, about, receive_us)
        for hole in holes:
            log.error("%s: trades %d to %d may be lost to damage on disk", hole.product_id, hole.first, hole.last)
            self._named.setdefault(hole.product_id, IntervalSet()).add(hole.first, hole.last)
            self._intake.lost(hole, receive_us)

    def _tell_numbers(
        self, session: str, why: str, lost: IntervalSet, about: dict[str, object], receive_us: int
    ) -> None:
        ranges = lost.ranges
        for at in range(0, len(ranges), _MAX_RANGES):
            told = {"event": "lines_lost", "of_session": session, "lost": ranges[at : at + _MAX_RANGES], "why": why}
            self._intake.testify("session", encode_testimony({**told, **about}), receive_us)

    def tell_refused(
        self,
        session: str,
        entries: Sequence[Entry],
        beside: Iterable[bytes],
        *,
        about: dict[str, object],
        receive_us: int,
    ) -> None:
        """
        Testify to lines that can never be delivered, at once: what stood in them is known.

        `beside`: lines before them, which say when the trades just before happened. `about`, `receive_us`: as for `tell`.
        """
        refused = read_refused(session, entries, own=session == self._session)
        for (of_session, why), lost in refused.lost.items():
            self._tell_numbers(of_session, why, lost, about, receive_us)
        for kind, message, said_us in refused.again:
            self._intake.testify(kind, message, said_us)
        times = times_of(beside)
        for product_id, trade_ids in refused.trades.items():
            log.error("%s: %d trades were in lines that Firehose refused", product_id, len(trade_ids))
            self._intake.refused(product_id, trade_ids)
            newest = self._intake.continuity.last_trade_id(product_id)
            first_time, again = self._divide(product_id, trade_ids)
            for hole in holes_of(product_id, first_time, newest=newest, beside=times):
                self._intake.lost(hole, receive_us)
            for hole in holes_of(product_id, again, newest=newest, beside=times):
                self._intake.give_up(hole, GIVEN_UP, receive_us)

    def _divide(self, product_id: str, trade_ids: IntervalSet) -> tuple[IntervalSet, IntervalSet]:
        """Those refused for the first time, which another pack may bring, and those refused again."""
        known = self._refused.setdefault(product_id, IntervalSet())
        first_time, again = trade_ids.copy(), IntervalSet()
        for first, last in known:
            for each in first_time.take(first, last):
                again.add(*each)
        for first, last in first_time:
            known.add(first, last)
        return first_time, again

    def _known(self, memory: dict[str, Any]) -> dict[str, Known]:
        """What is known of every product, now and as the damaged session remembered it."""
        known: dict[str, Known] = {}
        then, now = Continuity.from_memory(memory.get("continuity", {})), self._intake.continuity
        for product_id, (trade_id, _) in now.newest().items():
            known.setdefault(product_id, Known()).last = trade_id
        for product_id, (trade_id, event_time) in then.newest().items():
            each = known.setdefault(product_id, Known())
            each.last_then, each.last_then_us = trade_id, _instant_us(event_time)
        for hole in now.known_missing():
            known.setdefault(hole.product_id, Known()).miss(hole.missing)
        for product_id, named in self._named.items():
            known.setdefault(product_id, Known()).miss(named)
        return known


def _instant_us(event_time: str | None) -> int:
    try:
        return parse_instant_us("time", event_time or "")
    except (LineRefused, ValueError):
        return 0


def _began_us(session: str) -> int:
    """When a session began; 0 where its name does not say."""
    try:
        return int(ULID.from_str(session).timestamp * 1_000_000)
    except ValueError:
        return 0
