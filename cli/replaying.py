"""
`ticklake replay --athena`: rows of a deployed lake made anew from its raw/, some hours of arrival at a time.

What these hours need is fetched into a folder of this machine (cli/replay_bucket.py), planned there as at home (local/lake/replay.py), and put
into the bucket, each hour by itself.
Laws: bucket, workgroup and database are those that the stacks say; nothing is begun before all of them are known; a dry run writes nothing
but this machine's own temporary folder; an hour whose rows Athena cannot see is left, and said; a run that replaced rows ends with a
compaction, so that `ticks` does not go on saying what was replaced.
Refuses to know: options, how an hour is planned or put.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import click

from cli.answers import printable
from cli.athena import EXIT_INTERRUPTED, describe_cost
from cli.compacting import compact_place, find_place
from cli.progress import ProgressLine
from cli.replay_bucket import (
    MOVE_AFTER,
    ReplayOvertaken,
    fetch,
    find_holding,
    find_sessions,
    list_raw,
    put_replay,
    read_records,
    tidy,
)
from compact_lambda import run as compact_run
from compact_lambda.bucket import DeleteRefused
from infra.cloudformation import calling
from infra.errors import DeployError
from local.lake.folder import LakeError
from local.lake.live import RecordDamaged
from local.lake.replay import plan_replay, read_lines
from local.lake.swap import replay_hour
from sql.engine import EngineFailed
from sql.history import GRACE, ManifestDamaged
from sql.hours import EPOCH, HOUR_US, hour_start_us, lake_hour
from sql.replays import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from compact_lambda.bucket import Stored
    from compact_lambda.hour import Place
    from local.lake.replay import Receipt, ReplayPlan
    from sql.replays import Record

# Hours of raw/ whose objects lie on this machine together; one question to Athena for all of them.
WINDOW_HOURS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which hours of raw/: those that lie, in part at least, in from_us..to_us; those still open only if `even_open`."""

    from_us: int = 0
    to_us: int = 2**62 // 1000
    even_open: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class Outcome:
    """What a run did: a receipt for each hour that could be planned; hours left open; hours left for what is told of each."""

    receipts: list[Receipt] = field(default_factory=list)
    open_hours: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    scanned_bytes: int = 0
    replaced_objects: int = 0


def replay_in_aws(prefix: str, region: str | None, wanted: Wanted, say: Callable[[str, Receipt], None]) -> Outcome:
    """
    Replay the lake of these stacks; `say` hears of each hour, and of how far the run is.

    Raises: click.ClickException for whatever AWS refuses, or a person has to change.
    """
    try:
        place = find_place(prefix, region)
        return fold(place, replay_place(place, wanted, say, now=datetime.now(UTC)))
    except KeyboardInterrupt:
        click.echo(
            "Interrupted: the hours that were said are done, and the same command goes on with the others.", err=True
        )
        sys.exit(EXIT_INTERRUPTED)
    except (DeployError, EngineFailed, ManifestDamaged, RecordDamaged, ReplayOvertaken, DeleteRefused) as error:
        raise click.ClickException(printable(str(error))) from error


def fold(place: Place, out: Outcome) -> Outcome:
    """
    The same outcome, once the hours that it reopened are compacted, and whatever else can be: what the function does every hour.

    Raises: AwsRefused, EngineFailed, ManifestDamaged, DeleteRefused; click.ClickException for hours that failed.
    """
    if out.replaced_objects:
        click.echo("Compacting, so that history has the new rows as well:")
        compact_place(place, compact_run.Wanted())
    return out


def replay_place(
    place: Place,
    wanted: Wanted,
    say: Callable[[str, Receipt], None],
    *,
    now: datetime,
    nonce: Callable[[], str] = lambda: token_hex(8),
) -> Outcome:
    """
    Replay this lake.

    Shapes: `nonce` answers other letters and digits each time.
    Clock: `now` decides which hours are closed, and what may be moved away.
    Raises: AwsRefused, EngineFailed, ManifestDamaged, RecordDamaged, ReplayOvertaken, DeleteRefused.
    """
    return _Run(place, wanted, say, now, nonce).go()


