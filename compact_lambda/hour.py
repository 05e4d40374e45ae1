"""
One hour into history on Athena: written aside, copied to its keys, compared with its objects there, and named by its manifest.

Laws: only the manifest makes an hour count, and it is put in one call, in the place of the one that was read; a crash before it leaves the hour
as it was. Every try has a generation, and so keys, of its own. What is wrong is not named.
Refuses to know: which hours, when to stop, what is swept.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from compact_lambda.bucket import Taken
from compact_lambda.plans import LONGEST_TRY
from sql.compaction import Check, plan_check_of, plan_unload, read_check
from sql.history import Manifest, decode_manifest, encode_manifest, history_key, manifest_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlglot import exp

    from compact_lambda.bucket import Bucket
    from sql.compaction import HourPlan
    from sql.engine import Answer

# Beside Athena's results, so that whoever may write those may write here, and the rule that expires those expires what a crash left.
ASIDE: Final = "results/compacting/"
Step = Literal["written", "copied", "verified", "named", "cleared"]


class HourFailed(Exception):
    """An hour that was not compacted, for a reason that other hours need not share."""


class HourWrong(HourFailed):
    """What was written is not what the objects hold."""

    def __init__(self, *, event_hour: str, why: str) -> None:
        self.event_hour, self.why = event_hour, why
        super().__init__(
            f"Hour {event_hour} was not compacted: {why}. Nothing of it counts, the hour is answered from its rows; please report it."
        )


class HourStalled(HourFailed):
    """A try that took so long that what it wrote may be swept."""

    def __init__(self, *, event_hour: str) -> None:
        self.event_hour = event_hour
        hours = LONGEST_TRY.total_seconds() / 3600
        super().__init__(f"Hour {event_hour} was not compacted: it took more than {hours:.0f} hours. Run it again.")


class Spent(Protocol):
    """What a statement that answers nothing took."""

    @property
    def scanned_bytes(self) -> int:
        """What Athena bills it for."""


class AthenaLike(Protocol):
    """What is needed of `sql.athena.Athena`."""

    def ask(self, question: exp.Query) -> Answer:
        """The answer to a SELECT."""

    def run(self, statement: str) -> Spent:
        """What a statement without an answer took."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    A lake's bucket, the bucket of results, and the Athena that reads and writes both.

    `first_hour`: the first one that Athena's tables know (compact_lambda/tables.py); empty where they know every hour.
    """

    lake: Bucket
    work: Bucket
    athena: AthenaLike
    first_hour: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An hour that counts: its manifest with its tag, how many rows of trades became it, what Athena scanned for it."""

    manifest: Manifest
    tag: str
    delivered: int
    scanned_bytes: int


def compact_hour(
    place: Place,
    plan: HourPlan,
    *,
    nonce: str,
    replacing: str | None,
    clock: Callable[[], datetime],
    step: Callable[[Step], None],
) -> Written:
    """
    Compact one hour; `step` is told of each step once it is done, and the hour counts after `named`.

    Shapes: `nonce` makes the generation one that nobody else writes, of letters and digits; `replacing` is the tag of the hour's manifest, None
    where it has none. Of a plan without inputs only the manifest is written.
    Clock: read twice; a try longer than LONGEST_TRY does not count.
    Raises: HourFailed, Taken, EngineFailed; what the buckets raise.
    """
    began = clock()
    generation = plan.generation + nonce
    # Athena has no IN of nothing, and an hour without objects no trades to ask it for.
    made = _make(place, plan, generation, step) if plan.inputs else _NOTHING
    if clock() - began > LONGEST_TRY:
        raise HourStalled(event_hour=plan.event_hour)
    manifest = Manifest(
        event_hour=plan.event_hour,
        hour_start_us=plan.start_us,
        generation=generation,
        trades=made.check.trades,
        objects=made.objects if made.check.trades else (),
        inputs=plan.inputs,
    )
    tag = _name(place.lake, manifest, replacing)
    step("named")
    place.work.delete_objects(made.aside)
    step("cleared")
    return Written(manifest=manifest, tag=tag, delivered=made.check.delivered, scanned_bytes=made.scanned_bytes)


@dataclass(frozen=True, slots=True)
class _Made:
    """An hour that lies in history and is as it should be: its keys there, those aside, what was found, what Athena scanned."""

    objects: tuple[str, ...]
    aside: tuple[str, ...]
    check: Check
    scanned_bytes: int


_NOTHING: Final = _Made((), (), Check(delivered=0, trades=0, wrong=()), 0)


def _make(place: Place, plan: HourPlan, generation: str, step: Callable[[Step], None]) -> _Made:
    folder = f"{ASIDE}{plan.event_hour}/{generation}/"
    statement = plan_unload(
        plan, generation=generation, bucket=place.lake.name, folder=f"s3://{place.work.name}/{folder}"
    )
    scanned_bytes = place.athena.run(statement).scanned_bytes
    step("written")
    aside = tuple(each.key for each in place.work.find_objects(folder))
    objects = tuple(history_key(plan.event_hour, generation, part=part) for part in range(len(aside)))
    for source, key in zip(aside, objects, strict=True):
        place.lake.copy_object(place.work.name, source, key=key)
    step("copied")
    check, checked_bytes = _verify(place, plan, generation)
    step("verified")
    return _Made(objects, aside, check, scanned_bytes + checked_bytes)


def _verify(place: Place, plan: HourPlan, generation: str) -> tuple[Check, int]:
    """What history, read as everybody reads it, is found to hold; and what Athena scanned for that."""
    answer = place.athena.ask(plan_check_of(plan, generation=generation, bucket=place.lake.name))
    check = read_check(answer.rows[0])
    if check.wrong:
        raise HourWrong(event_hour=plan.event_hour, why="; ".join(check.wrong))
    return check, answer.scanned_bytes or 0


def _name(lake: Bucket, manifest: Manifest, replacing: str | None) -> str:
    key = manifest_key(manifest.event_hour)
    body = json.dumps(encode_manifest(manifest), separators=(",", ":")).encode() + b"\n"
    try:
        return lake.put_record(key, body, replacing=replacing)
    except Taken:
        # A put whose answer was lost is sent again by botocore, and then meets itself.
        stored = next((each for each in lake.find_objects(key) if each.key == key), None)
        if stored and decode_manifest(key, json.loads(lake.read_object(key))).generation == manifest.generation:
            return stored.tag
        raise
