"""
Why a line is refused: the contract's closed set, as a type, and the exception that carries it.

Laws: a reason is one of reasons.json's `refusal` (a test compares); whatever text comes from outside is cut.
Refuses to know: what becomes of a refused line.
"""

from __future__ import annotations

from typing import Final, Literal

Reason = Literal[
    "line_too_long",
    "line_not_utf8",
    "line_not_json",
    "line_invalid",
    "message_invalid",
    "time_invalid",
    "time_out_of_range",
    "price_not_positive",
    "number_negative",
    "decimal_out_of_range",
    "book_crossed",
    "book_half_missing",
    "frame_not_utf8",
    "frame_not_json",
    "frame_not_object",
    "frame_too_long",
    "response_full",
]

DETAIL_LIMIT_CHARS: Final = 300  # a log line and a row carry a sentence, never a stranger's megabyte


class LineRefused(Exception):  # noqa: N818 - named for what happened, as the house names errors
    """
    A line breaks the contract; it stays refused however often it is tried.

    `detail` says what was found where, in at most DETAIL_LIMIT_CHARS characters.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        self.detail = detail[:DETAIL_LIMIT_CHARS]
        super().__init__(f"refused ({reason}): {self.detail}. The line is set aside; sent again it is refused again.")
