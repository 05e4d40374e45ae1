"""
What can go wrong before or while the simulated exchange speaks.

    ExchangeError
      RecordingUnreadable     the recording is missing, empty, or broken at a line
      ExchangeSettingsWrong   settings that cannot be obeyed together
      ExchangeFailed          a fault of the exchange's own

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


@dataclass(eq=False)
class ExchangeFailed(ExchangeError):  # noqa: N818  # named for what happened
    """A fault of the simulated exchange itself, which no client and no recording should be able to cause."""

    fault: str

    def __str__(self) -> str:
        """Say what happened and what to do."""
        return (
            f"the simulated exchange failed ({self.fault}): what was not sent yet is not sent. This is a fault of ours; "
            "please report it with the recording"
        )
