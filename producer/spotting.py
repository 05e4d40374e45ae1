"""
Asks for spot prices: a few requests at a time, each in a thread of its own, beside everything else.

Laws: the loop never blocks; a request that hangs holds up neither the websocket, nor the polls and pages of other products' trades, nor the
end of the process, and of spot prices only what no free place is left for; the wiring decides nothing (spotdesk and spots do).
Refuses to know: what an answer means.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from producer.calling import call_in_thread, wait_any
from producer.rest import spot_path

if TYPE_CHECKING:
    from producer.asking import Gets
    from producer.spots import Spots

# Requests out at once. One that never ends keeps its place, so that a host which hangs costs this many threads and no more.
AT_ONCE: Final = 4
IDLE_S: Final = 0.25


async def ask_for_spots(spots: Spots, rest: Gets, stopping: asyncio.Event) -> None:
    """Ask for every price that is due until `stopping`. Caller must: pass a `rest` that takes AT_ONCE threads."""
    out: set[asyncio.Task[None]] = set()
    try:
        while not stopping.is_set():
            for task in [each for each in out if each.done()]:
                out.remove(task)
                task.result()  # a fault of ours is raised here
            spots.tick(time.monotonic())
            while len(out) < AT_ONCE and (product_id := spots.desk.next_ask(time.monotonic())) is not None:
                out.add(asyncio.create_task(_ask(spots, rest, product_id, stopping), name=f"spot {product_id}"))
            await wait_any(IDLE_S, stopping)
    finally:
        for task in out:
            task.cancel()
        await asyncio.gather(*out, return_exceptions=True)


async def _ask(spots: Spots, rest: Gets, product_id: str, stopping: asyncio.Event) -> None:
    answer = await call_in_thread(partial(rest.get, spot_path(product_id)), stopping)
    if answer is not None:
        spots.answered(product_id, answer, now=time.monotonic(), receive_us=time.time_ns() // 1000)
