import asyncio
import gzip
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from local.exchange.errors import ExchangeFailed, ExchangeSettingsWrong, RecordingUnreadable
from local.exchange.faults import (
    Alter,
    Disconnect,
    Fault,
    RefuseConnections,
    RestDown,
    RestStorm,
    Silence,
    SlowAccept,
    SlowRest,
)
from local.exchange.recording import Recording, open_recording
from local.exchange.server import ExchangeServer
from local.exchange.tick import Tick

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "exchange"
DAY = SHARED / "ticker_2025-11-24.jsonl.gz"
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
PATIENCE_S = 60


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario()

    asyncio.run(patiently())


def ticker(trade_id: int, product_id: str = "BTC-USD") -> bytes:
    return (
        f'{{"type":"ticker","sequence":{trade_id * 10},"product_id":"{product_id}","price":"86468.04","side":"buy",'
        f'"time":"2025-11-24T15:00:{trade_id % 60:02d}.000000Z","trade_id":{trade_id},"last_size":"0.5"}}'
    ).encode()


def write_recording(folder: Path, frames: list[bytes]) -> Path:
    path = folder / "recording.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(frame + b"\n" for frame in frames)))
    return path


def dial(server: ExchangeServer, **options: Any) -> connect:
    """A client that does not wait long for a goodbye: websockets' own never reads one while its receive queue is full."""
    return connect(server.ws_url, **({"close_timeout": 0.5} | options))


async def subscribe(client: ClientConnection, *products: str, channels: tuple[str, ...] = ("ticker",)) -> None:
    named = [{"name": channel, "product_ids": list(products)} for channel in channels]
    await client.send(json.dumps({"type": "subscribe", "channels": named}))


async def read_all(client: ClientConnection) -> list[bytes]:
    """Every frame until the server closes, undecoded."""
    frames: list[bytes] = []
    try:
        while True:
            frames.append(await client.recv(decode=False))
    except ConnectionClosed:
        return frames


async def read_until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await client.recv())
        if message["type"] == kind:
            return message


def test_a_recording_arrives_byte_for_byte_and_the_end_is_told(tmp_path: Path) -> None:
    frames = [ticker(1), b"\xff\xfe no text", ticker(1, "ETH-USD"), b"no json", ticker(2), ticker(7)]

    async def scenario() -> None:
        async with ExchangeServer(open_recording(write_recording(tmp_path, frames)), speed=None) as server:
            async with dial(server) as client:
                await subscribe(client, "BTC-USD", "ETH-USD")
                received = await read_all(client)
                assert frames == received[1:]
                assert 1001 == client.close_code
            await server.wait_finished()
            assert server.finished.is_set()
            assert server.failure is None
            truth = server.truth()
            assert (6, 4, 2) == (truth.frame_count, truth.trade_count, truth.unnamed_count)

    run(scenario)


@pytest.mark.skipif(not DAY.exists(), reason="the recordings are not on this machine")
@pytest.mark.slow
def test_a_day_goes_at_full_speed_while_another_thread_reads_the_truth() -> None:
    """The program's way: the server in a thread with its own loop, everything else in this one."""
    started = threading.Event()
    servers: list[ExchangeServer] = []
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        async with ExchangeServer(open_recording(DAY), speed=None, hole_trades="all") as server:
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            servers.append(server)
            stop.append(lambda: loop.call_soon_threadsafe(done.set))
            started.set()
            await done.wait()

    async def listen(server: ExchangeServer) -> Counter[str]:
        counts: Counter[str] = Counter()
        async with dial(server, compression=None) as client:
            await subscribe(client, *PRODUCTS, channels=("heartbeat", "ticker"))
            for frame in await read_all(client):
                message = json.loads(frame)
                counts[message["type"] if message["type"] != "ticker" else message["product_id"]] += 1
        return counts

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        [server] = servers
        counts = asyncio.run(listen(server))
        assert server.finished.wait(PATIENCE_S)
        assert {"BTC-USD": 73_361, "ETH-USD": 50_760, "SOL-USD": 29_001} == {name: counts[name] for name in PRODUCTS}
        truth = server.truth()
        assert (153_122, 153_111) == (truth.frame_count, truth.trade_count)
        assert 861_276 == sum(len(product.healable) for product in truth.products.values())
    finally:
        for end in stop:
            end()
        thread.join()


