from __future__ import annotations

import random
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from producer.asking import PATIENCE_S, Asker
from producer.errors import RestSilent
from producer.ratelimit import Bucket
from producer.rest import RestAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rest:
    """Answers with these statuses, one after another."""

    def __init__(self, statuses: Iterable[int | None]) -> None:
        self._statuses = iter(statuses)
        self.paths: list[str] = []

    def get(self, path: str) -> RestAnswer:
        self.paths.append(path)
        return RestAnswer(next(self._statuses), b"[]")


class Clock:
    """Time that goes by only in sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def asker(rest: Rest, clock: Clock) -> Asker:
    bucket = Bucket(rate_per_s=8.0, burst=10)
    return Asker(rest, bucket, random.Random(1), clock=lambda: clock.now, sleep=clock.sleep)


def test_a_question_is_asked_until_it_is_answered() -> None:
    rest, clock = Rest([429, 503, None, 200]), Clock()

    assert 200 == asker(rest, clock).ask("/x").status
    assert 4 == len(rest.paths)
    assert clock.now > 100.5


@pytest.mark.parametrize("status", [200, 400, 403, 404])
def test_an_answer_that_asking_again_would_not_change_comes_back_at_once(status: int) -> None:
    rest = Rest([status])

    assert status == asker(rest, Clock()).ask("/x").status


def test_the_rate_limit_is_kept_without_an_error_too() -> None:
    rest, clock = Rest(repeat(200)), Clock()
    asking = asker(rest, clock)
    for _ in range(50):
        asking.ask("/x")

    assert clock.now - 100.0 >= (50 - 10) / 8.0 - 0.01
    assert 50 == asking.asked_count == len(rest.paths)


def test_patience_ends_and_says_what_rest_said() -> None:
    rest, clock = Rest(chain(repeat(503))), Clock()
    with pytest.raises(RestSilent, match=r"/x for 600 s \(HTTP 503\)"):
        asker(rest, clock).ask("/x")

    assert clock.now - 100.0 > PATIENCE_S
