"""
What the core asks its shell to do with a connection.

Laws: actions on one connection are obeyed in the order they were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GOING_AWAY: Final = 1001


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes as one text frame, as they are."""

    connection: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after everything sent before; without a code, break it off without a word."""

    connection: int
    code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop reading from the connection, so that not even pings are answered: the peer sees a half-open socket."""

    connection: int


@dataclass(frozen=True, slots=True)
class Thaw:
    """Read from the connection again."""

    connection: int


Action = Send | Close | Freeze | Thaw


@dataclass(frozen=True, slots=True)
class Accepted:
    """A connection was accepted, `delay_s` after it was asked for."""

    connection: int
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """A connection was refused with an HTTP status instead of the upgrade, `delay_s` after it was asked for."""

    status: int
    delay_s: float = 0.0
