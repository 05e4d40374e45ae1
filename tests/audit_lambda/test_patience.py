from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlglot import exp

from audit_lambda.patience import Patient
from sql.engine import Answer, EngineFailed

if TYPE_CHECKING:
    from sql.engine import Engine

QUESTION = exp.select("1")


class Answering:
    """An engine that answers how long it may take."""

    name = "answering"

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s

    def ask(self, _: exp.Query) -> Answer:
        return Answer(columns=("s",), types=("double",), rows=[(self._patience_s,)])


def patient(left_s: list[float]) -> Patient:
    def connect(patience_s: float) -> Engine:
        return Answering(patience_s)

    return Patient(connect, name="answering", remaining_s=lambda: left_s.pop(0), margin_s=60)


def test_each_question_may_take_what_is_left_before_the_margin() -> None:
    engine = patient([900, 100])
    assert [(840,)] == engine.ask(QUESTION).rows
    assert [(40,)] == engine.ask(QUESTION).rows


@pytest.mark.parametrize("left_s", [60, 1, 0])
def test_without_time_left_a_question_is_refused_and_not_asked(left_s: float) -> None:
    with pytest.raises(EngineFailed, match="answering could not answer: the function's time was up") as refused:
        patient([left_s]).ask(QUESTION)
    assert "answering" == refused.value.engine
