"""
The questions of infra/queries: what each asks, what it may be told, and the question with its values in it.

Laws: a value never becomes SQL text by hand, sqlglot writes it as a literal of its parameter's type; no row is missed by
pruning: a row lies in the hour it happened or in a later one it arrived in (late-data rule), so `from` bounds the hours read from below.
Refuses to know: engines, terminals, files of answers.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from sqlglot import exp

from infra import QUERIES
from sql.dialect import parse_select
from sql.hours import EPOCH, lake_hour
from sql.views import bound_hours, expand_in_place

if TYPE_CHECKING:
    from collections.abc import Mapping


ParameterType = Literal["text", "instant", "duration", "count", "number"]
Value = str | int | Decimal | None

_DECLARATION: Final = re.compile(r"^-- :([a-z][a-z0-9_]*) (\w+), default (.+?)( \(reads every hour\))?$")
_US: Final = timedelta(microseconds=1)
_UNITS_US: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
# The last microsecond that a timestamp of either engine can be made of through nanoseconds in 64 bits: in the year 2262.
_THE_END_US: Final = (2**63 - 1) // 1000
_WORDS: Final[dict[str, Value]] = {"the beginning": 0, "the end": _THE_END_US}
# A row may happen up to an hour after it arrived (two clocks), and lie in the hour it arrived in. One dated later still is only found
# without a `from` (contract/dictionary.md, late data).
_HOUR_MARGIN_US: Final = 3_600_000_000


class QueryError(Exception):
    """A question that cannot be asked as it stands."""


class QueryUnknown(QueryError):
    """No file of that name."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is no query named {name}. There are: {', '.join(list_queries())}. Or give a whole SELECT in quotes."
        )


class ValueRefused(QueryError):
    """A value that its parameter cannot take."""

    def __init__(self, *, parameter: str, value: str, why: str) -> None:
        self.parameter, self.value, self.why = parameter, value, why
        super().__init__(f"{value!r} cannot be the value of {parameter}: {why}.")


class ParameterUnknown(QueryError):
    """A value for a parameter that the query does not have."""

    def __init__(self, *, parameter: str, query: Query) -> None:
        self.parameter, self.query = parameter, query
        known = ", ".join(p.name for p in query.parameters) or "none"
        super().__init__(f"{query.name or 'This SELECT'} takes no value named {parameter}. It takes: {known}.")


class QueryFailed(QueryError):
    """The engine could not answer."""

    def __init__(self, *, query: Query, why: str) -> None:
        self.query, self.why = query, why
        super().__init__(f"{query.name or 'The SELECT'} could not be answered: {why}.")


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One `-- :placeholder type, default …` line; `default` as it is written there.

    Shapes: `name` is what a person says (`from`), `placeholder` what the SQL does (`from_us`, for it gets microseconds).
    `bounds_hours`: rows of hours before this instant's cannot matter to the answer. It is so for `from` unless the line
    ends in `(reads every hour)`.
    """

    name: str
    placeholder: str
    type: ParameterType
    default: str
    bounds_hours: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One file of infra/queries, or a SELECT of the user's own (then without name, question and parameters)."""

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str


def list_queries() -> tuple[str, ...]:
    """The names of all queries, in order."""
    return tuple(sorted(path.stem for path in QUERIES.glob("*.sql")))


def load_query(name: str) -> Query:
    """
    The query of this name.

    Raises: QueryUnknown if there is none.
    """
    # Only a listed name is opened: a name is not a path.
    if name not in list_queries():
        raise QueryUnknown(name=name)
    return decode_query(name, (QUERIES / f"{name}.sql").read_text(encoding="utf-8"))


def decode_query(name: str, text: str) -> Query:
    """A query file's text as question, parameters and SQL."""
    lines = text.splitlines()
    declared = [match for line in lines if (match := _DECLARATION.match(line))]
    parameters = tuple(_parameter(*match.groups()) for match in declared)
    return Query(name=name, question=lines[0].removeprefix("--").strip(), parameters=parameters, sql=text)


