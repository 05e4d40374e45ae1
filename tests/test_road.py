"""The whole road as a user drives it: `ticklake local` over a feed, then questions to the lake it wrote."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from local.lake.answers import run_query
from local.lake.folder import open_lake
from sql.questions import query_from_sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import RunTicklake


def ask(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_lake(lake) as opened:
        return run_query(opened, query_from_sql(sql), {}).rows


def raw_lines(lake: Path) -> Iterator[bytes]:
    for path in sorted((lake / "raw").rglob("*.gz")):
        with gzip.open(path) as file:
            yield from (line.rstrip(b"\n") for line in file)


def messages(lake: Path) -> Counter[bytes]:
    """Every message in raw/, cut out of its line byte for byte."""
    return Counter(line.split(b',"message":', 1)[1][:-1] for line in raw_lines(lake))


def error_lines(lake: Path) -> list[bytes]:
    lines = []
    for path in sorted((lake / "errors").rglob("*")):
        if path.is_file():
            lines += [base64.b64decode(json.loads(each)["rawData"]) for each in path.read_text().splitlines()]
    return lines


def refusals(lake: Path) -> dict[int, str]:
    """The transform's reasons by the line's n, out of its log."""
    log = (lake / "logs" / "transform.log").read_text().splitlines()
    return {each["n"]: each["reason"] for each in map(json.loads, log) if "reason" in each}


def holes_in(frames: list[bytes]) -> set[tuple[str, int, int]]:
    """A second computation of the holes, straight from the recording."""
    last: dict[str, int] = {}
    holes = set()
    for frame in frames:
        message = json.loads(frame)
        product, trade_id = message["product_id"], message["trade_id"]
        if trade_id > last.get(product, trade_id) + 1:
            holes.add((product, last[product] + 1, trade_id - 1))
        last[product] = max(trade_id, last.get(product, 0))
    return holes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ticker_quiet_hour_2025-11-25T04", (3, 34_653)),
        pytest.param("ticker_2025-11-24", (21, 861_276), marks=pytest.mark.slow),
    ],
)
def test_a_recording_arrives_whole_with_its_holes_named(
    tmp_path: Path, recorded: Path, ticklake: RunTicklake, name: str, expected: tuple[int, int]
) -> None:
    recording = recorded / "exchange" / f"{name}.jsonl.gz"
    lake = tmp_path / "lake"
    done = ticklake(
        *("local", "--feed", recording, "--speed", "max", "--lake", lake, "--products", "BTC-USD,ETH-USD,SOL-USD"),
        *("--linger-s", 0.5, "--buffer-s", 5),
    )
    frames = gzip.decompress(recording.read_bytes()).splitlines()

    assert (0, "") == (done.returncode, re.sub(r"The feed .* was lost.*\n", "", done.stderr))
    assert 2 == done.stdout.count("   balanced\n")
    assert Counter(frames) == Counter({m: c for m, c in messages(lake).items() if b'"type":"ticker"' in m})
    products = Counter(json.loads(frame)["product_id"] for frame in frames)
    assert sorted(products.items()) == ask(
        lake, "SELECT product_id, count(*) FROM processed WHERE kind = 'ticker' GROUP BY product_id ORDER BY product_id"
    )
    trades = len({(message["product_id"], message["trade_id"]) for message in map(json.loads, frames)})
    assert [(trades, trades)] == ask(
        lake, "SELECT count(*), count(DISTINCT product_id || ' ' || CAST(trade_id AS varchar)) FROM ticks"
    )
    gaps = ask(lake, "SELECT product_id, first_missing_trade_id, last_missing_trade_id FROM gaps")
    assert expected == (len(gaps), sum(last - first + 1 for _, first, last in gaps))
    assert holes_in(frames) == set(gaps)
    assert [("simulated",)] == ask(lake, "SELECT DISTINCT source FROM ticks")


@pytest.mark.slow
def test_the_frames_of_2021_land_too_and_recorded_twice_they_are_the_same_ticks(
    tmp_path: Path, recorded: Path, ticklake: RunTicklake
) -> None:
    recording = recorded / "exchange" / "ticker_2021_illiquid.jsonl"
    lake = tmp_path / "lake"
    tickers = "SELECT count(*), count(best_bid), count(best_bid_size) FROM processed WHERE kind = 'ticker'"
    for journal, lines in (("one", 107), ("two", 214)):  # two producers, each with a journal of its own
        done = ticklake(
            *("local", "--feed", recording, "--speed", "max", "--lake", lake, "--linger-s", 0.2),
            *("--journal", tmp_path / journal),
        )
        assert 0 == done.returncode, done.stderr
        assert [(lines, lines, 0)] == ask(lake, tickers)
        assert [(107,)] == ask(lake, "SELECT count(*) FROM ticks")


def ticker(number: int, **changes: object) -> dict[str, object]:
    return {
        "type": "ticker",
        "sequence": 1000 + number,
        "product_id": "AAA-USD",
        "price": "10.5",
        "open_24h": "10",
        "volume_24h": "5.00000000",
        "low_24h": "9",
        "high_24h": "11",
        "volume_30d": "100.00000000",
        "best_bid": "10.49",
        "best_bid_size": "1.00000000",
        "best_ask": "10.50",
        "best_ask_size": "2.00000000",
        "side": "buy",
        "time": "2026-01-02T03:04:05.678901Z",
        "trade_id": number,
        "last_size": "0.1",
        **changes,
    }


MALFORMED: dict[str, tuple[str, bytes]] = {
    "cut": ("frame_not_json", json.dumps(ticker(11)).encode()[:100]),
    "not JSON": ("frame_not_json", b"Internal Server Error"),
    "not UTF-8": ("frame_not_utf8", b'{"type":"ticker","product_id":"A\xff\xfe"}'),
    "an array": ("frame_not_object", b"[1,2,3]"),
    "wrong types": ("message_invalid", json.dumps(ticker(12, price=10.5)).encode()),
    "a negative price": ("price_not_positive", json.dumps(ticker(13, price="-10.5")).encode()),
    "a zero price": ("price_not_positive", json.dumps(ticker(14, price="0.00")).encode()),
    "the year 0001": ("time_out_of_range", json.dumps(ticker(15, time="0001-01-01T00:00:00.000000Z")).encode()),
    "a malformed size": ("message_invalid", json.dumps(ticker(16, last_size="0.-10000")).encode()),
    "2 MB long": ("frame_too_long", json.dumps(ticker(17, x="y" * 2_000_000)).encode()),
    "a crossed book": ("book_crossed", json.dumps(ticker(18, best_ask="10.48")).encode()),
}


def test_each_malformed_frame_is_an_error_with_its_reason_and_its_neighbours_are_rows(
    tmp_path: Path, ticklake: RunTicklake
) -> None:
    frames = [json.dumps(ticker(1)).encode()]
    for at, (_, frame) in enumerate(MALFORMED.values()):
        frames += [frame, json.dumps(ticker(100 + at)).encode()]
    recording = tmp_path / "bad.jsonl"
    recording.write_bytes(b"".join(frame + b"\n" for frame in frames))
    lake = tmp_path / "lake"
    done = ticklake(
        "local", "--feed", recording, "--speed", "max", "--lake", lake, "--linger-s", 0.2, "--products", "AAA-USD"
    )

    assert 0 == done.returncode, done.stderr
    refused = refusals(lake)
    kinds = {line["n"]: line["kind"] for line in map(json.loads, raw_lines(lake))}
    # REST may have been asked for the trades in the malformed frames, and gives some of them no better.
    from_the_feed = Counter(reason for n, reason in refused.items() if kinds[n] != "trade")
    assert Counter(reason for reason, _ in MALFORMED.values()) == from_the_feed
    assert len(refused) == len(error_lines(lake))
    assert [(1 + len(MALFORMED),)] == ask(lake, "SELECT count(*) FROM processed WHERE kind = 'ticker'")
    assert [(0,)] == ask(lake, "SELECT count(*) FROM ticks WHERE trade_id IN (13, 14, 16)")
    assert [(2, 99)] == ask(
        lake, "SELECT first_missing_trade_id, last_missing_trade_id FROM gaps WHERE status = 'open'"
    )
    kept = json.loads(next(lake.glob("journal/*/refused.ndjson")).read_text())
    assert MALFORMED["2 MB long"][1].decode() == kept["text"]


def test_simulated_and_real_rows_never_share_a_lake(tmp_path: Path, ticklake: RunTicklake) -> None:
    (tmp_path / "feed.jsonl").write_text(json.dumps(ticker(1)) + "\n")
    args = ("local", "--feed", tmp_path / "feed.jsonl", "--speed", "max", "--linger-s", 0.1)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "lake.json").write_text(
        '{"format": 1, "content": "coinbase", "created": "2026-01-01T00:00:00Z"}'
    )
    done = ticklake(*args, "--lake", tmp_path / "lake")

    assert 0 == done.returncode, done.stderr
    assert "holds rows of the other kind" in done.stdout
    assert [(1,)] == ask(tmp_path / "lake-simulated", "SELECT count(*) FROM ticks")
    assert not (tmp_path / "lake" / "processed").exists()


def test_the_simulated_market_fills_all_three_prefixes_and_the_receipt_balances(
    tmp_path: Path, ticklake: RunTicklake
) -> None:
    lake = tmp_path / "lake"
    done = ticklake(
        *("local", "--feed", "simulated", "--minutes", 0.25, "--speed", 5, "--lake", lake),
        *("--linger-s", 1, "--buffer-s", 2, "--seed", 7),
    )

    assert 0 == done.returncode, done.stderr
    assert 2 == done.stdout.count("   balanced\n")
    for prefix in ("raw", "processed", "errors"):
        assert any(path.is_file() for path in (lake / prefix / "coinbase").rglob("*")), prefix
    assert "What is each product's last price?" in done.stdout
