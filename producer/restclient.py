"""
One GET to the exchange's REST API: a path in, status and body out; or no answer, as a sentence.

Laws: verified TLS; time-outs always; no retries and no redirects (the caller decides); bodies are bounded. Uses urllib3, which boto3 brings
along.
Refuses to know: what a body says, rate limits, and who asks.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import urllib3

from producer.rest import RestAnswer

if TYPE_CHECKING:
    import ssl

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0
# A page of 1,000 trades is 120 kB; the list of all products under 1 MB.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024


class RestClient:
    """GETs from one root URL; for as many threads at a time as it has connections."""

    def __init__(
        self,
        root: str,
        *,
        tls: ssl.SSLContext | None = None,
        connections: int = 1,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._root = root.rstrip("/")
        self._max_body_bytes = max_body_bytes
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=connections,
            ssl_context=tls,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            # The exchange asked for one, years ago; and a name is polite.
            headers={"User-Agent": "ticklake", "Accept": "application/json"},
        )

    def get(self, path: str) -> RestAnswer:
        """One GET; blocks until it is answered or times out. Raises nothing for what the peer or the network does."""
        try:
            answer = self._pool.request("GET", self._root + path, redirect=False, preload_content=False)
            try:
                body = answer.read(self._max_body_bytes + 1, decode_content=True)
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as failed:
            return RestAnswer(None, b"", f"{type(failed).__name__}: {failed}")
        if len(body) > self._max_body_bytes:
            answer.close()
            return RestAnswer(None, b"", f"the body is longer than {self._max_body_bytes:,} bytes")
        return RestAnswer(answer.status, body, date_us=_date_us(answer.headers.get("Date")))

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.clear()


def _date_us(date: str | None) -> int | None:
    try:
        return None if date is None else int(parsedate_to_datetime(date).timestamp()) * 1_000_000
    except ValueError:
        return None
