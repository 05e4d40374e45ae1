"""The road of spot prices: a producer that asks for them, the delivery stream, the transform, the lake; and what the audit makes of the rows."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from infra import PIPELINE_TEMPLATE
from local.exchange.faults import RestDown
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from local.firehose.config import shorten
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from local.lake.answers import LakeEngine, run_query
from local.lake.folder import open_lake
from producer.firehose import Firehose, connect_firehose
from producer.pipeline import Producer
from producer.settings import Settings
from sql.questions import list_queries, load_query, query_from_sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from audit_lambda.findings import Finding
    from producer.ledger import Receipt
    from tests.conftest import RunTicklake

PRODUCTS = ("BTC-USD", "ETH-USD")
SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
PATIENCE_S = 60.0
CHECKS = {check.name: check for check in load_checks()}


class Outage(RestDown):
    """Spot prices fail from when the test says so, until it says otherwise."""

    on = threading.Event()

    def covers(self, elapsed_s: float) -> bool:
        return elapsed_s >= 0 and self.on.is_set()


@dataclass(frozen=True)
class Lake:
    path: Path
    receipt: Receipt

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_lake(self.path) as opened:
            return run_query(opened, query_from_sql(sql), {}).rows

    def check(self, name: str, **values: str) -> list[Finding]:
        """What one check of the audit finds."""
        check = CHECKS[name]
        with open_lake(self.path) as opened:
            known = {parameter.name for parameter in check.query.parameters}
            now = {"now": datetime.now(UTC).isoformat(), "settle": "1ms"}
            given = {key: value for key, value in {**now, **values}.items() if key in known}
            rows = LakeEngine(opened).ask(plan_check(check, given)).rows
        return decode_findings(name, check.group, [row[: len(FINDING_COLUMNS)] for row in rows])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - it watches plain values
            await asyncio.sleep(0.02)


async def record(folder: Path, endpoint: str) -> Receipt:
    """A session with an outage of spot prices in its middle: each product misses three at least."""
    outage = Outage(path="/v2/")
    async with ExchangeServer(products=PRODUCTS, speed=10.0, deflate=False, faults=[outage]) as server:
        settings = Settings(
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            spot_url=server.rest_url,
            spot_every_s=1.0,
            products=PRODUCTS,
            journal=folder / "journal",
            linger_s=0.2,
        )
        client = connect_firehose(
            endpoint_url=endpoint,
            region="us-east-1",
            access_key_id="local",
            secret_access_key="local",
        )
        producer = Producer(settings, Firehose(client, settings.stream), session=SESSION, rng=random.Random(1))
        ledger, running = producer.ledger, asyncio.create_task(producer.run())
        await until(lambda: ledger.spot_prices >= 4 or running.done())
        outage.on.set()
        before = ledger.spot_missed
        await until(lambda: ledger.spot_missed >= before + 8 or running.done())
        outage.on.clear()
        came = ledger.spot_prices
        await until(lambda: ledger.spot_prices >= came + 4 or running.done())
        producer.stop("enough")
        return await running


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("spots")
    given = {"StreamName": "ticklake"}
    template = read_template(PIPELINE_TEMPLATE, parameters=given, standins=plan_standins(PIPELINE_TEMPLATE, given))
    stream, _ = shorten(template.stream("ticklake"), 1)
    with HostedLoop("firehose") as loop:
        server = FirehoseServer(
            streams=[stream], store=FolderStore(folder / "lake"), invoker=InProcessInvoker(), seed=1
        )
        receipt = asyncio.run(record(folder, loop.call(server.start())))
        loop.call(server.stop(flush=True))
    return Lake(folder / "lake", receipt)


def test_every_price_is_a_row_of_its_product_and_no_trade(lake: Lake) -> None:
    rows = lake.ask(
        "SELECT product_id, count(*), count(DISTINCT price) FROM processed WHERE kind = 'spot' GROUP BY 1 ORDER BY 1"
    )
    others = ["trade_id", "event_time_us", "last_size", "taker_side", "sequence", "best_bid", "volume_24h", "detail"]
    (filled,) = lake.ask(f"SELECT {', '.join(f'count({each})' for each in others)} FROM processed WHERE kind = 'spot'")

    assert list(PRODUCTS) == [product_id for product_id, _, _ in rows]
    assert lake.receipt.ledger.spot_prices == sum(count for _, count, _ in rows)
    assert {0} == set(filled)
    assert [("spot_rest", "spot")] == lake.ask("SELECT DISTINCT source, lake_kind FROM processed WHERE kind = 'spot'")
    assert [] == lake.ask("SELECT * FROM ticks WHERE source = 'spot_rest'")


def test_a_price_is_one_that_the_market_had(lake: Lake) -> None:
    # While we heard of every trade: between the product's first ticker and its last.
    strange = (
        "SELECT s.product_id, s.price FROM processed AS s"
        " JOIN (SELECT product_id, min(receive_time_us) AS first_us, max(receive_time_us) AS last_us FROM processed"
        " WHERE kind = 'ticker' GROUP BY product_id) AS heard ON heard.product_id = s.product_id"
        " LEFT JOIN processed AS t ON t.kind = 'ticker' AND t.product_id = s.product_id AND t.price = s.price"
        " WHERE s.kind = 'spot' AND s.receive_time_us > first_us AND s.receive_time_us < last_us AND t.price IS NULL"
    )

    assert [] == lake.ask(strange)


@pytest.mark.parametrize("name", ["sessions", "trades", "lines", "contents", "ledgers", "sources"])
def test_a_lake_with_spot_prices_passes_the_audit(lake: Lake, name: str) -> None:
    assert [] == lake.check(name)


def test_prices_that_were_due_and_did_not_come_are_found_by_the_audit(lake: Lake) -> None:
    found = lake.check("polls")  # every second: the session's opening says so
    longest = {each.product_id: each for each in sorted(found, key=lambda each: each.amount)}

    assert {*PRODUCTS} == set(longest)
    assert {SESSION} == {each.session for each in longest.values()}
    assert all(each.amount >= 3 and each.severity == "warning" for each in longest.values())


def test_the_session_says_what_was_due_and_how_often_it_did_not_come(lake: Lake) -> None:
    said = lake.ask(
        "SELECT json_extract_scalar(detail, '$.event'), json_extract_scalar(detail, '$.spot_every_s'),"
        " json_extract_scalar(detail, '$.spot_missed') FROM processed WHERE kind = 'session' ORDER BY n"
    )

    assert [("opened", "1.0", None), ("closed", "1.0", str(lake.receipt.ledger.spot_missed))] == said
    assert lake.receipt.ledger.spot_missed >= 8


def test_a_price_that_never_came_is_found_by_what_the_session_promised(lake: Lake) -> None:
    spots, aside = lake.path / "processed/coinbase/spot", lake.path.parent / "never"
    spots.rename(aside)
    found = lake.check("polls")
    aside.rename(spots)

    assert {*PRODUCTS} == {each.product_id for each in found}
    assert {(None, None)} == {(each.first_id, each.last_id) for each in found}
    assert all(each.amount >= 5 for each in found)


# Questions that are about rows of every kind, or about the objects they lie in.
OF_EVERY_ROW = {"cost_of_day", "held", "object_sizes", "rows_per_hour"}


def to_text(row: tuple[Any, ...]) -> str:
    """A row as text; of a float without the digits that depend on the order in which an engine adds."""
    return str([f"{each:.9g}" if isinstance(each, float) else each for each in row])


def test_no_question_takes_a_spot_price_for_a_trade(lake: Lake) -> None:
    def answers() -> dict[str, list[str]]:
        with open_lake(lake.path) as opened:
            asked = {name: run_query(opened, load_query(name), {}).rows for name in list_queries()}
        return {name: sorted(map(to_text, rows)) for name, rows in asked.items()}

    spots, aside = lake.path / "processed/coinbase/spot", lake.path.parent / "aside"
    with_spots = answers()
    spots.rename(aside)
    without = answers()
    aside.rename(spots)

    assert OF_EVERY_ROW >= {name for name in without if without[name] != with_spots[name]}
    assert with_spots["rows_per_hour"] != without["rows_per_hour"]


def test_a_replay_of_the_lake_sends_no_spot_price_as_a_frame(lake: Lake) -> None:
    survey = open_recording(lake.path).survey()

    assert list(PRODUCTS) == sorted(survey.products)
    assert lake.receipt.ledger.spot_prices == survey.skipped["spot of spot_rest"]


@pytest.mark.slow
def test_a_lake_of_simulated_trades_takes_no_real_spot_price(tmp_path: Path, ticklake: RunTicklake) -> None:
    asked = ("--spot-every-s", 1, "--spot-url", "https://api.coinbase.com")  # the feed's own root is taken instead
    lake = tmp_path / "lake"
    done = ticklake("local", "--feed", "simulated", "--minutes", 0.08, "--buffer-s", 1, "--lake", lake, *asked)

    assert (0, True) == (done.returncode, "spot prices, " in done.stdout), done.stderr
    with open_lake(lake) as opened:
        sources = run_query(
            opened, query_from_sql("SELECT DISTINCT source FROM processed WHERE kind = 'spot'"), {}
        ).rows
    assert [("simulated",)] == sources
