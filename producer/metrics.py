"""
The producer's metrics: every counter once, with its name, unit and meaning; a minute of them as one line of CloudWatch's
embedded metric format.

Laws: pure; a counter is told as its growth since the line before, a gauge as it stands; both are made of the ledger and the receipt, so
that metrics and receipt cannot disagree. Products are properties of the line, not dimensions: CloudWatch bills a metric for each.
Refuses to know: the clock, and where the line is printed.
Source: CloudWatch, "Embedded metric format specification".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from producer.ledger import Receipt
    from producer.quota import Use
    from producer.settings import Settings

NAMESPACE: Final = "ticklake"
Unit = Literal["Count", "Bytes", "Percent", "Milliseconds"]


@dataclass(frozen=True, slots=True)
class FeedReading:
    """
    The feed side at one instant.

    Units: `silent_s` is how long ago the last frame came, of the connection that has been silent longest (None: none is open);
    `rest_budget` is how many requests could be made at once.
    """

    channels: int
    channels_live: int
    channels_polling: int
    silent_s: float | None
    holes_open: int
    rest_budget: float


@dataclass(frozen=True, slots=True)
class Reading:
    """
    Where everything stands at one instant.

    Units: `journal_fill` 0 to 1; `oldest_pending_age_us` is how long ago our socket gave the oldest line that is not settled (None:
    nothing is pending). `busiest` is the most of each within one second since the reading before.
    """

    receipt: Receipt
    journal_fill: float
    oldest_pending_age_us: int | None
    busiest: Use
    feed: FeedReading
    at_us: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `read` answers None where there is nothing to tell."""

    name: str
    unit: Unit
    meaning: str
    read: Callable[[Reading, Settings], float | None]
    counter: bool = True


