"""SIGTERM and SIGINT in every state of delivery, a second signal, and what each leaves."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from cli.driving import EXIT_CUT_SHORT, EXIT_PENDING
from tests.chaos.conftest import counts_of, wait_for

if TYPE_CHECKING:
    from tests.chaos.conftest import Producer, Stage


def drained_later(stage: Stage, left: Producer) -> None:
    """What a stopped producer left pending is delivered by `ticklake journal drain`, and nothing is missing."""
    stage.count_lines()
    stage.faults()
    drain = stage.drain()
    assert 0 == drain.wait(), drain.text
    lake = stage.read_lake()
    stage.check(lake)
    assert not left.is_running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_calm(stage: Stage, number: signal.Signals) -> None:
    producer = stage.produce()
    stage.wait_for_frames(40)
    wait_for("a delivery", lambda: stage.lines_accepted() > 0)
    producer.terminate(number)

    assert 0 == producer.wait(), producer.text
    counts = counts_of(producer.text)
    assert counts["written"] == counts["delivered"] > 40
    assert f"{number.name}: stopping" in producer.text
    stage.count_lines()
    stage.check(stage.read_lake())


def test_while_lines_wait_for_their_pack(stage: Stage) -> None:
    producer = stage.produce("--linger-s", 600)
    stage.wait_for_frames(40)
    producer.terminate()

    assert 0 == producer.wait(), producer.text
    assert 0 == counts_of(producer.text)["pending"]
    stage.count_lines()
    stage.check(stage.read_lake())


@pytest.mark.slow
def test_in_a_back_off_that_ends_in_time(stage: Stage) -> None:
    stage.faults("busy")
    producer = stage.produce()
    producer.says("Next try in")
    stage.wait_for_frames(40)
    producer.terminate()
    producer.says("SIGTERM: stopping")
    stage.faults()

    assert 0 == producer.wait(), producer.text
    stage.count_lines()
    stage.check(stage.read_lake())


@pytest.mark.slow
def test_in_a_back_off_that_does_not(stage: Stage) -> None:
    stage.faults("busy")
    producer = stage.produce("--drain-s", 1)
    producer.says("Next try in")
    stage.wait_for_frames(40)
    producer.terminate()

    assert EXIT_PENDING == producer.wait(), producer.text
    counts = counts_of(producer.text)
    assert 0 == counts["delivered"]
    assert counts["written"] == counts["pending"] > 40
    drained_later(stage, producer)


def test_with_a_call_out_that_was_stored_and_never_answered(stage: Stage) -> None:
    stage.faults("lost-answer:4x1")
    producer = stage.produce("--drain-s", 1)
    wait_for("the call to be stored", lambda: stage.lines_accepted() > 0)
    stage.wait_for_frames(40)
    producer.terminate()

    assert EXIT_PENDING == producer.wait(), producer.text
    assert "ambiguous" in producer.text
    drained_later(stage, producer)


def test_a_second_signal_while_draining_ends_at_once_and_loses_nothing(stage: Stage) -> None:
    stage.faults("busy")
    producer = stage.produce("--drain-s", 600)
    stage.wait_for_frames(40)
    producer.says("Next try in")
    producer.terminate()
    producer.says("SIGTERM: stopping")
    producer.terminate(signal.SIGINT)

    assert EXIT_CUT_SHORT == producer.wait(), producer.text
    assert "ending at once" in producer.text
    drained_later(stage, producer)


@pytest.mark.slow
def test_a_signal_to_a_drain_leaves_the_rest_pending(stage: Stage) -> None:
    stage.faults("busy")
    producer = stage.produce("--drain-s", 0)
    stage.wait_for_frames(40)
    producer.says("Next try in")
    producer.terminate()
    assert EXIT_PENDING == producer.wait(), producer.text
    drain = stage.drain()
    drain.says("Next try in")
    drain.terminate()

    assert EXIT_PENDING == drain.wait(), drain.text
    drained_later(stage, drain)