def _parameter(placeholder: str, type_name: str, default: str, every_hour: str | None) -> Parameter:
    assert type_name in get_args(ParameterType), type_name
    return Parameter(
        name=placeholder.removesuffix("_us"),
        placeholder=placeholder,
        type=cast("ParameterType", type_name),
        default=default,
        bounds_hours=placeholder == "from_us" and every_hour is None,
    )


def query_from_sql(sql: str) -> Query:
    """A SELECT of the user's own, in Athena's dialect."""
    return Query(name="", question="", parameters=(), sql=sql)


def plan_query(query: Query, values: Mapping[str, str]) -> exp.Query:
    """
    The question with its values in it, its views written out and its hours bounded: ready for either engine.

    Raises: SqlRefused, ParameterUnknown, ValueRefused.
    """
    bound = decode_values(query, values)
    planned = expand_in_place(_bind(parse_select(query.sql), query, bound))
    for first_us in (bound[p.placeholder] for p in query.parameters if p.bounds_hours):
        if isinstance(first_us, int) and first_us > _HOUR_MARGIN_US:
            planned = bound_hours(planned, first_hour=lake_hour(first_us - _HOUR_MARGIN_US))
    return planned


def bind_values(query: Query, values: Mapping[str, str]) -> exp.Query:
    """
    The question with its values in it and its views by their names, as a person would ask it on Athena.

    Raises: SqlRefused, ParameterUnknown, ValueRefused.
    """
    return _bind(parse_select(query.sql), query, decode_values(query, values))


def decode_values(query: Query, values: Mapping[str, str]) -> dict[str, Value]:
    """
    Every placeholder's value: text, or integers (microseconds for instants and durations), or None for every one.

    Raises: ParameterUnknown, ValueRefused.
    """
    for name in values:
        if name not in {parameter.name for parameter in query.parameters}:
            raise ParameterUnknown(parameter=name, query=query)
    return {p.placeholder: decode_value(p, values.get(p.name, p.default)) for p in query.parameters}


def decode_value(parameter: Parameter, text: str) -> Value:
    """
    One value.

    Raises: ValueRefused.
    """
    if text == parameter.default and text in _WORDS:
        return _WORDS[text]
    if text == parameter.default and text.startswith("every "):
        return None
    if parameter.type == "text":
        return text
    decoded = {"instant": decode_instant_us, "duration": _duration_us, "count": _count, "number": _number}[
        parameter.type
    ](text)
    if decoded is None:
        raise ValueRefused(parameter=parameter.name, value=text, why=_WANTED[parameter.type])
    return decoded


_WANTED: Final = {
    "instant": "an instant of 1970 or later is wanted, such as 2026-11-23, 2026-11-23T02:30 or 2026-11-23T02:30:19.123456Z (UTC)",
    "duration": "a duration is wanted, such as 500ms, 10s, 1m, 4h, 1d or 1w",
    "count": "a whole number above zero is wanted",
    "number": "a number of zero or more is wanted, such as 8, 0.5 or 99.99",
}


def decode_instant_us(text: str) -> int | None:
    """An instant as a person or a line writes it, in microseconds; None if it is none of 1970 or later. UTC unless it says otherwise."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    instant_us = ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - EPOCH) // _US
    return instant_us if 0 <= instant_us <= _THE_END_US else None


def _duration_us(text: str) -> int | None:
    match = re.fullmatch(r"([1-9][0-9]{0,8})(ms|s|m|h|d|w)", text, flags=re.ASCII)
    return int(match[1]) * _UNITS_US[match[2]] if match else None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,17}", text, flags=re.ASCII) else None


def _number(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", text, flags=re.ASCII) else None


def _bind(select: exp.Query, query: Query, bound: Mapping[str, Value]) -> exp.Query:
    for placeholder in list(select.find_all(exp.Placeholder)):
        if placeholder.name not in bound:
            raise ParameterUnknown(parameter=placeholder.name or "?", query=query)
        placeholder.replace(_literal(bound[placeholder.name]))
    return select


def _literal(value: Value) -> exp.Expression:
    if value is None:
        return exp.cast(exp.null(), "varchar")
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(str(value))
