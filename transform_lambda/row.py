"""
A Line to a row of the lake: the contract's row as JSON text, and the three facts that choose its partition.

Laws: the envelope's columns come first, then the message's in the order of the contract's table; absent ones are left out (the lake
reads null). So the fast way may copy what it recognised; JSON gives the order no meaning.
Refuses to know: packs, partitions' names, Firehose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from contract.columns import read_columns
from contract.messages import name_product
from contract.rules import parse_instant_us

if TYPE_CHECKING:
    from transform_lambda.decode import Line


class Row(NamedTuple):
    """One row's JSON text, without a newline, and what decides where it goes."""

    text: bytes
    kind: str
    source: str
    happened_us: int  # the event's time; where it has none, its receive time
    receive_time_us: int
    recognised: bool = False  # by the fast way


def build_row(line: Line) -> Row:
    """
    The row of one line.

    Raises: LineRefused with a value rule's reason, or line_invalid if envelope and message disagree on the product or name none.
    """
    row: dict[str, Any] = {"session": line.session, "n": line.n, "kind": line.kind, "source": line.source}
    receive_time_us = row["receive_time_us"] = parse_instant_us("receive_time", line.receive_time)
    row |= read_columns(line.form, line.message)
    product_id = name_product(line.form, line.message, line.product_id)
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


def _add_gap_time(row: dict[str, Any], gap: dict[str, Any]) -> None:
    """The time of the hole's far side, or where that is not known, of its near side; both must be instants."""
    for side_name in ("before", "after"):
        edge = gap[side_name]
        if edge and edge["event_time"] is not None:
            row["event_time_us"] = parse_instant_us(f"{side_name}.event_time", edge["event_time"])
