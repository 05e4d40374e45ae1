"""
One tick to whoever listens: as the market made it, an odd one now and then, or as a schedule of faults strikes it.

Laws: pure; what is sent, held back, altered or lost is noted in the truth; faults on frames count only frames that somebody would get; a tick is
noted in its listing whether anybody hears it or not.
Refuses to know: when a tick falls due, who may listen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.exchange.actions import Send
from local.exchange.faults import Alter, Disconnect, Drop, Duplicate, Jump, Reorder
from local.exchange.frames import encode_match
from local.exchange.listings import Held
from local.exchange.oddities import alter_frame
from local.exchange.truth import Struck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.exchange.actions import Action
    from local.exchange.audience import Audience
    from local.exchange.faults import FrameFault
    from local.exchange.listings import Listing
    from local.exchange.mischief import Mischief
    from local.exchange.oddities import Oddities
    from local.exchange.tick import Tick
    from local.exchange.truth import Truth


class Publisher:
    """
    The stream's way to the connections. `endless`: the market is generated, so matches are made from its trades and ids may jump.

    Clock: `now_us` never goes back.
    """

    def __init__(
        self,
        listings: Mapping[str, Listing],
        audience: Audience,
        truth: Truth,
        *,
        endless: bool,
        oddities: Oddities | None,
        mischief: Mischief | None,
    ) -> None:
        self._listings, self._audience, self._truth = listings, audience, truth
        self._endless, self._oddities, self._mischief = endless, oddities, mischief
        self._now_us = 0

    def publish(self, tick: Tick, now_us: int, actions: list[Action]) -> None:
        """Note one tick and send it to whoever listens now."""
        self._now_us = now_us
        if tick.product_id is None:
            if self._audience.tickers:
                self._truth.unnamed_count += 1
                actions.extend(Send(connection, tick.frame) for connection in self._audience.tickers)
            return
        listing = self._listings.get(tick.product_id)
        if listing is None:
            return
        to = self._audience.hearing(tick.channel, tick.product_id, self._now_us)
        if self._mischief is not None:
            self._publish_struck(self._mischief, listing, tick, to, actions)
            return
        listing.note(tick)
        self._send_tick(listing, tick, to, actions)
        if self._endless:
            self._send_match(listing, tick, actions)

    def _send_tick(self, listing: Listing, tick: Tick, to: tuple[int, ...], actions: list[Action]) -> None:
        """Send a tick as the market made it, or now and then an odd one instead."""
        if tick.channel == "ticker":
            if not to:
                listing.truth.passed_over_count += 1
                return
            how = self._oddities.take(self._now_us) if self._oddities is not None else None
            if how is not None:
                self._send_altered(listing, tick, Alter(how=how), to, actions)
                return
            listing.truth.frame_count += 1
            listing.truth.note_sent(tick.trade_id)
        actions.extend(Send(connection, tick.frame) for connection in to)

    def _send_altered(
        self, listing: Listing, tick: Tick, fault: Alter, to: tuple[int, ...], actions: list[Action]
    ) -> None:
        self._truth.struck.append(Struck(listing.product_id, tick.trade_id, f"alter {fault.how}"))
        listing.truth.frame_count += 1
        listing.truth.note_sent(tick.trade_id, garbled=True)
        frame = alter_frame(tick.frame, fault.how)
        actions.extend(Send(connection, frame) for connection in to)

    def _send_match(self, listing: Listing, tick: Tick, actions: list[Action]) -> None:
        """The match behind a generated ticker."""
        to = self._audience.hearing("matches", listing.product_id, self._now_us)
        if to and tick.trade is not None:
            frame = encode_match(listing.product_id, tick.trade, sequence=tick.sequence, last=False)
            actions.extend(Send(connection, frame) for connection in to)

    # What faults do to frames

    def _publish_struck(
        self, mischief: Mischief, listing: Listing, tick: Tick, to: tuple[int, ...], actions: list[Action]
    ) -> None:
        """Publish one tick under a schedule of faults; those on frames count only frames that somebody would get."""
        counted = bool(to) and tick.channel == "ticker"
        faults = mischief.next_frame(listing.product_id, self._now_us) if counted else []
        for fault in faults:
            if isinstance(fault, Jump) and self._endless:
                listing.jump(fault.by, fault.rest_holds)
        tick = listing.bend(tick, mischief.clock_step_us(self._now_us))
        listing.note(tick)
        for fault in faults:
            if isinstance(fault, Disconnect):
                self._audience.close_all(fault.code, fault.reason, actions)
        to = tuple(connection for connection in to if connection in self._audience.sessions)
        self._send_struck(listing, tick, faults, to, actions)
        self._send_match(listing, tick, actions)

    def _send_struck(
        self,
        listing: Listing,
        tick: Tick,
        faults: list[FrameFault],
        to: tuple[int, ...],
        actions: list[Action],
    ) -> None:
        by_kind = {type(fault): fault for fault in faults}
        struck = self._truth.struck
        if isinstance(drop := by_kind.get(Drop), Drop):
            struck.append(Struck(listing.product_id, tick.trade_id, "drop"))
            listing.history.withhold(tick.trade_id, drop.rest_holds)
            return
        if isinstance(reorder := by_kind.get(Reorder), Reorder):
            struck.append(Struck(listing.product_id, tick.trade_id, "reorder"))
            listing.held.append(Held(tick, reorder.by))
            return
        times = 1
        if isinstance(duplicate := by_kind.get(Duplicate), Duplicate):
            struck.append(Struck(listing.product_id, tick.trade_id, "duplicate"))
            times = duplicate.times
        for _ in range(times):
            if isinstance(alter := by_kind.get(Alter), Alter) and to:
                self._send_altered(listing, tick, alter, to, actions)
            else:
                self._send_tick(listing, tick, to, actions)
        if tick.channel == "ticker":
            self._release_held(listing, actions)

    def _release_held(self, listing: Listing, actions: list[Action]) -> None:
        for held in listing.held:
            held.frames -= 1
        ready = [held.tick for held in listing.held if held.frames <= 0]
        listing.held = [held for held in listing.held if held.frames > 0]
        for tick in ready:
            to = self._audience.hearing("ticker", listing.product_id, self._now_us)
            self._send_tick(listing, tick, to, actions)
