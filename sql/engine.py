"""
What asks a question of a lake, whichever engine it is: DuckDB at home (local/lake/answers.py), Athena where a stack is deployed.

Laws: an answer's decimals and integers are exact; a column's type is Athena's name for it.
Refuses to know: how an engine is reached.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, EngineFailed
from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlglot import exp


class EngineFailed(Exception):
    """The engine could not answer. `advice` is what to do about it, a sentence, where that is known."""

    def __init__(self, *, engine: str, why: str, advice: str = "") -> None:
        self.engine, self.why, self.advice = engine, why.strip().rstrip("."), advice
        super().__init__(f"{engine} could not answer: {self.why}. {advice}".rstrip())


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    Shapes: `types[i]` is Athena's name of the type of `columns[i]`, in small letters: `bigint`, `varchar`, `decimal(38,18)`, `timestamp`,
    `double`, `boolean`. Rows hold int, str, Decimal, datetime (UTC, without a zone), float, bool, None.
    `scanned_bytes`: what the engine says it read; None where it does not say.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    scanned_bytes: int | None = None


class Engine(Protocol):
    """An engine that is connected to one lake."""

    name: str

    def ask(self, question: exp.Query) -> Answer:
        """
        The answer to a question with its values in it and its views written out (`sql.questions.plan_query`).

        Raises: EngineFailed.
        """


def encode_cell(cell: Any) -> Any:
    """One cell as JSON has it: decimals in full without idle zeros, times as RFC 3339 in UTC, floats that JSON has no word for as text."""
    if isinstance(cell, Decimal):
        plain = format(cell, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)
    return cell if cell is None or isinstance(cell, int | float | str | list | dict) else str(cell)
