"""
The stage for chaos: the real producer in a process of its own, the real websocket and the local engine in this one, and an
oracle that knows what the exchange sent.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from infra import PIPELINE_TEMPLATE
from local.exchange.server import ExchangeServer
from local.firehose.faults import parse_fault
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import read_template
from local.hosting import HostedLoop
from local.lake.folder import open_lake
from producer.legacy import session_folders
from producer.survey import look_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.exchange.truth import Truth

PATIENCE_S = 60.0
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
STANDINS = {
    "LakeBucketName": "lake",
    "LakeKeyArn": "arn:aws:kms:us-east-1:000000000000:key/local",
    "CodeBucketName": "code",
    "TransformCodeKey": "local",
}


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Wait for a condition; a chaos run that hangs fails and says at what."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.01)


class Producer:
    """`ticklake run` in a process of its own; what it says is collected while it runs."""

    def __init__(self, args: list[str], env: dict[str, str]) -> None:
        self.text = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", *args],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.text += line

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        return code

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        wait_for(f"{text!r} in what the producer says", lambda: text in self.text or not self.is_running)
        assert text in self.text, self.text


@dataclass
class Lake:
    """What the lake holds: numbers by session, trade ids and named holes by product."""

    numbers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    trades: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    holes: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    reasons: set[str] = field(default_factory=set)
    rows: int = 0
    ticks: int = 0


class Stage:
    """One exchange, one delivery stream, one lake and one journal; any number of producers, one after another."""

    def __init__(self, path: Path, stack: ExitStack, *, speed: float, seed: int) -> None:
        self.lake_path, self.journal = path / "lake", path / "journal"
        self.counted: dict[str, int] = {}
        self._exchange_loop = stack.enter_context(HostedLoop("exchange"))
        self._firehose_loop = stack.enter_context(HostedLoop("firehose"))
        self.exchange = ExchangeServer(None, products=PRODUCTS, speed=speed, seed=seed, deflate=False, limits=False)
        self._exchange_loop.call(self.exchange.start())
        stack.callback(lambda: self._exchange_loop.call(self.exchange.stop()))
        stream = read_template(PIPELINE_TEMPLATE, standins=STANDINS).streams[0]
        self.engine = FirehoseServer(
            streams=[stream], store=FolderStore(self.lake_path), invoker=InProcessInvoker(), seed=seed
        )
        self._endpoint = self._firehose_loop.call(self.engine.start())
        self._flushed = False
        stack.callback(self.flush)
        self._producers: list[Producer] = []
        stack.callback(self._end_all)

    def _end_all(self) -> None:
        for each in self._producers:
            if each.is_running:
                each.kill()

    def env(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TICKLAKE_"))},
            "AWS_ENDPOINT_URL_FIREHOSE": self._endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }

    def produce(self, *args: object) -> Producer:
        fixed = ["run", "--simulated", "--ws-url", self.exchange.ws_url, "--rest-url", self.exchange.rest_url]
        more = ["--journal", str(self.journal), "--products", ",".join(PRODUCTS)]
        if "--linger-s" not in args:
            more += ["--linger-s", "0.2"]
        producer = Producer([*fixed, *more, *map(str, args)], self.env())
        self._producers.append(producer)
        return producer

    def drain(self) -> Producer:
        producer = Producer(["journal", "drain", "--journal", str(self.journal)], self.env())
        self._producers.append(producer)
        return producer

    def faults(self, *texts: str) -> None:
        """Put these of the engine's faults in force, and no others."""
        self.engine.faults.put_in_force([parse_fault(each) for each in texts])

    def truth(self) -> Truth:
        return self.exchange.truth()

    def wait_for_frames(self, count: int) -> None:
        """Wait until the exchange has sent so many more frames."""
        wanted = self.truth().frame_count + count
        wait_for(f"{count} more frames", lambda: self.truth().frame_count >= wanted)

    def lines_accepted(self) -> int:
        return self.engine.snapshot("ticklake").lines_accepted

    def count_lines(self) -> None:
        """Remember what each session had counted: its lines on disk, or what its checkpoint knows of them."""
        for folder in session_folders(self.journal):
            overview = look_over(folder)
            self.counted[overview.session] = max(overview.next_n, self.counted.get(overview.session, 0))

    def flush(self) -> None:
        if not self._flushed:
            self._flushed = True
            self._firehose_loop.call(self.engine.stop(flush=True))

    def read_lake(self) -> Lake:
        """Deliver what the stream has buffered, and read everything."""
        self.flush()
        snapshot = self.engine.snapshot("ticklake")
        assert snapshot.is_balanced
        assert 0 == snapshot.lines_in_errors
        found = Lake()
        with open_lake(self.lake_path) as lake:
            for session, n, kind, product_id, trade_id in lake.connection.sql(
                "SELECT session, n, kind, product_id, trade_id FROM processed"
            ).fetchall():
                found.rows += 1
                found.numbers[session].add(n)
                if kind in {"ticker", "trade"}:
                    found.trades[product_id].add(trade_id)
            for product_id, first, last, reason in lake.connection.sql(
                "SELECT product_id, first_missing_trade_id, last_missing_trade_id, reason FROM gaps"
            ).fetchall():
                found.reasons.add(reason)
                found.holes[product_id] |= set(range(first, last + 1))
            ((found.ticks,),) = lake.connection.sql("SELECT count(*) FROM ticks").fetchall()
        return found

    def check(self, lake: Lake) -> None:
        """Every line that was counted is in the lake, and every trade that was sent is there or named."""
        assert {session: count for session, count in self.counted.items() if count} == {
            session: len(numbers) for session, numbers in lake.numbers.items()
        }
        assert all(set(range(self.counted[session])) == numbers for session, numbers in lake.numbers.items())
        truth = self.truth()
        for product_id, trades in lake.trades.items():
            known = trades | lake.holes[product_id]
            between = {trade_id for trade_id in truth.of(product_id).had if min(trades) <= trade_id <= max(trades)}
            assert set() == between - known, product_id
        assert lake.ticks == sum(len(trades) for trades in lake.trades.values())  # copies are gone from the view


def counts_of(text: str) -> dict[str, int]:
    """The numbers of a receipt's line of lines."""
    match = re.search(r"lines +([\d,]+) = ([\d,]+) delivered \+ ([\d,]+) pending \+ ([\d,]+) refused", text)
    assert match is not None, text
    names = ("written", "delivered", "pending", "refused")
    return {name: int(match[at].replace(",", "")) for at, name in enumerate(names, start=1)}


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """`@pytest.mark.parametrize("stage", [speed], indirect=True)` makes the market busier."""
    with ExitStack() as stack:
        yield Stage(tmp_path, stack, speed=getattr(request, "param", 20.0), seed=7)
