"""
`ticklake firehose`: serve the local delivery engine for any Firehose client, until it is told to stop.

Laws: what is buffered is delivered before the program ends, and the last lines are the books of every stream; an undelivered record is said and
makes the exit code 1. Requests' signatures are not verified: it binds loopback only.
Refuses to know: how streams work.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import click

from local.firehose.config import shorten
from local.firehose.errors import EngineError, SettingRefused
from local.firehose.faults import Faults, parse_fault
from local.firehose.intrinsics import Surroundings
from local.firehose.invoker import Handler, InProcessInvoker
from local.firehose.lambda_log import LambdaLog
from local.firehose.quota import regional_limits
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore, S3Store, Store
from local.firehose.template import Template, plan_standins, read_template
from local.firehose.zip_invoker import ZipInvoker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.firehose.counters import EngineSnapshot
    from local.firehose.server import Invoker

_ACCOUNT: Final = "000000000000"


@click.command("firehose")
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CloudFormation template whose delivery streams to serve; without it streams are made by CreateDeliveryStream.",
)
@click.option("--set", "parameters", metavar="NAME=VALUE", multiple=True, help="A template parameter's value.")
@click.option(
    "--store", default="lake-firehose", show_default=True, metavar="DIR|s3://BUCKET", help="Where objects are written."
)
@click.option("--s3-endpoint", metavar="URL", help="An S3 endpoint other than AWS's, for --store s3://BUCKET.")
@click.option("--port", default=4573, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--region", default="us-east-1", show_default=True, help="Region of ARNs, and of the quota's size.")
@click.option("--buffer-s", type=click.IntRange(0, 900), help="Cap every buffering interval of the template's streams.")
@click.option("--quota/--no-quota", default=True, show_default=True, help="Throttle as AWS's Direct PUT quota does.")
@click.option("--seed", default=0, show_default=True, help="Of names, back-off and faults.")
@click.option("--fault", "faults", multiple=True, metavar="NAME[=SHARE][:SECONDS][xTIMES]", help="See docs/engine.md.")
@click.option(
    "--lambda",
    "functions",
    multiple=True,
    metavar="FUNCTION=module.handler",
    help="Python function that stands in for a Lambda function's name.",
)
@click.option(
    "--lambda-zip",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run the template's transform out of this built artefact, in a process of its own.",
)
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="File for the transform's log lines.")
def command(**given: Any) -> None:
    """
    Serve Firehose's API on this machine, until Ctrl-C.

    \b
    ticklake firehose --template infra/pipeline.yaml --store lake --fault throttle=0.1
    AWS_ENDPOINT_URL_FIREHOSE=http://127.0.0.1:4573 aws firehose list-delivery-streams
    """  # noqa: D301  # \b is click's own mark: keep these lines as they are
    try:
        undelivered = asyncio.run(_serve(given))
    except SettingRefused as error:
        raise click.UsageError(str(error)) from error
    except (EngineError, OSError) as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(1 if undelivered else 0)


async def _serve(given: Mapping[str, Any]) -> bool:
    """Serve until a signal; whether anything is left undelivered."""
    template = _read_template(given)
    streams = template.streams if template is not None else ()
    if given["buffer_s"] is not None:
        shortened = [shorten(stream, given["buffer_s"]) for stream in streams]
        streams = tuple(config for config, _ in shortened)
        for change in (change for _, changes in shortened for change in changes):
            click.echo(str(change))
    with ExitStack() as stack:
        stack.enter_context(LambdaLog(given["log"]))
        server = FirehoseServer(
            streams=streams,
            store=_store(given, by_bucket=template is None),
            invoker=_invoker(given, stack),
            seed=given["seed"],
            faults=Faults([parse_fault(text) for text in given["faults"]], seed=given["seed"]),
            limits_of=lambda config: regional_limits(config.region) if given["quota"] else None,
            catalogue=template.catalogue if template is not None else None,
            region=given["region"],
            account=_ACCOUNT,
        )
        endpoint = await server.start(given["port"])
        click.echo(f"AWS_ENDPOINT_URL_FIREHOSE={endpoint}")
        click.echo(f"streams: {', '.join(stream.name for stream in streams) or 'none yet (CreateDeliveryStream)'}")
        click.echo("signatures are not verified; Ctrl-C delivers what is buffered and ends")
        await _signalled()
        snapshots = await server.stop(flush=True)
    for snapshot in snapshots.values():
        click.echo(_books(snapshot))
    return any(snapshot.lines_pending or not snapshot.is_balanced for snapshot in snapshots.values())


async def _signalled() -> None:
    """Wait for SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def _read_template(given: Mapping[str, Any]) -> Template | None:
    if given["template"] is None:
        return None
    pairs = [parameter.partition("=") for parameter in given["parameters"]]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("--set wants NAME=VALUE.")
    parameters = {name: value for name, _, value in pairs}
    standins = plan_standins(given["template"], parameters)
    for name, value in standins.items():
        click.echo(f"{name}={value} stands in for a parameter that has no default (--set {name}=… gives another)")
    around = replace(Surroundings(), region=given["region"], account=_ACCOUNT)
    return read_template(given["template"], parameters=parameters, standins=standins, surroundings=around)


def _store(given: Mapping[str, Any], *, by_bucket: bool) -> Store:
    place = str(given["store"])
    if not place.startswith("s3://"):
        return FolderStore(Path(place), by_bucket=by_bucket)
    client = boto3.client("s3", endpoint_url=given["s3_endpoint"], region_name=given["region"])
    return S3Store(client, bucket=place.removeprefix("s3://").strip("/"))


def _invoker(given: Mapping[str, Any], stack: ExitStack) -> Invoker:
    if given["lambda_zip"] is not None:
        return stack.enter_context(ZipInvoker(given["lambda_zip"]))
    return InProcessInvoker(dict(_named_handler(text) for text in given["functions"]))


def _named_handler(text: str) -> tuple[str, Handler]:
    function, sign, dotted = text.partition("=")
    module, _, attribute = dotted.rpartition(".")
    if not (sign and module):
        raise click.UsageError("--lambda wants FUNCTION=module.handler.")
    try:
        handler: Handler = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"--lambda {text}: {error}") from error
    return function, handler


def _books(snapshot: EngineSnapshot) -> str:
    return (
        f"{snapshot.stream}: {snapshot.records_accepted} records, {snapshot.records_refused} refused;"
        f" {snapshot.lines_accepted} lines = {snapshot.lines_delivered} delivered + {snapshot.lines_in_errors} in error objects"
        f" + {snapshot.lines_dropped} dropped + {snapshot.lines_lost} lost + {snapshot.lines_pending} undelivered;"
        f" {snapshot.rows_delivered} rows in {snapshot.objects_delivered} objects"
    )
