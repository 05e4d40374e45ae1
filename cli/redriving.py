"""
`ticklake redrive --athena`: refused lines of a deployed lake, read from its bucket, compared with its rows by Athena, sent through its stream.

Laws: bucket, workgroup, database and stream are those that the stacks say; nothing is begun before all of them are known; what was sent
before is read after the run is known to be the only one; progress goes to standard error.
Refuses to know: options, which lines pass (local/lake/redrive.py), how they are sent (resend.py), what is written down (redrive_record.py).
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import click

from cli.answers import printable
from cli.athena import connect_deployed, describe_cost, metered
from cli.deployed import read_outputs
from cli.deploying import connect
from cli.progress import ProgressLine
from cli.redrive_record import READ_AT_ONCE, BucketRecord, RedriveHeld, RedriveOvertaken, read_sent
from cli.resend import plan_redrive_packs, send_packs
from compact_lambda.bucket import S3Bucket
from infra.cloudformation import calling
from infra.errors import DeployError
from local.lake.folder import LakeError
from local.lake.objects import ERRORS_PREFIX
from local.lake.redrive import (
    decode_error_object,
    find_candidates,
    find_in_lake,
    is_error_object,
    plan_redrive,
    read_set_aside,
)
from producer.errors import TicklakeError
from producer.firehose import Firehose, connect_firehose
from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sqlglot import exp

    from compact_lambda.bucket import Bucket
    from local.lake.redrive import Name, RedrivePlan
    from producer.delivery import Puts
    from producer.packing import Pack
    from producer.settlement import PutAnswer
    from sql.athena import Progress
    from sql.engine import Answer, Engine
    from sql.redriving import Hours

NEEDED: Final = ("LakeBucketName", "DatabaseName", "WorkgroupName", "StreamName")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A lake's bucket, the engine that knows its rows, and the stream into it."""

    lake: Bucket
    engine: Engine
    firehose: Puts


def redrive_in_aws(prefix: str, region: str | None, hours: Hours, *, dry_run: bool) -> tuple[RedrivePlan, int | None]:
    """
    What there was to do in the lake of these stacks, and how many lines were sent; None for a dry run.

    Raises: click.ClickException for whatever AWS refuses, or a person has to change.
    """
    try:
        with metered() as on_progress:
            return redrive_deployed(find_deployed(prefix, region, on_progress), hours, dry_run=dry_run)
    except (DeployError, EngineFailed, TicklakeError, LakeError, RedriveHeld, RedriveOvertaken) as error:
        raise click.ClickException(printable(str(error))) from error


def find_deployed(prefix: str, region: str | None, on_progress: Callable[[Progress], None]) -> Deployed:
    """The lake of these stacks. Raises: DeployError, EngineFailed, DeliveryUnprepared."""
    session = connect(region)
    outputs = read_outputs(session, prefix, NEEDED)
    return Deployed(
        lake=S3Bucket(session.client("s3"), outputs["LakeBucketName"]),
        engine=connect_deployed(session, outputs, on_progress=on_progress),
        firehose=Firehose(connect_firehose(region=session.region_name), outputs["StreamName"]),
    )


def redrive_deployed(place: Deployed, hours: Hours, *, dry_run: bool) -> tuple[RedrivePlan, int | None]:
    """
    What there was to do in this lake, and how many lines were sent; None for a dry run.

    Clock: reads it, for signs of life and waits.
    Raises: AwsRefused, EngineFailed, ErrorObjectDamaged, RedriveHeld, RedriveOvertaken, TicklakeError.
    """
    engine = _Tally(place.engine)
    with _noted("Interrupted: nothing was sent."):
        lines = [*_read_error_lines(place.lake, hours), *read_set_aside(engine, hours)]
        in_lake = find_in_lake(engine, find_candidates(lines))
    click.echo(describe_cost(engine.scanned_bytes), err=True)
    if dry_run:
        with calling(f"reading what was sent before from {place.lake.name}"):
            return plan_redrive(lines, in_lake=in_lake, sent=read_sent(place.lake)), None
    with _noted("Interrupted: what was accepted is written down, and the same command goes on with the rest."):
        return _send(place, lines, in_lake)


def _send(place: Deployed, lines: Sequence[bytes], in_lake: Collection[Name]) -> tuple[RedrivePlan, int]:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(4)}"
    with (
        calling(f"writing to {place.lake.name} what was sent"),
        BucketRecord(place.lake, run=name, clock=lambda: datetime.now(UTC)) as record,
    ):
        plan = plan_redrive(lines, in_lake=in_lake, sent=read_sent(place.lake))
        counted = 0

        def put(packs: Sequence[Pack]) -> Sequence[PutAnswer]:
            record.renew()
            return place.firehose.put(packs)

        def accepted(names: Sequence[Name]) -> None:
            nonlocal counted
            record.append(names)
            counted += len(names)
            shown.show(f"Firehose: {counted:,} of {len(plan.to_send):,} lines accepted")

        rng = random.Random()  # noqa: S311  # jitter
        with ProgressLine() as shown:
            packs = plan_redrive_packs(plan.to_send)
            return plan, send_packs(packs, put, accepted, rng=rng, sleep=time.sleep)


def _read_error_lines(lake: Bucket, hours: Hours) -> list[bytes]:
    """The lines of every error object of these hours, in the order of keys."""
    lines: list[bytes] = []
    with (
        calling(f"reading error objects from {lake.name}"),
        ThreadPoolExecutor(READ_AT_ONCE) as pool,
        ProgressLine() as shown,
    ):
        keys = [each.key for each in lake.find_objects(ERRORS_PREFIX) if is_error_object(each.key, hours)]
        for number, (key, content) in enumerate(zip(keys, pool.map(lake.read_object, keys), strict=True), start=1):
            lines += decode_error_object(content, name=f"s3://{lake.name}/{key}")
            shown.show(f"S3: {number:,} of {len(keys):,} error objects, {len(lines):,} refused lines")
    return lines


class _Tally:
    """An engine whose scanned bytes are counted."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.scanned_bytes = 0
        self._engine = engine

    def ask(self, question: exp.Query) -> Answer:
        """As the engine's."""
        answer = self._engine.ask(question)
        self.scanned_bytes += answer.scanned_bytes or 0
        return answer


@contextmanager
def _noted(note: str) -> Iterator[None]:
    """What an interruption leaves behind, said to whoever catches it."""
    try:
        yield
    except KeyboardInterrupt as interrupted:
        interrupted.add_note(note)
        raise
