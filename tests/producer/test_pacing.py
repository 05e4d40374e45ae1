from __future__ import annotations

import random

from producer.pacing import MIN_BATCH_BODY_BYTES, Backoff, Pace
from producer.packing import MAX_BATCH_BODY_BYTES


def test_waits_double_up_to_the_cap_with_full_jitter() -> None:
    bounds = [1, 2, 4, 8, 16, 30, 30, 30]
    for seed in range(50):
        backoff = Backoff(random.Random(seed), base_s=1.0, cap_s=30.0, floor_s=0.1)
        waits = [backoff.next_wait_s() for _ in bounds]
        assert all(0.1 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_waits_are_spread() -> None:
    waits = [Backoff(random.Random(seed), base_s=8.0, cap_s=30.0, floor_s=0.1).next_wait_s() for seed in range(200)]

    assert min(waits) < 1.0
    assert max(waits) > 7.0


def test_an_outage_of_days_does_not_overflow() -> None:
    backoff = Backoff(random.Random(1), base_s=1.0, cap_s=60.0, floor_s=0.1)

    assert all(backoff.next_wait_s() <= 60 for _ in range(100_000))


def test_success_starts_small_again() -> None:
    backoff = Backoff(random.Random(1), base_s=1.0, cap_s=60.0, floor_s=0.1)
    for _ in range(10):
        backoff.next_wait_s()
    backoff.reset()

    assert backoff.next_wait_s() <= 1.0


def test_throttling_makes_calls_smaller_and_success_gives_it_back() -> None:
    pace = Pace(random.Random(1))
    sizes = []
    for _ in range(6):
        assert pace.after_throttling() > 0
        sizes.append(pace.body_bytes)
    assert MIN_BATCH_BODY_BYTES == sizes[-1] < sizes[0] == MAX_BATCH_BODY_BYTES // 2
    for _ in range(4):
        assert 0.0 == pace.after_success()

    assert MAX_BATCH_BODY_BYTES == pace.body_bytes


def test_every_failure_waits() -> None:
    pace = Pace(random.Random(1))

    assert all(pace.after_failure() >= 0.05 for _ in range(100))
    assert MAX_BATCH_BODY_BYTES == pace.body_bytes
