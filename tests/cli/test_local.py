from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def ticker(trade_id: int, price: str) -> str:
    fixed = {
        "open_24h": "1",
        "volume_24h": "1",
        "low_24h": "1",
        "high_24h": "1",
        "volume_30d": "1",
        "best_bid": "1",
        "best_bid_size": "1",
    }
    ticker = {
        "type": "ticker",
        "sequence": 70 + trade_id,
        "product_id": "BTC-USD",
        "price": price,
        **fixed,
        "best_ask": "2",
    }
    rest = {
        "best_ask_size": "1",
        "side": "buy",
        "time": "2025-11-24T15:08:18.223332Z",
        "trade_id": trade_id,
        "last_size": "1",
    }
    return json.dumps({**ticker, **rest}, separators=(",", ":"))


def test_a_question_that_an_engine_cannot_answer_is_said_and_the_others_are_answered(tmp_path: Path) -> None:
    recording = tmp_path / "r.jsonl"
    recording.write_text(f"{ticker(7, '99999999999999999999.999999999999999999')}\n")

    ran = CliRunner().invoke(
        main, ["local", "--feed", str(recording), "--speed", "max", "--lake", str(tmp_path / "lake")]
    )

    assert 0 == ran.exit_code, ran.output
    assert "vwap could not be answered" in ran.output
    assert "Ask it more" in ran.output


def test_what_the_lake_does_not_take_ends_with_a_fault(tmp_path: Path) -> None:
    recording = tmp_path / "r.jsonl"
    recording.write_text(f"{ticker(7, '5')}\n")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "processed").write_text("a file where a folder has to be")

    ran = CliRunner().invoke(
        main, ["local", "--feed", str(recording), "--speed", "max", "--lake", str(tmp_path / "lake")]
    )

    assert 1 == ran.exit_code, ran.output
    assert "NOT STORED 3 lines as rows or errors" in ran.output
