"""
A Line to a row of the lake: the contract's row as JSON text, and the three facts that choose its partition.

Laws: one table per form says which column comes from which field and by which rule, in the order in which the row is written; an
absent field is left out (the lake reads null). The order is that of Coinbase's ticker frame inside our envelope, so that the
fast way may copy what it recognised; JSON gives the order no meaning. A trade's side is the maker's: the taker's is the other one.
Refuses to know: packs, partitions' names, Firehose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from transform_lambda.reasons import LineRefused
from transform_lambda.rules import check_book, check_number, check_price, parse_instant_us

if TYPE_CHECKING:
    from transform_lambda.decode import Form, Line

_TAKER_OF_MAKER: Final = {"buy": "sell", "sell": "buy"}


class Row(NamedTuple):
    """One row's JSON text, without a newline, and what decides where it goes."""

    text: bytes
    kind: str
    source: str
    happened_us: int  # the event's time; where it has none, its receive time
    receive_time_us: int
    recognised: bool = False  # by the fast way


# (column, the message's field, the rule that gives the column's value)
Column = tuple[str, str, Callable[[str, Any], object]]


def _as_is(_: str, value: Any) -> Any:
    return value


def _taker_of_maker(_: str, side: str) -> str:
    return _TAKER_OF_MAKER[side]


COLUMNS: Final[dict[Form, tuple[Column, ...]]] = {
    "ticker": (
        ("sequence", "sequence", _as_is),
        ("product_id", "product_id", _as_is),
        ("price", "price", check_price),
        ("open_24h", "open_24h", check_number),
        ("volume_24h", "volume_24h", check_number),
        ("low_24h", "low_24h", check_number),
        ("high_24h", "high_24h", check_number),
        ("volume_30d", "volume_30d", check_number),
        ("best_bid", "best_bid", check_number),
        ("best_bid_size", "best_bid_size", check_number),
        ("best_ask", "best_ask", check_number),
        ("best_ask_size", "best_ask_size", check_number),
        ("taker_side", "side", _as_is),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "last_size", check_number),
    ),
    "rest_ticker": (
        ("price", "price", check_price),
        ("volume_24h", "volume", check_number),
        ("best_bid", "bid", check_number),
        ("best_ask", "ask", check_number),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "size", check_number),
    ),
    "rest_trade": (
        ("price", "price", check_price),
        ("taker_side", "side", _taker_of_maker),
        ("event_time_us", "time", parse_instant_us),
        ("trade_id", "trade_id", _as_is),
        ("last_size", "size", check_number),
    ),
    "spot": (("price", "amount", check_price),),
    "gap": (("product_id", "product_id", _as_is), ("trade_id", "first_missing_trade_id", _as_is)),
    "coverage": (("product_id", "product_id", _as_is), ("event_time_us", "minute", parse_instant_us)),
    "session": (),
    "unreadable": (),
}

_NAMES_PRODUCT: Final = frozenset({"ticker", "gap", "coverage"})


def build_row(line: Line) -> Row:
    """
    The row of one line.

    Raises: LineRefused with a value rule's reason, or line_invalid if envelope and message disagree on the product or name none.
    """
    row: dict[str, Any] = {"session": line.session, "n": line.n, "kind": line.kind, "source": line.source}
    receive_time_us = row["receive_time_us"] = parse_instant_us("receive_time", line.receive_time)
    body = line.message["data"] if line.form == "spot" else line.message
    for column, field, rule in COLUMNS[line.form]:
        value = body.get(field)
        if value is not None:
            row[column] = rule(field, value)
    check_book(row.get("best_bid"), row.get("best_ask"))
    product_id = _product_id(line)
    if product_id is not None:
        row.setdefault("product_id", product_id)
    if line.form == "gap":
        _add_gap_time(row, line.message)
    if line.testimony is not None:
        row["detail"] = line.testimony
    return Row(
        text=orjson.dumps(row),
        kind=line.kind,
        source=line.source,
        happened_us=row.get("event_time_us", receive_time_us),
        receive_time_us=receive_time_us,
    )


def _product_id(line: Line) -> str | None:
    """The message's product, or where it names none, the envelope's (only a session may have neither)."""
    named: str | None = line.message["product_id"] if line.form in _NAMES_PRODUCT else None
    if line.form == "spot":
        named = "{base}-{currency}".format_map(line.message["data"])
    if named and line.product_id and named != line.product_id:
        raise LineRefused("line_invalid", f"the envelope says {line.product_id}, the message {named}")
    if not (named or line.product_id or line.form == "session"):
        raise LineRefused("line_invalid", f"neither envelope nor message names the product of this {line.kind}")
    return named or line.product_id


def _add_gap_time(row: dict[str, Any], gap: dict[str, Any]) -> None:
    """The time of the hole's far side, or where that is not known, of its near side; both must be instants."""
    for side_name in ("before", "after"):
        edge = gap[side_name]
        if edge and edge["event_time"] is not None:
            row["event_time_us"] = parse_instant_us(f"{side_name}.event_time", edge["event_time"])
