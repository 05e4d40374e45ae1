"""
`ticklake run`: the producer, from Coinbase to a Firehose delivery stream, until it is told to stop.

Laws: thin; AWS's endpoint, region and credentials come from AWS's own variables, files and roles.
Refuses to know: where the stream is and what is behind it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from ulid import ULID

from cli.driving import drive, exit_code
from cli.options import make_settings, settings_options
from cli.receipts import describe_producer
from cli.views import PlainView, choose_view
from producer.errors import TicklakeError
from producer.firehose import LateFirehose, connect_firehose
from producer.metrics import MinuteOfMetrics
from producer.pipeline import Producer

if TYPE_CHECKING:
    from producer.delivery import Puts
    from producer.ledger import Receipt
    from producer.settings import Settings


@click.command("run")
@settings_options()
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop by itself after so many minutes.")
@click.option("--emf", is_flag=True, envvar="TICKLAKE_EMF", show_envvar=True,
              help="Print a line of metrics a minute, in CloudWatch's embedded metric format.")  # fmt: skip
def command(minutes: float | None, *, emf: bool, **values: Any) -> None:
    """
    Subscribe to Coinbase, journal every message, deliver packs of them to Firehose.

    AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_FIREHOSE and the other standard variables say where Firehose is. SIGINT and SIGTERM
    stop it in order, a second one at once. Exit code: 0 all delivered, 3 lines are pending on disk, 2 a wrong setting,
    1 a fault, 130 cut short.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    settings = make_settings(values)
    try:
        receipt = asyncio.run(_run(settings, minutes, emf=emf))
    except TicklakeError as error:
        raise click.ClickException(str(error)) from error
    for line in describe_producer(receipt):
        click.echo(line)
    sys.exit(exit_code(receipt))


async def _run(settings: Settings, minutes: float | None, *, emf: bool) -> Receipt:
    producer = make_producer(settings, LateFirehose(connect_firehose, settings.stream))
    with choose_view(producer, None, None) as view:
        assert isinstance(view, PlainView)
        telling = asyncio.create_task(_tell_metrics(producer)) if emf else None
        try:
            return await drive(producer, view, stop_after_s=None if minutes is None else minutes * 60)
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)


async def _tell_metrics(producer: Producer) -> None:
    """A line of metrics each minute, and one for what is left at the end."""
    minute = MinuteOfMetrics(producer.settings)
    try:
        while True:
            await asyncio.sleep(60)
            click.echo(minute.line(producer.reading(), at_ms=time.time_ns() // 1_000_000))
    finally:
        click.echo(minute.line(producer.reading(), at_ms=time.time_ns() // 1_000_000))


def make_producer(settings: Settings, firehose: Puts) -> Producer:
    """A producer of a new session; TLS is verified against the system's certificates."""
    secure = urlsplit(settings.ws_url).scheme == "wss"
    return Producer(
        settings,
        firehose,
        session=str(ULID()),
        rng=random.Random(),  # noqa: S311 - spreads waits, keeps no secret
        tls=ssl.create_default_context() if secure else None,
    )
