"""Statements that hang, and what is left of a function's life after them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

from compact_lambda.patience import LONGEST_S, Bounded, patience_s
from compact_lambda.plans import RESERVE_MS, may_begin
from sql.engine import Answer, EngineFailed

if TYPE_CHECKING:
    from compact_lambda.hour import AthenaLike
    from sql.athena import Statistics

LIFE_MS = 900_000  # the function's time-out (infra/upkeep.yaml)
# For the view's statement to be stopped, the sweep, the metrics.
END_MS = 15_000


@dataclass
class Hanging:
    """An Athena in which nothing ends; time is what its statements are given."""

    left_ms: float = LIFE_MS
    given_s: list[float] = field(default_factory=list)

    def connect(self, patience_s: float) -> AthenaLike:
        self.given_s.append(patience_s)
        return self

    def ask(self, question: exp.Query) -> Answer:
        assert question
        raise self._stopped()

    def run(self, statement: str) -> Statistics:
        assert statement
        raise self._stopped()

    def _stopped(self) -> EngineFailed:
        self.left_ms -= self.given_s[-1] * 1_000
        return EngineFailed(engine="Athena", why="it took too long")


def test_while_there_is_time_a_statement_may_take_what_an_hour_never_needs() -> None:
    assert LONGEST_S == patience_s(LIFE_MS)


def test_however_many_statements_hang_the_function_outlives_them() -> None:
    slow = Hanging()
    athena = Bounded(slow.connect, remaining_ms=lambda: int(slow.left_ms))
    while may_begin(int(slow.left_ms)):  # of hours, as compact_lambda.run begins them: an UNLOAD, a check
        for _ in range(2):
            with pytest.raises(EngineFailed):
                athena.run("UNLOAD …")
    with pytest.raises(EngineFailed):
        athena.run("CREATE OR REPLACE VIEW …")
    assert slow.left_ms >= END_MS


def test_an_hour_that_is_begun_last_may_still_take_its_seconds() -> None:
    assert patience_s(RESERVE_MS) >= 60


def test_questions_are_bounded_like_statements() -> None:
    slow = Hanging(left_ms=10_000)
    question = sqlglot.parse_one("SELECT 1")
    assert isinstance(question, exp.Query)
    with pytest.raises(EngineFailed):
        Bounded(slow.connect, remaining_ms=lambda: int(slow.left_ms)).ask(question)
    assert [5.0] == slow.given_s
