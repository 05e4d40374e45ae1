"""A small lake made by the producer's own pure parts and the real transform: whole, with holes that are named, healed or refused, and copies."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from local.lake.compact import compact_hour, survey_folder
from producer.continuity import Continuity, Hole
from producer.coverage import Coverage
from producer.healing import HealReceipt
from producer.intake import Intake
from producer.ledger import Ledger
from producer.line import LineEncoder, encode_instant, encode_testimony
from producer.rest import RestTrade
from sql.glue import read_table
from sql.history import plan_compaction
from sql.hours import EPOCH, lake_hour
from transform_lambda.answer import answer_event

if TYPE_CHECKING:
    from pathlib import Path

    from contract.messages import Kind
    from producer.healing import Outcome
    from producer.intervals import IntervalSet
    from producer.line import Source
    from producer.minute import Testimony

BEGIN: Final = datetime(2025, 3, 3, 2, 50, tzinfo=UTC)
NOW: Final = datetime(2025, 3, 4, tzinfo=UTC)
PRODUCTS: Final = ("AAA-USD", "BBB-USD", "CCC-USD")
FIRST_IDS: Final = {"AAA-USD": 1_000, "BBB-USD": 5_000, "CCC-USD": 9_000}
SECOND_US: Final = 1_000_000
BEGIN_US: Final = (BEGIN - EPOCH) // timedelta(microseconds=1)
# Seconds after BEGIN.
FIRST_ENDS_S, SECOND_BEGINS_S, END_S = 1_110, 1_200, 2_400
CHUNK_US: Final = 300 * SECOND_US
SCHEMA: Final = pa.schema(
    [pa.field(c.name, pa.int64() if c.type == "bigint" else pa.string()) for c in read_table("delivered").columns]
)


def at(seconds: float) -> int:
    """An instant of this world, in microseconds since the epoch."""
    return BEGIN_US + int(seconds * SECOND_US)


def session_at(at_us: int) -> str:
    """A ULID of that instant."""
    letters, ms, text = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", at_us // 1000, ""
    for _ in range(10):
        text, ms = letters[ms % 32] + text, ms // 32
    return text + "4T8W6X0Y5Z7B3C1D"


FIRST, SECOND = session_at(at(0)), session_at(at(SECOND_BEGINS_S))


def trade_id(product_id: str, seconds: int) -> int:
    """A product trades every third second, in turn."""
    return FIRST_IDS[product_id] + seconds // 3


def ticker(product_id: str, seconds: int, **changes: object) -> bytes:
    number = trade_id(product_id, seconds)
    price = f"{100 + number % 17}.{number % 100:02d}"
    frame = {
        "type": "ticker",
        "sequence": 70_000 + 3 * number,
        "product_id": product_id,
        "price": price,
        "open_24h": "100",
        "volume_24h": "5000.00000000",
        "low_24h": "90",
        "high_24h": "130",
        "volume_30d": "150000.00000000",
        "best_bid": f"{99 + number % 17}.00",
        "best_bid_size": "1.00000000",
        "best_ask": f"{102 + number % 17}.00",
        "best_ask_size": "2.00000000",
        "side": "buy" if number % 2 else "sell",
        "time": encode_instant(at(seconds) + number % 1000),
        "trade_id": number,
        "last_size": f"0.{number:08d}",
    }
    return json.dumps(frame | changes, separators=(",", ":")).encode()


def rest_trade(product_id: str, number: int) -> RestTrade:
    seconds = (number - FIRST_IDS[product_id]) * 3 + PRODUCTS.index(product_id)
    event_time = encode_instant(at(seconds) + number % 1000)
    body = {"trade_id": number, "side": "sell", "size": "0.50000000", "price": "101.00", "time": event_time}
    return RestTrade(number, event_time, json.dumps(body).encode(), valid=True)


@dataclass(slots=True)
class Producer:
    """One session: frames in, lines out."""

    session: str
    continuity: Continuity
    lines: list[tuple[int, bytes]] = field(default_factory=list)  # receive time, line
    ledger: Ledger = field(default_factory=Ledger)
    holes: list[Hole] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    now_us: int = 0
    intake: Intake = field(init=False)
    encoder: LineEncoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = LineEncoder(self.session)
        self.intake = Intake(
            continuity=self.continuity, ledger=self.ledger, write=self.write, set_aside=lambda *_: None, listener=self
        )
        self.coverage.on_watch("exchange_ws", PRODUCTS)

    def write(self, kind: Kind, source: Source, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        text = self.encoder.encode(
            n=len(self.lines),
            kind=kind,
            source=source,
            receive_us=receive_us,
            message=message,
            product_id=product_id,
        )
        self.lines.append((receive_us, text))
        self.ledger.lines[kind] += 1
        return True

    def new_trade(self, product_id: str, trade_id: int, event_time: str) -> None:
        self.testify(self.coverage.ticker(product_id, trade_id, event_time))

    def hole_found(self, hole: Hole) -> None:
        self.holes.append(hole)

    def late_trade(self, hole: Hole, trade_id: int) -> None:
        pass

    def trades_refused(self, product_id: str, trade_ids: IntervalSet) -> None:
        pass

    def testify(self, lines: Any) -> None:
        line: Testimony
        for line in lines:
            self.intake.testify("coverage", encode_testimony(line), self.now_us)

    def second(self, seconds: int, frame: bytes | None) -> None:
        self.now_us = at(seconds) + 40_000
        for product_id in PRODUCTS:
            self.testify(self.coverage.heartbeat(product_id, encode_instant(at(seconds))))
        if frame is not None:
            self.intake.take(frame, self.now_us)

    def open(self, seconds: int) -> None:
        self.now_us = at(seconds)
        said = {"event": "opened", "version": "1", "feed": "wss://x", "products": list(PRODUCTS)}
        self.write("session", "producer", encode_testimony(said), self.now_us)

    def close(self, seconds: int, *, refused: int = 0) -> None:
        self.now_us = at(seconds)
        self.testify(self.coverage.flush())
        count = len(self.lines)
        said = {
            "event": "closed",
            "version": "1",
            "feed": "wss://x",
            "products": list(PRODUCTS),
            "why": "asked to stop",
            "lines": count,
            "by_kind": dict(self.ledger.lines),
            "delivered": count - refused,
            "pending": 0,
            "refused": {"firehose_ValidationException": refused} if refused else {},
            "not_written": 0,
            "frames": dict(self.ledger.frames),
        }
        self.write("session", "producer", encode_testimony(said), self.now_us)

    def heal(self, hole: Hole, ids: list[int]) -> None:
        self.intake.take_healed(hole.product_id, [rest_trade(hole.product_id, each) for each in ids], self.now_us)
        for each in ids:
            hole.missing.remove(each, each)
        outcome: Outcome = "healed" if not hole.missing else "partly_healed" if ids else "unhealed"
        why = "not in /trades" if hole.missing else None
        self.intake.close(HealReceipt(hole, outcome, hole.expected, len(ids), why), self.now_us)


# Of the first session: AAA loses five trades on a live connection, and they are healed. Of the second: what happened while nobody ran (AAA
# healed, BBB in part, CCC not at all), three of BBB dropped and still open, one of CCC in a frame that the transform refuses.
DROPPED_AAA: Final = range(trade_id("AAA-USD", 420), trade_id("AAA-USD", 420) + 5)
DROPPED_BBB: Final = range(trade_id("BBB-USD", 1_501), trade_id("BBB-USD", 1_501) + 3)
REFUSED_CCC: Final = trade_id("CCC-USD", 1_802)
DOWN: Final = {p: range(trade_id(p, FIRST_ENDS_S), trade_id(p, SECOND_BEGINS_S)) for p in PRODUCTS}
DROPPED: Final = {"AAA-USD": DROPPED_AAA, "BBB-USD": DROPPED_BBB}


def _frame(seconds: int) -> bytes | None:
    product_id = PRODUCTS[seconds % 3]
    number = trade_id(product_id, seconds)
    if number in DROPPED.get(product_id, ()):
        return None
    if (product_id, number) == ("CCC-USD", REFUSED_CCC):
        return ticker(product_id, seconds, price="-1.00")
    return ticker(product_id, seconds)


def produce() -> list[tuple[int, bytes]]:
    """Every line of both sessions, with when it was received."""
    first = Producer(FIRST, Continuity())
    first.open(0)
    for seconds in range(1, FIRST_ENDS_S):
        first.second(seconds, _frame(seconds))
        if seconds == 480:
            first.heal(first.holes[0], list(DROPPED_AAA))
    first.close(FIRST_ENDS_S)
    second = Producer(SECOND, Continuity.from_memory(first.continuity.to_memory()))
    second.continuity.suspect("process_down")
    second.open(SECOND_BEGINS_S)
    for product_id in PRODUCTS:  # sent again on subscribe
        seconds = FIRST_ENDS_S - 3 + PRODUCTS.index(product_id)
        second.now_us = at(SECOND_BEGINS_S) + 1_000
        second.intake.take(ticker(product_id, seconds), second.now_us)
    for seconds in range(SECOND_BEGINS_S, END_S):
        second.second(seconds, _frame(seconds))
        if seconds == SECOND_BEGINS_S + 60:
            aaa, bbb, ccc = second.holes
            second.heal(aaa, list(DOWN["AAA-USD"]))
            second.heal(bbb, list(DOWN["BBB-USD"])[10:])
            second.heal(ccc, [])
        if seconds == 1_900:
            second.intake.take(b"oops", second.now_us)
    second.close(END_S)
    return [*first.lines, *second.lines]


def refuse(lines: list[bytes], arrival_us: int) -> list[bytes]:
    """Error objects' envelopes of these lines."""
    return [
        json.dumps(
            {
                "rawData": base64.b64encode(line + b"\n").decode(),
                "errorCode": "Lambda.ProcessingFailedStatus",
                "errorMessage": "ProcessingFailed status set for record",
                "attemptsMade": 1,
                "arrivalTimestamp": arrival_us // 1000,
                "attemptEndingTimestamp": arrival_us // 1000 + 60_000,
            }
        ).encode()
        for line in lines
    ]


