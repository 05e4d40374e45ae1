"""
Asking the exchange's REST API: one request of the desk's, made and answered; and a question that has to be answered before anything begins.

Laws: one request at a time; the loop never blocks; a question waits for the rate limit and, after an error, longer each time, but not
for ever.
Refuses to know: what an answer means.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

from producer.calling import call_in_thread
from producer.errors import RestSilent
from producer.pacing import Backoff
from producer.rest import AGAIN
from producer.restdesk import path_of

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable

    from producer.ingest import Ingest
    from producer.ratelimit import Bucket
    from producer.rest import RestAnswer

PATIENCE_S: Final = 600.0


class Gets(Protocol):
    """One blocking GET; producer.restclient.RestClient is it."""

    def get(self, path: str) -> RestAnswer:
        """What came back."""


async def ask_rest(ingest: Ingest, rest: Gets, stopping: asyncio.Event) -> Literal["asked", "idle", "stopped"]:
    """Make the request that is due now, and take its answer in."""
    ask = ingest.next_ask(time.monotonic())
    if ask is None:
        return "idle"
    answer = await call_in_thread(partial(rest.get, path_of(ask)), stopping)
    if answer is None:
        return "stopped"  # while the request was out
    ingest.answered(ask, answer, now=time.monotonic(), receive_us=time.time_ns() // 1000)
    return "asked"


class Asker:
    """Asks one question after the other, each until it is answered. Clock: monotonic seconds, and `sleep` lets them pass."""

    def __init__(
        self,
        rest: Gets,
        bucket: Bucket,
        rng: random.Random,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.asked_count = 0
        self._rest = rest
        self._bucket = bucket
        self._backoff = Backoff(rng, base_s=0.5, cap_s=60.0, floor_s=0.2)
        self._clock = clock
        self._sleep = sleep

    def ask(self, path: str) -> RestAnswer:
        """
        An answer that asking again would not change.

        Raises: RestSilent if none came within PATIENCE_S.
        """
        began_at = self._clock()
        while True:
            while (wait_s := self._bucket.take(self._clock())) > 0:
                self._sleep(wait_s)
            answer = self._rest.get(path)
            self.asked_count += 1
            if answer.status not in AGAIN:
                self._backoff.reset()
                return answer
            if self._clock() - began_at > PATIENCE_S:
                raise RestSilent(path=path, why=answer.why or f"HTTP {answer.status}", waited_s=PATIENCE_S)
            self._bucket.drain(self._clock())
            self._sleep(self._backoff.next_wait_s())
