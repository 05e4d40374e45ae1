"""The feed side on real sockets: a producer against the simulated exchange on loopback, with a Firehose that takes everything."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from local.exchange.faults import BadProduct, Disconnect, Fault, RefuseConnections, RestDown, SlowRest
from local.exchange.keys import KnownKey
from local.exchange.recording import open_recording
from local.exchange.server import ExchangeServer
from producer.credentials import ApiKey, decode_api_key
from producer.errors import FeedRefused, SettingsError
from producer.pipeline import Producer
from producer.settings import Settings
from producer.settlement import PutAnswer
from producer.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from producer.packing import Pack

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"


class Taker:
    """A Firehose that takes every pack and keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        for pack in packs:
            self.lines += [json.loads(line) for line in pack.content.splitlines()]
        return [PutAnswer("id") for _ in packs]

    def trades(self, product_id: str) -> set[int]:
        """The ids of every trade of a product, from whichever source."""
        both = [line for line in self.lines if line["kind"] in {"ticker", "trade"}]
        return {
            line["message"]["trade_id"]
            for line in both
            if product_id in {line.get("product_id"), line["message"].get("product_id")}
        }

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line["message"] for line in self.lines if line["kind"] == kind]


def watching(producer: Producer) -> Sources:
    """What a producer of this file listens with."""
    assert isinstance(producer.sources, Sources)
    return producer.sources


def drive(
    tmp_path: Path,
    server: ExchangeServer,
    enough: Callable[[Producer, ExchangeServer], bool],
    *,
    session: str = SESSION,
    tls: ssl.SSLContext | None = None,
    api_key: ApiKey | None = None,
    within_s: float = 60.0,
    **changes: Any,
) -> tuple[Taker, Producer]:
    """Run a producer until `enough`; fails after `within_s`."""

    async def run() -> tuple[Taker, Producer]:
        async with server:
            settings = Settings(
                **{
                    "ws_url": server.ws_url,
                    "rest_url": server.rest_url,
                    "spot_url": server.rest_url,
                    "products": ("BTC-USD", "ETH-USD"),
                    "journal": tmp_path / "journal",
                    "linger_s": 0.1,
                    **changes,
                }
            )
            taker = Taker()
            producer = Producer(settings, taker, session=session, rng=random.Random(1), tls=tls, api_key=api_key)
            running = asyncio.create_task(producer.run())
            async with asyncio.timeout(within_s):
                while not enough(producer, server) and not running.done():  # noqa: ASYNC110 - it watches plain values
                    await asyncio.sleep(0.02)
                producer.stop("enough")
                receipt = await running
            assert 0 == receipt.unbalanced == receipt.pending
            return taker, producer

    return asyncio.run(run())


def ticks_of(producer: Producer, product_id: str) -> int:
    return producer.ledger.product(product_id).ticks


def test_every_frame_sent_is_journaled_and_delivered(tmp_path: Path) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0, seed=1)
    taker, _ = drive(tmp_path, server, lambda p, _: ticks_of(p, "BTC-USD") > 200)
    ids = [m["trade_id"] for m in taker.of("ticker") if m["product_id"] == "BTC-USD"]

    assert list(range(ids[0], ids[0] + len(set(ids)))) == sorted(set(ids))
    assert [] == taker.of("gap")
    assert ["opened", "closed"] == [message["event"] for message in taker.of("session")]
    assert list(range(len(taker.lines))) == sorted(line["n"] for line in taker.lines)


def test_frames_already_received_are_taken_in_on_stop(tmp_path: Path, recorded: Path) -> None:
    path = recorded / "exchange" / "ticker_quiet_hour_2025-11-25T04.jsonl.gz"
    server = ExchangeServer(open_recording(path), speed=None, deflate=False)
    products = ("BTC-USD", "ETH-USD", "SOL-USD")
    taker, producer = drive(tmp_path, server, lambda _, s: s.finished.is_set(), products=products)

    assert 7_990 == len(taker.of("ticker"))
    assert 3 == len([gap for gap in taker.of("gap") if gap["status"] == "open"])
    assert 34_653 == sum(view.missing for view in producer.ledger.products.values())


