"""
What can go wrong before or while the simulated exchange speaks.

    ExchangeError
      RecordingUnreadable     the recording is missing, empty, or broken at a line
      ExchangeSettingsWrong   settings that cannot be obeyed together

Laws: an error carries fields and builds its sentence: what happened, what it means, what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ExchangeError(Exception):
    """The simulated exchange cannot do what it was asked."""


@dataclass(eq=False)
class RecordingUnreadable(ExchangeError):  # noqa: N818  # named for what happened
    """A recording that cannot be read: `after_lines` lines were read before it failed."""

    path: Path
    problem: str
    after_lines: int = 0

    def __str__(self) -> str:
        """Say what happened and what to do."""
        where = f" after line {self.after_lines}" if self.after_lines else ""
        return (
            f"{self.path}: {self.problem}{where}. Give a .jsonl or .jsonl.gz file of Coinbase frames, "
            "or the raw/ folder of a lake"
        )


@dataclass(eq=False)
class ExchangeSettingsWrong(ExchangeError):  # noqa: N818  # named for what happened
    """Settings of the simulated exchange that cannot be obeyed."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        """Say what happened and what to do."""
        return f"{self.problem}: {self.remedy}"
