"""
A long run at many times the market's pace: does memory stay flat, and is anything lost? `make soak`.

The simulated exchange runs in this process (it knows the truth), the delivery engine and the producer as the programs that a user runs. The
producer's memory is sampled; at the end the lake is asked, and every trade that the exchange sent has to be a tick.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infra import PIPELINE_TEMPLATE
from local.exchange.server import ExchangeServer
from local.hosting import HostedLoop
from local.lake.answers import run_query
from local.lake.folder import claim_lake, open_lake
from sql.questions import query_from_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sized

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
SAMPLE_S = 10.0


def program(*args: object) -> list[str]:
    """The console program of this checkout."""
    return [sys.executable, "-c", "from cli.main import main; main()", *map(str, args)]


def resident_mib(pid: int) -> float:
    """A process's resident memory, as Linux tells it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main(argv: list[str] | None = None) -> int:
    """Run the soak; 0 if nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=50.0, help="how many times as busy as the market")
    parser.add_argument("--folder", type=Path, default=None, help="where the lake and the journal are kept")
    options = parser.parse_args(argv)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="ticklake-soak-"))
    lake = folder / "lake"
    lake.mkdir(parents=True, exist_ok=True)
    claim_lake(lake, "simulated", now=datetime.now(UTC))
    with HostedLoop("exchange") as loop:
        exchange = ExchangeServer(products=PRODUCTS, speed=options.speed, seed=1, deflate=False)
        loop.call(exchange.start())
        samples = asyncio.run(run(exchange, lake, folder, options.minutes))
        truth = exchange.truth()
        loop.call(exchange.stop())
    return report(lake, samples, {product: truth.of(product).sent for product in PRODUCTS}, options)


async def run(exchange: ExchangeServer, lake: Path, folder: Path, minutes: float) -> list[float]:
    """Run the two programs; returns the producer's memory samples in MiB."""
    engine = await asyncio.create_subprocess_exec(
        *program("firehose", "--template", PIPELINE_TEMPLATE, "--store", lake, "--port", 0, "--buffer-s", 60),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert engine.stdout is not None
    endpoint = None
    while endpoint is None:
        line = (await engine.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        endpoint = found[0] if found else None
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_FIREHOSE": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "soak",
        "AWS_SECRET_ACCESS_KEY": "soak",
    }
    with (folder / "producer.log").open("wb") as log:
        producer = await asyncio.create_subprocess_exec(
            *program(
                *("run", "--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url, "--journal", folder / "journal"),
                *("--products", ",".join(PRODUCTS), "--simulated"),
            ),
            stdout=log,
            stderr=log,
            env=environment,
        )
    drain = asyncio.create_task(engine.stdout.read())
    samples, ends = [], time.monotonic() + minutes * 60
    while time.monotonic() < ends and producer.returncode is None:
        await asyncio.sleep(min(SAMPLE_S, max(0.1, ends - time.monotonic())))
        samples.append(resident_mib(producer.pid))
        if len(samples) % 30 == 0:
            print(f"{len(samples) * SAMPLE_S / 60:.0f} min: {samples[-1]:.0f} MiB", flush=True)
    producer.send_signal(signal.SIGTERM)
    code = await producer.wait()
    engine.send_signal(signal.SIGINT)
    await engine.wait()
    await drain
    print(f"producer ended with {code}; its last lines:")
    print("\n".join((folder / "producer.log").read_text().splitlines()[-12:]))
    return samples


def report(lake: Path, samples: list[float], sent: Mapping[str, Sized], options: argparse.Namespace) -> int:
    """Print what the lake holds against what was sent; 0 if nothing is missing."""
    with open_lake(lake) as opened:
        sql = "SELECT product_id, count(*), min(trade_id), max(trade_id) FROM ticks GROUP BY product_id ORDER BY product_id"
        rows = run_query(opened, query_from_sql(sql), {}).rows
    lost = 0
    for product_id, count, first, last in rows:
        missing = (last - first + 1) - count
        lost += missing
        print(
            f"{product_id}: {count:,} trades, ids {first} to {last}, {missing:,} missing; the exchange sent {len(sent[product_id]):,}"
        )
    settled = samples[len(samples) // 4 :] or samples
    print(
        f"{options.minutes:g} minutes at {options.speed:g} times the market's pace: {sum(row[1] for row in rows):,} trades, "
        f"{lost:,} lost; producer's memory {settled[0]:.0f} MiB after a quarter, {max(settled):.0f} MiB at most after that, {samples[-1]:.0f} MiB at the end"
    )
    return 1 if lost or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
