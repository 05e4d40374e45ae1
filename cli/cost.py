"""
`ticklake cost`: what a lake's data costs on AWS, from its own figures.

Laws: what is estimated, assumed or from memory is marked so; the prices' date is always said.
Refuses to know: how figures are taken (local/lake/cost.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from cli.spans import lake_option
from local.lake.cost import MONTH_S, Packing, load_prices, measure_sent, measure_stored, plan_bill
from local.lake.folder import LakeError
from producer.packing import MAX_PACK_BYTES, MAX_PACK_LINES
from producer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.lake.cost import Bill, Item, Sent


@click.command("cost")
@lake_option("The lake whose figures to take.")
@click.option(
    "--linger-s",
    type=click.FloatRange(0, 900),
    default=Settings().linger_s,
    show_default=True,
    help="How long a line waited for its pack to fill, in seconds, as the producer was told.",
)
def command(*, lake: Path, linger_s: float) -> None:
    """What taking this lake's data in, keeping it and scanning it costs on AWS, at list prices."""
    packing = Packing(max_lines=MAX_PACK_LINES, max_bytes=MAX_PACK_BYTES, linger_us=int(linger_s * 1_000_000))
    root = lake.resolve()
    try:
        sent = measure_sent(root, packing)
    except (LakeError, OSError, EOFError) as error:
        raise click.ClickException(str(error)) from error
    for line in describe(sent, plan_bill(sent, measure_stored(root))):
        click.echo(line)


def describe(sent: Sent, bill: Bill) -> Iterator[str]:
    """The figures as text, one line each."""
    prices = load_prices()
    yield f"{sent.lines} lines, {sent.useful_bytes} bytes, in about {sent.packs} packs (made again from raw/: its objects do not say where a pack ended)"
    if not sent.lines:
        return
    yield f"billed as {_ratio(sent.billed_bytes, sent.useful_bytes)} times their bytes; one record a line: {_ratio(sent.billed_singly_bytes, sent.useful_bytes)} times"
    yield ""
    yield "taking it in"
    yield from map(_row, bill.once)
    yield f"  {'together':<26}{_money(bill.total):>14}"
    yield f"  {'one record a line':<26}{_money(bill.total_singly):>14}  {_ratio(bill.total_singly, bill.total)} times as much"
    span_s = (sent.last_us - sent.first_us) / 1_000_000
    if span_s >= 1:
        monthly = bill.total * MONTH_S / Decimal(span_s)
        yield f"  {'a month at this rate':<26}{_money(monthly):>14}  from {span_s:.0f} s of data"
    yield "keeping it, a month"
    yield from map(_row, bill.monthly)
    yield "asking it"
    yield _row(bill.scan)
    yield ""
    yield (
        f"List prices of {prices['as_of']}, {prices['region']}, {prices['currency']}: indicative. * from memory, not compared with a price list."
        " Not in it: the producer's machine, CloudWatch, data transfer."
    )


def _row(item: Item) -> str:
    mark = "" if item.verified else " *"
    return (
        f"  {item.name:<26}{_money(item.cost):>14}  {item.amount:.6f}".rstrip("0").rstrip(".") + f" {item.unit}{mark}"
    )


def _money(amount: Decimal) -> str:
    return f"{amount:.8f}" if amount < 1 else f"{amount:.2f}"


def _ratio(one: Decimal | int, other: Decimal | int) -> str:
    return f"{Decimal(one) / Decimal(other):.3f}"
