"""
Runs what ticks come from: one websocket per channel, the REST requests that polling and healing ask for, and the clock between them; and
beside these, if they are wanted, the requests for spot prices.

Start: the products asked for are checked against the exchange's own list, divided among shards and connections.
Stop: websockets are closed and what they had received is taken in; open minutes get their coverage lines.

Laws: the wiring decides nothing (ingest, link, restdesk and spotdesk do); one request at a time of the exchange's REST API, in a thread.
Refuses to know: the journal, delivery, and what frames say.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from producer.asking import ask_rest
from producer.calling import call_in_thread
from producer.errors import BodyUnreadable, FeedRefused
from producer.feed import Feed
from producer.link import Link
from producer.metrics import FeedReading
from producer.pacing import Backoff
from producer.products import SubscribePlan, is_wildcard, parse_shard, plan_products, shard_products, spread
from producer.ratelimit import Bucket
from producer.rest import PRODUCTS_PATH, decode_products
from producer.restclient import RestClient
from producer.spotdesk import SpotDesk
from producer.spots import Spots
from producer.spotting import AT_ONCE, ask_for_spots

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Sequence

    from producer.credentials import ApiKey
    from producer.ingest import Ingest
    from producer.ledger import Ledger
    from producer.settings import Settings

log = logging.getLogger(__name__)

TICK_S: Final = 0.25
REST_IDLE_S: Final = 0.05
# Coinbase allows 8 new connections a second per address.
CONNECTS_PER_S: Final = 4.0
# A spot price is 60 bytes.
SPOT_BODY_MAX_BYTES: Final = 65_536


class Sources:
    """The feed side of one producer, running. `products` are those that are served once `run` has chosen them."""

    def __init__(
        self,
        settings: Settings,
        *,
        ingest: Ingest,
        ledger: Ledger,
        rng: random.Random,
        tls: ssl.SSLContext | None,
        api_key: ApiKey | None = None,
    ) -> None:
        self.products: tuple[str, ...] = ()
        self.feeds: list[Feed] = []
        self._settings = settings
        self._ingest = ingest
        self._ledger = ledger
        self._rng = rng
        self._tls = tls
        self._api_key = api_key
        self._rest = RestClient(settings.rest_url, tls=tls)
        self._connects = Bucket(rate_per_s=CONNECTS_PER_S, burst=4)
        self._stopping = asyncio.Event()
        self._began_at = time.monotonic()

    @property
    def state(self) -> str:
        """How the websockets stand, for a person: the state of the one that is worst off, and why."""
        if not self.feeds:
            return "choosing products"
        order = ("waiting", "connecting", "subscribing", "live")
        worst = min((feed.link for feed in self.feeds), key=lambda link: order.index(link.state))
        live = sum(feed.link.state == "live" for feed in self.feeds)
        count = "" if len(self.feeds) == 1 else f" ({live} of {len(self.feeds)} live)"
        polling = " polling REST" if any(channel.polling for channel in self._ingest.channels) else ""
        return f"{worst.state}{count}{polling} {worst.why}".strip()

    def reading(self, now: float) -> FeedReading:
        """The feed side as it stands. Clock: monotonic seconds."""
        silences = [now - feed.link.last_frame_at for feed in self.feeds if feed.link.last_frame_at is not None]
        return FeedReading(
            channels=len(self.feeds),
            channels_live=sum(feed.link.state == "live" for feed in self.feeds),
            channels_polling=sum(channel.polling for channel in self._ingest.channels),
            silent_s=max(silences, default=None),
            holes_open=len(self._ingest.intake.continuity.open_holes()),
            rest_budget=self._ingest.desk.budget,
        )

    def unwatched_s(self, now: float) -> float:
        """How long neither a websocket was live nor REST answered, by the channel that is worst off."""
        if not self.feeds:
            return now - self._began_at
        return max(now - channel.watched_at(now) for channel in self._ingest.channels)

    async def run(self) -> None:
        """
        Feed until `stop`; returns when everything received has been taken in.

        Raises: FeedRefused if the exchange knows none of the products.
        """
        self.products = await self._choose()
        for messages in spread(
            self.products,
            per_connection=self._settings.products_per_connection,
            per_message=self._settings.products_per_message,
        ):
            self.feeds.append(self._feed(messages))
        helpers = [asyncio.create_task(self._tick_for_ever()), asyncio.create_task(self._ask_for_ever())]
        if self._settings.spot_every_s:
            helpers.append(asyncio.create_task(self._ask_for_spots()))
        reading = [asyncio.create_task(feed.run()) for feed in self.feeds]
        try:
            await asyncio.wait({*helpers, *reading}, return_when=asyncio.FIRST_COMPLETED)
            done = [task for task in (*helpers, *reading) if task.done()]
            for task in done:
                task.result()  # a fault of ours is raised here
            await asyncio.gather(*reading)
        finally:
            for task in (*helpers, *reading):
                task.cancel()
            await asyncio.gather(*helpers, *reading, return_exceptions=True)
            self._ingest.flush(time.time_ns() // 1000)
            self._rest.close()

    def describe(self) -> dict[str, object]:
        """What the session's opening and closing say of it."""
        said: dict[str, object] = {"feed": self._settings.ws_url, "products": list(self._settings.products)}
        if self._settings.spot_every_s:
            # The promise by which a price that is not there is missing, not just absent.
            said["spot_every_s"] = self._settings.spot_every_s
        return said

    def remember(self) -> dict[str, object]:
        """Nothing of its own: all that has to survive a restart is the continuity's."""
        return {}

    async def stop(self) -> None:
        """Close the websockets; what they have received is still taken in by `run`."""
        self._stopping.set()
        await asyncio.gather(*(feed.stop() for feed in self.feeds))

    def _feed(self, messages: Sequence[Sequence[str]]) -> Feed:
        products = [product_id for message in messages for product_id in message]
        channel = self._ingest.add_channel(products, time.monotonic())
        link = Link(
            channel,
            url=self._settings.ws_url,
            plan=SubscribePlan(messages),
            connects=self._connects,
            ledger=self._ledger,
            rng=self._rng,
            api_key=self._api_key,
        )
        return Feed(self._settings, link=link, channel=channel, tls=self._tls)

    # ------------------------------------------------------------------ products

    async def _choose(self) -> tuple[str, ...]:
        """The products to serve: those asked for that exist, this shard's share of them."""
        listed = await self._list()
        if listed is None:
            wanted = tuple(product for product in self._settings.products if not is_wildcard(product))
        else:
            plan = plan_products(self._settings.products, listed)
            for product_id in plan.unknown:
                log.error("the exchange lists no product %s: it is left out", product_id)
            for product_id in plan.offline:
                log.warning("%s is listed as not trading: nothing may come of it", product_id)
            wanted = plan.wanted
        if not wanted and not self._stopping.is_set():
            raise FeedRefused(url=self._settings.rest_url, message="it lists none of the products asked for", reason="")
        return shard_products(wanted, *parse_shard(self._settings.shard))

    async def _list(self) -> list[dict[str, object]] | None:
        """
        What the exchange lists; None if it does not say and the products are named one by one, so that they need no list.

        A wildcard means nothing without the list: then it is asked for until it comes.
        """
        backoff = Backoff(self._rng, base_s=1.0, cap_s=30.0, floor_s=0.5)
        while not self._stopping.is_set():
            answer = await call_in_thread(partial(self._rest.get, PRODUCTS_PATH), self._stopping)
            if answer is None:
                return None
            why = answer.why or f"HTTP {answer.status}"
            if answer.status == 200:  # noqa: PLR2004 - HTTP's OK
                try:
                    return decode_products(answer.body)
                except BodyUnreadable as unreadable:
                    why = str(unreadable)
            if not any(is_wildcard(product) for product in self._settings.products):
                log.warning("the list of products could not be had (%s): they are taken as they were named", why)
                return None
            wait_s = backoff.next_wait_s()
            log.warning("the list of products could not be had (%s); next try in %.1f s", why, wait_s)
            await self._sleep(wait_s)
        return None

    # ------------------------------------------------------------------ the clock, and REST

    async def _sleep(self, wait_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), wait_s)
        except TimeoutError:
            return

    async def _tick_for_ever(self) -> None:
        while True:
            self._ingest.tick(time.monotonic(), time.time_ns() // 1000)
            await asyncio.sleep(TICK_S)

    async def _ask_for_ever(self) -> None:
        while (outcome := await ask_rest(self._ingest, self._rest, self._stopping)) != "stopped":
            if outcome == "idle":
                await asyncio.sleep(REST_IDLE_S)

    async def _ask_for_spots(self) -> None:
        settings = self._settings
        desk = SpotDesk(self.products, every_s=settings.spot_every_s, rng=self._rng, now=time.monotonic())
        if desk.shortest_s > settings.spot_every_s:
            log.error(
                "%d products' spot prices cannot be asked for every %g s: within the rate limit it takes %g s; prices will be missed",
                *(len(self.products), settings.spot_every_s, desk.shortest_s),
            )
        rest = RestClient(settings.spot_url, tls=self._tls, connections=AT_ONCE, max_body_bytes=SPOT_BODY_MAX_BYTES)
        try:
            await ask_for_spots(Spots(desk, self._ingest.intake, self._ledger), rest, self._stopping)
        finally:
            rest.close()
