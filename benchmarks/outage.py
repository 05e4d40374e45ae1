"""
An outage is over: how long the producer takes to deliver the hour that waited, while live ticks go on.

    python -m benchmarks.outage [LINES_PER_SECOND]

A journal of one hour is written, then `ticklake run` is started on it, held to one core, with the simulated exchange as its feed and a
stub that answers PutRecordBatch at once. Told: seconds and CPU seconds of the drain, the largest memory, and how late live lines
were beyond their linger. The ratio is to the floor: base64, sha256 and one write to a socket for the same bytes, in this process.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pybase64
from aiohttp import web

from local.exchange.market import Market
from local.exchange.server import ExchangeServer
from local.hosting import HostedLoop
from producer.journal import Journal
from producer.line import LineEncoder, n_of, receive_us_of, session_of

SECONDS = 3600
BEHIND = "01JDB3M7Q8RSTVWXYZ01234567"
LINGER_S = 1.0
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
MIB = 1024 * 1024


@dataclass
class Seen:
    """What the stub was sent; `late_s` is each live pack's oldest line's age on arrival."""

    behind: int = 0
    drained_at: float = 0.0
    calls: int = 0
    late_s: list[float] = field(default_factory=list)


def write_hour(path: Path, lines_per_s: int) -> int:
    """The journal that an hour without Firehose leaves; returns its bytes."""
    count = SECONDS * lines_per_s
    frames = [
        tick.frame
        for tick, _ in zip(Market(seed=1, start_us=0, product_ids=PRODUCTS).ticks(), range(5000), strict=False)
    ]
    journal, encoder = Journal(path, BEHIND, fsync="never"), LineEncoder(BEHIND)
    start_us = time.time_ns() // 1000 - SECONDS * 1_000_000
    for n in range(count):
        at_us = start_us + n * 1_000_000 // lines_per_s
        journal.append(
            encoder.encode(n=n, kind="ticker", source="simulated", receive_us=at_us, message=frames[n % len(frames)])
        )
    journal.checkpoint({})
    size_bytes = journal.live.size_bytes
    journal.close()
    return size_bytes


async def serve_stub(seen: Seen, expected: int) -> tuple[web.AppRunner, str]:
    """A Firehose that accepts everything at once, and keeps nothing."""
    data = re.compile(rb'"Data":"([A-Za-z0-9+/=]*)"')

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        records = data.findall(body)
        seen.calls += 1
        for record in records:
            _note(seen, record, expected)
        entries = b",".join([b'{"RecordId":"r"}'] * len(records))
        content = b'{"FailedPutCount":0,"RequestResponses":[%b]}' % entries
        return web.Response(body=content, content_type="application/x-amz-json-1.1")

    app = web.Application(client_max_size=16 * MIB)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def _note(seen: Seen, record: bytes, expected: int) -> None:
    """Of a pack of an hour ago its number of lines, of a live one its age; only its ends are decoded."""
    first = base64.b64decode(record[:400])
    if session_of(first) != BEHIND:
        seen.late_s.append(time.time() - receive_us_of(first) / 1e6)
        return
    last = base64.b64decode(record[-1600:]).rstrip(b"\n").rpartition(b"\n")[2]
    seen.behind += n_of(last) - n_of(first) + 1
    if seen.behind >= expected and not seen.drained_at:
        seen.drained_at = time.monotonic()


def floor_cpu_s(path: Path) -> float:
    """CPU seconds of what no client can leave out: base64 and sha256 of every byte, and handing it to a socket."""
    left, right = socket.socketpair()
    stop = threading.Event()

    def drain() -> None:
        while not stop.is_set() and right.recv(MIB):
            pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    before = time.thread_time()
    for segment in sorted(path.rglob("*.seg")):
        with segment.open("rb") as file:
            while chunk := file.read(3 * MIB):
                body = pybase64.b64encode(chunk)
                hashlib.sha256(body).digest()
                left.sendall(body)
    spent = time.thread_time() - before
    stop.set()
    left.close()
    reader.join(5)
    right.close()
    return spent


def measure(lines_per_s: int) -> dict[str, float]:
    """One outage of an hour, and what came of it."""
    with tempfile.TemporaryDirectory() as folder, HostedLoop("exchange") as one, HostedLoop("stub") as two:
        path = Path(folder) / "journal"
        size_bytes = write_hour(path, lines_per_s)
        floor_s = floor_cpu_s(path)
        seen = Seen()
        exchange = ExchangeServer(None, products=PRODUCTS, speed=lines_per_s / 14, deflate=False, limits=False)
        one.call(exchange.start())
        runner, url = two.call(serve_stub(seen, SECONDS * lines_per_s))
        process = _start(path, exchange, url)
        started = time.monotonic()
        while not seen.drained_at and process.poll() is None and time.monotonic() - started < 900:
            time.sleep(0.02)
        cpu_s = _cpu_s(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        one.call(exchange.stop())
        two.call(runner.cleanup())
    return {
        "lines": SECONDS * lines_per_s,
        "MiB": size_bytes / MIB,
        "drain_s": seen.drained_at - started,
        "cpu_s": cpu_s,
        "floor_cpu_s": floor_s,
        "ratio": cpu_s / floor_s,
        "calls": seen.calls,
        "live_late_s": max(seen.late_s, default=0.0) - LINGER_S,
        "max_rss_MiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def _start(journal: Path, exchange: ExchangeServer, url: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "AWS_ENDPOINT_URL_FIREHOSE": url, "AWS_REGION": "us-east-1"}
    env |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    args = ["run", "--simulated", "--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
    args += ["--journal", str(journal), "--linger-s", str(LINGER_S), "--products", ",".join(PRODUCTS)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", *args],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with contextlib.suppress(AttributeError):  # not every system can hold a process to a core
        os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    return process


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 14
    print(orjson.dumps(measure(rate), option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
