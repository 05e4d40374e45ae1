"""
Coinbase's candles over HTTP: one page, one GET.

Laws: verified TLS; time-outs always; one request at a time and at most three a second (Coinbase allows ten a second and asks not to poll candles);
a limit, a fault and a broken connection are tried again twice, nothing else is; bodies are bounded. Clock and pause are arguments. Uses
urllib3, which boto3 brings along.
Refuses to know: what a body says.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import urllib3

from audit_lambda.candles import CandlesRefused, CandlesUnavailable
from sql.hours import EPOCH

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

COINBASE: Final = "https://api.exchange.coinbase.com"
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0
INTERVAL_S: Final = 0.34
# After the first and the second failure; then it is given up.
BACK_OFFS_S: Final = (1.0, 4.0)
# 300 candles are 20 kB.
MAX_BODY_BYTES: Final = 1024 * 1024
_PRODUCT: Final = re.compile(r"[A-Z0-9]{1,32}-[A-Z0-9]{1,32}")
_OK: Final = 200
# What Coinbase says of a product that it never had, or has no more ("Not allowed for delisted products").
_REFUSALS: Final = (400, 404)
_TOO_MANY: Final = 429
_FAULTS: Final = 500


class CandleClient:
    """A CandleSource: asks one exchange, for one thread at a time."""

    def __init__(
        self,
        root: str = COINBASE,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = root.rstrip("/")
        self._clock, self._pause = clock, pause
        self._next_s = clock()
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            ssl_context=tls,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            headers={"User-Agent": "ticklake", "Accept": "application/json"},
        )

    def __call__(self, product_id: str, *, start_us: int, end_us: int) -> bytes:
        """
        The body of one page of one-minute candles.

        Raises: CandlesUnavailable, CandlesRefused.
        """
        if not _PRODUCT.fullmatch(product_id):
            raise CandlesRefused(product_id=product_id, why="that is no product's name")
        query = urlencode({"granularity": 60, "start": _instant(start_us), "end": _instant(end_us)})
        url = f"{self._root}/products/{product_id}/candles?{query}"
        for back_off_s in (*BACK_OFFS_S, None):
            status, body, why = self._get(url)
            if status == _OK:
                return body
            if status in _REFUSALS:
                raise CandlesRefused(product_id=product_id, why=why)
            if back_off_s is None or (status is not None and status != _TOO_MANY and status < _FAULTS):
                break
            self._pause(back_off_s)
        raise CandlesUnavailable(product_id=product_id, why=why)

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.clear()

    def _get(self, url: str) -> tuple[int | None, bytes, str]:
        self._wait_for_turn()
        try:
            answer = self._pool.request("GET", url, redirect=False, preload_content=False)
            try:
                body = answer.read(MAX_BODY_BYTES + 1, decode_content=True)
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as failed:
            return None, b"", f"{type(failed).__name__}: {failed}"
        if len(body) > MAX_BODY_BYTES:
            answer.close()
            return None, b"", f"the body is longer than {MAX_BODY_BYTES:,} bytes"
        return answer.status, body, f"HTTP {answer.status}, {body[:200].decode(errors='replace')}"

    def _wait_for_turn(self) -> None:
        ahead_s = self._next_s - self._clock()
        if ahead_s > 0:
            self._pause(ahead_s)
        self._next_s = max(self._next_s, self._clock()) + INTERVAL_S


def _instant(instant_us: int) -> str:
    return (EPOCH + timedelta(microseconds=instant_us)).strftime("%Y-%m-%dT%H:%M:%SZ")
