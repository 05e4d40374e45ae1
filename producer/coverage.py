"""
One line per product and minute: how many ticks, how long the longest silence, and how long somebody was watching.

Theory of operation. The minutes are those of the exchange's own clock, as its events tell it in the order they come, so that a
replay at full speed says what the live day said. One `Coverage` stands for one connection's products (and for polling them while
it is down); every event on it proves that we were watching since the event before it, unless that is more than `stall_s` ago: then
nobody was, and the break is in the spans. A minute is finished when the clock is GRACE_MS into the next one; what comes later for it
is counted in `uncounted`, not in a line. The clock follows events up to `stall_s` ahead of it at once; further ahead (an outage, or a
wild time) it goes only when a second event confirms the first, with a time near to it and not equal (a cascade shares one); far
back only when two heartbeats say so. A product's first ticker after a subscribe may be an old one sent again: it is counted
where its minute is open, but proves no watching and moves the clock nowhere far.

Laws: pure; at most one line per product and minute, whatever the clock does; a minute that nobody watched gives no line.
Refuses to know: our own clock, sockets, and which trades are new (continuity).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from producer.intervals import IntervalSet
from producer.minute import MINUTE_MS, Minute, Tally, Testimony, decode_event_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from producer.line import Source

# Products' times interleave on one connection: 17 ms backwards at the 99th percentile, 1-2 s around reconnects (measured).
GRACE_MS: Final = 2_000
# Further back than any open minute: from here on it is the clock that stepped, not an event that is late.
STEP_BACK_MS: Final = 120_000
# Events kept while the clock is in doubt: a second of them, at ten times the busiest second measured.
HELD_MAX: Final = 6_000
_TICKER_TIME_LENGTH: Final = len("2025-11-24T15:08:18.223332Z")  # always, in 1.2 million recorded tickers
_NEVER: Final = MINUTE_MS

Uncounted = Literal["no_open_minute", "time_unreadable", "not_on_watch"]
NO_LINES: Final[Sequence[Testimony]] = ()


class Coverage:
    """
    What one connection's products showed, minute by minute; every method returns the lines that it finished.

    `uncounted` has, by reason, the new trades that stand in no line: their minute was finished or never watched, their time says
    nothing, or nobody had asked for their product.
    """

    def __init__(self, *, stall_s: float = 15.0) -> None:
        self.uncounted: Counter[Uncounted] = Counter()
        self._stall_ms = int(stall_s * 1000)
        self._on: dict[str, Source] = {}  # products with an open span
        # Asked for; their span opens at the next event that proves we are watching.
        self._joining: dict[str, Source] = {}
        self._unheard: set[str] = set()  # no ticker since they were asked for: the next may be an old one
        self._minute: Minute | None = None  # None: the clock is not known yet
        self._at_ms = 0  # the clock, within the minute
        self._previous: Minute | None = None  # ended, and still within its grace
        self._finished = IntervalSet()
        self._candidate_ms: int | None = None  # a far time that nothing has confirmed yet
        self._held: list[tuple[str, int | None, int]] = []  # product, trade id, time: for a minute that may come
        # What the hot path compares with; an empty prefix sends every event the slow way.
        self._prefix = ""
        self._tallies: dict[str, Tally] = {}
        self._finish_at_ms = _NEVER

    # Who is on watch

    def on_watch(self, source: Source, products: Iterable[str], event_time: str | None = None) -> Sequence[Testimony]:
        """
        From its next event on (or from `event_time`, where the exchange's clock is known), `source` watches these products too.

        Only one source is on watch over a product: another one's span ends here.
        """
        for product_id in products:
            if source in (self._on.get(product_id), self._joining.get(product_id)):
                continue
            self._leave(product_id)
            self._joining[product_id] = source
            self._unheard.add(product_id)
            if self._minute is not None:
                self._minute.tallies.setdefault(product_id, Tally())
        at_ms = decode_event_ms(event_time) if event_time else None
        lines = NO_LINES if at_ms is None else self._vote(at_ms, may_step_back=True)
        self._arm()
        return lines

    def off_watch(self, source: Source, products: Iterable[str] | None = None) -> None:
        """
        `source` stopped watching these products (None: all of its own) after its last event.

        Caller must: say so at every end of a connection, or the next one counts as the same.
        """
        for product_id in [*self._on, *self._joining] if products is None else products:
            if source in (self._on.get(product_id), self._joining.get(product_id)):
                self._leave(product_id)
        self._arm()

    def _leave(self, product_id: str) -> None:
        self._joining.pop(product_id, None)
        source = self._on.pop(product_id, None)
        if source is not None and self._minute is not None:
            self._minute.tallies[product_id].close(source, self._at_ms)

    # Events

    def ticker(self, product_id: str, trade_id: int, event_time: str) -> Sequence[Testimony]:
        """
        A new trade, from whichever source.

        Caller must: leave out trades that came before. A trade too late for its minute's line is in `uncounted`, in none.
        """
        # The hot path: same minute, no further ahead than a stall, nothing in doubt. Under a microsecond.
        if event_time[:17] == self._prefix and len(event_time) == _TICKER_TIME_LENGTH:
            try:
                at_ms = int(event_time[17:19] + event_time[20:23])
                tally = self._tallies[product_id]
            except (ValueError, KeyError):
                return self._take(product_id, trade_id, event_time)
            ahead_ms = at_ms - self._at_ms
            if ahead_ms <= self._stall_ms and 0 <= at_ms < MINUTE_MS:
                if product_id in self._unheard:
                    self._unheard.remove(product_id)
                tally.ticks_ms.append(at_ms)
                tally.trade_ids.append(trade_id)
                if ahead_ms <= 0:
                    return NO_LINES
                self._at_ms = at_ms
                if at_ms < self._finish_at_ms:
                    return NO_LINES
                return self._finish_previous()
        return self._take(product_id, trade_id, event_time)

    def heartbeat(self, product_id: str, event_time: str) -> Sequence[Testimony]:
        """A product's pulse on the websocket."""
        return self._take(product_id, None, event_time)

    def poll(self, now_us: int) -> Sequence[Testimony]:
        """
        A REST answer came: polling is watching (the source in `watched_ms` says that it was no more than that).

        Clock: the exchange's, as the answer tells it (its Date header), in microseconds since the epoch; never the polled trade's
        own time, which may be hours old.
        """
        lines = self._vote(now_us // 1000, may_step_back=True)
        self._arm()
        return lines

    def flush(self) -> Sequence[Testimony]:
        """The lines of every open minute, at shutdown: the last one is cut short and says so. The clock starts anew after it."""
        self._pause()
        lines = [*self._finish(self._previous), *self._finish(self._minute)]
        self._minute = self._previous = self._candidate_ms = None
        self._replay()
        self._arm()
        return lines

    def _take(self, product_id: str, trade_id: int | None, event_time: str) -> Sequence[Testimony]:
        at_ms = decode_event_ms(event_time)
        if at_ms is None:
            if trade_id is not None:
                self.uncounted["time_unreadable"] += 1
            return NO_LINES
        is_first = trade_id is not None and product_id in self._unheard
        if is_first:
            self._unheard.remove(product_id)
        lines = self._vote(at_ms, may_step_back=trade_id is None, may_be_old=is_first)
        self._place(product_id, trade_id, at_ms, may_hold=True)
        self._arm()
        return lines

    def _place(self, product_id: str, trade_id: int | None, at_ms: int, *, may_hold: bool) -> None:
        """Count an event in its minute; hold it while that minute may still come."""
        number, offset_ms = divmod(at_ms, MINUTE_MS)
        minute = next((each for each in (self._minute, self._previous) if each and each.number == number), None)
        tally = None if minute is None else minute.tallies.get(product_id)
        if tally is not None and trade_id is None:
            tally.heartbeats += 1
        elif tally is not None and trade_id is not None:
            tally.ticks_ms.append(offset_ms)
            tally.trade_ids.append(trade_id)
        elif minute is None and may_hold and len(self._held) < HELD_MAX and self._may_come(at_ms):
            self._held.append((product_id, trade_id, at_ms))
        elif trade_id is not None:
            self.uncounted["no_open_minute" if minute is None else "not_on_watch"] += 1

    # The clock

    def _now_ms(self) -> int | None:
        return None if self._minute is None else self._minute.number * MINUTE_MS + self._at_ms

    def _may_come(self, at_ms: int) -> bool:
        now_ms = self._now_ms()
        return now_ms is None or at_ms > now_ms or self._is_near_candidate(at_ms)

    def _is_near_candidate(self, at_ms: int) -> bool:
        return self._candidate_ms is not None and abs(at_ms - self._candidate_ms) <= self._stall_ms

    def _vote(self, at_ms: int, *, may_step_back: bool, may_be_old: bool = False) -> Sequence[Testimony]:
        """An event says what the clock shows: follow it, or wait for another one that says the same."""
        now_ms = self._now_ms()
        if now_ms is not None and -STEP_BACK_MS <= at_ms - now_ms <= self._stall_ms:
            lines = self._advance(at_ms)
            if not may_be_old:
                self._candidate_ms = None
                self._join()
                self._replay()
            return lines
        if may_be_old or (now_ms is not None and at_ms < now_ms and not may_step_back):
            return NO_LINES
        first_ms = self._candidate_ms
        if first_ms is None or first_ms == at_ms or not self._is_near_candidate(at_ms):
            self._candidate_ms = at_ms
            return NO_LINES
        self._candidate_ms = None
        lines = self._leap(min(first_ms, at_ms))
        lines += self._advance(max(first_ms, at_ms))
        self._replay()
        return lines

    def _leap(self, to_ms: int) -> list[Testimony]:
        """Go on at another place of the clock; nobody watched in between."""
        self._pause()
        number, offset_ms = divmod(to_ms, MINUTE_MS)
        lines: list[Testimony] = []
        if self._minute is None or self._minute.number != number:
            lines += self._finish(self._previous)
            ended, self._previous = self._minute, None
            if ended is not None and ended.number + 1 == number:
                self._previous = ended
            else:
                lines += self._finish(ended)
            self._minute = Minute(number, self._joining)
        self._at_ms = offset_ms
        self._join()
        return lines

    def _advance(self, to_ms: int) -> list[Testimony]:
        """Go on to a time no more than a stall ahead: everything in between was watched."""
        assert self._minute is not None  # without a clock nothing is near
        lines: list[Testimony] = []
        while to_ms >= (self._minute.number + 1) * MINUTE_MS:
            lines += self._finish(self._previous)
            ended = self._previous = self._minute
            self._minute = Minute(ended.number + 1, {**self._on, **self._joining})
            self._at_ms = 0
            for product_id, source in self._on.items():
                ended.tallies[product_id].close(source, MINUTE_MS)
        self._at_ms = max(self._at_ms, to_ms - self._minute.number * MINUTE_MS)
        return lines + self._finish_previous() if self._at_ms >= GRACE_MS else lines

    def _pause(self) -> None:
        """Close every open span at the clock; the products join again at the next event."""
        for product_id in list(self._on):
            source = self._on[product_id]
            self._leave(product_id)
            self._joining[product_id] = source

    def _join(self) -> None:
        assert self._minute is not None
        for product_id, source in self._joining.items():
            self._minute.tallies[product_id].open_ms = self._at_ms
            self._on[product_id] = source
        self._joining.clear()

    def _replay(self) -> None:
        held, self._held = self._held, []
        for product_id, trade_id, at_ms in held:
            self._place(product_id, trade_id, at_ms, may_hold=False)

    def _arm(self) -> None:
        """Let the hot path run only where nothing is in doubt."""
        minute = self._minute
        in_doubt = self._joining or self._held or self._candidate_ms is not None
        self._prefix = "" if minute is None or in_doubt else minute.prefix
        self._tallies = {} if minute is None else minute.tallies
        self._finish_at_ms = _NEVER if self._previous is None else GRACE_MS

    # Lines

    def _finish_previous(self) -> list[Testimony]:
        lines = self._finish(self._previous)
        self._previous = None
        self._finish_at_ms = _NEVER
        return lines

    def _finish(self, minute: Minute | None) -> list[Testimony]:
        if minute is None:
            return []
        if minute.number in self._finished:  # the clock stepped back over it: its line stands
            self.uncounted["no_open_minute"] += sum(len(tally.ticks_ms) for tally in minute.tallies.values())
            return []
        self._finished.add(minute.number, minute.number)
        text = f"{minute.prefix}00Z"
        lines = (tally.to_message(product_id, text) for product_id, tally in minute.tallies.items())
        return [line for line in lines if line is not None]
