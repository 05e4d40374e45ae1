"""A small lake with everything in it that SQL must not get wrong: copies of every cause, late and healed rows, testimony, refusals."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pyarrow as pa
import pyarrow.parquet as pq

from contract import load_schema
from sql.glue import read_table

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SESSION_A, SESSION_B = "01JDB3ABCDEFGHJKMNPQRSTVWX", "01JDB4ABCDEFGHJKMNPQRSTVWX"
MARKET = ["sequence", "price", "last_size", "taker_side", "best_bid", "best_bid_size", "best_ask", "best_ask_size"]
MARKET += ["open_24h", "high_24h", "low_24h", "volume_24h", "volume_30d"]
CHECK_ROW = fastjsonschema.compile(load_schema("row"))
TABLE = read_table("delivered")
SCHEMA = pa.schema([pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in TABLE.columns])


def us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def naive(instant_us: int) -> datetime:
    return (EPOCH + timedelta(microseconds=instant_us)).replace(tzinfo=None)


def hour(instant_us: int) -> str:
    return naive(instant_us).strftime("%Y/%m/%d/%H")


def rfc3339(instant_us: int) -> str:
    return naive(instant_us).isoformat(timespec="microseconds") + "Z"


class Writer:
    """Puts rows where the transform's rule would, and remembers them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[Row] = []
        self.next_n: Counter[str] = Counter()

    def put(self, row: Row, *, lake_kind: str | None = None, arrival_us: int | None = None) -> Row:
        given = {"session": SESSION_A, "source": "exchange_ws", **row}
        if given["kind"] != "refused":
            if "n" not in given:
                given["n"] = self.next_n[given["session"]]
                self.next_n[given["session"]] += 1
            given.setdefault("receive_time_us", given.get("event_time_us", us(START)) + 40_000)
        else:
            given.pop("source")
        CHECK_ROW(given)
        happened_us = given.get("event_time_us", given.get("receive_time_us", us(START)))
        lake_hour = hour(happened_us if arrival_us is None else arrival_us)
        whole = {c.name: None for c in TABLE.columns} | given
        self.rows.append(whole | {"lake_kind": lake_kind or given["kind"], "lake_hour": lake_hour})
        return whole

    def write(self) -> None:
        objects: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            objects[row["lake_kind"], row["lake_hour"]].append(row)
        for (lake_kind, lake_hour), rows in objects.items():
            folder = self.root / "processed" / "coinbase" / lake_kind / lake_hour
            folder.mkdir(parents=True)
            for part, some in enumerate((rows[::2], rows[1::2])):
                pq.write_table(
                    pa.Table.from_pylist(some, schema=SCHEMA),
                    folder / f"ticklake-1-{part}.parquet",
                    compression="snappy",
                )

    def put_errors(self, error_type: str, envelopes: list[Row], *, name: str, zipped: bool) -> None:
        folder = self.root / "errors" / "coinbase" / error_type / hour(us(START))
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(envelope) + "\n" for envelope in envelopes).encode()
        (folder / name).write_bytes(gzip.compress(text) if zipped else text)


def decimal_text(rng: random.Random, low: int, high: int, places: int) -> str:
    return (
        str(Decimal(rng.randrange(low * 10**places, high * 10**places)).scaleb(-places))
        if places
        else str(rng.randrange(low, high))
    )


def put_trades(writer: Writer) -> None:
    """Three products over five hours: prices of 2, 8 and 18 places, copies of every cause, a mixed pack, late and healed rows."""
    rng = random.Random(20261123)
    for product, (low, high, places), size_places in (
        ("BTC-USD", (86_000, 88_000, 2), 8),
        ("SHIB-BTC", (1, 3, 8), 0),
        ("ODD-USD", (1, 2, 18), 18),
    ):
        at_us, trade_id = us(START), 1_000
        while at_us < us(START) + 5 * HOUR_US:
            at_us += rng.choice((0, 0, 17, 1_000_003, 61_000_007, 240_000_001))
            trade_id += 1
            bid = decimal_text(rng, low, high, places)
            ticker = {
                "kind": "ticker",
                "product_id": product,
                "event_time_us": at_us,
                "receive_time_us": at_us + rng.randrange(-2_000, 90_000),
                "trade_id": trade_id,
                "sequence": trade_id * 60,
                "price": decimal_text(rng, low, high, places),
                "last_size": decimal_text(rng, 0, 5, size_places),
                "taker_side": rng.choice(("buy", "sell")),
                "best_bid": bid,
                "best_ask": str(Decimal(bid) + Decimal(rng.randrange(0, 9)).scaleb(-places)),
                "open_24h": "1.10",
            }
            put_one_way(writer, ticker, rng)


