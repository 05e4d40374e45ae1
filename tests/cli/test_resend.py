"""Sending again, against every pattern of answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from cli.resend import plan_redrive_packs, send_packs
from local.lake.redrive import NamedLine
from producer.errors import AnswerMismatch, DeliveryAmbiguous, DeliveryRefused, DeliveryThrottled
from producer.settlement import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.lake.redrive import Name
    from producer.packing import Pack

SESSION = "01KAR2M9Q4T8W6X0Y5Z7B3C1DF"
ACCEPTED = PutAnswer("id")
SLOW_DOWN = PutAnswer(None, "ServiceUnavailableException", "Slow down.")
BAD = PutAnswer(None, "InvalidArgumentException", "no")


def lines(count: int, width: int = 10) -> list[NamedLine]:
    return [NamedLine((SESSION, n), b"x" * width) for n in range(count)]


def test_packs_keep_every_line_in_order_within_firehoses_limits() -> None:
    for given in (lines(1_203), lines(30, 100_000), lines(1, 1_024_000), []):
        packs = plan_redrive_packs(given)
        assert [each.name for each in given] == [name for each in packs for name in each.names]
        assert all(each.pack.line_count == len(each.names) <= 500 for each in packs)
        assert all(len(each.pack.content) <= 1_024_000 for each in packs)
        assert [each.line for each in given] == [text for each in packs for text in each.pack.content.splitlines()]


class Cloud:
    """Answers each call by a script: answers per pack, or an error; after the script everything is accepted."""

    def __init__(self, *script: list[PutAnswer] | Exception) -> None:
        self._script: Iterator[list[PutAnswer] | Exception] = iter(script)
        self.stored: list[Name] = []
        self.waits_s: list[float] = []

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        step = next(self._script, [ACCEPTED] * len(packs))
        if isinstance(step, Exception):
            raise step
        return step

    def send(self, given: Sequence[NamedLine]) -> int:
        return send_packs(
            plan_redrive_packs(given), self.put, self.stored.extend, rng=random.Random(1), sleep=self.waits_s.append
        )


def test_only_packs_accepted_by_index_are_written_down() -> None:
    cloud = Cloud([ACCEPTED, SLOW_DOWN, BAD], [ACCEPTED])
    assert 1_000 == cloud.send(lines(1_500))
    assert [*range(1_000)] == [n for _, n in cloud.stored]


@pytest.mark.parametrize("error", [DeliveryThrottled(code="x", message=""), DeliveryAmbiguous(code="x", message="")])
def test_what_may_pass_is_tried_again_and_given_up_after_a_while(error: Exception) -> None:
    assert 10 == Cloud(error, error).send(lines(10))
    given_up = Cloud(*[error] * 100)
    assert 0 == given_up.send(lines(10))
    assert 8 == len(given_up.waits_s)
    throttled = Cloud(*[[SLOW_DOWN]] * 100)
    assert 0 == throttled.send(lines(10))
    assert not throttled.stored


@pytest.mark.parametrize("step", [DeliveryRefused(code="x", message=""), [ACCEPTED, ACCEPTED]])
def test_what_a_person_has_to_change_is_raised(step: list[PutAnswer] | Exception) -> None:
    with pytest.raises((DeliveryRefused, AnswerMismatch)):
        Cloud(step).send(lines(10))
