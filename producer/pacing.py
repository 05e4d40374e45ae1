"""
How long to wait before the next call, and how much to put into it.

Waits grow exponentially with full jitter up to a cap, also after errors that a person has to mend, so that there is never a hot
loop. Throttling halves the batch (the bytes of one call); every untroubled call gives a quarter of the full size back.

Laws: pure; randomness is an argument; success resets the wait at once, the size step by step.
Refuses to know: what was sent, and the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from producer.packing import MAX_BATCH_BODY_BYTES

if TYPE_CHECKING:
    import random

MIN_BATCH_BODY_BYTES: Final = MAX_BATCH_BODY_BYTES // 16
DIVISION_WAIT_S: Final = 0.05


class Backoff:
    """
    Waits of full jitter: uniform between 0 and a bound that doubles from `base_s` up to `cap_s`, but never under `floor_s`,
    so that luck makes no hot loop.
    """

    def __init__(self, rng: random.Random, *, base_s: float, cap_s: float, floor_s: float) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self.attempt = 0

    def next_wait_s(self) -> float:
        """Seconds to wait after one more failure."""
        bound = min(self._cap_s, self._base_s * 2 ** min(self.attempt, 32))
        self.attempt += 1
        return max(self._floor_s, self._rng.uniform(0, bound))

    def reset(self) -> None:
        """It works again."""
        self.attempt = 0


class Pace:
    """The size of the next batch and the wait before it."""

    def __init__(self, rng: random.Random) -> None:
        # Firehose's second-long bursts of throttling pass quickly; a missing stream does not: 0.2 s to 20 s covers both.
        self._backoff = Backoff(rng, base_s=0.2, cap_s=20.0, floor_s=0.05)
        self.body_bytes = MAX_BATCH_BODY_BYTES

    def after_success(self) -> float:
        """Everything in the call was accepted: no wait, and more next time."""
        self._backoff.reset()
        self.body_bytes = min(MAX_BATCH_BODY_BYTES, self.body_bytes + MAX_BATCH_BODY_BYTES // 4)
        return 0.0

    def after_throttling(self) -> float:
        """Some or all of the call was throttled: less next time, after a wait."""
        self.body_bytes = max(MIN_BATCH_BODY_BYTES, self.body_bytes // 2)
        return self._backoff.next_wait_s()

    def after_division(self) -> float:
        """The call was refused for its content and is divided: nearly at once, for each division gets further."""
        return DIVISION_WAIT_S

    def hurry(self) -> None:
        """A shutdown has begun: waits start small again, whatever was before."""
        self._backoff.reset()

    def after_failure(self) -> float:
        """The call failed for another reason: the same again after a wait."""
        return self._backoff.next_wait_s()
