"""
What the lake has to be compared with candles: which products, how many of their minutes together, and the minutes themselves.

Laws: never more minutes are asked for at once than were said, but for a product that has more by itself; whose turn comes first changes from day
to day; a minute knows its figures, its trade ids and why there may be a hole in it.
Refuses to know: what Coinbase says of the same minutes, and what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from audit_lambda.candle_compare import MINUTE_US, Candle, Minute, MinuteIds, join_ids
from audit_lambda.checks import load_question
from sql.hours import EPOCH, HOUR_US
from sql.questions import load_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sql.engine import Answer, Engine
    from sql.questions import Query

_US: Final = timedelta(microseconds=1)
_DAY_US: Final = 24 * HOUR_US
# The golden section, in millionths: the days' beginnings lie as far from each other as can be.
_STRIDE: Final = 618_034
_FIGURES: Final = ("open_price", "high_price", "low_price", "close_price", "volume")

Hole = tuple[int, int, str]  # from, until, why; microseconds


@dataclass(frozen=True, slots=True)
class Product:
    """A product, and how many of its minutes are to be compared, as far as the lake can tell beforehand."""

    product_id: str
    minutes: int


def ask(engine: Engine, query: Query, values: Mapping[str, str]) -> Answer:
    """The answer of one of the lake's questions. Raises: EngineFailed, ValueRefused, ParameterUnknown."""
    return engine.ask(plan_query(query, values))


def plan_batches(products: Sequence[Product], *, from_us: int, most: int) -> list[list[Product]]:
    """
    Every product once, as many together as have `most` minutes, neighbours by name; a product that has more is alone.

    Shapes: `products` in the order of names. Which comes first changes from day to day, so that where time never is enough for
    all, each has its turn.
    """
    first = from_us // _DAY_US * _STRIDE % 1_000_000 * len(products) // 1_000_000
    batches: list[list[Product]] = []
    for part in (products[first:], products[:first]):
        batch: list[Product] = []
        for product in part:
            if batch and sum(each.minutes for each in batch) + product.minutes > most:
                batches.append(batch)
                batch = []
            batch.append(product)
        batches += [batch] if batch else []
    return batches


def read_products(engine: Engine, values: Mapping[str, str]) -> list[Product]:
    """
    The products that there are minutes of, in the order of names.

    Raises: EngineFailed, ValueRefused, ParameterUnknown.
    """
    answer = ask(engine, load_question("candle_products"), values)
    return sorted((Product(str(name), int(minutes)) for name, minutes in answer.rows), key=lambda each: each.product_id)


def read_minutes(
    answer: Answer, holes: Mapping[str, Sequence[Hole]], whole: tuple[int, int]
) -> Iterator[tuple[str, list[Minute]]]:
    """
    The minutes of candle_minutes.sql's answer that lie in `whole` (from, until), by product.

    Shapes: rows in the order of products and times.
    """
    rows = (dict(zip(answer.columns, row, strict=True)) for row in answer.rows)
    for product_id, group in groupby(rows, key=lambda row: str(row["product_id"])):
        own = list(group)
        ids = [_minute_ids(row) for row in own if row["trades"]]
        yield (
            product_id,
            [
                _minute(row, ids, holes.get(product_id, ()))
                for row in own
                if whole[0] <= row["start_us"] and row["start_us"] + MINUTE_US <= whole[1]
            ],
        )


def _minute_ids(row: Mapping[str, Any]) -> MinuteIds:
    return MinuteIds(*(int(row[name]) for name in ("start_us", "trades", "first_id", "last_id")))


def _minute(row: Mapping[str, Any], ids: Sequence[MinuteIds], holes: Sequence[Hole]) -> Minute:
    start_us = int(row["start_us"])
    return Minute(
        product_id=str(row["product_id"]),
        start_us=start_us,
        ours=Candle(*(row[name] for name in _FIGURES)) if row["trades"] else None,
        ids=join_ids(ids, start_us),
        hole=_hole_at(holes, start_us),
        watched=bool(row["watched"]),
    )


def _us(instant: datetime) -> int:
    return (instant.replace(tzinfo=UTC) - EPOCH) // _US


def read_holes(engine: Engine, values: Mapping[str, str]) -> dict[str, list[Hole]]:
    """Every named hole, whatever became of it: a minute whose ids are whole by now asks for none."""
    by_product: dict[str, list[Hole]] = {}
    answer = ask(engine, load_query("holes"), values)
    for cells in answer.rows:
        row = dict(zip(answer.columns, cells, strict=True))
        first, last = row["before_time"] or row["receive_time"], row["after_time"] or row["receive_time"]
        by_product.setdefault(row["product_id"], []).append((_us(first), _us(last), row["reason"]))
    return by_product


def _hole_at(holes: Sequence[Hole], start_us: int) -> str:
    """Why there is a hole in this minute: every reason that a hole which touches it has, or nothing."""
    touching = {
        reason for first_us, last_us, reason in holes if first_us < start_us + MINUTE_US and last_us >= start_us
    }
    return " and ".join(sorted(touching))