def put_one_way(writer: Writer, ticker: Row, rng: random.Random) -> None:
    trade = {
        key: ticker[key] for key in ("product_id", "event_time_us", "trade_id", "price", "last_size", "taker_side")
    }
    healed = {"kind": "trade", "source": "rest_heal", **trade, "receive_time_us": ticker["event_time_us"] + 3 * HOUR_US}
    way = rng.randrange(12)
    if way == 0:  # seen only by healing
        writer.put(healed)
        return
    first = writer.put(ticker, lake_kind="mixed" if way == 1 else None)
    if way == 2:  # the same line delivered again
        writer.put({key: value for key, value in first.items() if value is not None})
    elif way == 3:
        writer.put(healed)
    elif way == 4:  # a second producer, which received it earlier
        writer.put({**ticker, "session": SESSION_B, "receive_time_us": ticker["receive_time_us"] - 1_000})
    elif way == 5:  # sent again on subscribe, fuller, and so late that it lies in the hour it arrived
        later_us = ticker["event_time_us"] + 30 * HOUR_US
        writer.put({**ticker, "volume_24h": "5", "receive_time_us": later_us}, arrival_us=later_us)


def put_testimony(writer: Writer) -> None:
    def gap(**detail: Any) -> Row:
        edges = {"before": None, "after": None}
        whole = {"product_id": "BTC-USD", "reason": "disconnected", "status": "open", "missing": 3, **edges, **detail}
        times = [whole[edge]["event_time"] for edge in ("before", "after") if whole[edge]]
        row = {"kind": "gap", "product_id": "BTC-USD", "source": "producer", "detail": json.dumps(whole)}
        return row | ({"event_time_us": us(datetime.fromisoformat(times[-1]))} if times else {})

    edges = {
        "before": {"trade_id": 5, "event_time": "2026-11-23T01:00:00.000001Z"},
        "after": {"trade_id": 9, "event_time": "2026-11-23T01:30:00.5Z"},
    }
    ids = {"first_missing_trade_id": 6, "last_missing_trade_id": 8}
    unknown = {"first_missing_trade_id": None, "last_missing_trade_id": None, "missing": None, "reason": "journal_full"}
    writer.put({**gap(**ids, **edges), "receive_time_us": us(START) + 31 * MINUTE_US})
    receipt = {"status": "partly_healed", "fetched": 2, "still_missing": [[7, 7]], "why": "not in /trades"}
    writer.put({**gap(**ids, **edges, **receipt), "receive_time_us": us(START) + 32 * MINUTE_US})
    writer.put({**gap(**unknown), "receive_time_us": us(START) + 2 * HOUR_US})
    writer.put({**gap(**unknown), "receive_time_us": us(START) + 4 * HOUR_US})
    for session, ticks in ((SESSION_A, 3), (SESSION_B, 10_000)):
        said = {
            "product_id": "BTC-USD",
            "minute": "2026-11-23T01:00:00Z",
            "ticks": ticks,
            "first_trade_id": 1001,
            "last_trade_id": None,
        }
        said |= {
            "longest_silence_ms": ticks,
            "watched_ms": {"exchange_ws": 60000},
            "heartbeats": 60,
            "whole": session == SESSION_B,
        }
        row = {
            "kind": "coverage",
            "product_id": "BTC-USD",
            "source": "producer",
            "session": session,
            "detail": json.dumps(said),
        }
        writer.put(row | {"event_time_us": us(START), "receive_time_us": us(START) + 61_000_000})
    opened = {"event": "opened", "version": "0.1.0", "feed": "exchange_ws", "products": ["BTC-USD", "SHIB-BTC"]}
    closed = {
        "event": "closed",
        "why": "asked to",
        "lines": 12,
        "by_kind": {"ticker": 11},
        "delivered": 12,
        "pending": 0,
        "refused": {},
    }
    for event in (opened, closed):
        row = writer.put(
            {"kind": "session", "source": "producer", "detail": json.dumps(event), "receive_time_us": us(START)}
        )
        writer.put({key: value for key, value in row.items() if value is not None}, lake_kind="mixed")


def envelope(raw: bytes, *, spelling: str = "lambdaARN", as_text: bool = False, **more: Any) -> Row:
    numbers: Row = {
        "attemptsMade": 1,
        "arrivalTimestamp": us(START) // 1000 + 7,
        "attemptEndingTimestamp": us(START) // 1000 + 61_107,
    }
    said = {
        "errorCode": "Lambda.ProcessingFailedStatus",
        "errorMessage": "ProcessingFailed status set for record",
        spelling: "arn",
    }
    return {
        "rawData": base64.b64encode(raw).decode(),
        **({k: str(v) for k, v in numbers.items()} if as_text else numbers),
        **said,
        **more,
    }


def line(n: int, **message: Any) -> bytes:
    frame = {
        "type": "ticker",
        "sequence": 1,
        "product_id": "BTC-USD",
        "price": "1",
        "side": "buy",
        "time": "2026-11-23T01:00:00Z",
        "trade_id": 1,
        "last_size": "1",
    }
    whole = {
        "v": 1,
        "session": SESSION_A,
        "n": n,
        "kind": "ticker",
        "source": "exchange_ws",
        "receive_time": "2026-11-23T01:00:00.000000Z",
    }
    return json.dumps({**whole, "message": frame | message}, separators=(",", ":")).encode()
