"""
Athena for a process whose life is bounded: no statement may take more than half of the time that is left.

So a statement that hangs is stopped while there is time to say so, to move the view and to tell the metrics, however many there are; a function that
runs out of its time says nothing, and leaves its statement running.
Laws: pure but for what `connect` makes.
Refuses to know: AWS's clients, whose life it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp

    from compact_lambda.hour import AthenaLike, Spent
    from sql.engine import Answer

# A statement that has not ended after so long is stopped: an hour's takes seconds.
LONGEST_S: Final = 240.0


class Bounded:
    """An Athena over others that `connect` makes, one for each statement, told how many seconds it may take."""

    def __init__(self, connect: Callable[[float], AthenaLike], *, remaining_ms: Callable[[], int]) -> None:
        self._connect, self._remaining_ms = connect, remaining_ms

    def ask(self, question: exp.Query) -> Answer:
        """The answer to a SELECT. Raises: EngineFailed."""
        return self._connect(patience_s(self._remaining_ms())).ask(question)

    def run(self, statement: str) -> Spent:
        """What a statement without an answer took. Raises: EngineFailed."""
        return self._connect(patience_s(self._remaining_ms())).run(statement)


def patience_s(remaining_ms: int) -> float:
    """How long a statement may take, of a life that has so much left."""
    return min(LONGEST_S, remaining_ms / 2_000)
