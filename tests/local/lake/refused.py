"""Lines as they stand in error objects: each passes today's transform, but for one whose price is none."""

from __future__ import annotations

import base64
import json

SESSION = "01KAR2M9Q4T8W6X0Y5Z7B3C1DF"


def line(n: int, price: str = "1.5") -> bytes:
    """The ticker line of this number."""
    frame = {
        "type": "ticker",
        "sequence": n,
        "product_id": "BTC-USD",
        "price": price,
        "side": "buy",
        "time": "2026-11-23T01:00:00Z",
        "trade_id": n + 1,
        "last_size": "1",
    }
    whole = {
        "v": 1,
        "session": SESSION,
        "n": n,
        "kind": "ticker",
        "source": "exchange_ws",
        "receive_time": "2026-11-23T01:00:00.000000Z",
    }
    return json.dumps({**whole, "message": frame}, separators=(",", ":")).encode()


def envelope(raw: bytes) -> bytes:
    """Firehose's error record of these bytes."""
    return json.dumps({"rawData": base64.b64encode(raw).decode()}).encode()
