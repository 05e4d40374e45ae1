"""
`ticklake exchange`: serve the simulated exchange for any websocket or REST client, until it is told to stop.

Laws: the first lines are the two URLs, as the variables that `ticklake run` reads; the last lines are the truth: what the market had, what
was sent, and what REST still holds. It binds loopback only.
Refuses to know: how an exchange behaves.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.feeds import decode_speed
from local.exchange.chaos import draw_faults
from local.exchange.errors import ExchangeSettingsWrong, RecordingUnreadable
from local.exchange.faults import FAULTS, parse_fault
from local.exchange.recording import Recording, open_recording
from local.exchange.server import ExchangeServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.exchange.faults import Fault
    from local.exchange.history import HoleTrades
    from local.exchange.truth import Truth


@click.command("exchange")
@click.option(
    "--feed",
    default="simulated",
    show_default=True,
    metavar="simulated|FILE|DIR",
    help="A generated market, a recording (.jsonl, .jsonl.gz), or a lake's raw folder.",
)
@click.option("--products", metavar="A,B,…", help="Only these; by default all of the market's or the recording's.")
@click.option(
    "--speed",
    default="1",
    show_default=True,
    metavar="N|max",
    help="How many times its own pace a recording is replayed at; a generated market becomes as busy.",
)
@click.option("--seed", default=1, show_default=True, help="Of the market, of faults and of holes.")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="Of the websocket; 0: any."
)
@click.option("--rest-port", default=8766, show_default=True, type=click.IntRange(0, 65535), help="Of REST; 0: any.")
@click.option(
    "--holes",
    default="none",
    show_default=True,
    metavar="none|all|SHARE",
    help="Which trades of a recording's holes REST holds.",
)
@click.option("--oddities/--no-oddities", default=False, show_default=True, help="Now and then a malformed frame.")
@click.option("--limits/--no-limits", default=True, show_default=True, help="Keep Coinbase's own rate limits.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:KEY=VALUE,…]",
    help=f"{', '.join(FAULTS)}, or chaos:SEED,SECONDS. See docs/exchange.md.",
)
@click.option("--until-end", is_flag=True, help="End with the recording instead of serving its last tickers on.")
def command(**given: Any) -> None:
    """
    Serve a simulated Coinbase Exchange on this machine, until Ctrl-C.

    \b
    ticklake exchange --feed recording.jsonl.gz --speed 10 --fault disconnect:at=1000,code=1001
    ticklake run --ws-url ws://127.0.0.1:8765 --rest-url http://127.0.0.1:8766 --simulated
    """  # noqa: D301  # \b is click's own mark: keep these lines as they are
    try:
        server = _make_server(given)
        asyncio.run(_serve(server, until_end=given["until_end"]))
    except (ExchangeSettingsWrong, RecordingUnreadable) as wrong:
        raise click.UsageError(str(wrong)) from wrong
    except OSError as error:
        raise click.ClickException(str(error)) from error
    for line in tell_truth(server.truth()):
        click.echo(line)
    if server.failure is not None:
        raise click.ClickException(str(server.failure))


def _make_server(given: Mapping[str, Any]) -> ExchangeServer:
    """
    The server that was asked for.

    Raises: ExchangeError; click.UsageError.
    """
    wanted = [product.strip() for product in given["products"].split(",")] if given["products"] else None
    feed: Recording | None = None
    if given["feed"] != "simulated":
        feed = open_recording(Path(given["feed"]), wanted)
    return ExchangeServer(
        feed,
        products=wanted,
        seed=given["seed"],
        speed=decode_speed(given["speed"]),
        hole_trades=_decode_holes(given["holes"]),
        oddities=given["oddities"],
        limits=given["limits"],
        faults=[fault for text in given["faults"] for fault in _decode_faults(text, wanted or ["BTC-USD"])],
        port=given["port"],
        rest_port=given["rest_port"],
    )


def _decode_holes(text: str) -> HoleTrades:
    named: dict[str, HoleTrades] = {"none": "none", "all": "all"}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--holes {text!r} cannot work: say none, all, or a share from 0 to 1.") from None


def _decode_faults(text: str, products: list[str]) -> tuple[Fault, ...]:
    """
    One fault, or a whole drawn schedule: `chaos:7,120` is that of seed 7 for two minutes.

    Raises: ExchangeSettingsWrong.
    """
    name, _, rest = text.partition(":")
    if name != "chaos":
        return (parse_fault(text),)
    seed, _, seconds = rest.partition(",")
    try:
        return draw_faults(int(seed), duration_s=float(seconds or 60), products=products)
    except ValueError:
        raise ExchangeSettingsWrong(f"{text!r} is no schedule", "say chaos:SEED or chaos:SEED,SECONDS") from None


async def _serve(server: ExchangeServer, *, until_end: bool) -> None:
    """
    Serve until a signal, or with `until_end` until a recording's end.

    Raises: ExchangeError; OSError if a port is taken.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        click.echo(f"TICKLAKE_WS_URL={server.ws_url}")
        click.echo(f"TICKLAKE_REST_URL={server.rest_url}")
        click.echo(f"products: {', '.join(server.exchange.listings)}")
        for fault in server.exchange.settings.faults:
            click.echo(f"fault: {fault}")
        click.echo("Ctrl-C ends it")
        ending = asyncio.create_task(_announce_end(server, stopped if until_end else None))
        await stopped.wait()
        ending.cancel()


async def _announce_end(server: ExchangeServer, stopped: asyncio.Event | None) -> None:
    """Say that a recording is over, and stop for it if that was asked for."""
    await server.wait_finished()
    click.echo("the recording was sent to its end" if server.failure is None else "the recording broke off")
    if stopped is not None:
        stopped.set()


def tell_truth(truth: Truth) -> Iterator[str]:
    """What really happened, line by line."""
    for product_id, product in truth.products.items():
        if len(product.had):
            yield (
                f"{product_id}: {len(product.had)} trades = {len(product.sent - product.garbled)} sent"
                f" + {len(product.garbled)} sent garbled + {len(product.had - product.sent)} not sent;"
                f" REST holds {len(product.healable)} of what was not sent whole"
            )
    yield (
        f"{truth.frame_count} ticker frames, {truth.heartbeat_count} heartbeats, {len(truth.struck)} frames struck by faults,"
        f" {truth.connection_count} connections, {truth.refused_connection_count} refused,"
        f" {truth.refused_call_count} calls refused, {sum(truth.rest_count.values())} REST calls"
    )