METRICS: Final = (
    Metric("FramesReceived", "Count", "websocket messages and REST bodies taken in",
           lambda now, _: now.receipt.ledger.frames.total()),
    Metric("LinesWritten", "Count", "lines journaled", lambda now, _: now.receipt.written),
    Metric("LinesDelivered", "Count", "lines of this session that Firehose accepted", lambda now, _: now.receipt.delivered),
    Metric("LinesRefused", "Count", "lines that cannot be delivered; they are kept in refused.ndjson",
           lambda now, _: sum(now.receipt.refused.values())),
    Metric("LinesNotWritten", "Count", "lines the journal had no room for; each is part of a gap",
           lambda now, _: now.receipt.ledger.lines_not_written),
    Metric("LinesAmbiguous", "Count", "lines in calls without an answer: each may be stored twice",
           lambda now, _: now.receipt.ledger.ambiguous_lines),
    Metric("BacklogDelivered", "Count", "lines of earlier sessions that Firehose accepted",
           lambda now, _: now.receipt.ledger.backlog_delivered),
    Metric("CallsAnswered", "Count", "PutRecordBatch calls answered by index", lambda now, _: now.receipt.ledger.calls),
    Metric("CallsFailed", "Count", "PutRecordBatch calls that failed as a whole",
           lambda now, _: now.receipt.ledger.calls_failed.total()),
    Metric("PacksDelivered", "Count", "packs accepted (Firehose calls them records)",
           lambda now, _: now.receipt.ledger.packs_delivered),
    Metric("PacksThrottled", "Count", "packs refused for now in an answer, and sent again",
           lambda now, _: now.receipt.ledger.packs_throttled),
    Metric("BytesDelivered", "Bytes", "bytes of packs accepted, before base64",
           lambda now, _: now.receipt.ledger.bytes_delivered),
    Metric("BytesBilled", "Bytes", "the same, each pack rounded up to 5 KiB as it is billed",
           lambda now, _: now.receipt.ledger.bytes_billed),
    Metric("Reconnects", "Count", "connections to the exchange that were lost",
           lambda now, _: now.receipt.ledger.reconnects.total()),
    Metric("Connected", "Percent", "websocket connections that are live, of those there should be",
           lambda now, _: 100 * now.feed.channels_live / now.feed.channels if now.feed.channels else 0.0, counter=False),
    Metric("Polling", "Count", "connections whose products are polled over REST instead",
           lambda now, _: now.feed.channels_polling, counter=False),
    Metric("FeedSilence", "Milliseconds", "how long ago the last frame came, on the connection silent longest",
           lambda now, _: None if now.feed.silent_s is None else 1000 * now.feed.silent_s, counter=False),
    Metric("RestRequests", "Count", "REST requests made", lambda now, _: now.receipt.ledger.rest.total()),
    Metric("RestFailed", "Count", "REST requests without a usable answer",
           lambda now, _: sum(count for status, count in now.receipt.ledger.rest.items() if status != "200")),
    Metric("RestBudget", "Count", "REST requests that could be made at once", lambda now, _: now.feed.rest_budget, counter=False),
    Metric("SpotPrices", "Count", "spot prices journaled (only where they are asked for, --spot-every-s)",
           lambda now, settings: now.receipt.ledger.spot_prices if settings.spot_every_s else None),
    Metric("SpotFailed", "Count", "requests for a spot price that brought none; RestFailed does not count them",
           lambda now, settings: now.receipt.ledger.spot_failed.total() if settings.spot_every_s else None),
    Metric("SpotMissed", "Count", "times that a product's spot price was due and never came",
           lambda now, settings: now.receipt.ledger.spot_missed if settings.spot_every_s else None),
    Metric("TradesHealed", "Count", "missing trades fetched from REST",
           lambda now, _: sum(view.healed for view in now.receipt.ledger.products.values())),
    Metric("HolesOpen", "Count", "holes not filled and not given up yet", lambda now, _: now.feed.holes_open, counter=False),
    Metric("Holes", "Count", "holes found in trade ids",
           lambda now, _: sum(view.holes for view in now.receipt.ledger.products.values())),
    Metric("TradesMissing", "Count", "trades known to have happened and not received, healed ones taken off",
           lambda now, _: sum(view.missing for view in now.receipt.ledger.products.values()), counter=False),
    Metric("LinesPending", "Count", "lines of this session neither delivered nor refused",
           lambda now, _: now.receipt.pending, counter=False),
    Metric("BacklogPending", "Count", "the same, of earlier sessions",
           lambda now, _: now.receipt.backlog_pending, counter=False),
    Metric("OldestPendingAge", "Milliseconds", "how long ago the oldest undelivered line was received",
           lambda now, _: None if now.oldest_pending_age_us is None else now.oldest_pending_age_us // 1000, counter=False),
    Metric("JournalFill", "Percent", "how full the journal is", lambda now, _: 100 * now.journal_fill, counter=False),
    Metric("QuotaRecords", "Percent", "the busiest second's packs, of the stream's quota",
           lambda now, settings: 100 * now.busiest.records / settings.quota_records_per_s, counter=False),
    Metric("QuotaRequests", "Percent", "the busiest second's calls, of the stream's quota",
           lambda now, settings: 100 * now.busiest.requests / settings.quota_requests_per_s, counter=False),
    Metric("QuotaBytes", "Percent", "the busiest second's bytes, of the stream's quota",
           lambda now, settings: 100 * now.busiest.sent_bytes / settings.quota_bytes_per_s, counter=False),
    Metric("Unbalanced", "Count", "lines written minus delivered, pending and refused: anything but 0 is a fault of ours",
           lambda now, _: abs(now.receipt.unbalanced), counter=False),
)  # fmt: skip
# Counted per product, as properties of the line.
_OF_A_PRODUCT: Final = ("ticks", "repeats", "holes", "healed", "delivered")


class MinuteOfMetrics:
    """Makes the line of each minute; it remembers what the line before had counted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told: dict[str, float] = {}
        self._told_of: dict[str, dict[str, int]] = {}

    def line(self, now: Reading, *, at_ms: int) -> bytes:
        """One line of JSON, without its newline. Clock: at_ms is milliseconds since the epoch."""
        values: dict[str, float] = {}
        for metric in METRICS:
            value = metric.read(now, self._settings)
            if value is not None:
                values[metric.name] = value - self._told.get(metric.name, 0) if metric.counter else round(value, 3)
                self._told[metric.name] = value
        metrics = [{"Name": each.name, "Unit": each.unit} for each in METRICS if each.name in values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["Stream"]], "Metrics": metrics}
        return orjson.dumps(
            {
                "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]},
                "Stream": self._settings.stream,
                "session": now.receipt.session,
                **values,
                "refused": now.receipt.refused,
                "calls_failed": dict(now.receipt.ledger.calls_failed),
                "reconnects": dict(now.receipt.ledger.reconnects),
                **({"spot_failed": dict(now.receipt.ledger.spot_failed)} if self._settings.spot_every_s else {}),
                "products": self._products(now),
            }
        )

    def _products(self, now: Reading) -> dict[str, dict[str, Any]]:
        """What each product had in this minute; products without anything are left out."""
        grown: dict[str, dict[str, Any]] = {}
        for product_id, view in now.receipt.ledger.products.items():
            counts = {name: getattr(view, name) for name in _OF_A_PRODUCT}
            before = self._told_of.get(product_id, {})
            growth = {name: count - before.get(name, 0) for name, count in counts.items()}
            if any(growth.values()):
                grown[product_id] = {**growth, "last_trade_s": (now.at_us - view.receive_us) // 1_000_000}
            self._told_of[product_id] = counts
        return grown
