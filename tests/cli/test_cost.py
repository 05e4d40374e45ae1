"""`ticklake cost` as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from cli.cost import command

if TYPE_CHECKING:
    from pathlib import Path


def test_the_bill_says_what_it_is_made_of_and_how_old_its_prices_are(tmp_path: Path) -> None:
    path = tmp_path / "raw/coinbase/2026/11/23/02/x"
    path.parent.mkdir(parents=True)
    line = b'{"session":"A","receive_time":"2026-11-23T02:00:%02d.000000Z"}\n'
    path.write_bytes(b"".join(line % second for second in range(60)))
    result = CliRunner().invoke(command, ["--lake", str(tmp_path), "--linger-s", "10"])
    assert (0, "") == (result.exit_code, result.stderr)
    assert "60 lines, 3660 bytes, in about 6 packs (made again from raw/" in result.stdout
    assert "billed as 8.393 times their bytes; one record a line: 83.934 times" in result.stdout
    assert "List prices of 2026-11-23" in result.stdout
    assert "a month at this rate" in result.stdout


def test_a_lake_without_lines_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert "0 lines" in CliRunner().invoke(command, ["--lake", str(tmp_path)]).stdout
    result = CliRunner().invoke(command, ["--lake", str(tmp_path / "nowhere")])
    assert 1 == result.exit_code
    assert "There is no lake at" in result.stderr
