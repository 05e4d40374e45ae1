"""
How far something has come, on standard error: on a terminal one line written over, elsewhere a line now and then.

Laws: standard output stays the answer's; the last word is always said; nothing is written that a terminal would take for more than a line.
Refuses to know: what comes along, and how far it has to go.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S: Final = 2.0
_ERASE: Final = "\r\x1b[2K"


class ProgressLine:
    """
    The one line. As a context it closes itself.

    Clock: `clock` is in seconds and only measures.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._printed_at = clock()
        self._unsaid = ""
        self._is_open = False

    def show(self, line: str, *, is_news: bool | None = None) -> None:
        """
        How far it has come now.

        `is_news` says whether a log is to have the line; None: once two seconds have gone by since the last, and at the end.
        """
        if sys.stderr.isatty():
            click.echo(f"{_ERASE}{line}", err=True, nl=False)
            self._is_open = True
        elif is_news or (is_news is None and self._clock() - self._printed_at >= EVERY_S):
            click.echo(line, err=True)
            self._unsaid, self._printed_at = "", self._clock()
        elif is_news is None:
            self._unsaid = line

    def clear(self) -> None:
        """Take the line off the terminal: what it led to is about to be said."""
        if self._is_open:
            click.echo(_ERASE, err=True, nl=False)
        self._is_open, self._unsaid = False, ""

    def close(self) -> None:
        """End the line, and say the last of it where it was not said."""
        if self._is_open:
            click.echo(err=True)
        elif self._unsaid:
            click.echo(self._unsaid, err=True)
        self._is_open, self._unsaid = False, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
