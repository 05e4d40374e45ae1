"""
Lines put through Firehose again: packed as full as may be, sent, settled by index.

Laws: names are handed on as accepted when their own pack was, by index, as soon as the answer is there; what may pass is tried again
with full jitter, and left for another time after a while.
Refuses to know: which lines, where the stream is, where names are written down, what an answer means (producer/settlement.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.errors import DeliveryAmbiguous, DeliveryThrottled, DeliveryUnreachable
from producer.pacing import Pace
from producer.packing import MAX_PACK_BYTES, MAX_PACK_LINES, Pack, plan_batch
from producer.settlement import settle

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from local.lake.redrive import Name, NamedLine
    from producer.settlement import PutAnswer

    Put = Callable[[Sequence[Pack]], Sequence[PutAnswer]]

# Calls in a row that got nothing through before the rest is left for another time; with full jitter about a minute.
_PATIENCE_CALLS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class RedrivePack:
    """A pack and the names of its lines, in order."""

    pack: Pack
    names: tuple[Name, ...]


def plan_redrive_packs(lines: Sequence[NamedLine]) -> list[RedrivePack]:
    """Lines in packs as full as they may be, in order."""
    packs: list[RedrivePack] = []
    waiting: list[NamedLine] = []
    waiting_bytes = 0
    for each in lines:
        if waiting and (len(waiting) == MAX_PACK_LINES or waiting_bytes + len(each.line) + 1 > MAX_PACK_BYTES):
            packs.append(_pack(waiting))
            waiting, waiting_bytes = [], 0
        waiting.append(each)
        waiting_bytes += len(each.line) + 1
    return [*packs, _pack(waiting)] if waiting else packs


def _pack(lines: Sequence[NamedLine]) -> RedrivePack:
    content = b"".join(each.line + b"\n" for each in lines)[
        :MAX_PACK_BYTES
    ]  # the longest line fills a record without its newline
    (session, first_n), (_, last_n) = lines[0].name, lines[-1].name
    pack = Pack(session=session, first_n=first_n, last_n=last_n, line_count=len(lines), content=content)
    return RedrivePack(pack, tuple(each.name for each in lines))


def send_packs(
    packs: Sequence[RedrivePack],
    put: Put,
    accepted: Callable[[Sequence[Name]], None],
    *,
    rng: random.Random,
    sleep: Callable[[float], None],
) -> int:
    """
    How many lines were accepted; each pack's names are handed to `accepted` as soon as its own answer says so.

    Raises: DeliveryRefused, AnswerMismatch if a person has to change something; what was accepted by then is handed over.
    """
    names = {id(each.pack): each.names for each in packs}
    waiting = [each.pack for each in packs]
    pace, fruitless, count = Pace(rng), 0, 0
    while waiting and fruitless < _PATIENCE_CALLS:
        batch = waiting[: plan_batch(waiting, max_body_bytes=pace.body_bytes)]
        try:
            settlement = settle(batch, put(batch))
        except (DeliveryThrottled, DeliveryUnreachable, DeliveryAmbiguous):
            fruitless += 1
            sleep(pace.after_failure())
            continue
        if settlement.delivered:
            accepted([name for pack in settlement.delivered for name in names[id(pack)]])
            count += sum(pack.line_count for pack in settlement.delivered)
        waiting = [*settlement.again, *waiting[len(batch) :]]
        fruitless = 0 if settlement.delivered or settlement.refused else fruitless + 1
        sleep(pace.after_throttling() if settlement.throttled else pace.after_success())
    return count
