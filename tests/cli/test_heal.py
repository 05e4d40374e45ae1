"""`ticklake heal` against the simulated exchange's REST over HTTP, through the local stream into a lake."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.heal import command
from cli.streams import home_stream
from infra import PIPELINE_TEMPLATE
from local.exchange.faults import RestStorm, SlowRest
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from local.lake.folder import claim_lake
from producer.pipeline import Producer
from producer.settings import Settings
from sql.athena import Athena
from sql.catalog import plan_base_views
from tests.cli.deployed import DATABASE, WORKGROUP, deployed
from tests.cli.errands import PRODUCT, SESSION, START, ask, exchange, fill, gap, holes, sessions_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

ROOT = Path(__file__).parents[2]


def heal(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["--lake", str(lake), *args])


def ticks(lake: Path) -> list[int]:
    return [trade_id for (trade_id,) in ask(lake, "SELECT trade_id FROM ticks ORDER BY trade_id")]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Three holes: one that REST has half of, one that it has whole, and one that no REST ever had."""
    lake = tmp_path / "lake"
    wild = gap(2_000, 9_000_000_000)
    fill(lake, [*range(100, 110), *range(160, 170), *range(200, 210)], [gap(110, 159), gap(170, 199), wild])
    return lake


def test_holes_are_filled_and_what_rest_lacks_or_nobody_believes_is_said(lake: Path) -> None:
    storm = RestStorm(status=503, share=0.3)
    with exchange(range(130, 400), faults=[storm]) as (server, to):
        before = sorted(lake.rglob("*"))
        dry = heal(lake, *to, "--dry-run")
        assert (4, before) == (dry.exit_code, sorted(lake.rglob("*")))
        assert "2 holes would be asked for: 80 trades, about 1 pages" in dry.stdout
        done = heal(lake, *to)
        assert 4 == done.exit_code, done.output
        assert (
            "BTC-USD 2000..9000000000: 8,999,998,001 trades missing, more than --max-trades 10,000,000" in done.stdout
        )
        assert "2 holes = 1 healed + 1 partly healed + 0 not healed + 0 still open" in done.stdout
        assert "80 missing = 60 fetched + 20 still missing" in done.stdout
        assert "BTC-USD 110..129" not in done.stdout
        assert "BTC-USD 110..159: 20 trades missing: the exchange's REST does not have them" in done.stdout
        assert 2 == done.stdout.count("   balanced\n")
        asked = sum(server.truth().rest_count.values())
        again = heal(lake, *to, "--max-trades", "10")
        assert (4, asked) == (again.exit_code, sum(server.truth().rest_count.values()))

    assert [*range(100, 110), *range(130, 210)] == ticks(lake)
    assert [(110, 159, "partly_healed", [[110, 129]]), (170, 199, "healed", []), (2_000, 9_000_000_000, "open", [])] == holes(lake)  # fmt: skip
    assert sessions_whole(lake)
    assert {("simulated",)} == set(ask(lake, "SELECT DISTINCT source FROM ticks"))
    assert {('["BTC-USD"]',)} == set(ask(lake, "SELECT DISTINCT products FROM sessions"))


def test_a_second_run_over_a_healed_lake_asks_nothing_and_sends_nothing(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, [9, 20], [gap(10, 19), gap(12, 15)])
    with exchange(range(1, 30)) as (server, to):
        assert 0 == heal(lake, *to).exit_code
        files = sorted(lake.rglob("*"))
        asked = sum(server.truth().rest_count.values())
        again = heal(lake, *to)

        assert (0, "No named hole is without its trades: nothing to fetch.\n") == (again.exit_code, again.stdout)
        assert (asked, files) == (sum(server.truth().rest_count.values()), sorted(lake.rglob("*")))
    assert list(range(9, 21)) == ticks(lake)
    assert [10] == [count for (count,) in ask(lake, "SELECT count(*) FROM processed WHERE kind = 'trade'")]
    assert {"healed"} == {status for _, _, status, _ in holes(lake)}


def test_only_holes_that_were_asked_for_are_filled(lake: Path) -> None:
    with exchange(range(100, 400)) as (_, to):
        none = heal(lake, *to, "--product", "ETH-USD")
        assert (0, True) == (none.exit_code, "nothing to fetch" in none.stdout)
        assert "nothing to fetch" in heal(lake, *to, "--reason", "stalled").stdout
        done = heal(lake, *to, "--product", PRODUCT, "--to", "2026-11-20T12:02:00")

    assert 0 == done.exit_code
    assert ["healed", "open", "open"] == [status for _, _, status, _ in holes(lake)]


