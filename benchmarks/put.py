"""
One PutRecordBatch: our call against boto3's own, with the same packs, and what Firehose bills for packs at steady rates.

Both use boto3's client, credentials and signing against the same loopback server; ours passes by boto3's serialiser (producer/firehose.py).
The bill is counted, not timed: the producer's own packing, in virtual time.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.peers import build_frames, firehose_server
from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from producer.firehose import Firehose, connect_firehose
from producer.line import LineEncoder
from producer.packing import BILLED_STEP_BYTES, Pack, Waiting, plan_packs
from producer.segment import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_firehose.client import FirehoseClient

CALLS: Final = 8
# Packs a call, and bytes a pack: a full call of large packs, and a full call of small ones.
SHAPES: Final = ((100, 40_000), (500, 800))
# Ticks a second and linger: the three default products; 50/s at a second; one producer with many products.
STEADY: Final = ((14, 5.0), (50, 1.0), (500, 5.0))
SESSION: Final = "01JDB3XXXXXXXXXXXXXXXXXXXX"
_POLLS_A_LINGER: Final = 10  # how often delivery looks for packs that are due


def build_packs(count: int, size_bytes: int) -> list[Pack]:
    """Packs of whole lines, cut to a size."""
    lines = b"\n".join(build_frames(count * size_bytes // 400 + 1000))
    cuts = [lines[at * size_bytes : (at + 1) * size_bytes] for at in range(count)]
    return [Pack(SESSION, at, at, 1, cut) for at, cut in enumerate(cuts)]


def ours(endpoint: str, shape: tuple[int, int], calls: int) -> float:
    """CPU seconds of our calls."""
    firehose = Firehose(_client(endpoint), "ticklake")
    packs = build_packs(*shape)
    return _cpu_s(lambda: firehose.put(packs), calls)


def plain(endpoint: str, shape: tuple[int, int], calls: int) -> float:
    """CPU seconds of boto3's calls."""
    client = _client(endpoint)
    packs = build_packs(*shape)
    return _cpu_s(
        lambda: client.put_record_batch(
            DeliveryStreamName="ticklake", Records=[{"Data": pack.content} for pack in packs]
        ),
        calls,
    )


def _client(endpoint: str) -> FirehoseClient:
    return connect_firehose(
        endpoint_url=endpoint, region="us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key="example"
    )


def _cpu_s(call: Callable[[], object], calls: int) -> float:
    call()  # the first one resolves endpoints and opens the connection
    began = time.process_time()
    for _ in range(calls):
        call()
    return time.process_time() - began


def bill(*, ticks_a_second: int, linger_s: float, count: int) -> tuple[int, int, int]:
    """Bytes that Firehose bills for `count` ticks at a steady rate, bytes of their lines, and bytes of their frames."""
    encoder = LineEncoder(SESSION)
    frames = build_frames(count)
    lines = [
        encoder.encode(n=n, kind="ticker", source="simulated", receive_us=1_763_996_898_223_332 + n, message=frame)
        for n, frame in enumerate(frames)
    ]
    waiting: list[Waiting] = []
    packs: list[Pack] = []
    for n, line in enumerate(lines):
        now = n / ticks_a_second
        waiting.append(Waiting(Entry(n, line), now))
        if n % max(1, int(ticks_a_second * linger_s / _POLLS_A_LINGER)) == 0:
            plan = plan_packs(SESSION, waiting, now=now, linger_s=linger_s)
            packs += plan.packs
            del waiting[: plan.taken]
    packs += plan_packs(SESSION, waiting, now=count / ticks_a_second, linger_s=0.0).packs
    return sum(pack.billed_bytes for pack in packs), _total(lines) + len(lines), _total(frames)


def _total(parts: Iterable[bytes]) -> int:
    return sum(len(part) for part in parts)


def count_bills(count: int) -> list[Ratio]:
    """What is billed at steady rates, and what one ticker a record would be billed."""
    ratios = []
    for ticks_a_second, linger_s in STEADY:
        billed, line_bytes, frame_bytes = bill(ticks_a_second=ticks_a_second, linger_s=linger_s, count=count)
        what = f"bytes billed, {ticks_a_second} ticks/s, {linger_s:g} s linger"
        ratios += [
            Ratio(what, "bytes of lines", (billed / line_bytes,)),
            Ratio(what, "bytes of frames", (billed / frame_bytes,)),
        ]
    frames = build_frames(count)
    alone = sum(-(-len(frame) // BILLED_STEP_BYTES) * BILLED_STEP_BYTES for frame in frames)
    return [*ratios, Ratio("bytes billed, one bare frame a record", "bytes of frames", (alone / _total(frames),))]


def measure(*, rounds: int = ROUNDS, calls: int = CALLS, count: int = 20_000) -> list[Ratio]:
    """CPU a call against boto3's, and the bill."""
    ratios = []
    with firehose_server() as endpoint:
        for shape in SHAPES:
            at = f"{shape[0]} x {shape[1] / 1000:g} KB"
            names = (f"Firehose.put, {at}", f"boto3 put_record_batch, {at}")
            variants = {
                name: partial(work, endpoint, shape, calls) for name, work in zip(names, (ours, plain), strict=True)
            }
            ratios.append(ratio(interleave(variants, rounds=rounds), *names))
    return ratios + count_bills(count)


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
