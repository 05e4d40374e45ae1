"""The client against a real HTTP server on loopback; time is what the test says."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from audit_lambda.candle_fetch import BACK_OFFS_S, INTERVAL_S, MAX_BODY_BYTES, CandleClient
from audit_lambda.candles import CandlesRefused, CandlesUnavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

START_US = 1_795_399_200_000_000


class Exchange(HTTPServer):
    """Gives the answers it was told, one after the other, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes]] = [(200, b"[]")]
        self.asked: list[str] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us hangs up: no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Watch:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def pause(self, for_s: float) -> None:
        self.pauses.append(round(for_s, 3))
        self.now_s += for_s


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def client(exchange: Exchange, watch: Watch) -> Iterator[CandleClient]:
    made = CandleClient(exchange.url + "/", clock=watch.clock, pause=watch.pause)
    yield made
    made.close()


def fetch(client: CandleClient, product_id: str = "BTC-USD") -> bytes:
    return client(product_id, start_us=START_US, end_us=START_US + 299 * 60_000_000)


def test_a_page_is_one_get_with_its_span(client: CandleClient, exchange: Exchange) -> None:
    exchange.answers = [(200, b"[[1,2,3,4,5,6]]")]
    assert b"[[1,2,3,4,5,6]]" == fetch(client)
    [asked] = map(urlsplit, exchange.asked)
    assert "/products/BTC-USD/candles" == asked.path
    assert {
        "granularity": ["60"],
        "start": ["2026-11-23T02:00:00Z"],
        "end": ["2026-11-23T06:59:00Z"],
    } == parse_qs(asked.query)


def test_no_more_than_three_are_asked_a_second(client: CandleClient, watch: Watch) -> None:
    for _ in range(4):
        fetch(client)
    assert [INTERVAL_S] * 3 == watch.pauses
    watch.now_s += 10
    fetch(client)
    assert 3 == len(watch.pauses)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_limit_and_a_fault_are_tried_again(
    client: CandleClient, exchange: Exchange, watch: Watch, status: int
) -> None:
    exchange.answers = [(status, b""), (status, b""), (200, b"[]")]
    assert b"[]" == fetch(client)
    assert list(BACK_OFFS_S) == watch.pauses
    exchange.answers = [(status, b'{"message":"no"}')]
    with pytest.raises(CandlesUnavailable, match=f'BTC-USD could not be had: HTTP {status}, {{"message":"no"}}'):
        fetch(client)


@pytest.mark.parametrize("status", [404, 400])
def test_a_product_that_is_none_is_refused_at_once(client: CandleClient, exchange: Exchange, status: int) -> None:
    exchange.answers = [(status, b'{"message":"NotFound"}')]
    with pytest.raises(CandlesRefused, match="NotFound"):
        fetch(client)
    assert 1 == len(exchange.asked)


@pytest.mark.parametrize("status", [403, 302])
def test_whoever_is_not_let_in_is_told_and_follows_nobody(
    client: CandleClient, exchange: Exchange, status: int
) -> None:
    exchange.answers = [(status, b"")]
    with pytest.raises(CandlesUnavailable, match=f"HTTP {status}"):
        fetch(client)
    assert 1 == len(exchange.asked)


@pytest.mark.parametrize("product_id", ["btc-usd", "../secrets", "BTC-USD?x=1", "BTC", "A" * 40 + "-USD"])
def test_what_is_no_products_name_becomes_no_path(client: CandleClient, exchange: Exchange, product_id: str) -> None:
    with pytest.raises(CandlesRefused, match="no product's name"):
        fetch(client, product_id)
    assert [] == exchange.asked


def test_a_body_without_end_is_not_taken(client: CandleClient, exchange: Exchange) -> None:
    exchange.answers = [(200, b"[" + b" " * MAX_BODY_BYTES)]
    with pytest.raises(CandlesUnavailable, match="longer than"):
        fetch(client)


def test_nobody_there_is_a_sentence(watch: Watch) -> None:
    with Exchange() as gone:
        url = gone.url
    with pytest.raises(CandlesUnavailable, match="could not be had"):
        fetch(CandleClient(url, clock=watch.clock, pause=watch.pause))
    assert len(BACK_OFFS_S) <= len(watch.pauses)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    exchange: Exchange, watch: Watch, self_signed: ssl.SSLContext
) -> None:
    exchange.socket = self_signed.wrap_socket(exchange.socket, server_side=True)
    exchange.scheme = "https"
    with pytest.raises(CandlesUnavailable, match=r"(?i)certificate"):
        fetch(CandleClient(exchange.url, clock=watch.clock, pause=watch.pause))
    assert [] == exchange.asked
