"""The questions on a lake that the whole road wrote from a recording, against the recording itself in plain Python."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from local.lake.answers import run_query
from local.lake.folder import Lake, open_lake
from sql.questions import load_query, query_from_sql

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunTicklake

Frame = dict[str, Any]
WIDTH_US = 300_000_000
BAD = {
    "price_not_positive": {"price": "-1.00"},
    "message_invalid": {"last_size": "0.-10000"},
    "time_out_of_range": {"time": "0001-01-01T00:00:00Z"},
}


def event_us(frame: Frame) -> int:
    return (datetime.fromisoformat(frame["time"]) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def naive(instant_us: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)).replace(tzinfo=None)


def vwap(frames: list[Frame]) -> Decimal:
    notional = sum(Fraction(frame["price"]) * Fraction(frame["last_size"]) for frame in frames)
    exact = notional / sum(Fraction(frame["last_size"]) for frame in frames)
    return Decimal(int((exact * 10**18 * 2 + 1) // 2)).scaleb(-18)


def answer(lake: Lake, name: str, *columns: str, **values: str) -> list[tuple[Any, ...]]:
    result = run_query(lake, load_query(name), values)
    return [tuple(row[result.columns.index(column)] for column in columns) for row in result.rows]


def select(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    return run_query(lake, query_from_sql(sql), {}).rows


@pytest.mark.slow
def test_a_recorded_hour_is_answered_as_plain_python_answers_it(
    tmp_path: Path, recorded: Path, ticklake: RunTicklake
) -> None:
    frames = [
        json.loads(text)
        for text in gzip.decompress(
            (recorded / "exchange/ticker_quiet_hour_2025-11-25T04.jsonl.gz").read_bytes()
        ).splitlines()
    ]
    # The same trade again with another volume, as after a subscribe; and frames that the transform refuses.
    copies = [{**frame, "volume_24h": "1"} for frame in frames[100:200]]
    bad = [{**frames[0], **change} for change in BAD.values()]
    recording = tmp_path / "hour.jsonl"
    recording.write_text(
        "".join(
            json.dumps(frame, separators=(",", ":")) + "\n" for frame in [*frames[:300], *bad, *copies, *frames[300:]]
        )
    )
    done = ticklake(
        "local",
        "--feed",
        recording,
        "--speed",
        "max",
        "--lake",
        tmp_path / "lake",
        "--linger-s",
        0.1,
        "--products",
        "BTC-USD,ETH-USD,SOL-USD",
    )
    assert 0 == done.returncode, done.stderr

    trades = {(frame["product_id"], frame["trade_id"]): frame for frame in reversed(frames)}
    by_product: dict[str, list[Frame]] = defaultdict(list)
    for _, frame in sorted(trades.items()):
        by_product[frame["product_id"]].append(frame)

    with open_lake(tmp_path / "lake") as lake:
        text = "product_id, trade_id, price, last_size, best_bid, best_ask_size, open_24h, taker_side"
        rows = select(lake, f"SELECT {text} FROM processed WHERE kind = 'ticker'")
        fields = [name.replace("taker_side", "side") for name in text.split(", ")]
        assert Counter(tuple(frame[name] for name in fields) for frame in [*frames, *copies]) == Counter(rows)
        assert [(len(trades),)] == select(lake, "SELECT count(*) FROM ticks")
        assert len(frames) + len(copies) - len(trades) == sum(
            count for (count,) in answer(lake, "duplicates", "copies")
        )

        assert [(p, Decimal(some[-1]["price"])) for p, some in by_product.items()] == answer(
            lake, "last_price", "product_id", "price"
        )
        assert [(p, len(some), vwap(some), 0) for p, some in by_product.items()] == answer(
            lake, "vwap", "product_id", "trades", "vwap", "rounded_trades"
        )
        assert expected_ohlcv(by_product) == answer(
            lake,
            "ohlcv",
            "product_id",
            "interval_start",
            "open",
            "high",
            "low",
            "close",
            "volume",
            "trades",
            "vwap",
            interval="5m",
        )
        sides = Counter((frame["product_id"], frame["side"]) for frame in trades.values())
        assert sorted((*key, count) for key, count in sides.items()) == answer(
            lake, "volume_by_taker", "product_id", "taker_side", "trades"
        )
        seconds = Counter(event_us(frame) // 1_000_000 for frame in trades.values())
        top = sorted((-count, second) for second, count in seconds.items())[:10]
        assert [(naive(second * 1_000_000), -count) for count, second in top] == answer(
            lake, "peak", "second", "trades"
        )

        assert expected_holes(frames) == set(
            answer(lake, "holes", "product_id", "first_missing_trade_id", "last_missing_trade_id")
        )
        assert Counter(BAD.keys()) == Counter(reason for (reason,) in select(lake, "SELECT reason FROM refusals"))
        kept = [json.loads(line)["message"] for (line,) in select(lake, "SELECT line FROM refusals")]
        assert sorted(bad, key=json.dumps) == sorted(kept, key=json.dumps)
        ((lines, n),) = select(lake, "SELECT lines, n FROM sessions WHERE event = 'closed'")
        names = select(lake, "SELECT n FROM processed UNION SELECT n FROM refusals ORDER BY n")
        assert lines == n
        assert list(range(n + 1)) == [each for (each,) in names]
        every = "SELECT * FROM ticks ORDER BY product_id, trade_id"
        before = select(lake, every)

    done = ticklake("compact", "--lake", tmp_path / "lake", "--even-open")
    assert 0 == done.returncode, done.stderr
    done = ticklake("replay", "--lake", tmp_path / "lake", "--dry-run")
    assert "of which 0 would be changed" in done.stdout
    with open_lake(tmp_path / "lake") as lake:
        assert before == select(lake, every)
        assert [(len(trades),)] == select(lake, "SELECT count(*) FROM history")
        assert expected_ohlcv(by_product) == [
            row[:-1] for row in run_query(lake, load_query("ohlcv"), {"interval": "5m"}).rows
        ]


def expected_ohlcv(by_product: dict[str, list[Frame]]) -> list[tuple[Any, ...]]:
    expected: list[tuple[Any, ...]] = []
    for product, frames in by_product.items():
        buckets: dict[int, list[Frame]] = defaultdict(list)
        for frame in frames:
            buckets[event_us(frame) // WIDTH_US * WIDTH_US].append(frame)
        for start_us, some in sorted(buckets.items()):
            prices = [Decimal(frame["price"]) for frame in some]
            volume = sum((Decimal(frame["last_size"]) for frame in some), Decimal(0))
            ends = (prices[0], max(prices), min(prices), prices[-1])
            expected.append((product, naive(start_us), *ends, volume, len(some), vwap(some)))
    return expected


def expected_holes(frames: list[Frame]) -> set[tuple[str, int, int]]:
    holes: set[tuple[str, int, int]] = set()
    last: dict[str, int] = {}
    for frame in frames:
        product, trade_id = str(frame["product_id"]), int(frame["trade_id"])
        if trade_id > last.get(product, trade_id) + 1:
            holes.add((product, last[product] + 1, trade_id - 1))
        last[product] = max(trade_id, last.get(product, 0))
    return holes
