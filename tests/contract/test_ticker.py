"""What is recognised must be good, and read as parsing reads it."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from contract.messages import refusal_of
from contract.ticker import recognise_ticker
from tests.contract.mutations import VALUE, VALUES, line_of, mutated, tick
from transform_lambda.fast import recognise_line

TODAY = json.dumps(json.loads((ROOT / "examples/frames/ticker.today.pass.json").read_bytes()), separators=(",", ":"))


def check(frame: bytes) -> bool:
    """Whether it is recognised; if so, it must be good and say what it says."""
    found = recognise_ticker(frame)
    if found is None:
        return False
    assert refusal_of("ticker", frame) is None, frame
    message = json.loads(frame)
    assert tuple(message[name] for name in ("product_id", "trade_id", "time", "price")) == found
    return True


def test_todays_frame_is_recognised() -> None:
    assert check(TODAY.encode())


@pytest.mark.parametrize("seed", range(4))
def test_what_is_recognised_among_mutated_frames_is_good_and_no_less_than_the_transform_recognises(seed: int) -> None:
    dice = random.Random(seed)
    changed = 0
    for _ in range(10_000):
        original = tick(dice)
        frame = mutated(original, dice)
        recognised = check(frame)
        assert (recognise_line(line_of(frame)) is not None) == recognised, frame
        changed += recognised and frame != original
    assert 400 < changed


@pytest.mark.slow
def test_a_million_more_mutated_frames() -> None:
    dice = random.Random(2_026)
    assert 40_000 < sum(check(mutated(tick(dice), dice)) for _ in range(1_000_000))


@given(st.data())
def test_any_value_in_any_place_is_recognised_only_if_it_is_good(data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(list(VALUE.finditer(TODAY.encode()))))
    new = data.draw(
        st.one_of(st.sampled_from(VALUES), st.from_regex(rb'"?[0-9.]{0,25}"?', fullmatch=True), st.binary(max_size=30))
    )
    check(TODAY.encode()[: value.start()] + new + TODAY.encode()[value.end() :])


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything(frame: bytes) -> None:
    assert recognise_ticker(frame) is None
    assert recognise_ticker(b'{"type":"ticker",' + frame) is None