def test_a_deployed_lake_is_filled_through_a_stream_that_is_named() -> None:
    result = CliRunner().invoke(command, ["--athena"])
    assert (2, True) == (result.exit_code, "--athena needs --stream" in result.stderr)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--product", "BTC"], "it looks like BTC-USD"),
        (["--simulated"], "say with --rest-url"),
        (["--athena"], "say one of them"),
        (["--stream", "arn:aws:x"], "not an ARN"),
        (["--from", "yesterday"], "an instant"),
        (["--lake", "/nowhere"], "There is no lake at /nowhere"),
        (["--dry-run"], "must never be mixed"),
        ([], "must never be mixed"),
    ],
)
def test_what_cannot_work_is_one_sentence(tmp_path: Path, args: list[str], says: str) -> None:
    claim_lake(tmp_path, "simulated", now=START)
    result = heal(tmp_path, *args)

    assert result.exit_code in {1, 2}
    assert says in result.output
    assert "Traceback" not in result.output


def start(lake: Path, to: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", "heal", "--lake", str(lake), *to],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_in_the_middle_and_run_again_nothing_is_fetched_twice(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, [999, 5_000], [gap(1_000, 4_999)])
    with exchange(range(1, 5_100), faults=[SlowRest(delay_s=0.2)]) as (_, to):
        with start(lake, to) as process:
            wait_for(process, lambda: any((lake / "processed/coinbase/trade").rglob("*.parquet")))
            process.kill()
        fetched = ask(lake, "SELECT count(DISTINCT trade_id) FROM ticks WHERE kind = 'trade'")[0][0]
        assert 0 < fetched < 4_000
        done = heal(lake, *to)

    assert 0 == done.exit_code, done.output
    assert list(range(999, 5_001)) == ticks(lake)
    assert [(4_000, 4_000)] == ask(
        lake, "SELECT count(DISTINCT session || ' ' || CAST(n AS varchar)), count(DISTINCT trade_id) FROM processed WHERE kind = 'trade'"
    )  # fmt: skip
    assert [(1_000, 4_999, "healed", [])] == holes(lake)
    both = ask(lake, "SELECT count(DISTINCT session) FROM processed WHERE kind = 'trade'")
    assert [(2,)] == both


def trades_once(lake: Path) -> bool:
    """Whether no trade was fetched twice, and no line stands twice."""
    ((rows, lines, trades),) = ask(
        lake,
        "SELECT count(*), count(DISTINCT session || ' ' || CAST(n AS varchar)), count(DISTINCT trade_id) FROM processed WHERE kind = 'trade'",
    )
    return bool(rows == lines == trades)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_stops_in_order_with_a_receipt_and_the_next_run_finishes(
    tmp_path: Path, number: signal.Signals
) -> None:
    lake = tmp_path / "lake"
    fill(lake, [999, 5_000], [gap(1_000, 4_999)])
    with exchange(range(1, 5_100), faults=[SlowRest(delay_s=0.2)]) as (_, to):
        with start(lake, to) as process:
            wait_for(process, lambda: any((lake / "processed/coinbase/trade").rglob("*.parquet")))
            process.send_signal(number)
            assert process.stdout is not None
            text = process.stdout.read()
        interrupted = holes(lake)
        assert sessions_whole(lake)
        done = heal(lake, *to)

    assert (0, [(1_000, 4_999, "healed", [])]) == (done.exit_code, holes(lake)), done.output
    assert trades_once(lake)
    assert list(range(999, 5_001)) == ticks(lake)
    assert 4 == process.returncode
    assert "+ 0 pending + 0 refused   balanced" in text
    found = re.search(r"4,000 missing = ([\d,]+) fetched", text)
    assert found is not None
    count = int(found[1].replace(",", ""))
    assert [(1_000, 4_999, "partly_healed", [[1_000, 4_999 - count]])] == interrupted
    assert f"{4_000 - count:,} trades" in done.stdout
    assert sessions_whole(lake)
    assert "1 holes = 0 healed + 1 partly healed" in text


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_and_the_next_run_finishes(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, [999, 5_000], [gap(1_000, 4_999)])
    with exchange(range(1, 5_100), faults=[SlowRest(delay_s=0.2)]) as (_, to):
        with start(lake, to) as process:
            wait_for(process, lambda: any((lake / "processed/coinbase/trade").rglob("*.parquet")))
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.005)
        done = heal(lake, *to)

    assert 130 == process.returncode
    assert (0, [(1_000, 4_999, "healed", [])]) == (done.exit_code, holes(lake)), done.output
    assert trades_once(lake)
    assert list(range(999, 5_001)) == ticks(lake)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_any_instant_it_gets_there(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lake = tmp_path / "lake"
    fill(lake, [999, 6_000], [gap(1_000, 2_999), gap(3_000, 5_999)])
    with exchange(range(1, 6_100), faults=[SlowRest(delay_s=0.1)]) as (_, to):
        for _ in range(6):
            with start(lake, to) as process:
                time.sleep(rng.uniform(0.3, 2.5))  # anywhere: in its start, in its plan, between pages, in its end
                process.kill()
            said = {
                each for _, _, _, ranges in holes(lake) for first, last in ranges for each in range(first, last + 1)
            }
            assert set() == said & set(
                ticks(lake)
            )  # a receipt never says of a trade that it is missing when it is there
        done = heal(lake, *to)

    assert 0 == done.exit_code, done.output
    assert list(range(999, 6_001)) == ticks(lake)
    assert {"healed"} == {status for _, _, status, _ in holes(lake)}
    ((lines, trades),) = ask(
        lake,
        "SELECT count(DISTINCT session || ' ' || CAST(n AS varchar)), count(DISTINCT trade_id) FROM processed WHERE kind = 'trade'",
    )
    assert (5_000, 5_000) == (lines, trades)


def record(server: ExchangeServer, lake: Path, journal: Path) -> None:
    """A producer that sees the whole recording, and no REST."""

    async def drive() -> None:
        with home_stream(lake) as firehose:
            settings = Settings(
                ws_url=server.ws_url,
                rest_url="http://127.0.0.1:9",
                products=("BTC-USD", "ETH-USD", "SOL-USD"),
                journal=journal,
                linger_s=0.1,
                simulated=True,
            )
            producer = Producer(settings, firehose, session=SESSION, rng=random.Random(1))
            running = asyncio.create_task(producer.run())
            while not server.finished.is_set() and not running.done():  # noqa: ASYNC110 - it watches plain values
                await asyncio.sleep(0.02)
            producer.stop("the recording is over")
            await running

    claim_lake(lake, "simulated", now=START)
    asyncio.run(drive())


@pytest.mark.slow
def test_a_recordings_holes_are_filled_as_far_as_rest_has_their_trades(tmp_path: Path, recorded: Path) -> None:
    lake = tmp_path / "lake"
    recording = open_recording(recorded / "exchange" / "ticker_quiet_hour_2025-11-25T04.jsonl.gz")
    with HostedLoop("exchange") as loop:
        server = ExchangeServer(recording, speed=None, hole_trades=0.5, seed=4, deflate=False)
        loop.call(server.start())
        record(server, lake, tmp_path / "journal")
        assert [("open", 3, 34_653)] == ask(
            lake, "SELECT status, count(*), CAST(sum(missing) AS BIGINT) FROM gaps GROUP BY status"
        )
        done = heal(lake, "--simulated", "--rest-url", server.rest_url)
        truth = server.truth()
        loop.call(server.stop())

    assert 4 == done.exit_code, done.output
    held = {name: len(product.had) - len(product.withheld) for name, product in truth.products.items()}
    assert held == dict(ask(lake, "SELECT product_id, count(*) FROM ticks GROUP BY product_id"))
    assert 7_990 < sum(held.values()) < 7_990 + 34_653
    assert f"34,653 missing = {sum(held.values()) - 7_990:,} fetched" in done.stdout
    assert sessions_whole(lake)


@contextmanager
def buffering_stream(lake: Path) -> Iterator[str]:
    """A delivery stream as AWS has it: what it took is seen in the lake when it is flushed, here at the end."""
    with HostedLoop("firehose") as loop:
        template = read_template(PIPELINE_TEMPLATE, standins=plan_standins(PIPELINE_TEMPLATE, {}))
        server = FirehoseServer(streams=template.streams, store=FolderStore(lake), invoker=InProcessInvoker())
        yield loop.call(server.start())
        loop.call(server.stop(flush=True))


@pytest.mark.slow
def test_a_deployed_lake_is_asked_through_athena_and_what_is_on_the_way_is_not_fetched_again(tmp_path: Path) -> None:
    lake, journal = tmp_path / "lake", str(tmp_path / "journal")
    fill(lake, [9, 20], [gap(10, 19)])
    with exchange(range(1, 30)) as (server, to), deployed(lake) as (hosted, environment):
        engine = Athena(hosted.client(), workgroup=WORKGROUP, database=DATABASE)
        for statement in plan_base_views():
            engine.run(statement)

        def heal_there(endpoint: str) -> Result:
            runner = CliRunner(env={**environment, "AWS_ENDPOINT_URL_FIREHOSE": endpoint})
            return runner.invoke(
                command, ["--athena", "--name", "t", "--stream", "ticklake", "--journal", journal, *to]
            )

        with buffering_stream(lake) as endpoint:
            first = heal_there(endpoint)
            assert 0 == first.exit_code, first.output
            asked = sum(server.truth().rest_count.values())
            second = heal_there(endpoint)
            assert (4, asked) == (second.exit_code, sum(server.truth().rest_count.values())), second.output
            assert "on the way: run it again later" in second.stdout
        third = heal_there("http://127.0.0.1:9")
        assert (0, asked) == (third.exit_code, sum(server.truth().rest_count.values())), third.output

    assert "nothing to fetch" in third.stdout
    assert list(range(9, 21)) == ticks(lake)
    assert [(10, 19, "healed", [])] == holes(lake)
    edges = ask(lake, "SELECT DISTINCT before_time, after_time FROM gaps")
    assert 1 == len(edges)


@pytest.mark.slow
def test_hours_that_the_deployed_tables_do_not_know_are_left_out_and_said(tmp_path: Path) -> None:
    lake, journal = tmp_path / "lake", str(tmp_path / "journal")
    fill(lake, [9, 20, 3_700, 3_710], [gap(10, 19), gap(3_701, 3_709)])
    with exchange(range(1, 4_000)) as (server, to), deployed(lake, first_hour="2026/11/20/13") as (hosted, environment):
        engine = Athena(hosted.client(), workgroup=WORKGROUP, database=DATABASE)
        for statement in plan_base_views():
            engine.run(statement)
        runner = CliRunner(env=environment)
        common = ["--athena", "--name", "t", "--stream", "ticklake", "--journal", journal, "--dry-run", *to]
        plan = runner.invoke(command, common)
        refused = runner.invoke(command, [*common, "--from", "2026-11-20T12:30:00"])
        asked = sum(server.truth().rest_count.values())

    assert (4, 1, 0) == (plan.exit_code, refused.exit_code, asked), plan.output + refused.output
    assert "1 holes would be asked for: 9 trades" in plan.stdout
    assert "BTC-USD 10..19: 10 trades missing, before the first hour that the deployed tables know" in plan.stdout
    for output in (plan.output, refused.output):
        assert "`ticklake deploy --set LakeFirstHour=2026/11/20/12`" in output


@pytest.mark.slow
def test_the_days_recording_is_healed_whole(tmp_path: Path, recorded: Path) -> None:
    """21 holes of 861,276 trades, which the simulated exchange makes up: it takes as long as eight pages a second take."""
    lake = tmp_path / "lake"
    recording = open_recording(recorded / "exchange" / "ticker_2025-11-24.jsonl.gz")
    with HostedLoop("exchange") as loop:
        server = ExchangeServer(recording, speed=None, hole_trades="all", deflate=False)
        loop.call(server.start())
        record(server, lake, tmp_path / "journal")
        named = ask(lake, "SELECT status, count(*), CAST(sum(missing) AS BIGINT) FROM gaps GROUP BY status")
        done = heal(lake, "--simulated", "--rest-url", server.rest_url)
        truth = server.truth()
        loop.call(server.stop())

    assert [("open", 21, 861_276)] == named
    assert 0 == done.exit_code, done.output
    assert "21 holes = 21 healed + 0 partly healed + 0 not healed + 0 still open" in done.stdout
    assert "861,276 missing = 861,276 fetched + 0 still missing" in done.stdout
    assert 2 == done.stdout.count("   balanced\n")
    held = {name: len(product.had) for name, product in truth.products.items()}
    assert held == dict(ask(lake, "SELECT product_id, count(*) FROM ticks GROUP BY product_id"))
    assert 153_111 + 861_276 == sum(held.values())
    assert [] == ask(
        lake, "SELECT product_id FROM ticks GROUP BY product_id HAVING max(trade_id) - min(trade_id) + 1 <> count(*)"
    )
    assert sessions_whole(lake)
    assert trades_once(lake)