class _Run:
    def __init__(
        self,
        place: Place,
        wanted: Wanted,
        say: Callable[[str, Receipt], None],
        now: datetime,
        nonce: Callable[[], str],
    ) -> None:
        self._place, self._wanted, self._say, self._now, self._nonce = place, wanted, say, now, nonce
        self._out = Outcome()
        self._count = self._done = 0

    def go(self) -> Outcome:
        lake = self._place.lake
        with calling(f"reading what {lake.name} holds"):
            records = read_records(lake)
            if not self._wanted.dry_run:
                self._tidy(records)
            hours = self._choose(
                list_raw(lake, first=lake_hour(self._wanted.from_us), last=lake_hour(self._wanted.to_us - 1))
            )
        self._count = len(hours)
        for window in windows(hours, WINDOW_HOURS):
            with tempfile.TemporaryDirectory(prefix="ticklake-replay-") as folder:
                self._replay_window(Path(folder).resolve(), window)
        return self._out

    def _tidy(self, records: Sequence[tuple[Record, Stored]]) -> None:
        moved, swept = tidy(self._place.lake, records, now=self._now)
        if moved or swept:
            click.echo(f"{moved} objects replaced before moved to replaced/, {swept} of an unfinished replay removed")

    def _choose(self, hours: Mapping[str, list[str]]) -> dict[str, list[str]]:
        closed_us = (self._now - EPOCH - GRACE) // timedelta(microseconds=1) - HOUR_US
        chosen = {}
        for hour, keys in hours.items():
            if hour < self._place.first_hour:
                self._out.left[hour] = _bound(self._place.first_hour)
            elif hour_start_us(hour) > closed_us and not self._wanted.even_open:
                self._out.open_hours.append(hour)
            else:
                chosen[hour] = keys
        return chosen

    def _replay_window(self, folder: Path, window: Mapping[str, list[str]]) -> None:
        lake = self._place.lake
        self._fetch(folder, [key for keys in window.values() for key in keys], "objects of raw/")
        raw = {hour: [folder / key for key in keys] for hour, keys in window.items()}
        sessions = self._find_sessions(folder, raw)
        with calling(f"reading the records of replays in {lake.name}"):
            records = read_records(lake)
        counting = gather(record for record, _ in records)
        holding, scanned_bytes = find_holding(self._place.athena, sessions, counting, bucket=lake.name)
        self._out.scanned_bytes += scanned_bytes
        self._fetch(folder, [*holding, *(stored.key for _, stored in records)], "objects that hold these lines")
        for hour, paths in raw.items():
            self._done += 1
            if hour not in self._out.left:
                self._replay_hour(folder, hour, paths)

    def _find_sessions(self, folder: Path, raw: Mapping[str, list[Path]]) -> dict[str, tuple[int, int]]:
        """The sessions of all lines; an hour that cannot be read is left."""
        found: dict[str, tuple[int, int]] = {}
        for hour, paths in raw.items():
            try:
                here = find_sessions(line for path in paths for line in read_lines(path))
            except LakeError as error:
                self._leave(folder, hour, error)
                continue
            for session, (first, last) in here.items():
                known = found.get(session, (first, last))
                found[session] = min(first, known[0]), max(last, known[1])
        return found

    def _replay_hour(self, folder: Path, hour: str, paths: list[Path]) -> None:
        lake, first_hour = self._place.lake, self._place.first_hour
        try:
            plan = plan_replay(folder, hour, paths, start_us=hour_start_us(hour), nonce=self._nonce())
        except LakeError as error:
            self._leave(folder, hour, error)
            return
        unseen = find_unseen(plan, first_hour)
        if unseen:
            # Athena cannot say whether such rows are there, so each run would place them anew.
            self._out.left[hour] = f"rows of it belong to {unseen[0]}, and {_bound(first_hour)}"
            return
        if not (self._wanted.dry_run or plan.receipt.is_idle):
            with calling(f"replaying {hour} in {lake.name}"):
                put_replay(lake, plan)
            replay_hour(folder, plan, lambda _: None)
            self._out.replaced_objects += len(plan.record.replaced)
        self._out.receipts.append(plan.receipt)
        self._say(f"{self._done}/{self._count}", plan.receipt)

    def _leave(self, folder: Path, hour: str, error: LakeError) -> None:
        self._out.left[hour] = str(error).replace(f"{folder}/", f"s3://{self._place.lake.name}/")

    def _fetch(self, folder: Path, keys: Sequence[str], what: str) -> None:
        with calling(f"reading from {self._place.lake.name}"), ProgressLine() as line:
            fetch(self._place.lake, keys, folder, lambda number, of: line.show(f"S3: {number:,} of {of:,} {what}"))


def _bound(first_hour: str) -> str:
    return f"the tables know no hour before {first_hour}: deploy with an earlier LakeFirstHour"


def find_unseen(plan: ReplayPlan, first_hour: str) -> list[str]:
    """The hours of a plan's objects that Athena's tables do not know."""
    hours = {"/".join(key.split("/")[-5:-1]) for key in plan.objects}
    return sorted(hour for hour in hours if hour < first_hour)


def windows(hours: Mapping[str, list[str]], size: int) -> Iterator[dict[str, list[str]]]:
    """The hours in runs of at most `size`, in their order."""
    waiting = iter(hours.items())
    return iter(lambda: dict(islice(waiting, size)), {})


def say_end(out: Outcome, *, dry_run: bool) -> Iterator[str]:
    """What is to be known at the end, beside the hours."""
    for hour, why in out.left.items():
        yield f"{hour}  LEFT: {why}"
    if out.open_hours:
        yield f"{len(out.open_hours)} hours are not closed yet ({out.open_hours[0]} and later): their rows may still be on their way. --even-open takes them too."
    if out.replaced_objects and not dry_run:
        hours = MOVE_AFTER // timedelta(hours=1)
        yield (
            f"{out.replaced_objects} replaced objects no longer count, and stay where they are for those who ask right now; "
            f"`ticklake replay --athena`, {hours} hours from now or later, moves them to replaced/."
        )
    yield describe_cost(out.scanned_bytes)
