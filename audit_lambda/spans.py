"""
Which hours an audit is about, and where its report lies: a schedule's event in, a span and its keys out.

    {"span": "hourly", "at": "2026-11-23T02:35:00Z"}      the three hours before that hour
    {"span": "daily", "at": "2026-11-23T01:50:00Z"}       the day before that day, in UTC
    {"from": "2026-11-20", "to": "2026-11-23"}            what somebody asked for
Laws: pure; the same event is the same span and the same keys, so that a call made twice writes the same objects. A span begins and ends
on full hours where a schedule asks.
Refuses to know: the clock (an event without `at` is given now), S3.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, EngineFailed
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from sql.hours import EPOCH, FORMAT, HOUR_US
from sql.questions import decode_instant_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Kind = Literal["hourly", "daily", "asked"]
REPORTS: Final = "reports/coinbase"
# How far back a schedule's audit looks: holes of the hour before last may have been healed since the last hourly audit.
LENGTH_US: Final[Mapping[str, int]] = {"hourly": 3 * HOUR_US, "daily": 24 * HOUR_US}
_STEP_US: Final[Mapping[str, int]] = {"hourly": HOUR_US, "daily": 24 * HOUR_US}
_FORMS: Final[Mapping[str, str]] = {"hourly": FORMAT, "daily": "%Y/%m/%d"}
_LONGEST_SHOWN: Final = 200


class EventRefused(Exception):
    """An event that says no span."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(
            f'The audit cannot tell what to look at: {why}. It wants {{"span": "hourly" or "daily", "at": an instant}} '
            'or {"from": an instant, "to": an instant}.'
        )


@dataclass(frozen=True, slots=True)
class Span:
    """What is audited. Units: microseconds since the epoch; `to_us` is excluded."""

    kind: Kind
    from_us: int
    to_us: int


def decode_event(event: Mapping[str, Any], *, now_us: int) -> Span:
    """
    An event's span.

    Clock: an event that says no `at` means now; a schedule's hours have to be over.
    Raises: EventRefused.
    """
    if "span" not in event:
        from_us, to_us = _instant(event, "from"), _instant(event, "to")
        if from_us >= to_us:
            raise EventRefused(why="`from` is not before `to`")
        return Span("asked", from_us, to_us)
    kind = str(event["span"])
    if kind not in LENGTH_US:
        raise EventRefused(why=f"there is no span {kind[:_LONGEST_SHOWN]!r}")
    at_us = _instant(event, "at") if "at" in event else now_us
    to_us = at_us - at_us % _STEP_US[kind]
    if to_us < LENGTH_US[kind]:
        raise EventRefused(why=f"no lake reaches back before {event['at']}")
    if to_us > now_us:
        raise EventRefused(why=f"{event['at']} has not come yet")
    return Span(cast("Kind", kind), to_us - LENGTH_US[kind], to_us)


def _instant(event: Mapping[str, Any], name: str) -> int:
    text = event.get(name)
    instant_us = decode_instant_us(text) if isinstance(text, str) else None
    if instant_us is None:
        raise EventRefused(
            why=f"`{name}` is {str(text)[:_LONGEST_SHOWN]!r} and has to be an instant such as 2026-11-23T02:30"
        )
    return instant_us


def report_folder(span: Span) -> str:
    """Where a span's report lies: under the newest hour or the day that it is about, or under both instants that somebody named."""
    if span.kind == "asked":
        return f"{REPORTS}/asked/{_basic(span.from_us)}-{_basic(span.to_us)}/"
    newest = _instant_of(span.to_us - _STEP_US[span.kind])
    return f"{REPORTS}/{span.kind}/{newest.strftime(_FORMS[span.kind])}/"


def latest_folder(kind: Kind) -> str:
    """Where the newest report of a kind lies a second time, so that it can be found without a listing."""
    return f"{REPORTS}/{kind}/latest/"


def _instant_of(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)


def _basic(at_us: int) -> str:
    """ISO 8601's basic form: colons need care in keys."""
    return f"{_instant_of(at_us):%Y%m%dT%H%M%S}" + (f".{at_us % 1_000_000:06d}Z" if at_us % 1_000_000 else "Z")