def test_after_the_end_a_new_client_gets_last_tickers_and_heartbeats(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_recording(tmp_path, [ticker(1), ticker(2)])
        async with ExchangeServer(open_recording(path), speed=None) as server:
            async with dial(server) as client:
                await subscribe(client, "BTC-USD")
                await read_all(client)
            await server.wait_finished()
            async with dial(server) as client:
                await subscribe(client, "BTC-USD", channels=("ticker", "heartbeat"))
                assert 2 == (await read_until(client, "ticker"))["trade_id"]
                assert 2 == (await read_until(client, "heartbeat"))["last_trade_id"]

    run(scenario)


def test_a_recording_that_breaks_off_is_told_and_finishes(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_recording(tmp_path, [ticker(n) for n in range(1, 5000)])
        recording = open_recording(path)
        recording.survey()
        path.write_bytes(path.read_bytes()[:-20])
        async with ExchangeServer(recording, speed=None) as server, dial(server) as client:
            await subscribe(client, "BTC-USD")
            await read_all(client)
            assert 1011 == client.close_code
            await server.wait_finished()
            assert isinstance(server.failure, RecordingUnreadable)

    run(scenario)


class Faulty(Recording):
    """A recording with a fault of ours in its middle."""

    def ticks(self) -> Iterator[Tick]:
        yield from islice(Recording.ticks(self), 3)
        raise ZeroDivisionError


def test_a_fault_of_its_own_is_told_and_keeps_no_client_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_recording(tmp_path, [ticker(n) for n in range(1, 9)])
        async with ExchangeServer(Faulty(path), speed=None) as server, dial(server) as client:
            await subscribe(client, "BTC-USD")
            await read_all(client)
            await server.wait_finished()
            assert isinstance(server.failure, ExchangeFailed)

    run(scenario)


def test_an_unreadable_recording_is_said_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_recording(tmp_path, [ticker(n) for n in range(1, 5000)])
        recording = open_recording(path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(RecordingUnreadable):
            await ExchangeServer(recording).start()

    run(scenario)


def test_a_market_is_generated_and_told_by_rest_too() -> None:
    async def scenario() -> None:
        async with ExchangeServer(seed=4, products=PRODUCTS, speed=20) as server, dial(server) as client:
            await subscribe(client, *PRODUCTS)
            ids = {(await read_until(client, "ticker"))["trade_id"] for _ in range(50)}
            assert 50 == len(ids)
            async with aiohttp.ClientSession(server.rest_url) as rest:
                listed = await (await rest.get("/products")).json()
                assert list(PRODUCTS) == [product["id"] for product in listed]
                answer = await rest.get("/products/BTC-USD/trades", params={"limit": "2"})
                page = await answer.json()
                assert answer.headers["CB-AFTER"] == str(page[-1]["trade_id"])
                assert 2 == len(page)
                answer = await rest.get("/products/NOPE-USD/trades")
                assert (404, {"message": "NotFound"}) == (answer.status, await answer.json())
            assert not server.finished.is_set()

    run(scenario)


def test_a_generated_market_has_no_full_speed() -> None:
    with pytest.raises(ExchangeSettingsWrong, match="no end"):
        ExchangeServer(speed=None)


def test_a_bad_product_voids_the_call_and_a_good_one_may_follow() -> None:
    async def scenario() -> None:
        async with ExchangeServer(products=PRODUCTS) as server, dial(server) as client:
            await subscribe(client, "BTC-USD", "NOPE-USD")
            assert "NOPE-USD is not a valid product" == (await read_until(client, "error"))["reason"]
            await subscribe(client, "BTC-USD")
            assert ["BTC-USD"] == (await read_until(client, "subscriptions"))["channels"][0]["product_ids"]
            assert "BTC-USD" == (await read_until(client, "ticker"))["product_id"]

    run(scenario)


def test_who_does_not_subscribe_is_cut_off() -> None:
    async def scenario() -> None:
        now = [1_763_996_400_000_000]
        async with ExchangeServer(products=PRODUCTS, clock=lambda: now[0]) as server, dial(server) as client:
            now[0] += 5_000_000
            await client.send("{}")  # any message makes the server look at its clock
            await read_all(client)
            assert 1001 == client.close_code

    run(scenario)


def test_deflate_is_granted_to_those_who_ask_and_can_be_withheld() -> None:
    async def scenario() -> None:
        for deflate, asked, granted in ((True, "deflate", True), (True, None, False), (False, "deflate", False)):
            async with (
                ExchangeServer(products=PRODUCTS, deflate=deflate) as server,
                dial(server, compression=asked) as client,
            ):
                assert granted == bool(client.protocol.extensions)
                await subscribe(client, "BTC-USD")
                assert "BTC-USD" == (await read_until(client, "ticker"))["product_id"]

    run(scenario)


def test_it_serves_tls_with_a_certificate_nobody_trusts(tmp_path: Path, self_signed: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with ExchangeServer(products=PRODUCTS, tls=self_signed) as server:
            assert server.ws_url.startswith("wss://127.0.0.1:")
            assert server.rest_url.startswith("https://127.0.0.1:")
            with pytest.raises(ssl.SSLCertVerificationError):
                await dial(server)
            trusting = ssl.create_default_context(cafile=tmp_path / "self-signed.pem")
            async with dial(server, ssl=trusting) as client:
                await subscribe(client, "BTC-USD")
                assert "BTC-USD" == (await read_until(client, "ticker"))["product_id"]
            async with aiohttp.ClientSession(server.rest_url) as rest:
                answer = await rest.get("/time", ssl=trusting)
                assert 200 == answer.status

    run(scenario)


def test_a_taken_port_is_said_and_leaves_nothing_open() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for ports in ({"port": port}, {"rest_port": port}):
                with pytest.raises(OSError, match="in use"):
                    await ExchangeServer(products=PRODUCTS, **ports).start()

    run(scenario)


def test_stopping_closes_clients_and_may_be_asked_twice() -> None:
    async def scenario() -> None:
        server = ExchangeServer(products=PRODUCTS)
        await server.stop()
        await server.start()
        async with dial(server) as client:
            await subscribe(client, "BTC-USD")
            await read_until(client, "subscriptions")
            await server.stop()
            await read_all(client)
            assert 1001 == client.close_code
        await server.stop()

    run(scenario)


def test_before_the_start_there_is_no_truth() -> None:
    with pytest.raises(ExchangeSettingsWrong, match="not started"):
        ExchangeServer().truth()


def with_faults(*faults: Fault) -> ExchangeServer:
    return ExchangeServer(seed=1, products=PRODUCTS, speed=50, faults=faults)


@pytest.mark.parametrize("code", [1000, 1001, 1011])
def test_a_fault_closes_with_its_code(code: int) -> None:
    async def scenario() -> None:
        async with (
            with_faults(Disconnect(at=5, code=code, reason="a fault")) as server,
            dial(server) as client,
        ):
            await subscribe(client, *PRODUCTS)
            received = await read_all(client)
            assert (client.close_code, client.close_reason) == (code, "a fault")
            # The ack, three last tickers, four of the stream: what came before the close is delivered.
            assert 8 == len(received)

    run(scenario)


def test_a_fault_breaks_off_without_a_word() -> None:
    async def scenario() -> None:
        async with with_faults(Disconnect(at=5)) as server, dial(server) as client:
            await subscribe(client, *PRODUCTS)
            await read_all(client)
            assert 1006 == client.close_code

    run(scenario)


def test_an_upgrade_is_refused_with_a_status() -> None:
    async def scenario() -> None:
        async with with_faults(RefuseConnections(status=429)) as server:
            with pytest.raises(InvalidStatus, match="429"):
                await dial(server)
            assert 1 == server.truth().refused_connection_count

    run(scenario)


def test_an_upgrade_that_comes_too_late_is_given_up_by_the_client_and_harms_nobody() -> None:
    async def scenario() -> None:
        async with with_faults(SlowAccept(delay_s=0.5)) as server:
            with pytest.raises((TimeoutError, InvalidMessage)):
                await dial(server, open_timeout=0.05)
            async with dial(server) as client:
                await subscribe(client, "BTC-USD")
                assert "BTC-USD" == (await read_until(client, "ticker"))["product_id"]

    run(scenario)


def test_a_half_open_connection_answers_no_ping() -> None:
    async def scenario() -> None:
        silence = Silence(deaf=True, all_connections=True)
        async with with_faults(silence) as server, dial(server, ping_interval=None) as client:
            answered = True
            while answered:  # the first may slip through before the server stops reading
                answered = bool((await asyncio.wait([asyncio.ensure_future(await client.ping())], timeout=0.5))[0])
            client.transport.abort()

    run(scenario)


def test_a_frame_of_two_megabytes_and_one_that_is_no_utf8_are_sent_as_text() -> None:
    async def scenario() -> None:
        faults = (Alter(at=1, how="huge"), Alter(at=2, how="not_utf8"))
        async with with_faults(*faults) as server, dial(server, max_size=None) as client:
            await subscribe(client, "BTC-USD")
            tickers: list[bytes] = []
            while len(tickers) < 3:
                frame = await client.recv(decode=False)
                if frame.startswith(b'{"type":"ticker"'):
                    tickers.append(frame)
            assert len(tickers[1]) > 2_000_000
            assert b"\xff\xfe" in tickers[2]

    run(scenario)


def test_rest_storms_breaks_off_and_dawdles() -> None:
    async def scenario() -> None:
        async with (
            with_faults(RestStorm(status=503)) as stormy,
            with_faults(RestDown()) as down,
            with_faults(SlowRest(delay_s=30)) as slow,
            aiohttp.ClientSession() as rest,
        ):
            answer = await rest.get(f"{stormy.rest_url}/products")
            assert (503, '{"message":"Service Unavailable"}') == (answer.status, await answer.text())
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await rest.get(f"{down.rest_url}/products")
            with pytest.raises(TimeoutError):
                await rest.get(f"{slow.rest_url}/products", timeout=aiohttp.ClientTimeout(total=0.1))

    run(scenario)
