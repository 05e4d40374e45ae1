from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.ratelimit import Bucket


def test_a_burst_goes_at_once_and_then_the_rate() -> None:
    bucket = Bucket(rate_per_s=8, burst=10)

    assert [0.0] * 10 == [bucket.take(100.0) for _ in range(10)]
    assert 0.125 == bucket.take(100.0)
    assert 0.125 == bucket.take(100.0)  # asking takes nothing
    assert 0.0 == bucket.take(100.125)


def test_an_idle_bucket_holds_no_more_than_its_burst() -> None:
    bucket = Bucket(rate_per_s=8, burst=2)
    bucket.take(0)

    assert [0.0, 0.0] == [bucket.take(10_000.0) for _ in range(2)]
    assert bucket.take(10_000.0) > 0


def test_a_clock_that_steps_back_fills_nothing() -> None:
    bucket = Bucket(rate_per_s=1, burst=1)
    bucket.take(100.0)

    assert 1.0 == bucket.take(50.0)
    assert 1.0 == bucket.take(100.0)
    assert 0.0 == bucket.take(101.0)


def test_the_level_says_what_is_left() -> None:
    bucket = Bucket(rate_per_s=8, burst=10)
    assert 10.0 == bucket.level
    bucket.take(0.0)
    assert 9.0 == bucket.level
    bucket.drain(0.0)

    assert 0.0 == bucket.level
    assert 0.125 == bucket.take(0.0)


@pytest.mark.parametrize(("rate_per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_never_holds_a_token_is_refused(rate_per_s: float, burst: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Bucket(rate_per_s=rate_per_s, burst=burst)


@given(
    rate_per_s=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    start=st.floats(0, 1e8),
    pauses=st.lists(st.floats(0, 1), max_size=60),
)
def test_no_span_takes_more_than_the_burst_and_the_rate(
    rate_per_s: float, burst: int, start: float, pauses: list[float]
) -> None:
    bucket, now, taken = Bucket(rate_per_s=rate_per_s, burst=burst), start, list[float]()
    for pause_s in pauses:
        now += pause_s
        while bucket.take(now) == 0.0:
            taken.append(now)

    for first, from_s in enumerate(taken):
        for last, to_s in enumerate(taken[first:], first):
            assert last - first + 1 <= burst + rate_per_s * (to_s - from_s) + 1e-3


@given(rate_per_s=st.floats(0.1, 100), start=st.floats(0, 3e7), count=st.integers(1, 50))
def test_a_wait_that_is_obeyed_ends(rate_per_s: float, start: float, count: int) -> None:
    bucket, now = Bucket(rate_per_s=rate_per_s, burst=1), start
    bucket.take(now)
    for _ in range(count):
        now += bucket.take(now)

        assert 0.0 == bucket.take(now)
