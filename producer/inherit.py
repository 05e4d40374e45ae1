"""
What the last session knew of every product, brought up to its last line.

The checkpoint may be older than the last lines on disk: those are read again, so that no hole is invented between them, no healed trade
is fetched twice, and a hole that had its receipt gets no second one.

Laws: reads lines only; what it cannot read it passes over (the transform will refuse it by name); a hole that shows in the lines and that none of
them names is `unnamed`: the process died before it wrote the gap line, or the disk lost lines.
Refuses to know: files; it is given the remembered state and the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from producer.continuity import Continuity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from producer.continuity import Hole
    from producer.segment import Entry


def inherit_continuity(memory: dict[str, Any], since: Iterable[Entry]) -> Continuity:
    """
    The continuity that a new session begins with; every product is suspected of having missed trades while no process ran.

    Shapes: `memory` is what a checkpoint remembers, `since` the lines written after it, in order.
    """
    continuity = Continuity.from_memory(memory.get("continuity", {}))
    named = {_name_of(hole) for hole in continuity.open_holes()}
    previous: int | None = None
    for entry in since:
        if previous is not None and entry.n > previous + 1:
            continuity.suspect("journal_damaged")  # numbers have no holes, unless the disk lost lines
        previous = entry.n
        line = _parse(entry.line)
        replay = _REPLAYS.get(line.get("kind", ""))
        if replay is not None:
            replay(continuity, line, line.get("message", {}))
        if line.get("kind") == "gap":
            named.add(_named_by(line["message"]))
    continuity.unnamed = [hole for hole in continuity.open_holes() if _name_of(hole) not in named]
    continuity.suspect("process_down")
    return continuity


def _name_of(hole: Hole) -> tuple[object, ...]:
    return hole.product_id, hole.first, hole.last


def _named_by(gap: dict[str, Any]) -> tuple[object, ...]:
    return tuple(gap.get(key) for key in ("product_id", "first_missing_trade_id", "last_missing_trade_id"))


def _parse(text: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return line if isinstance(line, dict) and isinstance(line.get("message"), dict) else {}


def _replay_trade(continuity: Continuity, line: dict[str, Any], message: dict[str, Any]) -> None:
    product_id = line.get("product_id") or message.get("product_id")
    trade_id, event_time = message.get("trade_id"), message.get("time")
    if not isinstance(product_id, str) or type(trade_id) is not int or trade_id <= 0:
        return
    text = event_time if isinstance(event_time, str) else ""
    if line["kind"] == "trade":
        continuity.look_back(
            product_id, trade_id
        )  # fetched for a hole: never the newest, even where nothing newer is known
    elif "type" not in message:
        continuity.note_polled(product_id, trade_id, text)
    else:
        continuity.observe(product_id, trade_id, text)


def _replay_gap(continuity: Continuity, line: dict[str, Any], message: dict[str, Any]) -> None:
    """A receipt closes its hole; the hole itself was found again by the trades around it."""
    del line
    if message.get("status") == "open":
        product_id, last = message.get("product_id"), message.get("last_missing_trade_id")
        if isinstance(product_id, str) and type(last) is int:
            continuity.reach(product_id, last)  # found by a heartbeat: no trade on its far side shows it
        return
    for hole in continuity.open_holes():
        if _name_of(hole) == _named_by(message):
            continuity.close(hole)


_REPLAYS: dict[str, Callable[[Continuity, dict[str, Any], dict[str, Any]], None]] = {
    "ticker": _replay_trade,
    "trade": _replay_trade,
    "gap": _replay_gap,
}
