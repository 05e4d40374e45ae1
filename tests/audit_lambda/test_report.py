"""A report as JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.findings import Finding
from audit_lambda.report import (
    CheckResult,
    Evidence,
    Figure,
    Report,
    Slo,
    SloDay,
    decode_report,
    encode_report,
)

_texts = st.text(max_size=20)
_maybe_ints = st.none() | st.integers(-(2**63), 2**63 - 1)
_counts = st.integers(0, 2**62)
_findings = st.builds(
    Finding,
    check=_texts,
    group=st.sampled_from(["completeness", "candles"]),
    severity=st.sampled_from(["notice", "hole", "damage"]),
    product_id=st.none() | _texts,
    session=st.none() | _texts,
    first_us=_maybe_ints,
    last_us=_maybe_ints,
    first_id=_maybe_ints,
    last_id=_maybe_ints,
    amount=_counts,
    what=_texts,
)
_checks = st.builds(
    CheckResult,
    name=_texts,
    group=st.just("completeness"),
    question=_texts,
    thresholds=st.dictionaries(_texts, _texts, max_size=2),
    state=st.sampled_from(["passed", "found", "partly", "not_run"]),
    why=_texts,
    found_count=_counts,
    found_amount=_counts,
    findings=st.lists(_findings, max_size=2).map(tuple),
)
_days = st.builds(SloDay, _texts, _counts, _counts, st.none() | _texts, st.none() | _texts, met=st.booleans())
_slos = st.builds(
    Slo, _texts, _counts, _counts, st.none(), _texts, st.booleans(), st.lists(_days, max_size=2).map(tuple)
)
_cells = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _texts
_figures = st.builds(
    Figure, _texts, _texts, st.just(("a",)), st.lists(st.tuples(_cells), max_size=3).map(tuple), why=_texts
)
_reports = st.builds(
    Report,
    lake=_texts,
    engine=_texts,
    from_us=_counts,
    to_us=_counts,
    made_us=_counts,
    verdict=st.sampled_from(["whole", "unproven", "damaged"]),
    slo=_slos,
    checks=st.lists(_checks, max_size=2).map(tuple),
    figures=st.lists(_figures, max_size=2).map(tuple),
    scanned_bytes=_maybe_ints,
    evidence=st.none() | st.builds(Evidence, _counts, _counts, _counts, why=_texts),
)


@given(_reports)
def test_a_report_comes_back_from_json_as_it_was(report: Report) -> None:
    assert report == decode_report(json.loads(json.dumps(encode_report(report))))


@given(_reports, st.integers(2, 9))
def test_a_report_of_another_format_is_refused(report: Report, number: int) -> None:
    with pytest.raises(ValueError, match="this version reads 1"):
        decode_report({**encode_report(report), "format": number})


def test_a_report_of_before_evidence_was_asked_for_is_read() -> None:
    slo = Slo(target="0.9999", expected=1, missing=0, share="1", budget_used="0")
    stored = encode_report(Report("lake", "Athena", 0, 1, 1, "unproven", slo, (), ()))
    del stored["evidence"]
    assert (None, False) == (decode_report(stored).evidence, decode_report(stored).is_empty)
