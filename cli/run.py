"""
`ticklake run`: the producer, from Coinbase to a Firehose delivery stream, until it is told to stop.

Laws: thin; AWS's endpoint, region and credentials come from AWS's own variables, files and roles.
Refuses to know: where the stream is and what is behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from ulid import ULID

from cli.driving import drive, exit_code
from cli.keys import read_api_key
from cli.options import make_settings, settings_options
from cli.receipts import describe_producer
from cli.views import choose_view
from producer.errors import TicklakeError
from producer.firehose import LateFirehose, connect_firehose
from producer.health import HealthServer
from producer.metrics import MinuteOfMetrics
from producer.pipeline import Producer

if TYPE_CHECKING:
    from producer.credentials import ApiKey
    from producer.delivery import Puts
    from producer.ledger import Receipt
    from producer.settings import Settings


log = logging.getLogger(__name__)


@click.command("run")
@settings_options()
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop by itself after so many minutes.")
@click.option("--emf", is_flag=True, envvar="TICKLAKE_EMF", show_envvar=True,
              help="Print a line of metrics a minute, in CloudWatch's embedded metric format.")  # fmt: skip
@click.option("--health-port", type=click.IntRange(0, 65535), envvar="TICKLAKE_HEALTH_PORT", show_envvar=True,
              help="Serve /healthz on this port of 127.0.0.1: 200 healthy or idle, 503 wedged.")  # fmt: skip
def command(minutes: float | None, *, emf: bool, health_port: int | None, **values: Any) -> None:
    """
    Subscribe to Coinbase, journal every message, deliver packs of them to Firehose.

    AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_FIREHOSE and the other standard variables say where Firehose is. SIGINT and SIGTERM
    stop it in order, a second one at once. Coinbase's ticks are public; to subscribe with an API key all the same, have TICKLAKE_API_KEY_FILE
    name a file with {"key": …, "secret": …, "passphrase": …}, or TICKLAKE_API_KEY hold that JSON. Exit code: 0 all delivered, 3 lines are pending on disk, 2 a wrong setting,
    1 a fault, 130 cut short.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    settings = make_settings(values)
    api_key = read_api_key(os.environ, ws_url=settings.ws_url)
    try:
        receipt = asyncio.run(_run(settings, api_key, minutes, emf=emf, health_port=health_port))
    except TicklakeError as error:
        raise click.ClickException(str(error)) from error
    for line in describe_producer(receipt):
        click.echo(line)
    sys.exit(exit_code(receipt))


async def _run(
    settings: Settings, api_key: ApiKey | None, minutes: float | None, *, emf: bool, health_port: int | None
) -> Receipt:
    producer = make_producer(settings, LateFirehose(connect_firehose, settings.stream), api_key)
    async with contextlib.AsyncExitStack() as beside:
        if emf:
            telling = asyncio.create_task(_tell_metrics(producer))
            beside.push_async_callback(_end, telling)
        if health_port is not None:
            server = HealthServer(producer.health, port=health_port)
            await server.start()
            beside.push_async_callback(server.stop)
            log.info("http://127.0.0.1:%d/healthz says how things stand", server.port)
        with choose_view(producer, None, None) as view:
            return await drive(producer, view, stop_after_s=None if minutes is None else minutes * 60)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _tell_metrics(producer: Producer) -> None:
    """A line of metrics each minute, and one for what is left at the end."""
    minute = MinuteOfMetrics(producer.settings)
    try:
        while True:
            await asyncio.sleep(60)
            click.echo(minute.line(producer.reading(), at_ms=time.time_ns() // 1_000_000))
    finally:
        click.echo(minute.line(producer.reading(), at_ms=time.time_ns() // 1_000_000))


def make_producer(settings: Settings, firehose: Puts, api_key: ApiKey | None = None) -> Producer:
    """A producer of a new session; TLS is verified against the system's certificates."""
    if api_key is not None:
        log.info("subscribing with an API key")
    secure = urlsplit(settings.ws_url).scheme == "wss"
    return Producer(
        settings,
        firehose,
        session=str(ULID()),
        rng=random.Random(),  # noqa: S311 - spreads waits, keeps no secret
        tls=ssl.create_default_context() if secure else None,
        api_key=api_key,
    )
