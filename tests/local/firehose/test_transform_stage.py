"""Stage A: batches in order, one at a time, retried with a growing pause."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import orjson

from local.firehose.config import BufferHints
from local.firehose.effects import Answered
from local.firehose.guesses import Guesses
from local.firehose.transform_stage import TransformStage
from local.firehose.verdicts import Line
from tests.local.firehose.conftest import transforming_stream

_FAILED = Answered(error_code="Lambda.FunctionError")
_DONE = Answered(payload=orjson.dumps({"records": []}))


def _stage(*, retries: int = 3, bound: int = 10) -> TransformStage:
    config = transforming_stream()
    assert config.transform is not None
    transform = replace(config.transform, hints=BufferHints(bound, 10), retries_count=retries)
    return TransformStage(replace(config, transform=transform), guesses=Guesses(), random=Random(0))


def _lines(*bodies: bytes) -> list[Line]:
    return [Line(body.decode(), 0, body) for body in bodies]


def test_a_second_batch_waits_until_the_first_is_done() -> None:
    stage = _stage()
    stage.add(_lines(b"aaaaaaaa", b"bbbbbbbb"), 0)
    [first] = stage.poll(20_000)
    assert [b"aaaaaaaa"] == [line.body for line in first.lines]
    assert [] == list(stage.poll(20_000))
    assert 2 == stage.pending_count()
    assert stage.invoked(_DONE, 20_000) is not None
    [second] = stage.poll(20_000)
    assert [b"bbbbbbbb"] == [line.body for line in second.lines]


def test_retries_wait_longer_each_time_and_send_the_same_records() -> None:
    stage = _stage(retries=4)
    stage.add(_lines(b"a"), 0)
    now_ms, pauses = 10_000, []
    for attempt in range(1, 5):
        [invoke] = stage.poll(now_ms)
        assert (attempt, [b"a"]) == (invoke.attempt, [line.body for line in invoke.lines])
        assert stage.invoked(_FAILED, now_ms) is None
        due_ms = stage.next_deadline_ms()
        assert due_ms is not None
        assert [] == list(stage.poll(due_ms - 1))
        pauses.append(due_ms - now_ms)
        now_ms = due_ms
    assert sorted(pauses) == pauses
    assert all(0.75 <= pause / (3_500 * 2**at) <= 1.25 for at, pause in enumerate(pauses))
    list(stage.poll(now_ms))
    verdict = stage.invoked(_FAILED, now_ms)
    assert verdict is not None
    assert (5, 1) == (verdict.attempts_count, len(verdict.judgement.failed))


def test_a_pause_has_an_upper_bound() -> None:
    stage = _stage(retries=300)
    stage.add(_lines(b"a"), 0)
    now_ms = 10_000
    for _ in range(50):
        list(stage.poll(now_ms))
        stage.invoked(_FAILED, now_ms)
        due_ms = stage.next_deadline_ms()
        assert due_ms is not None
        assert due_ms - now_ms <= 75_000
        now_ms = due_ms


def test_an_idle_stage_waits_for_nothing() -> None:
    stage = _stage()
    assert stage.next_deadline_ms() is None
    assert stage.oldest_arrival_ms() is None
    assert [] == list(stage.poll(10**9))


def test_the_oldest_arrival_is_found_wherever_it_waits() -> None:
    stage = _stage()
    stage.add([Line("a", 5, b"12345678"), Line("b", 7, b"12345678")], 7)
    assert 5 == stage.oldest_arrival_ms()
    list(stage.poll(7))
    assert 5 == stage.oldest_arrival_ms()
    stage.invoked(_DONE, 7)
    assert 7 == stage.oldest_arrival_ms()
    [fill] = stage.fills()
    assert ("transform", 8) == (fill.buffer, fill.held_bytes)