def deliver(root: Path, name: str, lines: list[bytes], arrival_us: int) -> None:
    """What Firehose makes of these lines, one record each, arrived at one instant."""
    records = [
        {
            "recordId": str(n),
            "approximateArrivalTimestamp": arrival_us // 1000,
            "data": base64.b64encode(line + b"\n").decode(),
        }
        for n, line in enumerate(lines)
    ]
    answer, _ = answer_event(
        {"invocationId": "1", "deliveryStreamArn": "arn", "region": "eu-west-1", "records": records}
    )
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    refused = []
    for line, record in zip(lines, answer["records"], strict=True):
        if record["result"] != "Ok":
            refused.append(line)
            continue
        keys = record["metadata"]["partitionKeys"]
        folder = "{kind}/{year}/{month}/{day}/{hour}".format_map(keys)
        rows[folder] += map(json.loads, base64.b64decode(record["data"]).splitlines())
    for folder, some in rows.items():
        put_rows(root / "processed/coinbase" / folder / f"{name}.parquet", some)
    if refused:
        path = root / "errors/coinbase/processing-failed" / lake_hour(arrival_us) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(each + b"\n" for each in refuse(refused, arrival_us)))
    put_raw(root / "raw/coinbase" / lake_hour(arrival_us) / f"{name}.gz", lines)


def put_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, compression="snappy")


def put_raw(path: Path, lines: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(each + b"\n" for each in lines), 1, mtime=0))


def build(root: Path) -> None:
    """The lake: delivered in five-minute objects, five lines of the first twice, hour 02 compacted."""
    chunks: dict[int, list[bytes]] = defaultdict(list)
    for receive_us, line in produce():
        chunks[receive_us // CHUNK_US].append(line)
    for number, chunk in sorted(chunks.items()):
        deliver(root, f"{number * CHUNK_US // SECOND_US % 86_400:05d}", chunk, (number + 1) * CHUNK_US - SECOND_US)
    again = chunks[min(chunks)][10:15]
    deliver(root, "again", again, at(299))
    hours = plan_compaction(
        survey_folder(root), now=BEGIN + timedelta(hours=1, minutes=0), from_us=0, to_us=2**62, even_open=False
    ).hours
    assert ["2025/03/03/02"] == [hour.event_hour for hour in hours]
    compact_hour(root, hours[0], lambda _: None)
