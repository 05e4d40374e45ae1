"""
One compaction of a lake in S3: what it holds, window by window its closed hours, oldest first, then the view and the sweep.

Laws: an hour that fails does not keep others waiting, but the run ends in an error that names it; three in a row end the run, for it is hardly the
hours. No hour is begun without the time that one takes. The view never leaves out an hour that is not compacted, unless it is one that the
tables do not know: nothing would find it in history. A run over what was compacted already writes nothing but the view.
Refuses to know: the environment, terminals, logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from compact_lambda.bucket import Taken
from compact_lambda.contents import Kept, read_contents
from compact_lambda.hour import HourFailed, compact_hour
from compact_lambda.plans import (
    WINDOW_HOURS,
    find_oldest_age,
    hour_of_processed,
    may_begin,
    plan_first_hour,
    plan_sweep,
    plan_windows,
)
from sql.compaction import plan_near_of, plan_uncompacted_view
from sql.engine import EngineFailed
from sql.history import NO_HOUR, judge_hours, plan_compaction
from sql.hours import hour_start_us, lake_hour

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from compact_lambda.contents import Contents
    from compact_lambda.hour import Place, Step
    from compact_lambda.plans import Window
    from sql.compaction import HourPlan
    from sql.history import CompactionPlan, Survey

FAILURES_IN_A_ROW: Final = 3


class CompactionFailed(Exception):  # noqa: N818  # named for what happened, as in the design
    """Some hours were not compacted although they could have been."""

    def __init__(self, *, failures: Sequence[HourNotDone]) -> None:
        self.failures = tuple(failures)
        first = failures[0]
        super().__init__(
            f"{len(failures)} hours were not compacted; they are answered from their rows, and the next run tries again. {first.event_hour}: {first.why}"
        )


@dataclass(frozen=True, slots=True)
class HourDone:
    """One hour of history: `delivered` rows of trades in `inputs` objects became `trades` rows. `reopened`: it had been compacted before."""

    event_hour: str
    delivered: int
    trades: int
    inputs: int
    reopened: bool
    scanned_bytes: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class HourNotDone:
    """One hour that failed, or was `taken`: somebody else compacted it meanwhile, which is no failure."""

    event_hour: str
    why: str
    taken: bool


@dataclass(slots=True)
class Outcome:
    """
    What one run did. `waiting` are closed hours left for the next run as far as they are known; `unread_count` objects were not looked into
    for want of time; `oldest_age`: for how long the oldest waiting hour could have been compacted.
    """

    planned: list[HourPlan] = field(default_factory=list)
    done: list[HourDone] = field(default_factory=list)
    not_done: list[HourNotDone] = field(default_factory=list)
    waiting: tuple[str, ...] = ()
    open_hours: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    served_count: int = 0
    unread_count: int = 0
    swept: tuple[str, ...] = ()
    oldest_age: timedelta = timedelta(0)
    scanned_bytes: int = 0
    first_hour: str = ""

    @property
    def failures(self) -> list[HourNotDone]:
        """The hours that failed."""
        return [each for each in self.not_done if not each.taken]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    Which hours a run takes: those that lie, in part at least, in from_us..to_us; those still open only if `even_open`.

    `window_hours`: how many hours of `processed` one question looks into.
    """

    from_us: int = 0
    to_us: int = 2**62
    even_open: bool = False
    dry_run: bool = False
    window_hours: int = WINDOW_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """
    The world beyond the buckets and Athena.

    Shapes: `remaining_ms` is how long this process may live, None for ever; `nonce` answers other letters and digits each time; `tell` hears
    of each hour, `step` of each of its steps.
    """

    clock: Callable[[], datetime]
    nonce: Callable[[], str]
    remaining_ms: Callable[[], int | None] = lambda: None
    tell: Callable[[HourDone | HourNotDone], None] = lambda _: None
    step: Callable[[str, Step], None] = lambda _hour, _step: None


def compact_lake(place: Place, rim: Rim, wanted: Wanted) -> Outcome:
    """
    Compact what can be compacted; `Outcome.failures` is for the caller to raise.

    Raises: EngineFailed before the first hour or after the last, ManifestDamaged, and what the buckets raise.
    """
    now = rim.clock()
    contents = read_contents(place.lake)
    return _Run(place, rim, wanted, contents, now).go()


