"""
The other ends of the line, each in a process of its own: a websocket that sends prebuilt tickers, and a Firehose that accepts.

Laws: both do as little as they can, so that the measured side waits for nothing but itself; frames are made from a seed.
Refuses to know: faults, limits and signatures (`local` has a Firehose and an exchange that care).
"""

from __future__ import annotations

import random
import socket
import socketserver
import struct
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import orjson
from websockets.sync.server import ServerConnection, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

PRODUCTS: Final = tuple(f"P{n:02d}-USD" for n in range(50))
_HEAD_END: Final = b"\r\n\r\n"
_ANSWERED: Final = b'{"RecordId":"%b"}' % (b"r" * 224)  # the length of a real one


def build_frames(count: int, *, seed: int = 7) -> list[bytes]:
    """Tickers in the Exchange's field order and length, 50 products, every product's trade ids without a hole."""
    rng = random.Random(seed)
    next_trade = dict.fromkeys(PRODUCTS, 910_000_000)
    frames = []
    for n in range(count):
        product = rng.choice(PRODUCTS)
        next_trade[product] += 1
        price = rng.randrange(8_000_000, 9_000_000)
        frames.append(
            (
                f'{{"type":"ticker","sequence":{116_681_060_283 + 2 * n},"product_id":"{product}","price":"{_cents(price)}",'
                f'"open_24h":"87046.02","volume_24h":"{rng.randrange(10**12) / 10**8:.8f}","low_24h":"85213.17",'
                f'"high_24h":"88100","volume_30d":"{rng.randrange(10**13) / 10**8:.8f}","best_bid":"{_cents(price - 1)}",'
                f'"best_bid_size":"{rng.random():.8f}","best_ask":"{_cents(price)}","best_ask_size":"{rng.random():.8f}",'
                f'"side":"{rng.choice(("buy", "sell"))}","time":"2025-11-24T15:{n // 60_000 % 60:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}332Z",'
                f'"trade_id":{next_trade[product]},"last_size":"{rng.random():.8f}"}}'
            ).encode()
        )
    return frames


def _cents(price: int) -> str:
    return f"{price // 100}.{price % 100:02d}"


def _on_the_wire(frames: list[bytes]) -> bytes:
    """Unmasked, final text frames (RFC 6455, 5.2), as any server sends them."""
    short, long_from = 125, 65_536
    assert all(short < len(frame) < long_from for frame in frames)
    return b"".join(struct.pack("!BBH", 0x81, 126, len(frame)) + frame for frame in frames)


def _serve_tickers(ready: Connection, count: int) -> None:
    wire = _on_the_wire(build_frames(count))

    def send_all(connection: ServerConnection) -> None:
        asked = orjson.loads(connection.recv())
        connection.send(orjson.dumps({"type": "subscriptions", "channels": asked["channels"]}), text=True)
        connection.socket.sendall(wire)
        for _ in connection:  # the client hangs up
            pass

    with serve(send_all, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        ready.send(server.socket.getsockname()[1])
        server.serve_forever()


def _serve_firehose(ready: Connection) -> None:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Firehose) as server:
        ready.send(server.server_address[1])
        server.serve_forever()


class _Firehose(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _answer_calls(self.request)


def _answer_calls(connection: socket.socket) -> None:
    """Accept every record of every call, until the client hangs up."""
    received = bytearray()
    while chunk := connection.recv(1 << 20):
        received += chunk
        head_at = received.find(_HEAD_END)
        if head_at < 0:
            continue
        head = bytes(received[:head_at]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(received) < head_at + len(_HEAD_END) + length:
            continue
        answers = b",".join([_ANSWERED] * received.count(b'"Data"'))
        body = b'{"FailedPutCount":0,"Encrypted":false,"RequestResponses":[%b]}' % answers
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        received.clear()


@contextmanager
def _in_a_process(target: Callable[..., None], *args: Any) -> Iterator[int]:
    """The port on which it serves; the process ends with the block."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


@contextmanager
def ticker_server(count: int) -> Iterator[str]:
    """The websocket's url; each subscriber is acknowledged, then sent `count` tickers as fast as it takes them."""
    with _in_a_process(_serve_tickers, count) as port:
        yield f"ws://127.0.0.1:{port}"


@contextmanager
def firehose_server() -> Iterator[str]:
    """The endpoint's url."""
    with _in_a_process(_serve_firehose) as port:
        yield f"http://127.0.0.1:{port}"
