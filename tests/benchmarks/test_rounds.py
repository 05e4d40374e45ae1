"""Ratios are taken within a round."""

from __future__ import annotations

from functools import partial

from benchmarks.rounds import interleave, ratio, table


def test_a_ratio_divides_figures_of_the_same_round() -> None:
    found = ratio({"ours": [2.0, 9.0, 4.0], "theirs": [1.0, 3.0, 4.0]}, "ours", "theirs")
    assert (2.0, 3.0, 1.0) == found.values
    assert 2.0 == found.median
    assert ["ours  theirs   2.00   1.00 - 3.00"] == [line.rstrip() for line in table([found]).splitlines()[1:]]


def test_every_variant_runs_in_every_round() -> None:
    samples = interleave({"one": partial(float, 1), "two": partial(float, 2)}, rounds=3)
    assert {"one": [1.0] * 3, "two": [2.0] * 3} == samples
