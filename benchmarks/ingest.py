"""
From the socket to an accepted PutRecordBatch: the producer as it runs, and in parts, against the least a program can do.

The least is a bare `websockets` loop with `orjson.loads` over the same frames from the same server, with the feed's connection
options, so that what is left is our own doing. Each variant adds one stage of the road to the one before.
"""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from websockets.asyncio.client import connect

from benchmarks.peers import PRODUCTS, firehose_server, ticker_server
from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from producer.exchange import decode_frame, encode_subscribe
from producer.feed import MAX_MESSAGE_BYTES, QUEUE_FRAMES
from producer.firehose import Firehose, connect_firehose
from producer.line import LineEncoder
from producer.pipeline import Producer
from producer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from producer.packing import Pack
    from producer.settlement import PutAnswer

FRAMES: Final = 30_000
SESSION: Final = "01JDB3XXXXXXXXXXXXXXXXXXXX"

BARE: Final = "websockets + orjson.loads"
ENCODED: Final = "websockets + decode_frame + a line"
JOURNALED: Final = "socket to journal"
WHOLE: Final = "socket to accepted PutRecordBatch"


def bare(url: str, count: int) -> float:
    """CPU seconds of the reference."""
    return _cpu_s(partial(_receive, url, count, orjson.loads))


def encoded(url: str, count: int) -> float:
    """CPU seconds of the reference's loop with our two pure steps in place of orjson.loads."""
    encoder = LineEncoder(SESSION)

    def take(frame: bytes) -> None:
        decode_frame(frame)
        encoder.encode(n=1, kind="ticker", source="simulated", receive_us=time.time_ns() // 1000, message=frame)

    return _cpu_s(partial(_receive, url, count, take))


async def _receive(url: str, count: int, take: Callable[[bytes], object]) -> None:
    async with connect(
        url, compression=None, proxy=None, max_size=MAX_MESSAGE_BYTES, max_queue=QUEUE_FRAMES
    ) as connection:
        await connection.send(encode_subscribe(PRODUCTS), text=True)
        await connection.recv()
        for _ in range(count):
            take(await connection.recv(decode=False))


def journaled(url: str, count: int) -> float:
    """CPU seconds of the producer's sources and journal, on a real folder, without delivery."""
    with tempfile.TemporaryDirectory() as folder:
        producer = _producer(url, folder, _NoFirehose())

        async def run() -> None:
            feeding = asyncio.create_task(producer.sources.run())
            await _until_taken(producer, count)
            await producer.sources.stop()
            await feeding

        spent_s = _cpu_s(run)
        producer.journal.close()
        return spent_s


def whole(url: str, endpoint: str, count: int) -> float:
    """CPU seconds of the producer, from its opening line to its receipt."""
    client = connect_firehose(
        endpoint_url=endpoint, region="us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key="example"
    )
    with tempfile.TemporaryDirectory() as folder:
        producer = _producer(url, folder, Firehose(client, "ticklake"))

        async def run() -> None:
            running = asyncio.create_task(producer.run())
            await _until_taken(producer, count)
            producer.stop("every frame is taken")
            await running

        spent_s = _cpu_s(run)
        receipt = producer.receipt()
        assert receipt.delivered == receipt.written > count, receipt
        return spent_s


class _NoFirehose:
    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        raise NotImplementedError


def _producer(url: str, folder: str, firehose: Firehose | _NoFirehose) -> Producer:
    logging.getLogger("producer").setLevel(logging.ERROR)  # no REST is served: it says so
    settings = Settings(
        ws_url=url, rest_url="http://127.0.0.1:9", journal=Path(folder), products=PRODUCTS, simulated=True
    )
    return Producer(settings, firehose, session=SESSION, rng=random.Random(7))


def _cpu_s(work: Callable[[], Awaitable[None]]) -> float:
    """CPU seconds of this process, all threads, that `work` takes."""

    async def measured() -> float:
        began = time.process_time()
        await work()
        return time.process_time() - began

    return asyncio.run(measured())


async def _until_taken(producer: Producer, count: int) -> None:
    while producer.ledger.lines["ticker"] < count:  # noqa: ASYNC110 - an event would cost the measured reader a check a frame
        await asyncio.sleep(0.01)


def measure(*, rounds: int = ROUNDS, count: int = FRAMES) -> list[Ratio]:
    """CPU a tick of each stage, against the bare loop."""
    with ticker_server(count) as url, firehose_server() as endpoint:
        samples = interleave(
            {
                BARE: partial(bare, url, count),
                ENCODED: partial(encoded, url, count),
                JOURNALED: partial(journaled, url, count),
                WHOLE: partial(whole, url, endpoint, count),
            },
            rounds=rounds,
        )
    return [ratio(samples, each, BARE) for each in (ENCODED, JOURNALED, WHOLE)]


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
