from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cli.exchange import command, tell_truth
from local.exchange.truth import Struck, Truth
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TICKER = (
    '{"type":"ticker","sequence":10,"product_id":"BTC-USD","price":"86468.04","side":"buy",'
    '"time":"2025-11-24T15:00:00.000000Z","trade_id":1,"last_size":"0.5"}'
)


class Serving:
    """`ticklake exchange ARGS…` in a process of its own, with its URLs read from its first lines."""

    def __init__(self, *args: object) -> None:
        code = "from cli.main import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "exchange", "--port", "0", "--rest-port", "0", *map(str, args)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.header: list[str] = []
        while not self.header or self.header[-1] not in ("Ctrl-C ends it\n", ""):
            self.header.append(self.process.stdout.readline())
        self.ws_url = self.header[0].strip().removeprefix("TICKLAKE_WS_URL=")
        self.rest_url = self.header[1].strip().removeprefix("TICKLAKE_REST_URL=")

    def end(self) -> tuple[int, str]:
        """Its exit code and what it still said."""
        said, errors = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.header) + said + errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def serving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    args = [tmp_path / "recording.jsonl" if part == "RECORDING" else part for part in request.param]
    (tmp_path / "recording.jsonl").write_text(TICKER + "\n")
    process = Serving(*args)
    yield process
    process.kill()


async def read_all(url: str) -> list[str]:
    frames: list[str] = []
    async with connect(url) as client:
        await client.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker"]}')
        try:
            while True:
                frames.append(str(await client.recv()))
        except ConnectionClosed:
            return frames


@pytest.mark.parametrize("serving", [("--feed", "RECORDING", "--speed", "max", "--until-end")], indirect=True)
def test_a_recording_is_served_to_its_end_and_the_truth_is_told(serving: Serving) -> None:
    assert TICKER == asyncio.run(read_all(serving.ws_url))[1]
    code, said = serving.end()
    assert 0 == code, said
    assert "the recording was sent to its end" in said
    assert "BTC-USD: 1 trades = 1 sent + 0 sent garbled + 0 not sent; REST holds 0 of what was not sent whole" in said
    assert "1 ticker frames, " in said


@pytest.mark.parametrize("serving", [("--products", "BTC-USD", "--fault", "disconnect:at=1,code=1012")], indirect=True)
def test_a_market_is_served_until_a_signal_with_the_faults_asked_for(serving: Serving) -> None:
    frames = asyncio.run(read_all(serving.ws_url))
    assert ["subscriptions", "ticker"] == [json.loads(frame)["type"] for frame in frames]
    serving.process.send_signal(signal.SIGINT)
    code, said = serving.end()
    assert 0 == code, said
    assert "fault: Disconnect(" in said
    assert "products: BTC-USD" in said
    assert "1 connections" in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--feed", "/nowhere.jsonl"], "there is no such file or folder"),
        (["--speed", "max"], "a generated market cannot run at full speed"),
        (["--speed", "quick"], "say a number above 0, or max"),
        (["--products", "NOPE-USD"], "does not trade NOPE-USD"),
        (["--holes", "some"], "say none, all, or a share"),
        (["--holes", "7"], "is no share"),
        (["--fault", "explode"], "there is no fault 'explode'"),
        (["--fault", "chaos:soon"], "say chaos:SEED"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(args: list[str], says: str) -> None:
    result = CliRunner().invoke(command, ["--port", "0", "--rest-port", "0", *args])
    assert 2 == result.exit_code
    assert says in result.output


def test_a_drawn_schedule_is_taken_and_its_faults_are_named() -> None:
    process = Serving("--fault", "chaos:3,60")
    process.process.send_signal(signal.SIGTERM)
    code, said = process.end()
    assert 0 == code, said
    assert "fault: " in said


def test_every_option_is_documented() -> None:
    page = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")
    for parameter in command.params:
        assert f"`{parameter.opts[0]}" in page, f"{parameter.opts[0]} is not in docs/exchange.md"


def test_the_truth_is_told_by_product_and_in_all() -> None:
    truth = Truth(heartbeat_count=3, struck=[Struck("BTC-USD", 4, "drop")])
    product = truth.of("BTC-USD")
    product.had.add_range(1, 5)
    for trade_id in (1, 2):
        product.note_sent(trade_id)
    product.note_sent(3, garbled=True)
    product.withheld.add(5)
    truth.of("ETH-USD")
    first, last = tell_truth(truth)
    assert "BTC-USD: 5 trades = 2 sent + 1 sent garbled + 2 not sent; REST holds 2 of what was not sent whole" == first
    assert last.startswith("0 ticker frames, 3 heartbeats, 1 frames struck by faults")
