"""
`ticklake cost`: what a lake's data costs on AWS, from its own figures; or what a deployed stack cost, from CloudWatch's.

Laws: what is estimated, assumed or from memory is marked so; the prices' date is always said.
Refuses to know: how figures are taken (local/lake/cost.py, cli/usage.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from cli.deploy import make_deployment
from cli.deploying import connect
from cli.spans import lake_option
from cli.usage import DAY_S, billed_ratios, find_deployed, plan_readings, plan_usage_bill, read_usage
from infra.errors import DeployError
from local.lake.cost import MONTH_S, Packing, measure_sent, measure_stored, plan_bill
from local.lake.folder import LakeError
from producer.packing import MAX_PACK_BYTES, MAX_PACK_LINES
from producer.settings import Settings
from sql.prices import load_prices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cli.usage import Deployed
    from local.lake.cost import Bill, Sent
    from sql.prices import Item


@click.command("cost")
@lake_option("The lake whose figures to take.")
@click.option(
    "--linger-s",
    type=click.FloatRange(0, 900),
    default=Settings().linger_s,
    show_default=True,
    help="How long a line waited for its pack to fill, in seconds, as the producer was told.",
)
@click.option(
    "--deployed",
    is_flag=True,
    help="Not a lake on this machine: what the deployed stack used, as CloudWatch counted it.",
)
@click.option(
    "--days", type=click.IntRange(1, 90), default=1, show_default=True, help="With --deployed: the last so many days."
)
@click.option(
    "--name",
    "prefix",
    default="ticklake",
    show_default=True,
    help="With --deployed: what the stacks' names begin with.",
)
@click.option("--region", help="With --deployed: the region; by default AWS's own settings say.")
def command(*, lake: Path, linger_s: float, deployed: bool, days: int, prefix: str, region: str | None) -> None:
    """What taking this lake's data in, keeping it and scanning it costs on AWS, at list prices."""
    if deployed:
        try:
            lines = list(price_deployed(prefix, region, days=days, now=datetime.now(UTC)))
        except DeployError as error:
            raise click.ClickException(str(error)) from error
        click.echo("\n".join(lines))
        return
    packing = Packing(max_lines=MAX_PACK_LINES, max_bytes=MAX_PACK_BYTES, linger_us=int(linger_s * 1_000_000))
    root = lake.resolve()
    try:
        sent = measure_sent(root, packing)
    except (LakeError, OSError, EOFError) as error:
        raise click.ClickException(str(error)) from error
    for line in describe(sent, plan_bill(sent, measure_stored(root))):
        click.echo(line)


def price_deployed(prefix: str, region: str | None, *, days: int, now: datetime) -> Iterator[str]:
    """
    What the deployed stacks used in the last days, as text, one line each.

    Raises: DeployError.
    """
    session = connect(region)
    deployed = find_deployed(make_deployment(prefix, region).states(), session.client("lambda"))
    usage = read_usage(session.client("cloudwatch"), plan_readings(deployed), start=now - timedelta(days=days), end=now)
    yield from describe_usage(usage, deployed, days=days)


def describe_usage(usage: Mapping[str, Decimal | None], deployed: Deployed, *, days: int) -> Iterator[str]:
    """The figures of a stack as text, one line each."""
    items, remarks = plan_usage_bill(usage, deployed, days=days)
    total = sum((item.cost for item in items), Decimal(0))
    yield f"{deployed.stream}, the last {days} day{'s' if days > 1 else ''}, as CloudWatch counted"
    if ratios := billed_ratios(usage):
        yield f"billed as {ratios[0]:.3f} times the bytes delivered; one record a line: {ratios[1]:.3f} times"
    yield from map(_row, items)
    yield f"  {'together':<26}{_money(total):>14}"
    yield f"  {'a month at this rate':<26}{_money(total / days * MONTH_S / DAY_S):>14}"
    yield from remarks
    yield _small_print("KMS, CloudWatch, the producer's machine, data transfer")


def describe(sent: Sent, bill: Bill) -> Iterator[str]:
    """The figures as text, one line each."""
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
    yield _small_print("the producer's machine, CloudWatch, data transfer")


def _small_print(without: str) -> str:
    prices = load_prices()
    return (
        f"List prices of {prices['as_of']}, {prices['region']}, {prices['currency']}: indicative. * from memory, not compared with a price list."
        f" Not in it: {without}."
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
