"""A lake with holes and an exchange whose REST holds trades: what `heal` and `backfill` are tested between."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.streams import home_stream
from local.exchange.server import ExchangeServer
from local.exchange.tick import Trade
from local.hosting import HostedLoop
from local.lake.answers import run_query
from local.lake.folder import claim_lake, open_lake
from producer.line import LineEncoder, encode_testimony
from producer.packing import Pack
from sql.questions import load_query, query_from_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from cli.streams import HomeStream
    from local.exchange.faults import Fault

PRODUCT = "BTC-USD"
SESSION = "01KAR2M9Q4T8W6X0Y5Z7B3C1DF"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def instant(trade_id: int) -> str:
    """Trade ids happen a second after another."""
    return f"{(START + timedelta(seconds=trade_id)).isoformat().removesuffix('+00:00')}.000000Z"


@contextmanager
def exchange(
    held: Iterable[int], *, faults: Sequence[Fault] = (), limits: bool = True
) -> Iterator[tuple[ExchangeServer, list[str]]]:
    """A simulated exchange whose REST holds these trades of PRODUCT, and the options that lead to it."""
    with HostedLoop("exchange") as loop:
        server = ExchangeServer(products=[PRODUCT], faults=faults, limits=limits, speed=0.001)
        loop.call(server.start())
        history = server.exchange.listings[PRODUCT].history
        for trade_id in held:
            history.add(Trade(trade_id, "86000.5", "0.25", instant(trade_id), "buy"))
        yield server, ["--simulated", "--rest-url", server.rest_url]
        loop.call(server.stop())


def ticker(trade_id: int) -> dict[str, Any]:
    return {
        "type": "ticker",
        "sequence": trade_id,
        "product_id": PRODUCT,
        "price": "86000.5",
        "side": "buy",
        "time": instant(trade_id),
        "trade_id": trade_id,
        "last_size": "0.25",
    }


def gap(first: int, last: int, **changes: Any) -> dict[str, Any]:
    return {
        "product_id": PRODUCT,
        "reason": "disconnected",
        "status": "open",
        "first_missing_trade_id": first,
        "last_missing_trade_id": last,
        "missing": last - first + 1,
        "before": {"trade_id": first - 1, "event_time": instant(first - 1)},
        "after": {"trade_id": last + 1, "event_time": instant(min(last, 10**6) + 1)},
        **changes,
    }


def fill(
    lake: Path,
    ticks: Iterable[int] = (),
    gaps: Iterable[dict[str, Any]] = (),
    *,
    session: str = SESSION,
    each_call: Callable[[HomeStream], None] = lambda _: None,
) -> None:
    """Ticks and gap lines into a lake of simulated trades, down the usual road."""
    claim_lake(lake, "simulated", now=START)
    encoder = LineEncoder(session)
    messages = [("ticker", ticker(each)) for each in ticks] + [("gap", each) for each in gaps]
    lines = [
        encoder.encode(
            n=n,
            kind=kind,  # type: ignore[arg-type]
            source="producer" if kind == "gap" else "simulated",
            receive_us=1_795_401_019_123_456 + n,
            message=encode_testimony(message),
        )
        for n, (kind, message) in enumerate(messages)
    ]
    with home_stream(lake) as stream:
        for at in range(0, len(lines), 400):
            some = lines[at : at + 400]
            content = b"".join(line + b"\n" for line in some)
            stream.put([Pack(session, at, at + len(some) - 1, len(some), content)])
            each_call(stream)


def ask(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_lake(lake) as opened:
        return run_query(opened, query_from_sql(sql), {}).rows


def holes(lake: Path) -> list[tuple[int, int, str, list[list[int]]]]:
    """First and last id, latest status, and what is still missing, of every hole."""
    with open_lake(lake) as opened:
        answer = run_query(opened, load_query("holes"), {})
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return [
        (
            row["first_missing_trade_id"],
            row["last_missing_trade_id"],
            row["status"],
            json.loads(row["still_missing"] or "[]"),
        )
        for row in rows
    ]


def sessions_whole(lake: Path) -> bool:
    """Whether every session's n go from 0 on without a hole, each in one row or one refusal."""
    rows = ask(lake, "SELECT count(*), count(DISTINCT n), min(n), max(n) FROM processed GROUP BY session")
    return all((distinct, least) == (most + 1, 0) and count == distinct for count, distinct, least, most in rows)
