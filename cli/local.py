"""
`ticklake local`: all of it on this machine: a feed, the producer, a delivery stream that speaks Firehose's protocol, the
transform, a lake in a folder, and one answer at the end. `make run` is this command.

Laws: the producer here is the producer of `ticklake run`, and talks HTTP to the stream as it would to AWS; the stream's configuration
is infra/pipeline.yaml's. Simulated rows are marked and never share a lake with Coinbase's.
Refuses to know: how anything it starts works.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.logging import RichHandler

from cli.answers import print_answer
from cli.driving import EXIT_FAULT, drive, exit_code
from cli.feeds import FeedPlan, claim_folder, decode_speed, plan_feed, read_last_trades, recorded_products
from cli.keys import read_api_key
from cli.options import make_settings, settings_options
from cli.receipts import describe_engine, describe_producer, is_stored
from cli.run import make_producer
from cli.views import choose_view
from infra import PIPELINE_TEMPLATE
from local.exchange.errors import ExchangeError
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from local.firehose.config import shorten
from local.firehose.errors import EngineError
from local.firehose.invoker import InProcessInvoker
from local.firehose.lambda_log import LambdaLog
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from local.lake.answers import run_query
from local.lake.folder import LakeError, open_lake
from producer.errors import TicklakeError
from producer.firehose import Firehose, connect_firehose
from producer.settings import Settings
from sql.questions import QueryError, QueryFailed, load_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from local.firehose.config import StreamConfig
    from local.firehose.counters import EngineSnapshot
    from local.lake.folder import Lake
    from producer.ledger import Receipt
    from sql.engine import Answer

_SHOWN: Final = 6  # products named in the first line
_CANDLES: Final = 5  # how many minutes of each product the closing answer shows


@click.command("local")
@click.option("--feed", default="auto", envvar="TICKLAKE_FEED", show_envvar=True, show_default=True,
              metavar="auto|coinbase|simulated|FILE",
              help="auto takes Coinbase, or the simulated exchange where Coinbase cannot be reached; "
                   "FILE is a recording (.jsonl, .jsonl.gz, or a lake's raw folder).")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), envvar="TICKLAKE_MINUTES", show_envvar=True,
              help="Stop after so many minutes; without it, at the recording's end or a signal.")  # fmt: skip
@click.option("--speed", default="1", envvar="TICKLAKE_SPEED", show_envvar=True, show_default=True, metavar="N|max",
              help="How many times its own pace a recording is replayed at; a generated market becomes as busy.")  # fmt: skip
@click.option("--lake", type=click.Path(path_type=Path, file_okay=False), default=Path("lake"), envvar="TICKLAKE_LAKE",
              show_envvar=True, show_default=True, help="Folder of the lake.")  # fmt: skip
@click.option("--buffer-s", type=click.IntRange(min=0), default=10, envvar="TICKLAKE_BUFFER_S", show_envvar=True,
              show_default=True, help="Cap every buffering interval of the stream at so many seconds; "
                                      "0 keeps the template's own.")  # fmt: skip
@click.option("--seed", type=int, default=1, envvar="TICKLAKE_SEED", show_envvar=True, show_default=True,
              help="Seed of the simulated exchange.")  # fmt: skip
@settings_options(without={"products", "journal", "simulated"})
@click.option("--products", default=None, envvar="TICKLAKE_PRODUCTS", show_envvar=True, metavar="A,B,…",
              help="Products, separated by commas; by default BTC-USD,ETH-USD,SOL-USD, or a recording's own.")  # fmt: skip
@click.option("--journal", type=click.Path(path_type=Path, file_okay=False), default=None, envvar="TICKLAKE_JOURNAL",
              show_envvar=True, help="Folder of the journal; by default inside the lake's folder.")  # fmt: skip
def command(
    feed: str,
    minutes: float | None,
    speed: str,
    lake: Path,
    buffer_s: int,
    seed: int,
    journal: Path | None,
    **values: Any,
) -> None:
    """
    Run the whole road on this machine: feed, journal, Firehose, transform, lake, and one answer at the end.

    Ctrl-C stops it in order, with the same receipt. Exit code: 0 all delivered and every number balances, 1 a fault,
    2 a wrong setting, 3 lines are pending in the journal, 130 cut short by a second signal.
    """
    console = Console(highlight=False)
    _log_to(console)
    with _known_errors():
        plan = plan_feed(feed, values["ws_url"])
        lake = claim_folder(lake, plan)
        run = _Run(
            console=console,
            plan=plan,
            lake=lake,
            speed=decode_speed(speed),
            seed=seed,
            buffer_s=buffer_s,
            minutes=minutes,
            values={
                **values,
                "journal": journal or lake / "journal",
                "simulated": plan.content == "simulated",
                # Its port is not known yet; what is said of another root's prices holds for the real feed only.
                **({} if plan.feed == "coinbase" else {"spot_url": "http://127.0.0.1"}),
            },
        )
        sys.exit(run.run())


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: what was asked for, and the order in which things are started and ended."""

    console: Console
    plan: FeedPlan
    lake: Path
    speed: float | None
    seed: int
    buffer_s: int
    minutes: float | None
    values: dict[str, Any]

    def run(self) -> int:
        with (
            HostedLoop("exchange") as exchange_loop,
            HostedLoop("firehose") as firehose_loop,
            LambdaLog(self.lake / "logs" / "transform.log") as lambda_log,
        ):
            exchange = self._exchange()
            values = {**self.values, "products": self._products()}
            if exchange is not None:
                exchange_loop.call(exchange.start())
                values |= {"ws_url": exchange.ws_url, "rest_url": exchange.rest_url, "spot_url": exchange.rest_url}
            settings = make_settings(values)
            stream = self._stream(settings.stream)
            server = FirehoseServer(
                streams=[stream],
                store=FolderStore(self.lake),
                invoker=InProcessInvoker(),
                seed=random.SystemRandom().getrandbits(64),  # names of objects: two runs may share a lake and a second
            )
            endpoint = firehose_loop.call(server.start())
            self._announce(settings, stream)
            ended = (
                exchange_loop.submit(exchange.wait_finished())
                if exchange is not None and isinstance(self.plan.feed, Path)
                else None
            )
            receipt = asyncio.run(self._drive(settings, server, endpoint, ended, firehose_loop))
            snapshot = server.snapshot(settings.stream)
            if exchange is not None:
                exchange_loop.call(exchange.stop())
        return self._close(receipt, snapshot, _refused_by_reason(lambda_log))

    def _exchange(self) -> ExchangeServer | None:
        """The simulated exchange, for a feed that is not Coinbase's own."""
        if isinstance(self.plan.feed, Path):
            wanted = self.values["products"]
            recording = open_recording(self.plan.feed, make_settings(self.values).products if wanted else None)
            return ExchangeServer(recording, speed=self.speed, seed=self.seed, deflate=False)
        if self.plan.feed == "simulated":
            products = make_settings({**self.values, "products": self._products()}).products
            return ExchangeServer(
                None,
                products=products,
                speed=self.speed,
                seed=self.seed,
                oddities=True,
                deflate=False,
                after=read_last_trades(self.lake),
            )
        return None

    def _products(self) -> Any:
        """The products asked for, or those of the recording, or the default ones."""
        if self.values["products"]:
            return self.values["products"]
        if isinstance(self.plan.feed, Path):
            return recorded_products(self.plan.feed)
        return Settings().products

    def _stream(self, name: str) -> StreamConfig:
        given = {"StreamName": name}
        template = read_template(PIPELINE_TEMPLATE, parameters=given, standins=plan_standins(PIPELINE_TEMPLATE, given))
        stream = template.stream(name)
        if not self.buffer_s:
            return stream
        stream, changed = shorten(stream, self.buffer_s)
        if changed:
            what = ", ".join(f"{each.buffer} {each.from_s} s" for each in changed)
            self.console.print(
                f"Buffering is shortened to {self.buffer_s} s for this run (--buffer-s); the template says: {what}.",
                soft_wrap=True,
            )
        return stream

    def _announce(self, settings: Settings, stream: StreamConfig) -> None:
        where = "Coinbase" if self.plan.feed == "coinbase" else f"the simulated exchange at {settings.ws_url}"
        until = f"for {self.minutes:g} minutes" if self.minutes else "until it ends or you press Ctrl-C"
        shown, more = settings.products[:_SHOWN], len(settings.products) - _SHOWN
        products = ", ".join(shown) + (f" and {more} more" if more > 0 else "")
        self.console.print(
            f"{products} from {where} through stream {stream.name} into {self.lake}/ {until}.", soft_wrap=True
        )

    async def _drive(
        self,
        settings: Settings,
        server: FirehoseServer,
        endpoint: str,
        ended: Future[None] | None,
        firehose_loop: HostedLoop,
    ) -> Receipt:
        client = connect_firehose(
            endpoint_url=endpoint,
            region="us-east-1",
            access_key_id="local",
            secret_access_key="local",  # noqa: S106 - the local stream checks no signature
        )
        api_key = read_api_key(os.environ, ws_url=settings.ws_url) if self.plan.feed == "coinbase" else None
        producer = make_producer(settings, Firehose(client, settings.stream), api_key)

        async def finish() -> None:
            await asyncio.wrap_future(firehose_loop.submit(server.stop(flush=True)))

        with choose_view(producer, lambda: server.snapshot(settings.stream), self.console) as view:
            return await drive(
                producer,
                view,
                stop_after_s=self.minutes * 60 if self.minutes else None,
                ended=None if ended is None else asyncio.wrap_future(ended),
                finish=finish,
            )

    def _close(self, receipt: Receipt, snapshot: EngineSnapshot, refused: dict[str, int]) -> int:
        """Print the receipt and the answer; returns the exit code."""
        for line in (*describe_producer(receipt), *describe_engine(snapshot, refused)):
            click.echo(line)
        click.echo(f"lake {self.lake}/")
        self._answer()
        return exit_code(receipt) if snapshot.is_balanced and is_stored(snapshot) else EXIT_FAULT

    def _answer(self) -> None:
        with open_lake(self.lake) as lake:
            for name, shown in (("last_price", None), ("vwap", None), ("ohlcv", _last_of_each)):
                self._print(lake, name, shown)
        click.echo(f"\nAsk it more: ticklake query --list --lake {self.lake}")

    def _print(self, lake: Lake, name: str, shown: Callable[[Answer], Answer] | None) -> None:
        """One question and its answer; a lake that cannot answer one (a value beyond an engine's reach) is as full as its receipt says."""
        question = load_query(name)
        click.echo(f"\n{question.question}")
        try:
            answer = run_query(lake, question, {})
        except QueryFailed as failed:
            click.echo(str(failed), err=True)
            return
        print_answer(shown(answer) if shown else answer, self.console)


def _last_of_each(answer: Answer) -> Answer:
    """The last few intervals of each product."""
    at_product = answer.columns.index("product_id")
    products = [row[at_product] for row in answer.rows]
    return replace(
        answer,
        rows=[row for at, row in enumerate(answer.rows) if products[at + 1 :].count(products[at]) < _CANDLES],
    )


def _refused_by_reason(log: LambdaLog) -> dict[str, int]:
    """The transform's own counts, out of its metrics."""
    prefix = "Refused."
    return {name.removeprefix(prefix): int(count) for (name, _), count in log.sums().items() if name.startswith(prefix)}


def _log_to(console: Console) -> None:
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, markup=False, rich_tracebacks=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    """Errors that say their own sentence, without a stack trace."""
    try:
        yield
    except (TicklakeError, EngineError, ExchangeError, LakeError, QueryError) as error:
        raise click.ClickException(str(error)) from error
