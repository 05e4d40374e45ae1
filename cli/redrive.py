"""
`ticklake redrive`: refused lines that pass today go back through Firehose.

Laws: a dry run touches nothing; a line is written down as sent when its own pack was accepted, by index; a second run sends nothing;
the receipt accounts for every refused line.
Refuses to know: which lines pass (local/lake/redrive.py), how lines are sent (resend.py), how a deployed lake is reached (redriving.py).
"""

from __future__ import annotations

import random
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from cli.redriving import redrive_in_aws
from cli.resend import plan_redrive_packs, send_packs
from cli.spans import decode_span, from_option, lake_option, name_option, refuse_two_lakes, region_option, to_option
from cli.streams import home_stream
from local.firehose.errors import EngineError
from local.lake.folder import LakeError, open_lake, require_lake
from local.lake.redrive import SentFile, plan_for_lake, read_sent
from producer.errors import TicklakeError
from producer.firehose import Firehose, connect_firehose
from sql.engine import EngineFailed
from sql.redriving import hours_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.lake.redrive import RedrivePlan
    from producer.delivery import Puts
    from sql.redriving import Hours

_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # PutRecordBatch, API reference
EXIT_NOT_ALL_SENT: Final = 3


@click.command("redrive")
@lake_option("The lake whose refused lines to try again.")
@from_option
@to_option
@click.option(
    "--stream",
    metavar="NAME",
    help="Send to this delivery stream (AWS's own variables say where). Without it, into the lake itself.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option(
    "--athena", is_flag=True, help="The lake of a deployed stack instead of a folder, through its own stream."
)
@name_option
@region_option
def command(
    *,
    lake: Path,
    from_: str | None,
    to: str | None,
    stream: str | None,
    dry_run: bool,
    athena: bool,
    prefix: str,
    region: str | None,
) -> None:
    """
    Send refused lines that pass today back through Firehose, each once.

    --from and --to bound the hours in which the lines were refused. Exit code: 0 all are sent, 3 some could not be sent now, 2 a wrong
    option, 1 a fault, 130 interrupted.
    """
    hours = hours_of(*decode_span(from_, to))
    if athena:
        refuse_two_lakes("redrives")
        if stream is not None:
            raise click.UsageError(
                "--athena sends through the stack's own stream, into the same lake: leave --stream out."
            )
        plan, sent_count = redrive_in_aws(prefix, region, hours, dry_run=dry_run)
    else:
        if stream is not None and not _STREAM_NAME.fullmatch(stream):
            raise click.UsageError(
                "--stream wants a delivery stream's name: letters, digits, '_', '.', '-', at most 64; not an ARN."
            )
        plan, sent_count = _redrive_folder(lake, stream, hours, dry_run=dry_run)
    _report(plan, sent_count=sent_count)
    if sent_count is not None and sent_count < len(plan.to_send):
        sys.exit(EXIT_NOT_ALL_SENT)


def _redrive_folder(lake: Path, stream: str | None, hours: Hours, *, dry_run: bool) -> tuple[RedrivePlan, int | None]:
    """What there was to do, and how many lines were sent; None for a dry run."""
    try:
        require_lake(lake)
        with open_lake(lake) as opened:
            if dry_run:
                return plan_for_lake(opened, read_sent(lake), hours), None
            with SentFile(lake) as sent_file:
                plan = plan_for_lake(opened, read_sent(lake), hours)
                return plan, _send(plan, lake, stream, sent_file)
    except (LakeError, EngineError, EngineFailed, TicklakeError) as error:
        raise click.ClickException(str(error)) from error


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