class _Run:
    def __init__(self, place: Place, rim: Rim, wanted: Wanted, contents: Contents, now: datetime) -> None:
        self._place, self._rim, self._wanted, self._contents, self._now = place, rim, wanted, contents, now
        self._kept = dict(contents.kept)
        self._there = {each.key for each in contents.history}
        known = {key: hours for kept in self._kept.values() for key, hours in kept.manifest.inputs.items()}
        # Of objects before the tables' first hour Athena sees no row, however often it is asked.
        self._unknown = [
            key for key in contents.keys if key not in known and hour_of_processed(key) >= place.first_hour
        ]
        self._hours: dict[str, tuple[str, ...]] = {key: known.get(key, ()) for key in contents.keys}
        self._tried: set[str] = set()
        self._in_a_row = 0
        self._out = Outcome()

    def go(self) -> Outcome:
        unread = set(self._unknown)
        for window in plan_windows(self._unknown, window_hours=self._wanted.window_hours):
            if not self._goes_on():
                break
            self._look(window.keys)
            unread -= set(window.keys)
            for hour in self._due(window):
                if not self._goes_on():
                    break
                self._compact(hour)
        self._conclude(unread)
        return self._out

    def _goes_on(self) -> bool:
        return self._in_a_row < FAILURES_IN_A_ROW and may_begin(self._rim.remaining_ms())

    def _look(self, keys: Collection[str]) -> None:
        """Learn near which hours these objects hold trades."""
        if not keys:
            return
        answer = self._place.athena.ask(plan_near_of(keys, bucket=self._place.lake.name))
        self._out.scanned_bytes += answer.scanned_bytes or 0
        self._hours |= read_near(answer.rows, keys, bucket=self._place.lake.name)

    def _survey(self) -> Survey:
        manifests = [self._kept[hour].manifest for hour in sorted(self._kept)]
        return judge_hours(manifests, self._hours, replaced=self._contents.replaced, is_there=self._there.__contains__)

    def _due(self, window: Window) -> list[HourPlan]:
        """The hours to compact of which all objects are known by now."""
        hours = self._plan(self._survey()).hours
        return [
            hour
            for hour in hours
            if hour.event_hour not in self._tried and (window.until is None or hour.event_hour < window.until)
        ]

    def _plan(self, survey: Survey) -> CompactionPlan:
        wanted = self._wanted
        first = self._place.first_hour
        from_us = max(wanted.from_us, hour_start_us(first)) if first else wanted.from_us
        return plan_compaction(survey, now=self._now, from_us=from_us, to_us=wanted.to_us, even_open=wanted.even_open)

    def _compact(self, plan: HourPlan) -> None:
        self._tried.add(plan.event_hour)
        self._out.planned.append(plan)
        if self._wanted.dry_run:
            return
        before = self._kept.get(plan.event_hour)
        began = self._rim.clock()
        try:
            written = compact_hour(
                self._place,
                plan,
                nonce=self._rim.nonce(),
                replacing=None if before is None else before.tag,
                clock=self._rim.clock,
                step=lambda step: self._rim.step(plan.event_hour, step),
            )
        except (HourFailed, EngineFailed, Taken) as error:
            taken = isinstance(error, Taken)
            self._in_a_row += not taken
            self._heard(HourNotDone(event_hour=plan.event_hour, why=str(error), taken=taken))
            return
        self._in_a_row = 0
        ended = self._rim.clock()
        self._kept[plan.event_hour] = Kept(manifest=written.manifest, tag=written.tag, changed_at=ended)
        self._there |= set(written.manifest.objects)
        self._out.scanned_bytes += written.scanned_bytes
        self._heard(
            HourDone(
                event_hour=plan.event_hour,
                delivered=written.delivered,
                trades=written.manifest.trades,
                inputs=len(plan.inputs),
                reopened=before is not None,
                scanned_bytes=written.scanned_bytes,
                took_ms=(ended - began) // timedelta(milliseconds=1),
            )
        )

    def _heard(self, hour: HourDone | HourNotDone) -> None:
        if isinstance(hour, HourDone):
            self._out.done.append(hour)
        else:
            self._out.not_done.append(hour)
        self._rim.tell(hour)

    def _conclude(self, unread: Collection[str]) -> None:
        survey = self._survey()
        plan = self._plan(survey)
        out = self._out
        out.served_count, out.open_hours, out.frozen = plan.served_count, plan.open_hours, plan.frozen
        out.unread_count = len(unread)
        # Those that somebody else compacted are served, by a manifest that this run has not read.
        taken = {each.event_hour for each in out.not_done if each.taken}
        out.waiting = tuple(hour.event_hour for hour in plan.hours if hour.event_hour not in taken)
        out.oldest_age = find_oldest_age(out.waiting, now=self._now)
        served = {manifest.event_hour for manifest in survey.served}
        known = {hour for hours in self._hours.values() for hour in hours if hour >= self._place.first_hour}
        not_served = known - served
        out.first_hour = plan_first_hour(not_served, unread, now=self._now)
        if self._wanted.dry_run:
            return
        self._place.athena.run(plan_uncompacted_view(out.first_hour))
        out.swept = tuple(plan_sweep(self._contents.history, self._kept, now=self._now))
        self._place.lake.delete_objects(out.swept)


def read_near(rows: Sequence[Sequence[object]], keys: Collection[str], *, bucket: str) -> Mapping[str, tuple[str, ...]]:
    """The answer of `plan_near_of` as hours by key; an object without trades has none."""
    found: dict[str, set[str]] = {key: set() for key in keys}
    start = f"s3://{bucket}/"
    for path, *starts in rows:
        hours = found.get(str(path).removeprefix(start))
        if hours is not None:  # objects too many to be named are asked for by their hours, where others lie as well
            hours |= {NO_HOUR if us is None else lake_hour(int(str(us))) for us in starts}
    return {key: tuple(sorted(hours)) for key, hours in found.items()}
