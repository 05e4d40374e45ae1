"""
A producer's feed side in virtual time, against the virtual exchange: no sockets, no waiting; and the oracle that judges its lines.

It does what feed.py and sources.py do with sockets and sleeps, with the clock as a number. Everything that decides is the producer's own.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from pybase64 import b64decode, b64encode_as_string

from local.exchange.actions import Refused
from producer.continuity import Continuity
from producer.errors import FeedLost, FeedRefused
from producer.ingest import Ingest
from producer.intake import Intake
from producer.ledger import Ledger
from producer.line import LineEncoder
from producer.link import Link
from producer.products import SubscribePlan
from producer.ratelimit import Bucket
from producer.rest import RestAnswer
from producer.restdesk import path_of
from transform_lambda.answer import answer_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.exchange.virtual import VirtualConnection, VirtualExchange
    from producer.restdesk import Ask

STEP_S = 0.25
CONNECT_TIMEOUT_S = 10.0
SESSION = "01JDB3M7Q8RSTVWXYZ01234567"


@dataclass
class VirtualProducer:
    """The feed side of a producer; `lines` is its journal."""

    exchange: VirtualExchange
    products: Sequence[str]
    seed: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    room: int = 10**9
    lines: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.aside: list[tuple[str, int]] = []
        self.ledger = Ledger()
        self._encoder = LineEncoder(SESSION)
        self.intake = Intake(
            continuity=Continuity.from_memory(self.memory),
            ledger=self.ledger,
            write=self._write,
            set_aside=self._set_aside,
        )
        self.intake.continuity.suspect("process_down")
        rng = random.Random(self.seed)
        self.now = self.exchange.now_us / 1e6
        self.ingest = Ingest(
            self.intake, self.ledger, rng, stall_s=15.0, fallback_after_s=10.0, heal_back_s=86_400.0, now=self.now
        )
        channel = self.ingest.add_channel(self.products, self.now)
        self.link = Link(
            channel,
            url="virtual",
            plan=SubscribePlan([self.products]),
            connects=Bucket(rate_per_s=4.0, burst=4),
            ledger=self.ledger,
            rng=rng,
        )
        self._connection: VirtualConnection | None = None
        self._opened = False
        self._connecting_since = 0.0
        self._rest_out: tuple[Ask, RestAnswer, float] | None = None
        self.wait_until = 0.0

    def _write(self, kind: Any, source: Any, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.lines.append(
            self._encoder.encode(
                n=len(self.lines),
                kind=kind,
                source=source,
                receive_us=receive_us,
                message=message,
                product_id=product_id,
            )
        )
        return True

    def _set_aside(self, reason: str, frame: bytes) -> None:
        self.aside.append((reason, len(frame)))

    def run(self, for_s: float) -> None:
        """Let time go by."""
        for _ in range(round(for_s / STEP_S)):
            self.exchange.advance(STEP_S)
            self.now = self.exchange.now_us / 1e6
            try:
                self._websocket()
            except (FeedLost, FeedRefused) as lost:
                self.hang_up()
                self.link.lost(lost, self.now)
            self.ingest.tick(self.now, self.exchange.now_us)
            self._rest()

    def stop(self) -> None:
        """End the session in order."""
        self.hang_up()
        self.ingest.flush(self.exchange.now_us)

    def kill(self) -> dict[str, Any]:
        """End at once; returns what the journal would remember."""
        self.hang_up()
        memory: dict[str, Any] = json.loads(json.dumps(self.intake.continuity.to_memory()))
        return memory

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self.exchange.close(self._connection)
        self._connection, self._opened = None, False

    def _websocket(self) -> None:
        if self._connection is None:
            self._connect()
        if self._connection is None:
            return
        if not self._opened:
            self._open(self._connection)
        if self._opened:
            self._read(self._connection)

    def _connect(self) -> None:
        if self.link.wait_s(self.now) > 0:
            return
        answer = self.exchange.connect()
        if isinstance(answer, Refused):
            raise FeedLost(url="virtual", why="it could not be opened")
        self._connection, self._connecting_since = answer, self.now

    def _open(self, connection: VirtualConnection) -> None:
        if self.exchange.now_us < connection.ready_us:
            if self.now - self._connecting_since >= CONNECT_TIMEOUT_S:
                raise FeedLost(url="virtual", why="it could not be opened")
            return
        self._opened = True
        self._send(connection, self.link.opened(self.now, self.exchange.now_us))

    def _read(self, connection: VirtualConnection) -> None:
        for received in connection.take():
            self._send(connection, self.link.frame(received.frame, received.at_us, self.now))
        if connection.closed is not None:
            raise FeedLost(url="virtual", why="the exchange closed the connection", code=connection.closed.code)
        verdict = self.link.verdict(self.now)
        if verdict is not None:
            raise FeedLost(url="virtual", why=verdict)
        self._send(connection, self.link.remind(self.exchange.now_us, self.now))

    def _send(self, connection: VirtualConnection, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.exchange.send(connection, message)

    def _rest(self) -> None:
        """Like the real loop: one request at a time; an answer comes when it comes."""
        for _ in range(8):
            if self._rest_out is None:
                ask = self.ingest.next_ask(self.now)
                if ask is None:
                    return
                self._rest_out = (ask, *self._get(path_of(ask)))
            ask, answer, due = self._rest_out
            if self.now < due:
                return
            self._rest_out = None
            self.ingest.answered(ask, answer, now=self.now, receive_us=self.exchange.now_us)

    def _get(self, path: str) -> tuple[RestAnswer, float]:
        parts = urlsplit(path)
        got = self.exchange.rest(parts.path, **dict(parse_qsl(parts.query)))
        if got is None:
            return RestAnswer(None, b"", "no answer"), self.now
        if got.delay_s >= 10:  # the client's own time-out
            return RestAnswer(None, b"", "timed out"), self.now + 10
        return RestAnswer(got.status, got.body, date_us=self.exchange.now_us), self.now + got.delay_s


@dataclass
class Judgement:
    """What a journal amounts to once the transform has judged its lines, per product."""

    ticks: dict[str, set[int]] = field(default_factory=dict)
    unhealed: dict[str, set[int]] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    rows: list[dict[str, Any]] = field(default_factory=list)


def judge(lines: Sequence[bytes]) -> Judgement:
    """The trades in the view `ticks`, and those that a gap line names and nothing filled; by the real transform."""
    judgement = Judgement()
    judgement.rows = rows_of(lines)
    latest: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for row in judgement.rows:
        if row["kind"] in {"ticker", "trade"}:
            judgement.ticks.setdefault(row["product_id"], set()).add(row["trade_id"])
        elif row["kind"] == "gap":
            gap = json.loads(row["detail"])
            judgement.reasons.add(gap["reason"])
            key = (gap["product_id"], gap["first_missing_trade_id"], gap["last_missing_trade_id"])
            before = latest.get(key, [])
            # A receipt of more ranges than one line names goes on in the next line.
            goes_on = bool(before) and len(before[-1].get("still_missing", ())) == 1000
            latest[key] = [*before, gap] if goes_on else [gap]
    for (product_id, first, last), gaps in latest.items():
        for gap in gaps:
            ranges = gap.get("still_missing", [[first, last]])
            judgement.unhealed.setdefault(product_id, set()).update(
                number for low, high in ranges for number in range(low, high + 1)
            )
    return judgement


def rows_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows that the transform makes of lines, one record a line."""
    rows = []
    for at in range(0, len(lines), 2_000):
        records = [
            {"recordId": str(n), "approximateArrivalTimestamp": 1_763_996_400_000, "data": b64encode_as_string(line)}
            for n, line in enumerate(lines[at : at + 2_000])
        ]
        answer, _ = answer_event({"invocationId": "1", "deliveryStreamArn": "arn", "region": "r", "records": records})
        rows += [json.loads(b64decode(each["data"])) for each in answer["records"] if each["result"] == "Ok"]
    return rows
