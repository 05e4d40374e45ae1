"""
`ticklake replay`: rows made anew from raw/, for a transform that was wrong.

Laws: a dry run touches nothing; each hour of raw/ takes effect by itself; the receipt accounts for every line.
Refuses to know: how rows are compared and replaced (local/lake/replay.py), and of a deployed lake how it is reached (cli/replaying.py).
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import click

from cli.answers import printable
from cli.replaying import Wanted, replay_in_aws, say_end
from cli.spans import decode_span, from_option, lake_option, name_option, refuse_two_lakes, region_option, to_option
from local.lake.compact import hold_lake
from local.lake.folder import LakeError, require_lake
from local.lake.live import RecordDamaged
from local.lake.replay import list_raw_hours, plan_replay
from local.lake.swap import finish_replays, replay_hour
from sql.hours import hour_start_us

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local.lake.replay import Receipt

EXIT_NOT_BALANCED: Final = 1
EXIT_LEFT: Final = 3


@click.command("replay")
@lake_option("The lake whose rows to make anew.")
@from_option
@to_option
@click.option("--dry-run", is_flag=True, help="Only say what would be replaced.")
@click.option("--athena", is_flag=True, help="The deployed lake instead of a folder.")
@click.option(
    "--even-open",
    is_flag=True,
    help="With --athena: also hours that are not closed yet; rows still on their way are then there twice.",
)
@name_option
@region_option
def command(
    *,
    lake: Path,
    from_: str | None,
    to: str | None,
    dry_run: bool,
    athena: bool,
    even_open: bool,
    prefix: str,
    region: str | None,
) -> None:
    """Make rows anew from raw/ with today's transform; those that differ take the place of the old ones."""
    from_us, to_us = decode_span(from_, to)
    if even_open and not athena:
        raise click.UsageError("--even-open goes with --athena: in a folder nothing is on its way.")
    if not athena:
        _conclude(_replay_folder(lake, from_us, to_us, dry_run=dry_run), dry_run=dry_run)
        return
    refuse_two_lakes("replays")
    wanted = Wanted(from_us=from_us, to_us=to_us, even_open=even_open, dry_run=dry_run)
    out = replay_in_aws(prefix, region, wanted, _say)
    for line in say_end(out, dry_run=dry_run):
        click.echo(printable(line))
    _conclude(out.receipts, dry_run=dry_run)
    if out.left:
        sys.exit(EXIT_LEFT)


def _replay_folder(lake: Path, from_us: int, to_us: int, *, dry_run: bool) -> list[Receipt]:
    root = lake.resolve()
    receipts: list[Receipt] = []
    try:
        require_lake(lake)
        with nullcontext() if dry_run else hold_lake(root):
            if not dry_run:
                finish_replays(root)
            hours = list_raw_hours(root, from_us=from_us, to_us=to_us)
            for number, (raw_hour, objects) in enumerate(hours.items(), start=1):
                plan = plan_replay(root, raw_hour, objects, start_us=hour_start_us(raw_hour))
                if not (dry_run or plan.receipt.is_idle):
                    replay_hour(root, plan, lambda _: None)
                _say(f"{number}/{len(hours)}", plan.receipt)
                receipts.append(plan.receipt)
    except (LakeError, RecordDamaged) as error:
        raise click.ClickException(str(error)) from error
    return receipts


def _conclude(receipts: Sequence[Receipt], *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    changed = sum(each.replaced + each.added + each.set_aside for each in receipts)
    click.echo(
        f"{sum(each.found for each in receipts)} lines in {len(receipts)} hours of raw/, of which {changed} {would}changed"
    )
    if not all(each.is_balanced for each in receipts):
        sys.exit(EXIT_NOT_BALANCED)


def _say(place: str, receipt: Receipt) -> None:
    click.echo(f"{place}  {receipt.raw_hour}  {_sentence(receipt)}")


def _sentence(receipt: Receipt) -> str:
    balance = "balanced" if receipt.is_balanced else "NOT BALANCED"
    return (
        f"{receipt.found} lines = {receipt.unchanged} unchanged + {receipt.replaced} replaced + {receipt.added} added"
        f" + {receipt.set_aside} set aside + {receipt.refused} refused as before + {receipt.copies} copies   {balance}"
    )
