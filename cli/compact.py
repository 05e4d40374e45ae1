"""
`ticklake compact`: closed hours of a lake into the table history, at home with DuckDB, in AWS with Athena.

Laws: a dry run touches nothing; each hour counts by itself, so a run may be cut short at any time and begun again.
Refuses to know: how an hour is compacted (local/lake/compact.py; compact_lambda/).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from cli.compacting import compact_in_aws, say_frozen
from cli.progress import ProgressLine
from cli.spans import decode_span, from_option, lake_option, name_option, refuse_two_lakes, region_option, to_option
from compact_lambda.run import Wanted
from local.lake.compact import compact_hour, hold_lake, survey_folder, sweep
from local.lake.folder import LakeError, require_lake
from sql.history import plan_compaction

if TYPE_CHECKING:
    from pathlib import Path

    from local.lake.compact import Compacted
    from sql.history import CompactionPlan

EXIT_FROZEN: Final = 3


@click.command("compact")
@lake_option("The lake to compact.")
@from_option
@to_option
@click.option("--even-open", is_flag=True, help="Also hours that are not closed yet; later rows reopen them.")
@click.option("--dry-run", is_flag=True, help="Only say what would be compacted.")
@click.option(
    "--athena", is_flag=True, help="Compact the deployed lake instead of a folder, as the function does every hour."
)
@name_option
@region_option
def command(
    *,
    lake: Path,
    from_: str | None,
    to: str | None,
    even_open: bool,
    dry_run: bool,
    athena: bool,
    prefix: str,
    region: str | None,
) -> None:
    """Turn closed hours into the table history: one row per trade, typed, sorted; the view ticks answers as before, and faster."""
    from_us, to_us = decode_span(from_, to)
    if athena:
        refuse_two_lakes("compacts")
        out = compact_in_aws(prefix, region, Wanted(from_us=from_us, to_us=to_us, even_open=even_open, dry_run=dry_run))
        sys.exit(EXIT_FROZEN if out.frozen else 0)
    now = datetime.now(UTC)
    root = lake.resolve()
    try:
        require_lake(lake)
        if dry_run:
            plan = plan_compaction(survey_folder(root), now=now, from_us=from_us, to_us=to_us, even_open=even_open)
            for hour in plan.hours:
                click.echo(f"{hour.event_hour}  from {len(hour.inputs)} objects")
            _report(plan, [], verb="would be compacted", count=len(plan.hours))
        else:
            with hold_lake(root):
                plan = plan_compaction(survey_folder(root), now=now, from_us=from_us, to_us=to_us, even_open=even_open)
                done = _compact(root, plan)
                sweep(root, now=now)
            _report(plan, done, verb="compacted", count=len(done))
    except LakeError as error:
        raise click.ClickException(str(error)) from error
    if plan.frozen:
        sys.exit(EXIT_FROZEN)


def _compact(root: Path, plan: CompactionPlan) -> list[Compacted]:
    done = []
    with ProgressLine() as line:
        for number, hour in enumerate(plan.hours, start=1):
            place = f"{number}/{len(plan.hours)}  {hour.event_hour}"
            one = compact_hour(root, hour, lambda step, place=place: line.show(f"{place}  {step}", is_news=False))  # type: ignore[misc]  # a default argument
            per_trade = f", {one.size_bytes / one.trades:.1f} bytes a trade" if one.trades else ""
            line.clear()
            click.echo(
                f"{place}  {one.delivered} rows of {len(hour.inputs)} objects to {one.trades} trades, {one.size_bytes} bytes{per_trade}"
            )
            done.append(one)
    return done


def _report(plan: CompactionPlan, done: list[Compacted], *, verb: str, count: int) -> None:
    trades = f", {sum(one.trades for one in done)} trades" if done else ""
    click.echo(
        f"{count} hours {verb}{trades}; {plan.served_count} were already; {len(plan.open_hours)} not closed yet; "
        f"{len(plan.frozen)} frozen"
    )
    for hour in plan.frozen:
        click.echo(say_frozen(hour))
