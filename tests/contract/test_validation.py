from __future__ import annotations

import json
from typing import Any

import pytest

from contract import ROOT
from contract.reasons import LineRefused
from contract.validation import validate


def refusal(schema: str, value: dict[str, Any]) -> LineRefused:
    with pytest.raises(LineRefused) as refused:
        validate(schema, value, reason="message_invalid", name="message")
    return refused.value


def test_a_breach_is_refused_by_the_callers_reason_and_says_where() -> None:
    refused = refusal("testimony/session", {"event": "fell over"})

    assert "message_invalid" == refused.reason
    assert "message.event" in refused.detail


@pytest.mark.parametrize(
    "message",
    [
        {"event": "closed", "lines": 1.0},
        {"event": "closed", "by_kind": {"ticker": 1.0}},
        {"event": "closed", "refused": {"x": 1e0}},
    ],
)
def test_a_float_is_no_count_however_deep(message: dict[str, Any]) -> None:
    assert "must be written as an integer" in refusal("testimony/session", message).detail


def test_a_float_is_no_trade_id() -> None:
    ticker = json.loads((ROOT / "examples/frames/ticker.today.pass.json").read_bytes())

    validate("frames/ticker", ticker, reason="message_invalid", name="message")
    assert "message.trade_id" in refusal("frames/ticker", ticker | {"trade_id": 7.0}).detail


def test_a_float_where_the_schema_says_nothing_is_carried() -> None:
    validate("testimony/session", {"event": "closed", "minutes": 1.5}, reason="message_invalid", name="message")


def test_a_trade_id_in_a_range_or_an_edge_must_be_an_integer() -> None:
    text = (ROOT / "examples/testimony/gap.partly_healed.pass.json").read_text()
    gap = json.loads(text)
    validate("testimony/gap", gap, reason="message_invalid", name="message")
    first, last = gap["still_missing"][0]

    refusal("testimony/gap", gap | {"still_missing": [[float(first), last]]})
    refusal("testimony/gap", gap | {"before": gap["before"] | {"trade_id": 7.0}})
