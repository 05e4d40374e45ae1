"""
One event through the transform: the handler against base64 and orjson alone, with records as Firehose divides them and as whole packs.

The least a transform can do that reads its records as JSON is base64, orjson.loads, orjson.dumps, base64: that is the reference, on the
same event. It validates nothing and answers what it was sent. Lines whose fields stand in another order take the handler's slow way;
their reference also validates with fastjsonschema, against the same two schemas.
"""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import fastjsonschema
import orjson

from benchmarks.peers import build_frames
from benchmarks.rounds import ROUNDS, Ratio, interleave, ratio, table
from contract import load_schema
from producer.line import LineEncoder
from transform_lambda.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LINES: Final = 1_800  # about a megabyte: what the template lets Firehose gather for one call
PACK_BYTES: Final = 50_000
EVENTS: Final = 10
SESSION: Final = "01JDB3XXXXXXXXXXXXXXXXXXXX"
RECEIVED_US: Final = 1_763_996_898_223_332  # 2025-11-24T15:08, the minutes that build_frames ticks in

Event = dict[str, Any]


def build_lines(count: int, *, usual_order: bool = True) -> list[bytes]:
    """Ticker lines as the producer writes them; or with the frame's fields turned round."""
    encoder = LineEncoder(SESSION)
    frames = build_frames(count)
    if not usual_order:
        frames = [orjson.dumps(dict(reversed(orjson.loads(frame).items()))) for frame in frames]
    return [
        encoder.encode(n=n, kind="ticker", source="exchange_ws", receive_us=RECEIVED_US + 1000 * n, message=frame)
        for n, frame in enumerate(frames)
    ]


def build_packs(lines: Sequence[bytes], size_bytes: int) -> list[bytes]:
    """Runs of whole lines, each with its newline, up to a size."""
    packs = [b""]
    for line in lines:
        if len(packs[-1]) + len(line) + 1 > size_bytes:
            packs.append(b"")
        packs[-1] += line + b"\n"
    return packs


def build_event(records: Sequence[bytes]) -> Event:
    """Firehose's event, after the JSON that the Lambda runtime reads it from."""
    event = {
        "invocationId": "0d0b0c4e-0c1d-4c4e-8a4e-3a8e5f0c7b11",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/ticklake",
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"shardId-000000000000{n:0>140}",
                "approximateArrivalTimestamp": RECEIVED_US // 1000 + 5000,
                "data": base64.b64encode(record).decode(),
            }
            for n, record in enumerate(records)
        ],
    }
    loaded: Event = json.loads(json.dumps(event))
    return loaded


def transform(event: Event) -> object:
    """Ours."""
    return handler(event, None)


def least(event: Event) -> object:
    """The reference: decode, parse, write, encode."""
    return _answer(event, lambda line: orjson.dumps(orjson.loads(line)))


def least_validated(event: Event) -> object:
    """The slow way's reference: the same, and the two schemas."""
    return _answer(event, _validated)


def _validated(line: bytes) -> bytes:
    parsed = orjson.loads(line)
    _check_line(parsed)
    _check_ticker(parsed["message"])
    return orjson.dumps(parsed)


_check_line = fastjsonschema.compile(load_schema("line"))
_check_ticker = fastjsonschema.compile(load_schema("frames/ticker"))


def _answer(event: Event, rewrite: Callable[[bytes], bytes]) -> object:
    answers = []
    for record in event["records"]:
        rows = [rewrite(line) for line in base64.b64decode(record["data"]).splitlines()]
        text = base64.b64encode(b"\n".join(rows) + b"\n").decode()
        answers.append({"recordId": record["recordId"], "result": "Ok", "data": text})
    return {"records": answers}


def cpu_s(work: Callable[[Event], object], *, whole: bool, usual_order: bool, lines: int, events: int) -> float:
    """CPU seconds of `work` over the event, times `events`; the first call, which fills caches, is not counted."""
    texts = build_lines(lines, usual_order=usual_order)
    event = build_event(build_packs(texts, PACK_BYTES) if whole else texts)
    work(event)
    began = time.process_time()
    for _ in range(events):
        work(event)
    return time.process_time() - began


def measure(*, rounds: int = ROUNDS, lines: int = LINES, events: int = EVENTS) -> list[Ratio]:
    """The handler by its reference: one line a record, whole packs, and both again in an unusual field order."""
    ratios = []
    for usual_order, reference, says in (
        (True, least, "base64 + orjson"),
        (False, least_validated, "the same + fastjsonschema"),
    ):
        for whole, shape in ((False, "one line a record"), (True, f"packs of {PACK_BYTES / 1000:g} KB")):
            what = f"handler, {shape}{'' if usual_order else ', unusual field order'}"
            run = partial(partial, whole=whole, usual_order=usual_order, lines=lines, events=events)
            samples = interleave({what: run(cpu_s, transform), says: run(cpu_s, reference)}, rounds=rounds)
            ratios.append(ratio(samples, what, says))
    return ratios


def main(*, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(table(measure(rounds=rounds)))


if __name__ == "__main__":
    main()
