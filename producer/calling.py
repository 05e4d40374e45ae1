"""
A blocking call made from the event loop, and a wait for the first of several events.

Laws: the loop never blocks; a call that hangs never holds up the end of the process; what the call raised is raised here.
Refuses to know: what is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def call_in_thread(call: Callable[[], T], stop: asyncio.Event) -> T | None:
    """
    What `call` returns, or None if `stop` came first; the call is then left to itself.

    The thread is a daemon: an executor's threads are joined when Python exits, and a call that hangs would hold up a shutdown
    past its deadline.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[T] = loop.create_future()

    def finish(settle: Callable[[Any], None], outcome: object) -> None:
        if not answered.done():
            settle(outcome)

    def run() -> None:
        settle: Callable[[Any], None]
        try:
            settle, outcome = answered.set_result, call()
        except BaseException as error:  # noqa: BLE001 - carried over to the loop, raised there
            settle, outcome = answered.set_exception, error  # type: ignore[assignment]  # either goes to its setter
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, settle, outcome)

    threading.Thread(target=run, name="blocking call", daemon=True).start()
    stopped = asyncio.ensure_future(stop.wait())
    try:
        either: set[asyncio.Future[Any]] = {answered, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return answered.result() if answered.done() else None
    finally:
        stopped.cancel()
        answered.cancel()


async def wait_any(timeout_s: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or for timeout_s."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
