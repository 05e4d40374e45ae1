"""
`ticklake backfill`: trades of a time before anybody watched, from REST.

Laws: thin; the stretch is found by instants and fetched by ids, so that it is without a hole or its holes are named; what the lake holds is not
fetched; what was covered is said, and where REST has nothing older, that is said too.
Refuses to know: how trades are fetched (producer/errand.py), how an instant is found (producer/seeking.py).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errand_place import check_first_hour, errand_options, find_place
from cli.errand_view import describe_effort
from cli.errands import Plan, run_errand
from cli.missing import plan_stretch, read_held, read_named, stretch_of
from cli.spans import decode_span, from_option, to_option
from local.lake.folder import LakeError
from producer.errand import Mission
from producer.errors import RestRefused
from producer.products import is_product
from producer.rest import decode_trades, trades_path
from producer.seeking import PROBE_TRADES, seek
from producer.settings import split_products

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cli.missing import Stretch
    from producer.asking import Asker
    from producer.continuity import Hole
    from producer.fetched import Fetched
    from producer.rest import RestTrade
    from producer.seeking import Found
    from sql.engine import Engine

_OK: Final = 200
_FAR_US: Final = 2**62  # later than any trade
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@click.command("backfill")
@click.option("--product", "products", required=True, metavar="A,B,…", help="Products, separated by commas.")
@from_option
@to_option
@errand_options
def command(
    *, products: str, from_: str | None, to: str | None, max_trades: int, athena: bool, lake: Path, **values: Any
) -> None:
    """
    Fetch trades from --from on: up to --to, or to the first trade that the lake has of the product, or to now.

    Exit code: 0 all of them are there, 4 something is still missing, 3 lines are pending on disk, 2 a wrong option, 1 a fault, 130 cut short
    by a second signal.
    """
    names = split_products(products)
    for name in names:
        if not is_product(name):
            raise click.UsageError(f"--product {name!r} is no product: it looks like BTC-USD.")
    if from_ is None:
        raise click.UsageError("Say with --from where to begin, such as 2026-11-01.")
    from_us, to_us = decode_span(from_, to)

    def decide(engine: Engine, asker: Asker, fetched: Fetched) -> Plan:
        named: list[Hole] = []
        unnamed: list[Hole] = []
        for product_id in names:
            found = _plan_product(engine, asker, fetched, product_id, from_us, None if to is None else to_us)
            named += found[0]
            unnamed += found[1]
        _check(sum(len(hole.missing) for hole in (*named, *unnamed)), max_trades)
        return Plan(Mission(named=named, unnamed=unnamed), is_complete=True)

    place_values = {name: values.pop(name) for name in ("prefix", "region", "stream", "journal", "dry_run")}
    try:
        place = find_place(lake=lake, athena=athena, values=values, **place_values)
        if not athena and place.dry_run and not lake.is_dir():
            raise click.UsageError(f"There is no lake at {lake} yet: a dry run makes none.")
    except LakeError as error:
        raise click.ClickException(str(error)) from error
    check_first_hour(place.first_hour(), from_us)
    sys.exit(run_errand(place, "rest_backfill", decide))


def _check(trades: int, max_trades: int) -> None:
    if trades > max_trades:
        raise click.ClickException(
            f"That is {describe_effort(trades)}; more than --max-trades {max_trades:,}: nothing was fetched. "
            "Say a later --from, or more --max-trades."
        )


def _plan_product(
    engine: Engine, asker: Asker, fetched: Fetched, product_id: str, from_us: int, to_us: int | None
) -> tuple[list[Hole], list[Hole]]:
    """The named holes that the product's stretch touches, and the unnamed ones in it."""

    def ask(after: int | None) -> list[RestTrade]:
        return _page(asker, product_id, after)

    click.echo(f"{product_id}: looking for the first trade at or after {_text(from_us)}", err=True)
    start = seek(ask, from_us)
    end = None if to_us is None else seek(ask, to_us)
    held = read_held(engine, {"product": product_id, "from": _text(from_us)}).get(product_id, [])
    rows = read_named(engine, {"product": product_id})
    stretch = stretch_of(product_id, start, end, held, rows, newest=lambda: seek(ask, _FAR_US))
    if stretch is None or not len(stretch):
        click.echo(f"{product_id}: nothing to fetch: {_why_nothing(start, stretch)}.")
    if stretch is None:
        return [], []
    named, unnamed = plan_stretch(stretch, rows, held, fetched.ranges(product_id))
    _tell(stretch, [*named, *unnamed], start, from_us)
    return named, unnamed


def _page(asker: Asker, product_id: str, after: int | None) -> list[RestTrade]:
    path = trades_path(product_id, after=after, limit=PROBE_TRADES)
    answer = asker.ask(path)
    if answer.status != _OK:
        raise RestRefused(path=path, why=f"HTTP {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}")
    return decode_trades(answer.body)


def _why_nothing(start: Found, stretch: Stretch | None) -> str:
    if stretch is None:
        return "REST has no trade at or after that time" if start.before else "REST has no trades of it"
    return "the lake's own trades begin there"


def _tell(stretch: Stretch, holes: Sequence[Hole], start: Found, from_us: int) -> None:
    if not len(stretch):
        return
    missing = sum(len(hole.missing) for hole in holes)
    assert start.after is not None
    click.echo(
        f"{stretch.product_id}: trades {stretch.first}..{stretch.last}, {len(stretch):,} from {start.after.event_time} on;"
        f" to fetch: {describe_effort(missing)}."
    )
    if stretch.before is None:
        click.echo(
            f"{stretch.product_id}: REST has no trade before {start.after.event_time}; from {_text(from_us)} until then nothing is known."
        )


def _text(at_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_us)).replace(tzinfo=None).isoformat() + "Z"
