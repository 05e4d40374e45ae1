"""
Is the connection alive, do its trades come, and which source is on duty?

Heartbeats come once a second and product and tell the last trade's id. So silence of the market and silence of the feed are two
things: a product whose id stands still is quiet or halted; one whose id moves on without its tickers has lost them.

Laws: pure; a socket that never sent anything is stale like one that fell silent; last_trade_id 0 is unknown; an id that goes
backwards proves nothing, withdraws what it contradicts, and is counted; the sources on duty change by a table.
Refuses to know: sockets, continuity (it is told what is overdue), and how polling is done.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Liveness = Literal["live", "silent", "trades_stopped", "heartbeats_stopped"]
# Ids told per product and not accounted for yet: one a second at most, and `overdue` takes them after `patience_s`.
_TOLD_MAX: Final = 64
# One id that moved can be one lost ticker (a hole, to be healed); two without any ticker at all are a feed that stopped.
_MOVES_MIN: Final = 2


class Watch:
    """
    One connection's signs of life. Clock: monotonic seconds.

    Caller must: make one for each connection, and `trade` the last known id of every product into it, so that trades missed before
    it opened are overdue too; call `frame` for every frame, `overdue` about once a second.
    """

    def __init__(self, *, stall_s: float, opened_at: float, patience_s: float = 2.0) -> None:
        self.backward_count = 0  # heartbeats whose last_trade_id was lower than the one before
        self._stall_s = stall_s
        self._patience_s = patience_s
        self._frame_at = opened_at
        self._heartbeat_at = opened_at
        self._last: dict[str, int] = {}  # the newest id accounted for: it came, or was overdue and reported
        self._told: dict[str, int] = {}  # what the last heartbeat said
        self._ahead: dict[str, deque[tuple[int, float]]] = {}  # told before it came: id, since when
        self._owed_since: float | None = None  # an id moved on, and no new trade of any product came since
        self._owed_moves = 0

    def frame(self, now: float) -> None:
        """Anything at all came."""
        self._frame_at = now

    def trade(self, product_id: str, trade_id: int) -> None:
        """A ticker came, new or sent again."""
        if trade_id > self._last.get(product_id, 0):
            self._last[product_id] = trade_id
            self._owed_since = None

    def heartbeat(self, product_id: str, last_trade_id: int, now: float) -> None:
        """A heartbeat came. A product of which no trade is known is followed from what its first heartbeat says."""
        self._heartbeat_at = now
        if last_trade_id <= 0:
            return
        told = self._told.get(product_id)
        self._told[product_id] = last_trade_id
        if told is not None and last_trade_id < told:
            self.backward_count += 1
            self._withdraw(product_id, last_trade_id)
        elif last_trade_id > self._last.setdefault(product_id, last_trade_id) and last_trade_id != told:
            self._ahead.setdefault(product_id, deque(maxlen=_TOLD_MAX)).append((last_trade_id, now))
            self._owe(now)

    def _withdraw(self, product_id: str, last_trade_id: int) -> None:
        ahead = self._ahead.get(product_id, ())
        kept = [each for each in ahead if each[0] <= last_trade_id]
        if len(kept) < len(ahead):
            self._ahead[product_id] = deque(kept, maxlen=_TOLD_MAX)
            self._owed_since = None

    def _owe(self, now: float) -> None:
        if self._owed_since is None:
            self._owed_since, self._owed_moves = now, 0
        self._owed_moves += 1

    def overdue(self, now: float) -> list[tuple[str, int]]:
        """
        The products of which a heartbeat told a trade more than `patience_s` ago that has not come; each with the newest such id.

        What is returned counts as accounted for: it is not returned again.
        """
        found = []
        for product_id, ahead in list(self._ahead.items()):
            late = 0
            while ahead and (ahead[0][0] <= self._last[product_id] or now - ahead[0][1] > self._patience_s):
                late = max(late, ahead.popleft()[0])
            if late > self._last[product_id]:
                self._last[product_id] = late
                found.append((product_id, late))
            if not ahead:
                del self._ahead[product_id]
        return found

    def silent_for_s(self, now: float) -> float:
        """Seconds since the last frame, or since the connection opened."""
        return now - self._frame_at

    def liveness(self, now: float) -> Liveness:
        """
        What is wrong, worst first.

        `silent`: no frame for stall_s. `trades_stopped`: ids move on for stall_s, and no new trade of any product comes.
        `heartbeats_stopped`: other frames come, but no heartbeat for stall_s: a stop of the trades would go unseen.
        """
        if self.silent_for_s(now) >= self._stall_s:
            return "silent"
        if self._owed_since is not None and self._owed_moves >= _MOVES_MIN and now - self._owed_since >= self._stall_s:
            return "trades_stopped"
        return "heartbeats_stopped" if now - self._heartbeat_at >= self._stall_s else "live"


OnDuty = Literal["exchange_ws", "exchange_rest"]
DutyState = Literal["live", "lost", "returning", "fallen_back", "handing_back"]
_Event = Literal["live", "lost", "due"]

ON_DUTY: Final[dict[DutyState, OnDuty]] = {
    "live": "exchange_ws",
    "lost": "exchange_ws",
    "returning": "exchange_ws",
    "fallen_back": "exchange_rest",
    "handing_back": "exchange_rest",
}
# What is not in the table changes nothing. `due`: `lost` lasted fallback_after_s, or the websocket lived for hand_back_after_s.
NEXT: Final[dict[tuple[DutyState, _Event], DutyState]] = {
    ("live", "lost"): "lost",
    ("lost", "live"): "returning",
    ("lost", "due"): "fallen_back",
    ("returning", "lost"): "lost",
    ("returning", "due"): "live",
    ("fallen_back", "live"): "handing_back",
    ("handing_back", "lost"): "fallen_back",
    ("handing_back", "due"): "live",
}


class Duty:
    """
    Which source is on duty. Clock: monotonic seconds; the websocket counts as lost from `now` on until it is live.

    A websocket that comes and goes is not trusted before it lived for hand_back_after_s: until then REST stays on duty, and the
    seconds since it was lost go on counting. Each method returns who is on duty after it.
    """

    def __init__(self, *, now: float, fallback_after_s: float = 10.0, hand_back_after_s: float = 2.0) -> None:
        self.state: DutyState = "lost"
        self._fallback_after_s = fallback_after_s
        self._hand_back_after_s = hand_back_after_s
        self._lost_at = now
        self._live_at = now

    @property
    def on_duty(self) -> OnDuty:
        """The source on duty as of the last call."""
        return ON_DUTY[self.state]

    def ws_live(self, now: float) -> OnDuty:
        """The websocket is live: subscribed, and frames come."""
        return self._follow("live", now)

    def ws_lost(self, now: float) -> OnDuty:
        """The websocket is lost: closed, stalled or refused."""
        return self._follow("lost", now)

    def tick(self, now: float) -> OnDuty:
        """Time went by."""
        if self._is_due(now):
            self.state = NEXT[self.state, "due"]
        return self.on_duty

    def _follow(self, event: _Event, now: float) -> OnDuty:
        self.tick(now)
        was, self.state = self.state, NEXT.get((self.state, event), self.state)
        if self.state != was and event == "live":
            self._live_at = now
        elif was == "live" and event == "lost":
            self._lost_at = now
        return self.tick(now)

    def _is_due(self, now: float) -> bool:
        if self.state == "lost":
            return now - self._lost_at >= self._fallback_after_s
        return self.state in {"returning", "handing_back"} and now - self._live_at >= self._hand_back_after_s
