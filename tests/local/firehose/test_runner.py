"""A stream's thread, on a clock that is turned by hand."""

from __future__ import annotations

import threading
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.clock import ManualClock
from local.firehose.engine import StreamEngine
from local.firehose.invoker import InProcessInvoker
from local.firehose.runner import Hands, StreamBroken, StreamRunner
from local.firehose.store import MemoryStore
from tests.local.firehose.conftest import NOON_MS, answer_each, plain_stream, transforming_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.firehose.config import StreamConfig


class _SignallingStore(MemoryStore):
    """A store that tells when an object has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()

    def put(self, **given: Any) -> None:
        super().put(**given)
        self.arrived.set()


class _Thread:
    def __init__(self, config: StreamConfig, handler: Callable[[Any], Any] | None = None) -> None:
        self.clock = ManualClock(NOON_MS)
        self.store = _SignallingStore()
        invoke = InProcessInvoker({"f": lambda event, _: handler(event) if handler else None})
        hands = Hands(invoke=invoke, convert=_never, store=self.store)
        self.runner = StreamRunner(StreamEngine(config, random=Random(0)), hands, self.clock)
        self.runner.start()

    def put(self, *records: bytes) -> None:
        self.runner.tell(lambda engine, now_ms: engine.accept(records, now_ms))


def _never(_: object) -> Any:
    raise AssertionError("nothing is converted here")


def test_a_turn_of_the_clock_wakes_the_thread() -> None:
    thread = _Thread(plain_stream())
    thread.put(b"a")
    thread.clock.turn(60)
    assert thread.store.arrived.wait(10)
    thread.runner.stop(flush=False)
    assert [b"a"] == list(thread.store.objects.values())


def test_a_stop_with_a_flush_delivers_everything_through_the_transform() -> None:
    thread = _Thread(transforming_stream(), answer_each(lambda body: {"data": body.upper()}))
    thread.put(b"a", b"b")
    snapshot = thread.runner.stop(flush=True)
    assert [b"AB"] == list(thread.store.objects.values())
    assert (2, 0) == (snapshot.lines_delivered, snapshot.lines_pending)
    assert snapshot.is_balanced


def test_a_stop_without_a_flush_drops_what_is_buffered_and_counts_it_as_pending() -> None:
    thread = _Thread(plain_stream())
    thread.put(b"a")
    snapshot = thread.runner.stop(flush=False)
    assert {} == thread.store.objects
    assert 1 == snapshot.lines_pending


def test_an_abandoned_stream_drops_what_it_had_and_no_later_stop_changes_that() -> None:
    thread = _Thread(plain_stream())
    thread.put(b"a")
    thread.runner.abandon()
    thread.runner.stop(flush=True)
    assert {} == thread.store.objects


def test_snapshots_and_statistics_can_be_asked_from_any_thread() -> None:
    thread = _Thread(plain_stream())
    thread.put(b"ab")
    found: list[Any] = []
    asker = threading.Thread(
        target=lambda: found.extend([thread.runner.snapshot(), thread.runner.statistics("IncomingBytes")])
    )
    asker.start()
    asker.join()
    assert (1, 2.0) == (found[0].records_accepted, found[1][0].total)
    thread.runner.stop(flush=True)


def test_an_error_that_no_effect_may_raise_stops_the_stream_loudly() -> None:
    thread = _Thread(transforming_stream(), None)
    thread.runner._hands = Hands(invoke=_never, convert=_never, store=thread.store)
    thread.put(b"a")
    with pytest.raises(StreamBroken, match="stopped on an unexpected error"):
        thread.runner.stop(flush=True)
    with pytest.raises(StreamBroken):
        thread.put(b"b")
