"""Clocks of the rim."""

from __future__ import annotations

import time

from local.firehose.clock import ManualClock, SystemClock


def test_the_systems_clock_tells_the_time_and_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.now_ms() for _ in range(1000)]
    assert sorted(readings) == readings
    assert abs(readings[0] - time.time() * 1000) < 1000


def test_a_deadline_in_the_past_is_waited_for_a_moment_only() -> None:
    clock = SystemClock()
    assert 0.001 == clock.wait_s(0)
    waits = clock.wait_s(clock.now_ms() + 5000)
    assert waits is not None
    assert 4 < waits <= 5.001
    clock.pause(0)
    clock.on_turn(lambda: None)


def test_a_manual_clock_stands_still_until_it_is_turned_and_wakes_who_waits() -> None:
    clock = ManualClock(1000)
    woken: list[int] = []
    clock.on_turn(lambda: woken.append(clock.now_ms()))
    assert clock.wait_s(5000) is None
    clock.pause(100)
    assert 1000 == clock.now_ms()
    clock.turn(1.5)
    assert (2500, [2500]) == (clock.now_ms(), woken)
