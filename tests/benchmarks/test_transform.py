"""The benchmark's event is what it says; no figure is asserted."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from benchmarks.transform import build_event, build_lines, build_packs, cpu_s, least, transform


@pytest.mark.parametrize(("usual_order", "slow_count"), [(True, 0), (False, 200)])
def test_its_lines_become_rows_by_the_way_the_table_names(
    usual_order: bool, slow_count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transform_lambda")
    transform(build_event(build_packs(build_lines(200, usual_order=usual_order), 50_000)))
    metrics = json.loads(caplog.messages[-1])
    assert (200, 0, slow_count) == (metrics["Rows"], metrics["RefusedLines"], metrics["SlowPath"])


def test_the_reference_gives_back_what_it_was_sent() -> None:
    lines = build_lines(3)
    answered: dict[str, list[dict[str, str]]] = json.loads(json.dumps(least(build_event(lines))))
    assert [line + b"\n" for line in lines] == [base64.b64decode(answer["data"]) for answer in answered["records"]]


def test_a_measurement_is_processor_time() -> None:
    assert cpu_s(least, whole=True, usual_order=True, lines=200, events=1) > 0
