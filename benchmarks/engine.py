"""
Through the delivery engine to Parquet: CPU for each line against the transform alone, so that the engine's own share is seen.

The whole way is the real template's stream on virtual time: de-aggregation, the event as JSON text both ways, the transform, verdicts,
partitions, Parquet by the Glue table, the gzip backup; objects are kept in memory. HTTP is not in it. One ratio leaves the backup out,
because zlib is most of what it costs.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from benchmarks.transform import RECEIVED_US, build_lines, build_packs
from local.firehose.conversion import convert_records
from local.firehose.effects import Invoke
from local.firehose.engine import StreamEngine
from local.firehose.invoker import InProcessInvoker, encode_event
from local.firehose.runner import Hands, run_until
from local.firehose.store import MemoryStore
from local.firehose.template import plan_standins, read_template
from local.firehose.verdicts import Line
from transform_lambda.handler import handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.firehose.config import StreamConfig

LINES: Final = 45_000
_PACK_BYTES: Final = 200_000  # under 500 lines, so that the engine divides it
_LINES_A_CALL: Final = 1_800  # about a megabyte, as the template lets Firehose gather
_NOW_MS: Final = RECEIVED_US // 1000 + 5_000
_TEMPLATE: Final = Path(__file__).parents[1] / "infra" / "pipeline.yaml"

ALONE: Final = "transform alone"
CALLED: Final = "transform, JSON text both ways"
WHOLE: Final = "engine + transform to Parquet and backup"
NO_BACKUP: Final = "engine + transform to Parquet"


def _stream() -> StreamConfig:
    return read_template(_TEMPLATE, standins=plan_standins(_TEMPLATE, {})).streams[0]


def _invocations(texts: Sequence[bytes], stream: StreamConfig) -> list[Invoke]:
    assert stream.transform is not None
    return [
        Invoke(
            invocation_id="0d0b0c4e-0c1d-4c4e-8a4e-3a8e5f0c7b11",
            attempt=1,
            transform=stream.transform,
            stream_arn=stream.arn,
            region=stream.region,
            lines=[
                Line(f"shardId-000000000000{start + at:0>140}", _NOW_MS, text)
                for at, text in enumerate(texts[start : start + _LINES_A_CALL])
            ],
        )
        for start in range(0, len(texts), _LINES_A_CALL)
    ]


def alone_s(lines: int) -> float:
    """CPU seconds of the handler over events that are already decoded."""
    events = [json.loads(encode_event(invoke)) for invoke in _invocations(build_lines(lines), _stream())]
    handler(events[0], None)  # the first call fills caches
    began = time.process_time()
    for event in events:
        handler(event, None)
    return time.process_time() - began


def called_s(lines: int) -> float:
    """CPU seconds of the handler called as Lambda calls it."""
    invocations = _invocations(build_lines(lines), _stream())
    invoke = InProcessInvoker()
    invoke(invocations[0])
    began = time.process_time()
    for invocation in invocations:
        invoke(invocation)
    return time.process_time() - began


def whole_s(lines: int, *, backup: bool) -> float:
    """CPU seconds from accepted packs to stored objects."""
    stream = _stream() if backup else replace(_stream(), backup=None)
    texts = build_lines(lines)
    _run(stream, build_packs(texts[:1_000], _PACK_BYTES))
    packs = build_packs(texts, _PACK_BYTES)
    began = time.process_time()
    _run(stream, packs)
    return time.process_time() - began


def _run(stream: StreamConfig, packs: Sequence[bytes]) -> None:
    engine = StreamEngine(stream, random=Random(0))
    hands = Hands(
        invoke=InProcessInvoker(),
        convert=lambda convert: convert_records(convert.bodies, convert.conversion),
        store=MemoryStore(),
    )
    for pack in packs:
        engine.accept([pack], _NOW_MS)
        run_until(engine, hands, now_ms=_NOW_MS, until_ms=_NOW_MS)
    engine.flush()
    run_until(engine, hands, now_ms=_NOW_MS, until_ms=_NOW_MS)
    snapshot = engine.snapshot(_NOW_MS)
    assert snapshot.is_balanced, snapshot
    assert snapshot.rows_delivered == snapshot.lines_accepted, snapshot.errors_by_code


def measure(*, rounds: int = ROUNDS, lines: int = LINES) -> list[Ratio]:
    """The stages, each against the transform alone."""
    variants = {
        ALONE: partial(alone_s, lines),
        CALLED: partial(called_s, lines),
        NO_BACKUP: partial(whole_s, lines, backup=False),
        WHOLE: partial(whole_s, lines, backup=True),
    }
    samples = interleave(variants, rounds=rounds)
    return [ratio(samples, what, ALONE) for what in (CALLED, NO_BACKUP, WHOLE)]


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