@pytest.mark.slow
def test_the_holes_of_a_recording_are_healed_where_rest_has_the_trades_and_named_where_not(
    tmp_path: Path, recorded: Path
) -> None:
    path = recorded / "exchange" / "ticker_quiet_hour_2025-11-25T04.jsonl.gz"
    server = ExchangeServer(open_recording(path), speed=None, deflate=False, hole_trades="all", limits=False)

    def healed(producer: Producer, _: ExchangeServer) -> bool:
        views = producer.ledger.products.values()
        return sum(view.holes for view in views) == 3 and not producer.intake.continuity.open_holes()

    taker, producer = drive(tmp_path, server, healed, products=("BTC-USD", "ETH-USD", "SOL-USD"))
    receipts = [gap for gap in taker.of("gap") if gap["status"] != "open"]

    assert 34_653 == len(taker.of("trade")) == sum(receipt["fetched"] for receipt in receipts)
    assert {"healed"} == {receipt["status"] for receipt in receipts}
    assert {"rest_heal"} == {line["source"] for line in taker.lines if line["kind"] == "trade"}
    assert 0 == sum(view.missing for view in producer.ledger.products.values())


@pytest.mark.parametrize(
    "fault",
    [
        Disconnect(at=30, code=1000),
        Disconnect(at=30, code=1001),
        Disconnect(at=30, code=None),
    ],
)
def test_it_comes_back_subscribes_again_and_heals(tmp_path: Path, fault: Fault) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=10.0, seed=2, faults=(fault,))

    def back(producer: Producer, _: ExchangeServer) -> bool:
        return ticks_of(producer, "BTC-USD") > 150 and not producer.intake.continuity.open_holes()

    taker, producer = drive(tmp_path, server, back)
    ids = {m["trade_id"] for m in taker.of("ticker") if m["product_id"] == "BTC-USD"}
    ids |= {
        line["message"]["trade_id"]
        for line in taker.lines
        if line["kind"] == "trade" and line["product_id"] == "BTC-USD"
    }

    assert 1 <= sum(producer.ledger.reconnects.values())
    assert list(range(min(ids), max(ids) + 1)) == sorted(ids)


def test_one_bad_product_never_voids_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=10.0, faults=(BadProduct(product="ETH-USD"),))
    drive(tmp_path, server, lambda p, _: ticks_of(p, "BTC-USD") > 20, products=("BTC-USD", "ETH-USD", "NO-SUCH"))

    assert "the exchange lists no product NO-SUCH" in caplog.text
    assert "the exchange does not serve ETH-USD" in caplog.text


def test_wildcards_are_what_the_exchange_lists_and_are_spread_over_connections(tmp_path: Path) -> None:
    server = ExchangeServer(speed=10.0)
    _, producer = drive(
        tmp_path,
        server,
        lambda p, _: len(watching(p).feeds) > 1 and all(feed.link.state == "live" for feed in watching(p).feeds),
        products=("*-USD",),
        products_per_connection=3,
        products_per_message=2,
    )

    assert len(watching(producer).products) > 3
    assert all(product.endswith("-USD") for product in watching(producer).products)


def test_shards_share_the_products_out(tmp_path: Path) -> None:
    served = []
    for shard in ("1/2", "2/2"):
        server = ExchangeServer(speed=10.0)
        _, producer = drive(
            tmp_path / shard.replace("/", "of"),
            server,
            lambda p, _: bool(watching(p).feeds) and watching(p).feeds[0].link.state == "live",
            products=("ALL",),
            shard=shard,
        )
        served.append(set(watching(producer).products))

    assert not served[0] & served[1]
    assert len(served[0] | served[1]) > 5


def test_without_a_websocket_products_are_polled_and_the_websocket_takes_over_again(tmp_path: Path) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=10.0, faults=(RefuseConnections(to_s=3.0),))
    taker, producer = drive(
        tmp_path,
        server,
        lambda p, _: (
            ticks_of(p, "BTC-USD") > 50
            and watching(p).feeds[0].link.state == "live"
            and not p.intake.continuity.open_holes()
        ),
        fallback_after_s=0.5,
    )

    assert {"exchange_rest", "exchange_ws"} <= {line["source"] for line in taker.lines if line["kind"] == "ticker"}
    assert producer.ledger.reconnects


def test_frames_come_deflated_from_another_host(tmp_path: Path) -> None:
    # 127.0.0.2 is on this machine too, but not one of the names that the feed spares the work for.
    server = ExchangeServer(products=["BTC-USD"], speed=20.0, host="127.0.0.2")
    negotiated: list[str] = []

    def enough(producer: Producer, _: ExchangeServer) -> bool:
        connection = watching(producer).feeds[0]._connection if watching(producer).feeds else None
        if connection is not None and not negotiated:
            negotiated.extend(extension.name for extension in connection.protocol.extensions)
        return ticks_of(producer, "BTC-USD") > 30

    taker, _ = drive(tmp_path, server, enough, products=("BTC-USD",))

    assert ["permessage-deflate"] == negotiated
    assert 30 < len(taker.of("ticker"))


