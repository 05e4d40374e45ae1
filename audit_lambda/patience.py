"""
An engine that is asked only while there is time: what comes too late is refused, so that the report can still say it was not asked.

Laws: no question is given more time than is left before the margin; the margin is for what follows the questions (page, reports, notice).
Refuses to know: which engine it is, whose time it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp

    from sql.engine import Answer, Engine


class Patient:
    """
    An engine (sql.engine.Engine) over another one that `connect` makes for each question, told how many seconds it may take.

    Clock: `remaining_s` says how much is left of the whole.
    """

    def __init__(
        self, connect: Callable[[float], Engine], *, name: str, remaining_s: Callable[[], float], margin_s: float
    ) -> None:
        self._connect, self._remaining_s, self._margin_s = connect, remaining_s, margin_s
        self.name = name

    def ask(self, question: exp.Query) -> Answer:
        """
        The engine's answer.

        Raises: EngineFailed, also where no time is left.
        """
        left_s = self._remaining_s() - self._margin_s
        if left_s <= 0:
            raise EngineFailed(engine=self.name, why="the function's time was up before this was asked")
        return self._connect(left_s).ask(question)
