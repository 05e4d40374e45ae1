"""
Where the rim gets `now` from: the machine's clock, or one that a test turns by hand.

Laws: milliseconds since the epoch, as Firehose counts; never backwards. Only the rim holds a clock; the core is told the time.
Refuses to know: who waits. A shell that waits for a deadline is woken through `on_turn` when a manual clock jumps.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """What a shell needs of a clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def wait_s(self, deadline_ms: int) -> float | None:
        """Seconds that a thread should sleep for this deadline; None: until it is woken."""
        ...

    def pause(self, seconds: float) -> None:
        """Let this much time pass on the caller's thread."""
        ...

    def on_turn(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever the clock jumps."""
        ...


class SystemClock:
    """The machine's clock, read once and then carried by the monotonic one, so that it never steps back."""

    def __init__(self) -> None:
        self._epoch_s = time.time() - time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int((self._epoch_s + time.monotonic()) * 1000)

    def wait_s(self, deadline_ms: int) -> float | None:
        """Seconds until the deadline; at least a millisecond, so that a sleeper does not spin."""
        return max(0.001, deadline_ms / 1000 - (self._epoch_s + time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def on_turn(self, wake: Callable[[], None]) -> None:
        """Nothing to do: this clock never jumps."""


class ManualClock:
    """A clock that stands still until it is turned: an hour of buffering in no time."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as last set."""
        return self._now_ms

    def wait_s(self, deadline_ms: int) -> float | None:  # noqa: ARG002 -- this clock reaches no deadline by waiting
        """None: wait until somebody turns the clock."""
        return None

    def pause(self, seconds: float) -> None:
        """No wait: whoever turns this clock decides what time it is."""

    def on_turn(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each turn."""
        with self._lock:
            self._wakers.append(wake)

    def turn(self, seconds: float) -> None:
        """Move the clock on, and wake whoever waits by it."""
        with self._lock:
            self._now_ms += round(seconds * 1000)
            wakers = list(self._wakers)
        for wake in wakers:
            wake()
