"""
One stream's thread: asks the core what to do, does it, reports it, sleeps until the core's next deadline.

Laws: effects are done one at a time in the order they were asked for, outside the lock; everything that touches the core holds the lock.
What no effect may raise (a bug of ours) stops the stream loudly: puts are refused and `stop` raises it.
Refuses to know: HTTP, quotas. Clock: the rim's.
"""
# ruff: noqa: N818  # errors are named for what happened

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.firehose.compression import compress
from local.firehose.effects import Answered, Convert, Converted, Effect, Invoke, Put
from local.firehose.engine import StreamEngine
from local.firehose.errors import EngineError, StoreFailed

if TYPE_CHECKING:
    from local.firehose.clock import Clock
    from local.firehose.counters import EngineSnapshot
    from local.firehose.metrics import Statistics
    from local.firehose.store import Store

Report = Callable[[StreamEngine, int], None]


class StreamBroken(EngineError):
    """The stream's thread met an error that no effect may raise."""

    def __init__(self, stream: str, cause: BaseException) -> None:
        self.stream = stream
        super().__init__(
            f"the stream {stream} stopped on an unexpected error ({cause!r}); what it had buffered is lost: report this"
        )


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What the shell does for the core."""

    invoke: Callable[[Invoke], Answered]
    convert: Callable[[Convert], Converted]
    store: Store


def perform(effect: Effect, hands: Hands) -> Report:
    """Do one effect; what comes back tells the core of it."""
    if isinstance(effect, Invoke):
        answered = hands.invoke(effect)
        return lambda engine, now_ms: engine.invoked(answered, now_ms)
    if isinstance(effect, Convert):
        result = hands.convert(effect)
        return lambda engine, now_ms: engine.converted(effect, result, now_ms)
    return _put(effect, hands.store)


def _put(put: Put, store: Store) -> Report:
    try:
        store.put(
            bucket=put.bucket,
            key=put.key,
            body=compress(put.parts, put.compression),
            content_encoding=put.content_encoding,
        )
    except StoreFailed as failed:
        log.warning("%s", failed)
        return lambda engine, now_ms: engine.store_failed(put, now_ms)
    return lambda engine, now_ms: engine.stored(put, now_ms)


def run_until(engine: StreamEngine, hands: Hands, *, now_ms: int, until_ms: int) -> int:
    """
    Drive a core on virtual time: jump from deadline to deadline, doing what falls due; the time reached.

    Clock: effects take no time. A core that is asked again at the same instant must have something new to do.
    """
    while True:
        effects = engine.poll(now_ms)
        for effect in effects:
            perform(effect, hands)(engine, now_ms)
        if effects:
            continue
        deadline_ms = engine.next_deadline_ms()
        if deadline_ms is None or deadline_ms > until_ms:
            return until_ms
        now_ms = max(now_ms, deadline_ms)


class StreamRunner:
    """A core, its lock and its thread."""

    def __init__(self, engine: StreamEngine, hands: Hands, clock: Clock) -> None:
        self._engine = engine
        self._hands = hands
        self._clock = clock
        self._changed = threading.Condition()
        self._ending: str | None = None
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"firehose-{engine.config.name}", daemon=True)
        clock.on_turn(self.wake)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell(self, report: Report) -> None:
        """
        Tell the core something under its lock: accepted records, a new configuration.

        Raises: StreamBroken.
        """
        with self._changed:
            self._check()
            report(self._engine, self._clock.now_ms())
            self._changed.notify()

    def snapshot(self) -> EngineSnapshot:
        """The books now; from any thread."""
        with self._changed:
            return self._engine.snapshot(self._clock.now_ms())

    def statistics(self, metric: str) -> tuple[Statistics, ...]:
        """One metric, a minute at a time; from any thread."""
        with self._changed:
            return self._engine.metrics.statistics(metric)

    def abandon(self) -> None:
        """End the thread as soon as it has finished what it is doing; what is buffered is dropped."""
        with self._changed:
            self._ending = "drop"
            self._changed.notify()

    def wake(self) -> None:
        """Have the thread look at the clock again."""
        with self._changed:
            self._changed.notify()

    def stop(self, *, flush: bool) -> EngineSnapshot:
        """
        End the thread; with `flush` deliver everything first, without it leave what is buffered. The last snapshot.

        Raises: StreamBroken if the thread had met an unexpected error.
        """
        with self._changed:
            if self._ending is None:
                self._ending = "flush" if flush else "drop"
            if self._ending == "flush":
                self._engine.flush()
            self._changed.notify()
        self._thread.join()
        with self._changed:
            self._check()
        return self.snapshot()

    def _check(self) -> None:
        if self._broken is not None:
            raise StreamBroken(self._engine.config.name, self._broken) from self._broken

    def _run(self) -> None:
        try:
            while (effects := self._next()) is not None:
                for effect in effects:
                    report = perform(effect, self._hands)
                    with self._changed:
                        report(self._engine, self._clock.now_ms())
        except BaseException as error:  # noqa: BLE001 -- kept and raised to whoever puts or stops: a thread has nobody to raise to
            with self._changed:
                self._broken = error

    def _next(self) -> list[Effect] | None:
        """The effects that are due, as soon as there are any; None when the thread is to end."""
        with self._changed:
            while True:
                if self._ending == "drop" or (self._ending == "flush" and not self._engine.has_work()):
                    return None
                effects = self._engine.poll(self._clock.now_ms())
                if effects:
                    return effects
                deadline_ms = self._engine.next_deadline_ms()
                self._changed.wait(None if deadline_ms is None else self._clock.wait_s(deadline_ms))
