from __future__ import annotations

import json
from typing import Any

import pytest

from producer.ledger import Ledger, Receipt
from producer.metrics import METRICS, NAMESPACE, FeedReading, MinuteOfMetrics, Reading
from producer.quota import Use
from producer.settings import Settings

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
# Units CloudWatch knows (MetricDatum, API reference), of those we use.
UNITS = {"Count", "Bytes", "Percent", "Milliseconds"}


def reading(ledger: Ledger, *, age_us: int | None = None, busiest: Use | None = None, **counts: Any) -> Reading:
    receipt = Receipt(
        session=SESSION,
        written=counts.get("written", 0),
        delivered=counts.get("delivered", 0),
        pending=counts.get("pending", 0),
        refused=counts.get("refused", {}),
        backlog_pending=0,
        ledger=ledger,
    )
    return Reading(
        receipt=receipt,
        journal_fill=0.25,
        oldest_pending_age_us=age_us,
        busiest=busiest or Use(),
        feed=FeedReading(channels=4, channels_live=3, channels_polling=1, silent_s=2.5, holes_open=2, rest_budget=7.0),
        at_us=0,
    )


def told(minute: MinuteOfMetrics, now: Reading) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(minute.line(now, at_ms=1_795_435_200_000))
    return tree


def test_names_are_unique_and_each_has_a_unit_and_a_meaning() -> None:
    assert len(METRICS) == len({each.name for each in METRICS})
    assert {each.unit for each in METRICS} <= UNITS
    assert all(each.meaning for each in METRICS)
    assert len(METRICS) <= 100  # of one directive (Embedded metric format specification)


def test_a_line_is_what_cloudwatch_reads_metrics_from() -> None:
    tree = told(
        MinuteOfMetrics(Settings(stream="s", spot_every_s=300.0)),
        reading(Ledger(), written=3, delivered=2, pending=1, age_us=1_500_999),
    )
    (directive,) = tree["_aws"]["CloudWatchMetrics"]

    assert 1_795_435_200_000 == tree["_aws"]["Timestamp"]
    assert (NAMESPACE, [["Stream"]], "s") == (directive["Namespace"], directive["Dimensions"], tree["Stream"])
    assert {each.name for each in METRICS} == {each["Name"] for each in directive["Metrics"]}
    assert all(isinstance(tree[each["Name"]], (int, float)) for each in directive["Metrics"])
    assert (3, 2, 1, 1500, 25) == tuple(
        tree[name] for name in ("LinesWritten", "LinesDelivered", "LinesPending", "OldestPendingAge", "JournalFill")
    )
    assert 0 == tree["Unbalanced"]


def test_counters_tell_their_growth_and_gauges_where_they_stand() -> None:
    minute = MinuteOfMetrics(Settings())
    ledger = Ledger()
    told(minute, reading(ledger, written=10, pending=10))
    ledger.calls = 2
    second = told(minute, reading(ledger, written=25, delivered=20, pending=5))
    third = told(minute, reading(ledger, written=25, delivered=20, pending=5))

    assert (15, 20, 2, 5) == tuple(
        second[name] for name in ("LinesWritten", "LinesDelivered", "CallsAnswered", "LinesPending")
    )
    assert (0, 0, 0, 5) == tuple(
        third[name] for name in ("LinesWritten", "LinesDelivered", "CallsAnswered", "LinesPending")
    )


def test_a_metric_without_a_value_is_not_in_the_directive() -> None:
    tree = told(MinuteOfMetrics(Settings()), reading(Ledger()))

    assert "OldestPendingAge" not in tree
    assert "OldestPendingAge" not in {each["Name"] for each in tree["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_what_is_off_by_how_much_is_told() -> None:
    assert 3 == told(MinuteOfMetrics(Settings()), reading(Ledger(), written=1, delivered=4))["Unbalanced"]


def test_the_busiest_second_is_told_as_a_share_of_the_quota() -> None:
    settings = Settings(quota_records_per_s=1000, quota_requests_per_s=10, quota_bytes_per_s=1_000_000)
    tree = told(
        MinuteOfMetrics(settings), reading(Ledger(), busiest=Use(records=500, requests=5, sent_bytes=1_100_000))
    )

    assert (50, 50, 110) == (tree["QuotaRecords"], tree["QuotaRequests"], tree["QuotaBytes"])


def test_products_are_told_minute_by_minute_and_reasons_by_name() -> None:
    minute = MinuteOfMetrics(Settings())
    ledger = Ledger()
    ledger.product("BTC-USD").ticks = 5
    first = told(minute, reading(ledger, refused={"line_too_long": 1}))
    ledger.product("BTC-USD").ticks = 7
    ledger.product("ETH-USD").holes = 1
    ledger.calls_failed["SlowDown"] += 1
    second = told(minute, reading(ledger))
    third = told(minute, reading(ledger))

    assert {"BTC-USD": {"ticks": 5, "repeats": 0, "holes": 0, "healed": 0, "delivered": 0, "last_trade_s": 0}} == first[
        "products"
    ]
    assert {"line_too_long": 1} == first["refused"]
    assert {"BTC-USD": 2, "ETH-USD": 0} == {name: each["ticks"] for name, each in second["products"].items()}
    assert {"SlowDown": 1} == second["calls_failed"]
    assert {} == third["products"]


@pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.name)
def test_each_metric_is_a_number_from_the_first_moment(metric: Any) -> None:
    assert isinstance(metric.read(reading(Ledger(), age_us=0), Settings(spot_every_s=300.0)), (int, float))


def test_spot_prices_that_nobody_asks_for_are_no_metrics() -> None:
    assert "Spot" not in str(told(MinuteOfMetrics(Settings()), reading(Ledger())))
