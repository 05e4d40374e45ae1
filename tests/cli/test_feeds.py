from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest

from cli.feeds import FeedPlan, claim_folder, decode_speed, plan_feed
from local.exchange.server import ExchangeServer
from local.hosting import HostedLoop
from local.lake.folder import read_content


def test_a_feed_that_is_named_is_taken_at_its_word() -> None:
    assert FeedPlan("coinbase", "coinbase") == plan_feed("coinbase", "wss://nowhere.invalid")
    assert FeedPlan("simulated", "simulated") == plan_feed("simulated", "wss://nowhere.invalid")
    assert FeedPlan(Path("x.jsonl"), "simulated") == plan_feed("x.jsonl", "wss://nowhere.invalid")


def test_auto_falls_back_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"

    assert FeedPlan("simulated", "simulated") == plan_feed("auto", url)
    assert f"{url} cannot be reached from here" in capsys.readouterr().out


def test_auto_takes_what_answers() -> None:
    with HostedLoop("exchange") as loop:
        server = ExchangeServer(products=["BTC-USD"])
        loop.call(server.start())
        plan = plan_feed("auto", server.ws_url)
        loop.call(server.stop())

    assert FeedPlan("coinbase", "coinbase") == plan


def test_each_kind_of_rows_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    simulated = FeedPlan("simulated", "simulated")

    assert lake == claim_folder(lake, simulated)
    assert lake == claim_folder(lake, simulated)
    assert tmp_path / "lake-coinbase" == claim_folder(lake, FeedPlan("coinbase", "coinbase"))
    assert ("simulated", "coinbase") == (read_content(lake), read_content(tmp_path / "lake-coinbase"))


def test_speeds() -> None:
    assert decode_speed("max") is None
    assert 2.5 == decode_speed("2.5")
    for wrong in ("0", "-1", "fast", "nan"):
        with pytest.raises(click.UsageError, match="say a number above 0, or max"):
            decode_speed(wrong)
