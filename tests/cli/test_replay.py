"""`ticklake replay` as a person types it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cli.replay import command
from tests.local.lake.trades import files, select

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

HEAD = {"v": 1, "session": "01KAR2M9Q4T8W6X0Y5Z7B3C1DF", "n": 0, "kind": "trade", "source": "rest_heal"}
HEAD |= {"receive_time": "2026-11-23T02:00:00.000000Z", "product_id": "BTC-USD"}
TRADE = {"time": "2026-11-23T01:00:00Z", "trade_id": 7, "price": "1.5", "size": "2", "side": "buy"}


def replay(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["--lake", str(lake), *args])


def test_rows_are_made_from_raw_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "raw/coinbase/2026/11/23/02/x.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(json.dumps({**HEAD, "message": TRADE}).encode() + b"\n"))
    before = files(tmp_path)
    assert "1 lines in 1 hours of raw/, of which 1 would be changed" in replay(tmp_path, "--dry-run").stdout
    assert before == files(tmp_path)
    result = replay(tmp_path)
    assert (0, "") == (result.exit_code, result.stderr)
    assert (
        "1 lines = 0 unchanged + 0 replaced + 1 added + 0 set aside + 0 refused as before + 0 copies   balanced"
        in result.stdout
    )
    assert [(7, "trade", "2026/11/23/01")] == select(tmp_path, "SELECT trade_id, lake_kind, lake_hour FROM ticks")
    assert "of which 0 changed" in replay(tmp_path).stdout
    assert "0 lines in 0 hours" in replay(tmp_path, "--to", "2026-11-23T02").stdout


def test_a_lake_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    result = replay(tmp_path / "nowhere")
    assert 1 == result.exit_code
    assert "There is no lake at" in result.stderr