def test_a_server_that_nobody_vouches_for_is_refused(tmp_path: Path, self_signed: ssl.SSLContext) -> None:
    server = ExchangeServer(products=["BTC-USD"], tls=self_signed)
    taker, producer = drive(
        tmp_path,
        server,
        lambda p, _: sum(p.ledger.reconnects.values()) > 0,
        products=("BTC-USD",),
        tls=ssl.create_default_context(),
    )

    assert "certificate verify failed" in next(iter(producer.ledger.reconnects))
    assert [] == taker.of("ticker")


def test_no_product_at_all_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="none of the products asked for"):
        drive(tmp_path, ExchangeServer(products=["BTC-USD"]), lambda *_: False, products=("NO-SUCH",))


@pytest.mark.slow
def test_a_days_holes_are_healed_where_rest_has_them_and_the_rest_is_named(tmp_path: Path, recorded: Path) -> None:
    path = recorded / "exchange" / "ticker_2025-11-24.jsonl.gz"
    server = ExchangeServer(open_recording(path), speed=None, deflate=False, hole_trades=0.5, limits=False)

    def settled(producer: Producer, _: ExchangeServer) -> bool:
        views = producer.ledger.products.values()
        return sum(view.holes for view in views) == 21 and not producer.intake.continuity.open_holes()

    taker, producer = drive(tmp_path, server, settled, products=("BTC-USD", "ETH-USD", "SOL-USD"), within_s=900.0)
    receipts = [gap for gap in taker.of("gap") if gap["status"] != "open"]
    healed = {(line["product_id"], line["message"]["trade_id"]) for line in taker.lines if line["kind"] == "trade"}
    named = {
        (gap["product_id"], number)
        for gap in receipts
        for first, last in gap["still_missing"]
        for number in range(first, last + 1)
    }

    assert 21 == len({(gap["product_id"], gap["first_missing_trade_id"]) for gap in receipts})
    assert {"healed", "unhealed"} <= {gap["status"] for gap in receipts}
    assert not healed & named
    assert 861_276 == len(healed) + len(named)
    assert len(named) == sum(view.missing for view in producer.ledger.products.values())


SECRET = base64.b64encode(b"hush, this is the secret").decode()
KNOWN = KnownKey("key-0123456789", SECRET, "open sesame")


def api_key(**changes: str) -> ApiKey:
    given = {"key": KNOWN.key, "secret": SECRET, "passphrase": KNOWN.passphrase}
    return decode_api_key(json.dumps({**given, **changes}))


def everything_written(tmp_path: Path, caplog: pytest.LogCaptureFixture, producer: Producer, taker: Taker) -> str:
    files = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    shown = (
        caplog.text,
        producer.sources.state,
        str(producer.health()),
        str(producer.reading()),
        json.dumps(taker.lines),
    )
    return files.decode(errors="replace") + "".join(shown)


def test_a_key_signs_the_subscription_and_is_written_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0, deflate=False, known_key=KNOWN)
    enough = lambda p, _: ticks_of(p, "BTC-USD") > 20  # noqa: E731 - read in the next line
    taker, producer = drive(tmp_path, server, enough, api_key=api_key(), products_per_message=1)

    assert (2, 0) == (server.truth().signed_call_count, server.truth().refused_call_count)
    written = everything_written(tmp_path, caplog, producer, taker)
    assert "BTC-USD" in written
    assert [] == [part for part in (KNOWN.key, SECRET, KNOWN.passphrase, "signature") if part in written]


def test_a_wrong_key_is_refused_said_and_never_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0, deflate=False, known_key=KNOWN)
    enough = lambda p, _: p.ledger.reconnects["refused"] > 1  # noqa: E731 - read in the next line
    wrong = base64.b64encode(b"another one").decode()
    taker, producer = drive(tmp_path, server, enough, api_key=api_key(secret=wrong))

    assert (
        "Sorry, you could not be authenticated: Bad Request: invalid signature. The API key was not accepted"
        in caplog.text
    )
    assert producer.ledger.reconnects["refused"] > 1
    assert {"exchange_ws"}.isdisjoint(line["source"] for line in taker.lines)
    written = everything_written(tmp_path, caplog, producer, taker)
    assert [] == [part for part in (KNOWN.key, wrong, KNOWN.passphrase) if part in written]


def test_a_key_is_not_taken_where_it_would_travel_in_the_open(tmp_path: Path) -> None:
    settings = Settings(ws_url="ws://example.com", journal=tmp_path / "journal")
    with pytest.raises(SettingsError, match="with an API key"):
        Producer(settings, Taker(), session=SESSION, rng=random.Random(1), api_key=api_key())
    assert not (tmp_path / "journal").exists()


