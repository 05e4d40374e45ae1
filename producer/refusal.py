"""
What stood in lines that Firehose refused for good, read from their own bytes.

Laws: pure; exact: each trade that a valid ticker or fetched trade carried is named, and no other (one that is not valid is a hole already); what a
refused line of testimony said is said again, with the time it was first said at, so that the latest word stays the latest.
Refuses to know: why Firehose refused them, and who testifies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from contract.messages import refusal_of
from producer.continuity import Edge, Hole
from producer.intervals import IntervalSet
from producer.line import receive_us_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from contract.messages import Kind
    from producer.continuity import GapReason
    from producer.segment import Entry

REFUSED: Final[GapReason] = "refused_by_firehose"
_MESSAGE: Final = b'"message":'


@dataclass(slots=True)
class Refused:
    """
    `lost`: numbers of lines by session and reason, those of the refused lines and those that refused testimony named; `trades` by product; `again`:
    testimony to be written once more, with when it was first said, in microseconds since the epoch.
    """

    lost: dict[tuple[str, str], IntervalSet] = field(default_factory=dict)
    trades: dict[str, IntervalSet] = field(default_factory=dict)
    again: list[tuple[Kind, bytes, int]] = field(default_factory=list)

    def lose(self, session: str, why: str, ranges: Iterable[tuple[int, int]]) -> None:
        """These numbers, too."""
        for first, last in ranges:
            self.lost.setdefault((session, why), IntervalSet()).add(first, last)


def read_refused(session: str, entries: Iterable[Entry], *, own: bool) -> Refused:
    """
    What refused lines of a session said.

    `own`: the session is the one that testifies. Coverage is said again only then, for it is compared with the trades of the session that says it.
    """
    refused = Refused()
    for entry in entries:
        refused.lose(session, REFUSED, [(entry.n, entry.n)])
        line, message = _parse(entry.line)
        kind = line.get("kind")
        if kind in {"ticker", "trade"}:
            _take_trade(refused, line, message)
        elif kind == "gap" or (kind == "coverage" and own):
            refused.again.append((kind, message, receive_us_of(entry.line)))
        elif kind == "session" and line["message"].get("event") == "lines_lost":
            refused.lose(line["message"]["of_session"], line["message"]["why"], line["message"]["lost"])
    return refused


def _take_trade(refused: Refused, line: dict[str, Any], message: bytes) -> None:
    trade = trade_of(line)
    if trade is not None and refusal_of(line["kind"], message, told=line.get("product_id")) is None:
        product_id, trade_id = trade[:2]
        refused.trades.setdefault(product_id, IntervalSet()).add(trade_id, trade_id)


def trade_of(line: dict[str, Any]) -> tuple[str, int, str] | None:
    """Product, id and time, as the exchange wrote it, of a line's trade; None where it carries none."""
    message = line["message"]
    product_id, trade_id = line.get("product_id") or message.get("product_id"), message.get("trade_id")
    if not isinstance(product_id, str) or type(trade_id) is not int or trade_id <= 0:
        return None
    return product_id, trade_id, str(message.get("time", ""))


def holes_of(
    product_id: str, trade_ids: IntervalSet, *, newest: int | None, beside: Mapping[tuple[str, int], str]
) -> Iterator[Hole]:
    """
    Trades of a product, each run of them a hole.

    `newest`: its newest trade, where known. `beside`: when the trades just before happened, where known.
    """
    for first, last in trade_ids:
        yield Hole(
            product_id=product_id,
            first=first,
            last=last,
            before=Edge(first - 1, beside.get((product_id, first - 1))) if first > 1 else None,
            after=Edge(last + 1, None) if newest is not None and newest > last else None,
            reason=REFUSED,
            missing=IntervalSet([(first, last)]),
        )


def times_of(lines: Iterable[bytes]) -> dict[tuple[str, int], str]:
    """When the trades in these lines happened."""
    trades = [trade_of(line) for line, _ in map(_parse, lines) if "message" in line]
    return {(product_id, trade_id): text for product_id, trade_id, text in filter(None, trades)}


def _parse(text: bytes) -> tuple[dict[str, Any], bytes]:
    """A line, and its message's own bytes; empty ones where it cannot be read."""
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, b""
    if not isinstance(line, dict) or not isinstance(line.get("message"), dict):
        return {}, b""
    return line, text[text.index(_MESSAGE) + len(_MESSAGE) : -1]
