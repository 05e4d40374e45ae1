from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest

from cli.feeds import FeedPlan, claim_folder, decode_speed, plan_feed, recorded_products
from local.exchange.errors import RecordingUnreadable
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


def write_recording(path: Path, *frames: str) -> Path:
    path.write_text("".join(f"{frame}\n" for frame in frames))
    return path


def recorded(product_id: str, kind: str = "ticker") -> str:
    return f'{{"type":"{kind}","product_id":"{product_id}","time":"2025-11-24T15:08:18Z","trade_id":7}}'


def test_what_of_a_recording_is_passed_over_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [
        recorded("1INCH-USD"),
        recorded("BTC-USD"),
        recorded("a.b/../c"),
        recorded("BTC-USD", "match"),
        '{"type":"l2update"}',
    ]
    path = write_recording(tmp_path / "r.jsonl", *frames, "no JSON")

    assert ("1INCH-USD", "BTC-USD") == recorded_products(path)
    said = "1 of type 'l2update', 1 of 'a.b/../c', which is no product's name, 1 matches of BTC-USD."
    assert said in capsys.readouterr().out


def test_nothing_is_said_of_a_recording_of_tickers_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ("BTC-USD",) == recorded_products(write_recording(tmp_path / "r.jsonl", recorded("BTC-USD")))
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ('{"channel":"ticker","events":[]}', "1 that name no type and product"),
        (recorded("BTC-USD", "match"), "1 matches of BTC-USD"),
        (recorded("BTC-USD", "heartbeat"), "1 of type 'heartbeat'"),
    ],
)
def test_a_recording_without_a_ticker_is_refused_in_a_sentence(tmp_path: Path, frame: str, found: str) -> None:
    path = write_recording(tmp_path / "r.jsonl", frame)
    with pytest.raises(RecordingUnreadable, match=found):
        recorded_products(path)


def test_speeds() -> None:
    assert decode_speed("max") is None
    assert 2.5 == decode_speed("2.5")
    for wrong in ("0", "-1", "fast", "nan"):
        with pytest.raises(click.UsageError, match="say a number above 0, or max"):
            decode_speed(wrong)