def test_spot_prices_come_beside_the_trades_and_the_session_says_how_often_they_were_asked_for(tmp_path: Path) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0)
    enough = lambda p, _: p.ledger.spot_prices >= 4 and ticks_of(p, "BTC-USD") > 20  # noqa: E731 - read in the next line
    taker, producer = drive(tmp_path, server, enough, spot_every_s=1.0)
    spots = [line for line in taker.lines if line["kind"] == "spot"]

    assert {("spot_rest", "BTC-USD", "BTC", "USD"), ("spot_rest", "ETH-USD", "ETH", "USD")} == {
        (line["source"], line["product_id"], line["message"]["data"]["base"], line["message"]["data"]["currency"])
        for line in spots
    }
    assert len(spots) == producer.ledger.spot_prices == producer.ledger.lines["spot"]
    assert [] == taker.of("gap")
    opened, closed = taker.of("session")
    assert (1.0, 1.0) == (opened["spot_every_s"], closed["spot_every_s"])
    assert producer.ledger.spot_missed == closed["spot_missed"]


def test_nobody_is_asked_for_spot_prices_that_nobody_wants(tmp_path: Path) -> None:
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0)
    taker, _ = drive(tmp_path, server, lambda p, _: ticks_of(p, "BTC-USD") > 20)

    assert [] == taker.of("spot")
    assert all("spot_every_s" not in message for message in taker.of("session"))


def test_a_spot_price_that_never_comes_holds_up_neither_trades_nor_polls_nor_the_end(tmp_path: Path) -> None:
    slow = SlowRest(path="/v2/", delay_s=3600.0)
    server = ExchangeServer(products=["BTC-USD", "ETH-USD"], speed=20.0, faults=(slow, RefuseConnections(to_s=2.0)))
    polled = {"exchange_rest", "exchange_ws"}

    def enough(producer: Producer, _: ExchangeServer) -> bool:
        live = watching(producer).feeds and watching(producer).feeds[0].link.state == "live"
        return bool(live) and producer.ledger.rest["200"] > 3 and ticks_of(producer, "BTC-USD") > 20

    taker, producer = drive(tmp_path, server, enough, spot_every_s=1.0, fallback_after_s=0.2)

    assert polled <= {line["source"] for line in taker.lines if line["kind"] == "ticker"}
    assert [] == taker.of("spot")
    assert producer.ledger.spot_missed > 0


def test_spot_prices_that_fail_are_counted_said_and_come_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = ExchangeServer(products=["BTC-USD"], speed=20.0, faults=(RestDown(path="/v2/", to_s=2.5),))
    enough = lambda p, _: p.ledger.spot_prices > 0  # noqa: E731 - read in the next line
    taker, producer = drive(tmp_path, server, enough, products=("BTC-USD",), spot_every_s=1.0)

    assert producer.ledger.spot_failed["none"] > 0
    assert producer.ledger.spot_missed > 0
    assert "the spot price of BTC-USD was due and did not come (ProtocolError" in caplog.text
    assert "spot prices of BTC-USD come again" in caplog.text
    assert {"200"} >= set(producer.ledger.rest)  # what the exchange's own REST answered is another count
    assert taker.of("spot")


def test_spot_prices_of_a_server_that_nobody_vouches_for_are_refused(
    tmp_path: Path, self_signed: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def run() -> tuple[Taker, Producer]:
        async with (
            ExchangeServer(products=["BTC-USD"], speed=20.0) as feed,
            ExchangeServer(products=["BTC-USD"], tls=self_signed) as other,
        ):
            taker = Taker()
            settings = Settings(
                ws_url=feed.ws_url,
                rest_url=feed.rest_url,
                spot_url=other.rest_url,
                spot_every_s=1.0,
                products=("BTC-USD",),
                journal=tmp_path / "journal",
                linger_s=0.1,
            )
            producer = Producer(settings, taker, session=SESSION, rng=random.Random(1))
            running = asyncio.create_task(producer.run())
            async with asyncio.timeout(60.0):
                while not producer.ledger.spot_failed and not running.done():  # noqa: ASYNC110 - plain values
                    await asyncio.sleep(0.02)
                producer.stop("enough")
                await running
            return taker, producer

    taker, producer = asyncio.run(run())

    assert "certificate verify failed" in caplog.text
    assert [] == taker.of("spot")
    assert {"none"} == set(producer.ledger.spot_failed)
