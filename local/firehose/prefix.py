"""
Prefix expressions: `!{namespace:value}` in a prefix, taken apart once and evaluated for each object.

Laws: one instant for all timestamps of an object, the arrival of its oldest record; nothing is appended once any expression is
present; a prefix without one gets `yyyy/MM/dd/HH/` straight after its text, with no slash added.
Refuses to know: objects' names, stores, where partition keys come from.
Source: Amazon Data Firehose, "Understand custom prefixes for Amazon S3 objects"; the append rule as probed by others.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import pytz

from local.firehose.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

_EXPRESSION = re.compile(r"!\{([^:}]*):([^}]*)\}")
_DEFAULT_TIME = "yyyy/MM/dd/HH/"
_RANDOM_LETTERS = string.ascii_letters + string.digits
_RANDOM_LENGTH = 11

Namespace = Literal["literal", "timestamp", "firehose", "partitionKeyFromLambda", "partitionKeyFromQuery"]


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a prefix: literal text, or an expression by its namespace and value."""

    namespace: str
    value: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """What one object's prefix is evaluated with. Clock: `arrival_ms` is the oldest record's arrival."""

    arrival_ms: int
    time_zone: str = "UTC"
    error_output_type: str = ""
    lambda_keys: Mapping[str, str] | None = None
    query_keys: Mapping[str, str] | None = None


@lru_cache(maxsize=1024)
def parse_prefix(prefix: str) -> tuple[Part, ...]:
    """A prefix taken apart; anything that is no expression is literal text."""
    parts = []
    end = 0
    for match in _EXPRESSION.finditer(prefix):
        if match.start() > end:
            parts.append(Part("literal", prefix[end : match.start()]))
        parts.append(Part(match[1], match[2]))
        end = match.end()
    if end < len(prefix):
        parts.append(Part("literal", prefix[end:]))
    return tuple(parts)


def has_expression(prefix: str, *, unless: Literal["expression", "timestamp"] = "expression") -> bool:
    """Whether a prefix names what AWS's default time would otherwise be appended for."""
    wanted = {"timestamp"} if unless == "timestamp" else {part.namespace for part in parse_prefix(prefix)} - {"literal"}
    return any(part.namespace in wanted for part in parse_prefix(prefix))


def object_prefix(prefix: str, *, unless: Literal["expression", "timestamp"] = "expression") -> str:
    """The data prefix with AWS's default time appended where it has no expression."""
    return prefix if has_expression(prefix, unless=unless) else f"{prefix}!{{timestamp:{_DEFAULT_TIME}}}"


def error_prefix(prefix: str, data_prefix: str) -> str:
    """
    The error prefix; an absent one is built from the data prefix, as observed: <Prefix><error-output-type>/yyyy/MM/dd/HH/.

    Source: probed keys show day of month where AWS's page prints day of year.
    """
    if prefix and has_expression(prefix):
        return prefix
    return f"{prefix or data_prefix}!{{firehose:error-output-type}}/!{{timestamp:{_DEFAULT_TIME}}}"


def partition_keys(prefix: str) -> tuple[Part, ...]:
    """The partition keys that a prefix asks for, in order, each once."""
    return tuple(dict.fromkeys(part for part in parse_prefix(prefix) if part.namespace.startswith("partitionKeyFrom")))


def local_moment(arrival_ms: int, time_zone: str) -> datetime:
    """An arrival as a moment in a stream's time zone."""
    moment = datetime.fromtimestamp(arrival_ms // 1000, tz=UTC).replace(microsecond=arrival_ms % 1000 * 1000)
    return moment if time_zone == "UTC" else moment.astimezone(pytz.timezone(time_zone))


def evaluate_prefix(prefix: str, occasion: Occasion, random: Random) -> str:
    """
    The prefix of one object. Caller must have it validated: an unknown namespace stays as it is written.

    Raises: KeyError for a partition key that the occasion does not have.
    """
    moment = local_moment(occasion.arrival_ms, occasion.time_zone)
    return "".join(_evaluate_part(part, occasion, moment, random) for part in parse_prefix(prefix))


def _evaluate_part(part: Part, occasion: Occasion, moment: datetime, random: Random) -> str:  # noqa: PLR0911 -- a namespace each
    if part.namespace == "literal":
        return part.value
    if part.namespace == "timestamp":
        return format_instant(part.value, moment)
    if part.namespace == "partitionKeyFromLambda":
        return (occasion.lambda_keys or {})[part.value]
    if part.namespace == "partitionKeyFromQuery":
        return (occasion.query_keys or {})[part.value]
    if part == Part("firehose", "random-string"):
        return "".join(random.choices(_RANDOM_LETTERS, k=_RANDOM_LENGTH))
    if part == Part("firehose", "error-output-type"):
        return occasion.error_output_type
    return f"!{{{part.namespace}:{part.value}}}"
