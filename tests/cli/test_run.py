"""`ticklake run` as a process: signals, exit codes, the receipt; against the simulated exchange and the local engine in this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra import PIPELINE_TEMPLATE
from local.exchange.faults import Jump, SlowRest
from local.exchange.keys import KnownKey
from local.exchange.server import ExchangeServer
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore, MemoryStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from local.lake.folder import open_lake
from producer.legacy import look_at_legacy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.exchange.faults import Fault

ROOT = Path(__file__).parents[2]


@contextmanager
def firehose(lake: Path | None = None) -> Iterator[str]:
    """A stream into memory, or into a lake's folder."""
    store = MemoryStore() if lake is None else FolderStore(lake)
    with HostedLoop("firehose") as loop:
        template = read_template(PIPELINE_TEMPLATE, standins=plan_standins(PIPELINE_TEMPLATE, {}))
        server = FirehoseServer(streams=template.streams, store=store, invoker=InProcessInvoker())
        yield loop.call(server.start())
        loop.call(server.stop(flush=lake is not None))


@contextmanager
def market(*faults: Fault, known_key: KnownKey | None = None) -> Iterator[ExchangeServer]:
    with HostedLoop("exchange") as loop:
        exchange = ExchangeServer(products=["BTC-USD"], speed=10.0, deflate=False, faults=faults, known_key=known_key)
        loop.call(exchange.start())
        yield exchange
        loop.call(exchange.stop())


@contextmanager
def run(endpoint: str, journal: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    with market() as exchange, run_on(exchange, endpoint, journal, *args) as process:
        yield process


@contextmanager
def run_on(exchange: ExchangeServer, endpoint: str, journal: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [
            *(sys.executable, "-u", "-c", "from cli.main import main; main()", "run", "--products", "BTC-USD"),
            *("--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url, "--journal", str(journal)),
            *("--linger-s", "0.2", *args),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL_FIREHOSE": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "hidden-secret",
        },
    ) as process:
        yield process
        process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"{pattern} was never said:\n{text}")


def rest_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read()


def test_sigterm_delivers_what_is_pending_prints_the_receipt_and_exits_0(tmp_path: Path) -> None:
    with firehose() as endpoint, run(endpoint, tmp_path / "journal") as process:
        read_until(process, r"sent [1-9]")
        process.send_signal(signal.SIGTERM)
        text = rest_of(process)

        assert 0 == process.wait(30)
    assert "   balanced" in text
    assert "+ 0 pending + 0 refused" in text
    assert "hidden-secret" not in text


def test_with_firehose_away_lines_stay_pending_and_the_exit_code_says_so(tmp_path: Path) -> None:
    with run("http://127.0.0.1:9", tmp_path / "journal", "--drain-s", "0.5") as process:
        read_until(process, r"journal pending [1-9]\d")
        process.send_signal(signal.SIGINT)
        text = rest_of(process)

        assert 3 == process.wait(30)
    assert re.search(r" = 0 delivered \+ [1-9][\d,]* pending", text)
    with firehose() as endpoint, run(endpoint, tmp_path / "journal") as process:
        read_until(process, r"sent [1-9]")
        process.send_signal(signal.SIGTERM)
        text = rest_of(process)

        assert 0 == process.wait(30)
    assert re.search(r"earlier +[1-9][\d,]* lines of earlier sessions delivered, 0 pending", text)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with run("http://127.0.0.1:9", tmp_path / "journal", "--drain-s", "600") as process:
        read_until(process, r"journal pending [1-9]\d")
        process.send_signal(signal.SIGTERM)
        read_until(process, "stopping")
        process.send_signal(signal.SIGTERM)

        assert 130 == process.wait(30)
    assert list((tmp_path / "journal").rglob("*.seg"))


def test_health_is_served_and_metrics_are_printed(tmp_path: Path) -> None:
    with firehose() as endpoint, run(endpoint, tmp_path / "journal", "--health-port", "0", "--emf") as process:
        text = read_until(process, r"/healthz says") + read_until(process, r"sent [1-9]")
        url = re.search(r"http://127\.0\.0\.1:\d+/healthz", text)
        assert url is not None
        with urllib.request.urlopen(url[0], timeout=10) as answer:
            assert '"state":"healthy"' in answer.read().decode().replace(" ", "")
        process.send_signal(signal.SIGTERM)

        assert '"CloudWatchMetrics"' in rest_of(process)
        assert 0 == process.wait(30)


def journaled(journal: Path, text: bytes) -> int:
    """How often a text stands in the journal's lines."""
    return sum(path.read_bytes().count(text) for path in journal.rglob("*.seg"))


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_heal_stops_in_order_and_the_next_run_heals_the_rest(tmp_path: Path) -> None:
    journal, lake = tmp_path / "journal", tmp_path / "lake"
    faults = (Jump(at=20, by=8_000, product="BTC-USD"), SlowRest(delay_s=0.2))
    with firehose(lake) as endpoint, market(*faults) as exchange:
        with run_on(exchange, endpoint, journal) as process:
            wait_until(process, lambda: journaled(journal, b'"kind":"trade"') > 0)
            process.send_signal(signal.SIGTERM)
            text = rest_of(process)
            assert 0 == process.wait(30), text
        assert "   balanced" in text
        (hole,) = look_at_legacy(journal).memory["continuity"]["open"]
        assert 0 < sum(last - first + 1 for first, last in hole["missing"]) < 8_000
        with run_on(exchange, endpoint, journal) as process:
            wait_until(process, lambda: journaled(journal, b'"status":"healed"') > 0)
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(30), rest_of(process)
    with open_lake(lake) as opened:
        counts = opened.connection.sql(
            "SELECT count(*), count(DISTINCT trade_id), count(DISTINCT session) FROM processed WHERE kind = 'trade'"
            f" AND trade_id BETWEEN {hole['first']} AND {hole['last']}"
        ).fetchall()

    assert [(8_000, 8_000, 2)] == counts


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, rest_of(process)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_key_in_a_file_signs_the_subscription_and_nothing_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownKey("key-0123456789", "aHVzaCwgdGhpcyBpcyB0aGUgc2VjcmV0", "open sesame")
    (tmp_path / "key.json").write_text(
        json.dumps({"key": known.key, "secret": known.secret, "passphrase": known.passphrase})
    )
    monkeypatch.setenv("TICKLAKE_API_KEY_FILE", str(tmp_path / "key.json"))
    journal = tmp_path / "journal"
    with (
        market(known_key=known) as exchange,
        firehose() as endpoint,
        run_on(exchange, endpoint, journal, "--emf") as process,
    ):
        text = read_until(process, r"sent [1-9]")
        argv = Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGTERM)
        text += rest_of(process)

        assert 0 == process.wait(30)
        assert 1 == exchange.truth().signed_call_count
    assert "subscribing with an API key" in text
    written = text + argv + "".join(path.read_text() for path in journal.rglob("*") if path.is_file())
    assert [] == [part for part in (known.key, known.secret, known.passphrase, "signature") if part in written]
