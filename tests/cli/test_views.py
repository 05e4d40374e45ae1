from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

from rich.console import Console

from cli.views import LiveView, PlainView, Rates, choose_view
from producer.pipeline import Producer
from producer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from producer.packing import Pack
    from producer.settlement import PutAnswer


class Nobody:
    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        raise AssertionError(packs)


def make(tmp_path: Path) -> Producer:
    producer = Producer(
        Settings(journal=tmp_path / "journal"), Nobody(), session="01JDB3M7Q8RSTVWXYZ01234567", rng=random.Random(1)
    )
    view = producer.ledger.product("BTC-USD")
    view.price, view.ticks = "1\x1b[31m2", 7
    return producer


def test_rates_are_over_the_last_seconds() -> None:
    rates = Rates()
    assert {"A-B": 0.0} == rates.update(0.0, {"A-B": 10})
    assert {"A-B": 5.0} == rates.update(2.0, {"A-B": 20})
    for at in range(3, 60):
        last = rates.update(float(at), {"A-B": 20 + at, "C-D": 1})

    assert 1.0 == last["A-B"]


def test_the_plain_view_is_one_line_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = choose_view(make(tmp_path), None, None)
    assert isinstance(view, PlainView)
    view.show()
    text = capsys.readouterr().out

    assert 1 == text.count("\n")
    assert "BTC-USD 1?[31m2" in text
    assert "\x1b" not in text


def test_the_live_view_draws_prices_as_text(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=30, legacy_windows=False, color_system=None)
    view = choose_view(make(tmp_path), None, console)
    assert isinstance(view, LiveView)
    with view:
        view.show()

    assert "1?[31m2" in screen.getvalue()
    assert "choosing products" in screen.getvalue()
