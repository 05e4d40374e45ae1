"""
What the small Athena refuses: a call, at once; or a statement it took, by ending it as FAILED.

Laws: the words are Athena's where they are known.
"""

# ruff: noqa: N818  # errors are named for what happened

from __future__ import annotations

SYSTEM, USER = 1, 2  # AthenaError.ErrorCategory


class CallRefused(Exception):
    """One API call answered with an error."""

    def __init__(self, code: str, message: str, *, athena_code: str = "", http_status: int = 400) -> None:
        self.code, self.message, self.athena_code, self.http_status = code, message, athena_code, http_status
        super().__init__(f"{code}: {message}")


def invalid(message: str, athena_code: str = "INVALID_INPUT") -> CallRefused:
    """An InvalidRequestException."""
    return CallRefused("InvalidRequestException", message, athena_code=athena_code)


class StatementFailed(Exception):
    """A statement that ends as FAILED. `category` is AthenaError's: 1 the system's fault, 2 the user's, 3 another."""

    def __init__(self, reason: str, *, category: int = USER, retryable: bool = False) -> None:
        self.reason, self.category, self.retryable = reason, category, retryable
        super().__init__(reason)


class StatementStopped(Exception):
    """A statement that was stopped while it ran."""
