"""Every view and query on a lake written here, against the same answer computed in plain Python, exactly."""

# the expected value stands on the left

from __future__ import annotations

import base64
import json
import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from local.lake.answers import run_query
from local.lake.folder import Lake, open_lake
from sql.questions import load_query, query_from_sql
from tests.infra.lakes import (
    HOUR_US,
    MARKET,
    MINUTE_US,
    SESSION_A,
    START,
    Row,
    Writer,
    envelope,
    hour,
    line,
    naive,
    put_testimony,
    put_trades,
    rfc3339,
    us,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    written = Writer(tmp_path_factory.mktemp("lake"))
    put_trades(written)
    put_testimony(written)
    written.write()
    return written


@pytest.fixture(scope="module")
def lake(writer: Writer) -> Iterator[Lake]:
    with open_lake(writer.root) as opened:
        yield opened


def ask(lake: Lake, name: str, **values: str) -> list[Row]:
    result = run_query(lake, load_query(name), {key.rstrip("_"): value for key, value in values.items()})
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def select(lake: Lake, sql: str) -> list[Row]:
    result = run_query(lake, query_from_sql(sql), {})
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def is_trade(row: Row) -> bool:
    return row["kind"] in {"ticker", "trade"}


def copies_by_trade(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    copies: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in filter(is_trade, rows):
        copies[row["product_id"], row["trade_id"]].append(row)
    return {key: copies[key] for key in sorted(copies)}


def order_of_copies(row: Row) -> tuple[int, int, str, int]:
    return -sum(row[name] is not None for name in MARKET), row["receive_time_us"], row["session"], row["n"]


def winners(writer: Writer, *, from_us: int = 0, to_us: int = 2**62, product: str | None = None) -> list[Row]:
    best = [min(copies, key=order_of_copies) for copies in copies_by_trade(writer.rows).values()]
    return [row for row in best if from_us <= row["event_time_us"] < to_us and product in {None, row["product_id"]}]


def grouped(rows: list[Row], *names: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def rounded(value: str, places: int) -> Decimal:
    with localcontext(prec=60):
        return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def exact_vwap(rows: list[Row]) -> Decimal | None:
    notional = sum(
        (Fraction(rounded(r["price"], 10)) * Fraction(rounded(r["last_size"], 8)) for r in rows), Fraction(0)
    )
    volume = sum((Fraction(rounded(r["last_size"], 8)) for r in rows), Fraction(0))
    if not volume:
        return None
    with localcontext(prec=60):
        digits = (notional / volume * 10**18 * 2 + 1) // 2  # half up
        return Decimal(int(digits)).scaleb(-18)


def total(rows: list[Row], name: str) -> Decimal:
    with localcontext(prec=60):
        return sum((Decimal(row[name]) for row in rows), Decimal(0))


def exact_notional(rows: list[Row]) -> Decimal:
    with localcontext(prec=60):
        return sum((rounded(r["price"], 10) * rounded(r["last_size"], 8) for r in rows), Decimal(0))


def test_the_view_ticks_has_one_row_per_trade_the_fullest_and_every_value_exactly(writer: Writer, lake: Lake) -> None:
    expected = winners(writer)
    answer = select(lake, "SELECT * FROM ticks ORDER BY product_id, trade_id")
    assert len(expected) == len(answer)
    assert len(expected) < sum(map(is_trade, writer.rows))
    for want, got in zip(expected, answer, strict=True):
        for name in (
            "kind",
            "product_id",
            "event_time_us",
            "receive_time_us",
            "source",
            "session",
            "n",
            "trade_id",
            "sequence",
            "taker_side",
        ):
            assert want[name] == got[name]
        for name in set(MARKET) - {"sequence", "taker_side"}:
            assert (None if want[name] is None else Decimal(want[name])) == got[name]
        assert naive(want["event_time_us"]) == got["event_time"]
        assert naive(want["receive_time_us"]) == got["receive_time"]
        assert (want["lake_kind"], want["lake_hour"]) == (got["lake_kind"], got["lake_hour"])


def test_decimals_of_eighteen_places_and_twenty_digits_come_back_exactly(tmp_path: Path) -> None:
    texts = [
        "0.00000011",
        "12345678901234567890.123456789012345678",
        "99999999999999999999.999999999999999999",
        "1.100",
        "0.000000000000000001",
    ]
    writer = Writer(tmp_path)
    for trade_id, text in enumerate(texts, start=1):
        writer.put({"kind": "ticker", "product_id": "A-B", "event_time_us": 1, "trade_id": trade_id, "price": text})
    writer.write()
    with open_lake(tmp_path) as lake:
        assert [{"price": Decimal(text)} for text in texts] == select(lake, "SELECT price FROM ticks ORDER BY trade_id")


@pytest.mark.parametrize(
    "window", [{}, {"from_": "2026-11-23T02:17:30.5", "to": "2026-11-23T04:00"}, {"product": "ODD-USD"}]
)
def test_vwap_is_exact(writer: Writer, lake: Lake, window: dict[str, str]) -> None:
    from_us = us(datetime(2026, 11, 23, 2, 17, 30, 500_000, tzinfo=UTC)) if "from_" in window else 0
    to_us = us(datetime(2026, 11, 23, 4, tzinfo=UTC)) if "to" in window else 2**62
    rows = winners(writer, from_us=from_us, to_us=to_us, product=window.get("product"))
    expected = [
        {
            "product_id": product,
            "trades": len(some),
            "volume": sum((rounded(r["last_size"], 8) for r in some), Decimal(0)),
            "notional": exact_notional(some),
            "vwap": exact_vwap(some),
            "rounded_trades": len(some) if product == "ODD-USD" else 0,
        }
        for (product,), some in grouped(rows, "product_id").items()
    ]
    assert expected == ask(lake, "vwap", **window)


def test_a_product_without_volume_has_no_vwap(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.put(
        {"kind": "ticker", "product_id": "A-B", "event_time_us": 1, "trade_id": 1, "price": "5", "last_size": "0"}
    )
    writer.write()
    with open_lake(tmp_path) as lake:
        assert [None] == [row["vwap"] for row in ask(lake, "vwap")]


@pytest.mark.parametrize(
    ("interval", "width_us"),
    [("1m", MINUTE_US), ("10s", 10_000_000), ("500ms", 500_000), ("1h", HOUR_US), ("1d", 24 * HOUR_US)],
)
def test_ohlcv_is_exact_for_any_interval(writer: Writer, lake: Lake, interval: str, width_us: int) -> None:
    expected = []
    buckets = grouped(
        [row | {"start": row["event_time_us"] // width_us * width_us} for row in winners(writer)], "product_id", "start"
    )
    for (product, start_us), rows in sorted(buckets.items()):
        prices = [Decimal(row["price"]) for row in rows]
        expected.append(
            {
                "product_id": product,
                "interval_start": naive(start_us),
                "open": prices[0],
                "high": max(prices),
                "low": min(prices),
                "close": prices[-1],
                "volume": total(rows, "last_size"),
                "trades": len(rows),
                "vwap": exact_vwap(rows),
                "rounded_trades": len(rows) if product == "ODD-USD" else 0,
            }
        )
    assert expected == ask(lake, "ohlcv", interval=interval)


def test_last_price_is_that_of_the_highest_trade_id(writer: Writer, lake: Lake) -> None:
    expected = [
        (product, Decimal(rows[-1]["price"])) for (product,), rows in grouped(winners(writer), "product_id").items()
    ]
    assert sorted(expected) == [(row["product_id"], row["price"]) for row in ask(lake, "last_price")]


def test_a_healed_trade_is_found_once_in_the_hour_it_happened(writer: Writer, lake: Lake) -> None:
    healed = [row for row in winners(writer) if row["kind"] == "trade"]
    answer = select(
        lake, "SELECT trade_id, lake_hour FROM ticks WHERE source = 'rest_heal' ORDER BY product_id, trade_id"
    )
    assert [{"trade_id": row["trade_id"], "lake_hour": hour(row["event_time_us"])} for row in healed] == answer


def test_a_month_old_tick_is_found_by_a_query_over_its_event_time(tmp_path: Path) -> None:
    old_us = us(START) - 30 * 24 * HOUR_US
    writer = Writer(tmp_path)
    writer.put(
        {"kind": "ticker", "product_id": "A-B", "event_time_us": old_us, "trade_id": 1, "price": "5", "last_size": "1"},
        arrival_us=us(START),
    )
    writer.write()
    assert hour(us(START)) == writer.rows[0]["lake_hour"]
    with open_lake(tmp_path) as lake:
        assert [1] == [
            row["trade_id"] for row in ask(lake, "last_price", from_=rfc3339(old_us), to=rfc3339(old_us + 1))
        ]


@pytest.mark.parametrize("back_hours", range(6))
def test_no_tick_is_missed_by_the_bound_on_hours(writer: Writer, lake: Lake, back_hours: int) -> None:
    from_us = us(START) + back_hours * HOUR_US + 1
    expected = Counter(row["product_id"] for row in winners(writer, from_us=from_us))
    assert dict(expected) == {row["product_id"]: row["trades"] for row in ask(lake, "vwap", from_=rfc3339(from_us))}


def test_a_gap_is_unpacked(lake: Lake) -> None:
    healed = select(lake, "SELECT * FROM gaps WHERE status = 'partly_healed'")[0]
    expected = {
        "product_id": "BTC-USD",
        "reason": "disconnected",
        "first_missing_trade_id": 6,
        "last_missing_trade_id": 8,
        "missing": 3,
        "fetched": 2,
        "still_missing": "[[7,7]]",
        "why": "not in /trades",
        "before_trade_id": 5,
        "before_time": naive(us(START) + 1),
        "after_trade_id": 9,
        "after_time": naive(us(START) + 30 * MINUTE_US + 500_000),
    }
    assert expected == {name: healed[name] for name in expected}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, [("partly_healed", 6), ("open", None), ("open", None)]),
        ({"to": "2026-11-23T01:00"}, []),
        ({"from_": "2026-11-23T01:30:01"}, [("open", None), ("open", None)]),
        ({"from_": "2026-11-23T01:10", "to": "2026-11-23T01:20"}, [("partly_healed", 6)]),
        ({"product": "ETH-USD"}, []),
    ],
)
def test_a_hole_shows_once_with_its_latest_status_where_it_touches_the_time_asked_for(
    lake: Lake, window: dict[str, str], expected: list[tuple[str, int | None]]
) -> None:
    assert expected == [(row["status"], row["first_missing_trade_id"]) for row in ask(lake, "holes", **window)]


def test_coverage_compares_what_was_seen_with_what_the_lake_holds(writer: Writer, lake: Lake) -> None:
    in_lake = len(winners(writer, product="BTC-USD", from_us=us(START), to_us=us(START) + MINUTE_US))
    expected = {
        "product_id": "BTC-USD",
        "minute": START.replace(tzinfo=None),
        "producers": 2,
        "whole": True,
        "ticks_seen": 10_000,
        "ticks_in_lake": in_lake,
        "short_by": 10_000 - in_lake,
        "longest_silence_ms": 3,
        "heartbeats": 60,
    }
    assert [expected] == ask(lake, "coverage")
    assert [expected] == ask(lake, "coverage", from_=rfc3339(us(START)), to=rfc3339(us(START) + 1))
    assert not ask(lake, "coverage", to=rfc3339(us(START)))


def test_sessions_show_each_testimony_once(lake: Lake) -> None:
    answer = select(
        lake,
        "SELECT event, feed, products, why, lines, by_kind, delivered, pending, refused, frames FROM sessions ORDER BY n",
    )
    nothing = dict.fromkeys(answer[0])
    opened = nothing | {"event": "opened", "feed": "exchange_ws", "products": '["BTC-USD","SHIB-BTC"]'}
    closed = nothing | {
        "event": "closed",
        "why": "asked to",
        "lines": 12,
        "by_kind": '{"ticker":11}',
        "delivered": 12,
        "pending": 0,
        "refused": "{}",
    }
    assert [opened, closed] == answer


def test_duplicates_are_counted_by_cause(writer: Writer, lake: Lake) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for (product, _), copies in copies_by_trade(writer.rows).items():
        if len(copies) == 1:
            continue
        first, second = copies
        if (first["session"], first["n"]) == (second["session"], second["n"]):
            cause = "delivered_again"
        elif "rest_heal" in {first["source"], second["source"]}:
            cause = "healed_too"
        else:
            cause = "sent_again" if first["session"] == second["session"] else "another_session"
        expected[product, cause] += 1
    assert {cause for _, cause in expected} == {"delivered_again", "healed_too", "sent_again", "another_session"}
    assert sorted((*key, count) for key, count in expected.items()) == [
        tuple(row.values()) for row in ask(lake, "duplicates")
    ]


def test_the_duplicates_and_the_ticks_are_all_the_rows(writer: Writer, lake: Lake) -> None:
    copies = sum(row["copies"] for row in ask(lake, "duplicates"))
    assert sum(map(is_trade, writer.rows)) == copies + len(winners(writer))


def nearest_rank(values: list[Any], percent: int) -> Any:
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def test_spread_percentiles_are_spreads_that_occurred(writer: Writer, lake: Lake) -> None:
    books = [row for row in winners(writer) if row["best_bid"] and Decimal(row["best_bid"]) > 0]
    for answer, ((product,), rows) in zip(ask(lake, "spread"), grouped(books, "product_id").items(), strict=True):
        with localcontext(prec=60):
            spreads = [Decimal(row["best_ask"]) - Decimal(row["best_bid"]) for row in rows]
            bps = [
                float(s) / ((float(r["best_ask"]) + float(r["best_bid"])) / 2) * 10_000
                for s, r in zip(spreads, rows, strict=True)
            ]
        assert (product, len(rows), min(spreads), max(spreads)) == (
            answer["product_id"],
            answer["ticks"],
            answer["min_spread"],
            answer["max_spread"],
        )
        assert [nearest_rank(spreads, p) for p in (50, 90, 99)] == [answer[f"p{p}_spread"] for p in (50, 90, 99)]
        assert answer["mean_spread_bps"] == pytest.approx(sum(bps) / len(bps))
        assert answer["max_spread_bps"] == pytest.approx(max(bps))


def test_volume_by_taker_is_exact(writer: Writer, lake: Lake) -> None:
    expected = [
        (product, side, len(rows), sum((rounded(r["last_size"], 8) for r in rows), Decimal(0)), exact_notional(rows))
        for (product, side), rows in sorted(grouped(winners(writer), "product_id", "taker_side").items())
    ]
    assert expected == [tuple(row.values())[:5] for row in ask(lake, "volume_by_taker")]


def closes(writer: Writer, width_us: int) -> dict[str, list[tuple[int, Decimal]]]:
    last: dict[str, dict[int, Decimal]] = defaultdict(dict)
    for row in winners(writer):
        last[row["product_id"]][row["event_time_us"] // width_us * width_us] = Decimal(row["price"])
    return {product: sorted(by_start.items()) for product, by_start in sorted(last.items())}


def test_returns_go_from_close_to_close(writer: Writer, lake: Lake) -> None:
    expected = [
        (product, naive(start_us), before, close, (start_us - before_us) // (5 * MINUTE_US))
        for product, series in closes(writer, 5 * MINUTE_US).items()
        for (before_us, before), (start_us, close) in pairwise(series)
    ]
    answer = ask(lake, "returns", interval="5m")
    assert expected == [tuple(row.values())[:5] for row in answer]
    for row in answer:
        assert row["simple_return"] == pytest.approx(float(row["close"]) / float(row["previous_close"]) - 1)
        assert row["log_return"] == pytest.approx(math.log(float(row["close"]) / float(row["previous_close"])))


def log_returns(series: list[tuple[int, Decimal]]) -> dict[tuple[int, int], float]:
    return {(a_us, b_us): math.log(float(b) / float(a)) for (a_us, a), (b_us, b) in pairwise(series)}


def test_volatility_is_realised_over_the_time_that_passed(writer: Writer, lake: Lake) -> None:
    for answer, (product, series) in zip(
        ask(lake, "volatility", interval="5m"), closes(writer, 5 * MINUTE_US).items(), strict=True
    ):
        returns = log_returns(series)
        realised = math.sqrt(sum(r * r for r in returns.values()))
        elapsed_years = (series[-1][0] - series[0][0]) / (365 * 24 * HOUR_US)
        assert (product, len(returns)) == (answer["product_id"], answer["returns"])
        assert answer["realised_volatility"] == pytest.approx(realised)
        assert answer["annualised_volatility"] == pytest.approx(realised / math.sqrt(elapsed_years))
        assert (min(returns.values()), max(returns.values())) == pytest.approx(
            (answer["worst_log_return"], answer["best_log_return"])
        )


def test_correlation_is_pearsons_over_intervals_both_traded_in(writer: Writer, lake: Lake) -> None:
    width_us = 5 * MINUTE_US
    adjacent = {
        product: {pair: r for pair, r in log_returns(series).items() if pair[1] - pair[0] == width_us}
        for product, series in closes(writer, width_us).items()
    }
    answer = ask(lake, "correlation", interval="5m")
    assert [("BTC-USD", "ODD-USD"), ("BTC-USD", "SHIB-BTC"), ("ODD-USD", "SHIB-BTC")] == [
        (r["product_id"], r["other_product_id"]) for r in answer
    ]
    for row in answer:
        one, other = adjacent[row["product_id"]], adjacent[row["other_product_id"]]
        shared = sorted(one.keys() & other.keys())
        xs, ys = [one[pair] for pair in shared], [other[pair] for pair in shared]
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        covariance = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
        spread = math.sqrt(sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys))
        assert len(shared) == row["intervals"]
        assert row["correlation"] == pytest.approx(covariance / spread)


def test_peak_lists_the_busiest_seconds(writer: Writer, lake: Lake) -> None:
    seconds = grouped([row | {"second": row["event_time_us"] // 1_000_000} for row in winners(writer)], "second")
    ranked = sorted(
        ((-len(rows), second, len({r["product_id"] for r in rows})) for (second,), rows in seconds.items())
    )[:3]
    expected = [(naive(second * 1_000_000), -trades, products) for trades, second, products in ranked]
    assert expected == [tuple(row.values()) for row in ask(lake, "peak", top="3")]


def test_latency_is_of_tickers_by_source_and_keeps_its_sign(writer: Writer, lake: Lake) -> None:
    tickers = [row for row in winners(writer) if row["kind"] == "ticker"]
    expected = []
    for (source, product), rows in sorted(grouped(tickers, "source", "product_id").items()):
        waits = [row["receive_time_us"] - row["event_time_us"] for row in rows]
        percentiles = [nearest_rank(waits, p) / 1000 for p in (50, 90, 99, 100)]
        expected.append((source, product, len(waits), *percentiles, sum(wait < 0 for wait in waits)))
    assert expected == [tuple(row.values()) for row in ask(lake, "latency")]


def test_rows_per_hour_count_rows_lines_and_products(writer: Writer, lake: Lake) -> None:
    expected = [
        (
            lake_hour,
            kind,
            len(rows),
            len({(r["session"], r["n"]) for r in rows}),
            len({r["product_id"] for r in rows} - {None}),
        )
        for (lake_hour, kind), rows in sorted(grouped(writer.rows, "lake_hour", "kind").items())
    ]
    assert expected == [tuple(row.values()) for row in ask(lake, "rows_per_hour")]
    late = [row for row in expected if row[0] >= "2026/11/23/05"]
    assert late == [tuple(row.values()) for row in ask(lake, "rows_per_hour", from_="2026-11-23T05:30")]


def test_refusals_are_read_in_every_envelope_there_is(tmp_path: Path) -> None:
    sha = "0" * 64
    testimony = {"reason": "frame_not_utf8", "frame_bytes": 1, "frame_sha256": sha, "frame_base64": "gA=="}
    unreadable = line(6).replace(b'"kind":"ticker"', b'"kind":"unreadable"')
    unreadable = json.dumps({**json.loads(unreadable), "message": testimony}, separators=(",", ":")).encode()
    writer = Writer(tmp_path)
    refused = {"reason": "price_not_positive", "detail": "price is -1", "line": line(0, price="-1").decode()}
    writer.put({"kind": "refused", "n": 0, "detail": json.dumps(refused)}, lake_kind="mixed")
    binary = {"reason": "line_not_utf8", "detail": "…", "line_base64": base64.b64encode(b"\x80ab").decode()}
    writer.put({"kind": "refused", "session": None, "n": None, "detail": json.dumps(binary)}, lake_kind="mixed")
    writer.write()
    writer.put_errors(
        "processing-failed", [envelope(line(1, price="0")), envelope(line(2))], name="ticklake-1-a", zipped=False
    )
    old = envelope(line(3, price="-2"), spelling="lambdaArn", as_text=True)
    writer.put_errors("processing-failed", [old, envelope(b'{"cut":')], name="ticklake-1-b", zipped=True)
    writer.put_errors(
        "processing-failed",
        [envelope(line(4, price="-1") + b"\n" + line(5) + b"\n")],
        name="ticklake-1-pack",
        zipped=False,
    )
    writer.put_errors("processing-failed", [envelope(unreadable), {"rawData": "§"}], name="ticklake-1-c", zipped=False)
    conversion = {
        "rawData": base64.b64encode(b'{"kind":"ticker","session":"S","n":7}').decode(),
        "lastErrorCode": "DataFormatConversion.InvalidSchema",
    }
    writer.put_errors(
        "format-conversion-failed",
        [conversion, {**conversion, "ErrorCode": "X.Y", "lastErrorCode": None}],
        name="x",
        zipped=False,
    )
    extraction = {**envelope(line(8)), "errorCode": "DynamicPartitioning.MetadataExtractionFailed"}
    writer.put_errors("metadata-extraction-failed", [extraction], name="x", zipped=True)

    expected = {
        ("row", "price_not_positive", None, SESSION_A, 0, None),
        ("row", "line_not_utf8", None, None, None, None),
        ("processing-failed", "price_not_positive", "Lambda.ProcessingFailedStatus", SESSION_A, 1, False),
        ("processing-failed", "Lambda.ProcessingFailedStatus", "Lambda.ProcessingFailedStatus", SESSION_A, 2, True),
        ("processing-failed", "price_not_positive", "Lambda.ProcessingFailedStatus", SESSION_A, 3, False),
        ("processing-failed", "line_not_json", "Lambda.ProcessingFailedStatus", None, None, False),
        ("processing-failed", "price_not_positive", "Lambda.ProcessingFailedStatus", SESSION_A, 4, False),
        ("processing-failed", "Lambda.ProcessingFailedStatus", "Lambda.ProcessingFailedStatus", SESSION_A, 5, True),
        ("processing-failed", "frame_not_utf8", "Lambda.ProcessingFailedStatus", SESSION_A, 6, False),
        ("processing-failed", None, None, None, None, None),
        ("format-conversion-failed", "line_invalid", "DataFormatConversion.InvalidSchema", "S", 7, False),
        ("format-conversion-failed", "line_invalid", "X.Y", "S", 7, False),
        (
            "metadata-extraction-failed",
            "DynamicPartitioning.MetadataExtractionFailed",
            "DynamicPartitioning.MetadataExtractionFailed",
            SESSION_A,
            8,
            True,
        ),
    }
    with open_lake(tmp_path) as lake:
        answer = select(lake, "SELECT * FROM refusals")
        assert expected == {
            (r["error_type"], r["reason"], r["error_code"], r["session"], r["n"], r["passes_today"]) for r in answer
        }
        lines = {(r["error_type"], r["n"]): r for r in answer}
        assert line(3, price="-2").decode() == lines["processing-failed", 3]["line"]
        assert (1, naive(us(START) + 7_000)) == (
            lines["processing-failed", 3]["attempts"],
            lines["processing-failed", 3]["arrival_time"],
        )
        assert naive(us(START) + 61_107_000) == lines["processing-failed", 3]["ended_time"]
        assert "price is -1" == lines["row", 0]["detail"]
        counted = ask(lake, "refusals", from_="2026-11-23T01:59", to="2026-11-23T01:59")
        assert len(expected) == sum(row["lines"] for row in counted)
        assert 3 == sum(row["passing_today"] for row in counted)
        assert not ask(lake, "refusals", from_="2026-11-23T02:00")


def test_a_refused_row_is_no_tick(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.put(
        {"kind": "refused", "n": 0, "detail": json.dumps({"reason": "line_not_json", "detail": "", "line": "{"})},
        lake_kind="mixed",
    )
    writer.write()
    with open_lake(tmp_path) as lake:
        assert not select(lake, "SELECT * FROM ticks")
        assert [{"reason": "line_not_json"}] == select(lake, "SELECT reason FROM refusals")
