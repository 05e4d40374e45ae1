"""
What the transform says about one Firehose record: rows for one partition, or a refusal.

Laws: every line of the record is counted once, as a row or as a refusal.
Refuses to know: how the verdict came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.reasons import Reason


# Lambda's quota for a synchronous answer is 6 MB, and passing it loses the whole answer. We read MB as 10^6, the smaller way; the
# difference to 6 MiB is our margin. Source: AWS Lambda quotas; Amazon Data Firehose, data transformation.
ANSWER_LIMIT_BYTES: Final = 6_000_000
# Base64 makes four characters of three bytes: rows beyond this fit no answer, whatever else is in it.
ROWS_LIMIT_BYTES: Final = ANSWER_LIMIT_BYTES * 3 // 4


class Refusal(NamedTuple):
    """One refused line: its name where it could be read, the reason and what was found."""

    session: str | None
    n: int | None
    reason: Reason
    detail: str
    line_count: int = 1  # more than one only where a whole pack is refused for one reason


class Accepted(NamedTuple):
    """Rows for one partition. `rows` is their text, each with a newline, those of refused lines among them."""

    rows: bytes
    partition: Mapping[str, str]
    row_count: int  # of accepted lines only
    oldest_receive_time_us: int  # of its accepted lines, or of recognised lines in records judged together with it
    set_aside: Sequence[Refusal] = ()
    slow_line_count: int = 0  # lines that were parsed, because the fast way did not recognise them

    @property
    def line_count(self) -> int:
        """How many lines the record held."""
        return self.row_count + len(self.set_aside)


class Refused(NamedTuple):
    """No line of the record was good, or the answer had no room for its rows."""

    refusals: Sequence[Refusal]
    slow_line_count: int = 0

    @property
    def line_count(self) -> int:
        """How many lines the record held."""
        return sum(refusal.line_count for refusal in self.refusals)
