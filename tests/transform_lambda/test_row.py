from __future__ import annotations

import gzip
import json
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from contract import ROOT, load_schema
from transform_lambda.decode import decode_line
from transform_lambda.row import Row, build_row

LINES = ROOT / "examples/line"
RECORDINGS = Path(__file__).parents[2] / "../shared/data/exchange"
SESSION = "01JDB3M8ZK4Q6W7X8Y9ABCDEFG"
HEAD = f'{{"v":1,"session":"{SESSION}","n":7,"kind":"%s","source":"simulated","receive_time":"2026-11-23T02:30:19.123456Z",%s"message":%s}}'
RECEIVE_TIME_US = 1_795_401_019_123_456
SAME_NAMES = [
    "product_id",
    "price",
    "open_24h",
    "volume_24h",
    "low_24h",
    "high_24h",
    "volume_30d",
    "best_bid",
    "best_bid_size",
    "best_ask",
    "best_ask_size",
    "last_size",
    "trade_id",
    "sequence",
]
check_row = fastjsonschema.compile(load_schema("row"))


def row_of(text: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(build_row(decode_line(text.rstrip(b"\n"))).text)
    check_row(row)
    return row


def example(name: str) -> bytes:
    return (LINES / f"line.{name}.pass.json").read_bytes()


def line_of(kind: str, message: str, product_id: str = "") -> bytes:
    return (HEAD % (kind, product_id and f'"product_id":"{product_id}",', message)).encode()


def recorded(name: str, count: int, step: int = 1) -> list[str]:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("the recorded Coinbase traffic is not on this machine; it is not ours to publish")
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as frames:
        return [frame.rstrip("\n") for frame in islice(frames, 0, count * step, step)]


def assert_carried(frame: str) -> None:
    sent = json.loads(frame)
    row = row_of(line_of("ticker", frame))
    assert {name: sent[name] for name in SAME_NAMES if name in sent} == {
        name: row[name] for name in SAME_NAMES if name in row
    }
    assert sent["side"] == row["taker_side"]
    assert Decimal(row["event_time_us"]).scaleb(-6) % 60 == Decimal(sent["time"][17:-1])
    assert (SESSION, 7, "ticker", "simulated", RECEIVE_TIME_US) == tuple(
        row[name] for name in ("session", "n", "kind", "source", "receive_time_us")
    )


def test_every_frame_of_2021_becomes_a_row_with_its_exact_text() -> None:
    frames = recorded("ticker_2021_illiquid.jsonl", 1000)
    assert 107 == len(frames)
    for frame in frames:
        assert_carried(frame)


def test_a_sample_of_2025_becomes_rows_with_their_exact_text() -> None:
    frames = recorded("ticker_2025-11-24.jsonl.gz", 2000, step=75)
    assert 2000 == len(frames)
    for frame in frames:
        assert_carried(frame)


def test_a_rest_ticker_has_the_tickers_names_and_the_envelopes_product() -> None:
    row = row_of(example("rest_ticker"))
    assert {
        "session": SESSION,
        "n": 42,
        "kind": "ticker",
        "source": "exchange_rest",
        "receive_time_us": RECEIVE_TIME_US,
        "price": "101.25",
        "volume_24h": "1234.56780000",
        "best_bid": "101.24",
        "best_ask": "101.26",
        "event_time_us": 1_795_401_020_100_000,
        "trade_id": 7002,
        "last_size": "0.125",
        "product_id": "ABC-USD",
    } == row


def test_a_rest_tickers_own_product_field_is_not_trusted() -> None:
    text = example("rest_ticker").replace(b'"rfq_volume":"3.5"', b'"product_id":17')
    assert "ABC-USD" == row_of(text)["product_id"]


@pytest.mark.parametrize(("maker", "taker"), [("buy", "sell"), ("sell", "buy")])
def test_a_trades_side_is_the_makers(maker: str, taker: str) -> None:
    message = (
        '{"trade_id":5,"size":"0.1","price":"20000.00000000","time":"2026-11-22T23:59:59.86Z","side":"' + maker + '"}'
    )
    assert taker == row_of(line_of("trade", message, "BTC-EUR"))["taker_side"]


def test_a_spot_price_has_a_product_but_no_event_time() -> None:
    row = row_of(line_of("spot", '{"data":{"amount":"0.00000468","currency":"USD","base":"SHIB"}}'))
    assert ("SHIB-USD", "0.00000468", None) == (row["product_id"], row["price"], row.get("event_time_us"))


def test_a_gap_happened_where_its_far_side_was_seen() -> None:
    row = row_of(example("gap"))
    assert ("ABC-USD", 7002, 1_795_401_025_500_000) == (row["product_id"], row["trade_id"], row["event_time_us"])


@pytest.mark.parametrize("after", ["null", '{"trade_id":9,"event_time":null}'])
def test_a_gap_without_a_far_side_happened_at_its_near_side(after: str) -> None:
    gap = json.loads(example("gap"))["message"] | {"after": json.loads(after)}
    assert 1_795_401_018_987_654 == row_of(line_of("gap", json.dumps(gap)))["event_time_us"]


def test_a_gap_without_edges_has_no_event_time_and_no_trade_id() -> None:
    gap = json.loads(example("gap"))["message"]
    gap |= {
        "before": None,
        "after": None,
        "first_missing_trade_id": None,
        "last_missing_trade_id": None,
        "missing": None,
    }
    row = build_row(decode_line(line_of("gap", json.dumps(gap))))
    assert RECEIVE_TIME_US == row.happened_us
    assert not {"event_time_us", "trade_id"} & set(json.loads(row.text))


def test_coverage_happened_at_its_minute() -> None:
    assert 1_795_401_000_000_000 == row_of(example("coverage"))["event_time_us"]


def test_a_session_has_no_product() -> None:
    assert "product_id" not in row_of(example("session_opened"))


@pytest.mark.parametrize("name", ["gap", "coverage", "session_opened", "session_closed"])
def test_testimony_keeps_its_own_text_as_detail(name: str) -> None:
    text = example(name)
    detail = row_of(text)["detail"]
    assert text.rstrip(b"\n").endswith(f'"message":{detail}}}'.encode())


def test_detail_survives_quotes_backslashes_controls_and_every_script() -> None:
    message = json.dumps(
        {"event": "closed", "why": '"\\\n\t\x00\u2028\x7f é 漢 \U0001f600 </script>'}, ensure_ascii=False
    )
    assert message == row_of(line_of("session", message))["detail"]


def test_an_instant_with_nanoseconds_is_cut() -> None:
    message = '{"trade_id":5,"side":"buy","size":"1","price":"2","time":"2026-11-23T23:59:59.999999999Z"}'
    assert 1_795_478_399_999_999 == row_of(line_of("trade", message, "BTC-EUR"))["event_time_us"]


def test_an_envelope_may_repeat_the_messages_product() -> None:
    frame = json.dumps(json.loads(example("ticker"))["message"])
    assert "ABC-USD" == row_of(line_of("ticker", frame, "ABC-USD"))["product_id"]


def test_a_row_knows_what_chooses_its_partition() -> None:
    row = build_row(decode_line(example("trade").rstrip(b"\n")))
    assert Row(row.text, "trade", "rest_heal", 1_795_400_999_860_000, RECEIVE_TIME_US) == row
