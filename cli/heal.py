"""
`ticklake heal`: the lake's named holes, of any age, filled from REST trades where Coinbase still has them.

Laws: thin; a hole that is not taken on is named; a second run over a healed lake fetches nothing and sends nothing.
Refuses to know: how trades are fetched (producer/errand.py), and which of a hole the lake holds by now (missing.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.errand_place import check_first_hour, errand_options, find_place, say_first_hour
from cli.errand_view import SHOWN, describe_effort, describe_hole
from cli.errands import Plan, run_errand
from cli.missing import earliest, earliest_hour, plan_heal, read_held, read_named
from cli.spans import decode_span, from_option, to_option
from contract import load_reasons
from local.lake.folder import LakeError, require_lake
from producer.errand import Mission
from producer.products import is_product

if TYPE_CHECKING:
    from pathlib import Path

    from cli.missing import HealPlan
    from producer.asking import Asker
    from producer.continuity import Hole
    from producer.fetched import Fetched
    from sql.engine import Engine


@click.command("heal")
@click.option("--product", help="Only holes of this product, such as BTC-USD.")
@from_option
@to_option
@click.option("--reason", type=click.Choice(sorted(load_reasons("gap"))), help="Only holes with this reason.")
@errand_options
def command(
    *,
    product: str | None,
    from_: str | None,
    to: str | None,
    reason: str | None,
    max_trades: int,
    athena: bool,
    lake: Path,
    **values: Any,
) -> None:
    """
    Fetch the trades of named holes from REST, by id, and send them down the usual road.

    A hole counts when it touches the time from --from to --to. Exit code: 0 all of them are healed, 4 something is still missing, 3 lines
    are pending on disk, 2 a wrong option, 1 a fault, 130 cut short by a second signal.
    """
    if product is not None and not is_product(product):
        raise click.UsageError(f"--product {product!r} is no product: it looks like BTC-USD.")
    from_us, _ = decode_span(from_, to)
    asked = {"product": product, "from": from_, "to": to}
    given = {name: value for name, value in asked.items() if value is not None}

    def decide(engine: Engine, _: Asker, fetched: Fetched) -> Plan:
        rows = [row for row in read_named(engine, given) if reason in {None, row["reason"]}]
        since = earliest(rows)
        about = {name: value for name, value in (("product", product), ("from", since)) if value is not None}
        held = read_held(engine, about) if rows else {}
        plan = plan_heal(rows, held, fetched, max_trades=max_trades, first_hour=first_hour)
        _tell(plan, max_trades, dry_run=place.dry_run)
        return Plan(Mission(named=plan.take), plan.is_complete)

    place_values = {name: values.pop(name) for name in ("prefix", "region", "stream", "journal", "dry_run")}
    try:
        if not athena:
            require_lake(lake)
        place = find_place(lake=lake, athena=athena, values=values, **place_values)
    except LakeError as error:
        raise click.ClickException(str(error)) from error
    first_hour = place.first_hour()
    if from_ is not None:
        check_first_hour(first_hour, from_us)
    sys.exit(run_errand(place, "rest_heal", decide))


def _tell(plan: HealPlan, max_trades: int, *, dry_run: bool) -> None:
    would = "would be " if dry_run else "are "
    if plan.take:
        trades = sum(len(hole.missing) for hole in plan.take)
        click.echo(f"{len(plan.take):,} holes {would}asked for: {describe_effort(trades)}.")
        if dry_run:
            _list(plan.take, "")
    elif plan.is_complete:
        click.echo("No named hole is without its trades: nothing to fetch.")
    _list(
        plan.absurd,
        f"more than --max-trades {max_trades:,}: not asked for (a wrong trade id in the feed makes such a hole)",
    )
    _list(plan.left, f"left for another run, for --max-trades {max_trades:,} are enough for one")
    if plan.outside:
        hour = earliest_hour(plan.outside)
        _list(
            plan.outside,
            "before the first hour that the deployed tables know, so its trades would be in no answer: "
            f"first say {say_first_hour(hour)}",
        )
    _list(plan.on_the_way, "fetched within the last hour and on the way: run it again later")


def _list(holes: list[Hole], what: str) -> None:
    for hole in holes[:SHOWN]:
        click.echo(f"  {describe_hole(hole)}{what and ', '}{what}")
    if len(holes) > SHOWN:
        click.echo(f"  and {len(holes) - SHOWN:,} holes more{what and ', '}{what}")
