"""Bars as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.query import command
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

ODD = "$x^2$-<b>&"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    rows = [ticker(n, n * 20, price=f"{100 + n % 7}.5") for n in range(1, 60)]
    rows += [ticker(n, n * 20, product_id=ODD) for n in range(1, 30)]
    put(tmp_path / "lake", "a", rows)
    return tmp_path / "lake"


def plot(lake: Path, output: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["ohlcv", "--lake", str(lake), "--plot", str(output), *args])


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_picture_is_drawn_and_the_same_answer_is_the_same_picture(
    lake: Path, tmp_path: Path, ending: str, begins: bytes
) -> None:
    pictures = [tmp_path / f"{n}.{ending}" for n in range(2)]
    for picture in pictures:
        result = plot(lake, picture, "--product", "BTC-USD")
        assert (0, "") == (result.exit_code, result.output)
    assert pictures[0].read_bytes().startswith(begins)
    assert pictures[0].read_bytes() == pictures[1].read_bytes() or ending == "svg"  # SVG's ids are random


def test_every_product_is_named_as_it_is_and_a_single_bar_has_a_width(lake: Path, tmp_path: Path) -> None:
    result = plot(lake, tmp_path / "all.svg", "--interval", "1d")
    assert (0, "") == (result.exit_code, result.output)
    assert "<!-- $x^2$-&lt;b&gt;&amp; -->" in (tmp_path / "all.svg").read_text()


def test_what_cannot_be_drawn_is_one_sentence(lake: Path, tmp_path: Path) -> None:
    from cli.plot import MAX_PRODUCTS  # noqa: PLC0415 -- matplotlib is a second that only the drawing worker need spend

    assert "no rows" in plot(lake, tmp_path / "x.png", "--product", "NO-USD").output
    assert "ends in .png or .svg" in plot(lake, tmp_path / "x.jpg").output
    assert "could not be written" in plot(lake, tmp_path / "nowhere" / "x.png").output
    put(lake, "b", [ticker(n, product_id=f"P{n}-USD") for n in range(MAX_PRODUCTS)])
    assert f"has {MAX_PRODUCTS + 2} products" in plot(lake, tmp_path / "x.png").output
    result = CliRunner().invoke(command, ["vwap", "--lake", str(lake), "--plot", str(tmp_path / "x.png")])
    assert "this answer has no interval_start, open" in result.output
    assert [lake] == list(tmp_path.iterdir())
