"""Faults, drawn from a seed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.firehose.effects import Answered
from local.firehose.errors import SettingRefused, StoreFailed
from local.firehose.faults import Fault, Faults, FaultyInvoker, FaultyStore, parse_fault
from local.firehose.store import MemoryStore
from tests.local.firehose.test_invoker import TRANSFORM, invocation


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("throttle", Fault("throttle")),
        ("throttle=0.25", Fault("throttle", share=0.25)),
        ("refuse=#3", Fault("refuse", index=3)),
        ("lost-answer=0.1:5", Fault("lost-answer", share=0.1, seconds=5)),
        ("slow:2.5x3", Fault("slow", seconds=2.5, at_most=3)),
        ("busyx1", Fault("busy", at_most=1)),
    ],
)
def test_a_fault_is_spelt(text: str, fault: Fault) -> None:
    assert fault == parse_fault(text)


@pytest.mark.parametrize("text", ["", "nothing", "throttle=", "throttle=2", "throttle=a", "throttle=1.2.3", "slow:x"])
def test_what_is_no_fault_is_refused_with_the_spelling(text: str) -> None:
    with pytest.raises(SettingRefused):
        parse_fault(text)


def _draws(faults: Faults, count: int = 200) -> list[bool]:
    return [faults.strike("throttle") is not None for _ in range(count)]


def test_a_seed_decides_when_a_fault_strikes_and_another_fault_does_not_change_it() -> None:
    alone = _draws(Faults([Fault("throttle", share=0.3)], seed=1))
    both = Faults([Fault("throttle", share=0.3), Fault("busy", share=0.5)], seed=1)
    mixed = []
    for _ in range(200):
        both.strike("busy")
        mixed.append(both.strike("throttle") is not None)
    assert alone == mixed
    assert alone != _draws(Faults([Fault("throttle", share=0.3)], seed=2))
    assert 30 < sum(alone) < 90


def test_a_fault_strikes_at_its_index_and_so_often_at_most() -> None:
    faults = Faults([Fault("refuse", index=2, at_most=2)])
    assert [False, False, True] == [faults.strike("refuse", index) is not None for index in range(3)]
    assert faults.strike("refuse", 2)
    assert faults.strike("refuse", 2) is None


def test_faults_can_be_lifted_and_put_in_force_again() -> None:
    faults = Faults([Fault("busy")])
    assert faults.strike("busy")
    faults.put_in_force([])
    assert faults.strike("busy") is None


def _answered(_: object) -> Answered:
    return Answered(payload=b"{}", duration_ms=5)


def test_a_transform_can_be_made_to_raise() -> None:
    invoke = FaultyInvoker(_answered, Faults([Fault("lambda-raise", at_most=1)]), lambda _: None)
    assert "Lambda.FunctionError" == invoke(invocation(b"a")).error_code
    assert b"{}" == invoke(invocation(b"a")).payload


def test_a_transform_can_be_made_slow_and_too_slow() -> None:
    paused: list[float] = []
    slow = FaultyInvoker(_answered, Faults([Fault("lambda-slow", seconds=10)]), paused.append)
    assert (b"{}", 10_005) == (slow(invocation(b"a")).payload, slow(invocation(b"a")).duration_ms)
    tight = invocation(b"a", transform=replace(TRANSFORM, timeout_s=9))
    assert ("Lambda.FunctionTimedOut", 9000) == (slow(tight).error_code, slow(tight).duration_ms)
    patient = FaultyInvoker(_answered, Faults([Fault("lambda-slow", seconds=301)]), paused.append)
    lasting = invocation(b"a", transform=replace(TRANSFORM, timeout_s=900))
    assert 300_000 == patient(lasting).duration_ms  # Firehose waits five minutes, whatever the function's own time-out
    assert [10, 10, 9, 9, 300] == paused


def test_a_store_can_be_taken_down() -> None:
    store = FaultyStore(MemoryStore(), Faults([Fault("store-down", at_most=1)]))
    with pytest.raises(StoreFailed, match="a fault was asked for"):
        store.put(bucket="b", key="k", body=b"", content_encoding="")
    store.put(bucket="b", key="k", body=b"", content_encoding="")
