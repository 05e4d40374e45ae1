"""
`ticklake redrive`: refused lines that pass today go back through Firehose.

Laws: a dry run touches nothing; a line is written down as sent when its own pack was accepted, by index; a second run sends nothing;
the receipt accounts for every refused line.
Refuses to know: which lines pass (local/lake/redrive.py), what an answer means (producer/settlement.py).
"""

from __future__ import annotations

import random
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.streams import home_stream
from local.firehose.errors import EngineError
from local.lake.folder import LakeError, open_lake
from local.lake.redrive import NamedLine, SentFile, plan_for_lake, read_sent
from producer.errors import DeliveryAmbiguous, DeliveryThrottled, DeliveryUnreachable, TicklakeError
from producer.firehose import Firehose, connect_firehose
from producer.pacing import Pace
from producer.packing import MAX_PACK_BYTES, MAX_PACK_LINES, Pack, plan_batch
from producer.settlement import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.lake.redrive import Name, RedrivePlan
    from producer.delivery import Puts
    from producer.settlement import PutAnswer

    Put = Callable[[Sequence[Pack]], Sequence[PutAnswer]]

_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # PutRecordBatch, API reference
# Calls in a row that got nothing through before the rest is left for another time; with full jitter about a minute.
_PATIENCE_CALLS: Final = 8
EXIT_NOT_ALL_SENT: Final = 3


@click.command("redrive")
@click.option(
    "--lake",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lake"),
    envvar="TICKLAKE_LAKE",
    show_default=True,
    show_envvar=True,
    help="The lake whose refused lines to try again.",
)
@click.option(
    "--stream",
    metavar="NAME",
    help="Send to this delivery stream (AWS's own variables say where). Without it, into the lake itself.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def command(*, lake: Path, stream: str | None, dry_run: bool) -> None:
    """Send refused lines that pass today back through Firehose, each once."""
    if stream is not None and not _STREAM_NAME.fullmatch(stream):
        raise click.UsageError(
            "--stream wants a delivery stream's name: letters, digits, '_', '.', '-', at most 64; not an ARN."
        )
    try:
        with open_lake(lake) as opened:
            if dry_run:
                _report(plan_for_lake(opened, read_sent(lake)), sent_count=None)
                return
            with SentFile(lake) as sent_file:
                plan = plan_for_lake(opened, read_sent(lake))
                sent_count = _send(plan, lake, stream, sent_file)
    except (LakeError, EngineError, TicklakeError) as error:
        raise click.ClickException(str(error)) from error
    _report(plan, sent_count=sent_count)
    if sent_count < len(plan.to_send):
        sys.exit(EXIT_NOT_ALL_SENT)


def _send(plan: RedrivePlan, lake: Path, stream: str | None, sent_file: SentFile) -> int:
    if not plan.to_send:
        return 0
    rng = random.Random()  # noqa: S311  # jitter
    with _firehose(lake, stream) as firehose:
        return send_packs(plan_redrive_packs(plan.to_send), firehose.put, sent_file.append, rng=rng, sleep=time.sleep)


@contextmanager
def _firehose(lake: Path, stream: str | None) -> Iterator[Puts]:
    if stream is not None:
        yield Firehose(connect_firehose(), stream)
        return
    with home_stream(lake) as home:
        yield home


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


def _report(plan: RedrivePlan, *, sent_count: int | None) -> None:
    sending = f"{len(plan.to_send)} would be sent" if sent_count is None else f"{sent_count} sent"
    unsent = (
        f" + {len(plan.to_send) - sent_count} not sent"
        if sent_count is not None and sent_count < len(plan.to_send)
        else ""
    )
    still = sum(plan.refused.values())
    balance = "balanced" if plan.is_balanced else "NOT BALANCED"
    click.echo(
        f"{plan.found} refused lines = {sending}{unsent} + {plan.in_lake} in the lake already + {plan.sent_before} sent before"
        f" + {plan.copies} copies + {still} refused today as well   {balance}"
    )
    for reason, count in plan.refused.items():
        click.echo(f"  {reason}: {count}")
