"""A report with every figure and finding that a page draws, as large as one likes, and one whose texts attack whoever reads it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from audit_lambda.report import Figure, Slo
from sql.hours import hour_start_us
from tests.audit_lambda.samples import NOT_RUN, finding, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit_lambda.report import Report

START_US: Final = hour_start_us("2026/11/23/00")
MINUTE_US: Final = 60_000_000
HOSTILE: Final = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "$script ${report} {{data}} %s",
    "abc\u202e\u2066gnp.exe\u0000\u200b\u2028",
    "\u05e9\u05dc\u05d5\u05dd <b> \u0645\u0631\u062d\u0628\u0627",
    "\"'><svg onload=alert(1)>&lt;&amp;",
    "W" * 20_000,
    "\ud800",
)


def states(cells: int, product: int) -> str:
    """A day with a hole, a heal, a halt, a night that nobody watched and an hour that was lost."""
    letters = [str(1 + (i * 7 + product) % 6) if (i + product) % 11 else "q" for i in range(cells)]
    for letter, first, last in (
        ("o", 30, 36),
        ("h", 40, 47),
        ("z", 55, 60),
        ("n", 70, 78),
        ("x", 80, 81),
        ("t", 90, 93),
    ):
        if (product + ord(letter)) % 3 == 0 or product == 0:
            letters[first * cells // 100 : last * cells // 100] = letter * (last * cells // 100 - first * cells // 100)
    letters[0] = letters[-1] = "p"
    return "".join(letters)


def series(product: int, points: int) -> tuple[Any, ...]:
    """A price that goes up and down."""
    closes = [100 * (product + 1) * (1 + math.sin(i / 9 + product) / 50) for i in range(points)]
    lists = [closes, [0.998 * c for c in closes], [1.002 * c for c in closes]]
    close, low, high = (",".join(f"{value:.8g}" for value in each) for each in lists)
    return 1440 * MINUTE_US // points, points, ",".join(map(str, range(points))), low, high, close


def figures(names: Sequence[str], *, cells: int = 1440, points: int = 120) -> tuple[Figure, ...]:
    """The five figures, for these products."""
    us = START_US
    count = len(names)
    strips = [(name, us, MINUTE_US * 1440 // cells, cells, states(cells, i), count) for i, name in enumerate(names)]
    prices = [(name, us, *series(i, points)) for i, name in enumerate(names)]
    totals = [
        (name, 9_000 - i, 12, 0, 3, i, 9_000, us, us + 10**10, "100", "103.5", "99.00000001", "101", "5.5", count)
        for i, name in enumerate(names)
    ]
    late = [
        ("exchange_ws", 90_000, 31.2, 55.0, 140.5, 9_000.0, 3),
        ("exchange_rest", 12, 220.0, 900.0, 1200.0, 1500.0, 0),
    ]
    refused = [
        (name, 5 - i, i, 1, "2026/11/23/02", "2026/11/23/03", HOSTILE[i], 9)
        for i, name in enumerate(("price_not_positive", "line_invalid"))
    ]
    return (
        Figure("minutes", "?", ("product_id", "start_us", "cell_us", "cells", "states", "products_in_all"), tuple(strips)),
        Figure("prices", "?", ("product_id", "start_us", "width_us", "points", "places", "lows", "highs", "closes"), tuple(prices)),
        Figure("products", "?", ("product_id", "trades", "healed", "backfilled", "missing", "first_trade_id", "last_trade_id", "first_us", "last_us", "open", "high", "low", "close", "volume", "products_in_all"), tuple(totals)),
        Figure("latency", "?", ("source", "ticks", "p50_ms", "p90_ms", "p99_ms", "max_ms", "ahead_of_exchange"), tuple(late)),
        Figure("refusals", "?", ("reason", "lines", "passing_today", "sessions", "first_hour", "last_hour", "example", "lines_in_all"), tuple(refused)),
    )  # fmt: skip


def names_of(count: int) -> list[str]:
    """Products' names."""
    known = ["BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "XRP-EUR", "1INCH-USD"]
    return (known + [f"COIN{i}-USD" for i in range(count)])[:count]


def rich(products: int = 6, **changes: Any) -> Report:
    """A day of some products, with findings of every severity."""
    found = [
        finding("hole", 317_789, what="trades missing: process_down (open)", last_us=START_US + 3 * 10**9, first_us=START_US),
        finding("hole", 12, product_id="ETH-USD", what="trades missing: dropped_by_exchange (unhealed)"),
        finding("healed", 40, product_id="SOL-USD", what="trades that were missing and are there: disconnected"),
        finding("warning", 1, check="spikes", group="consistency", first_us=START_US + 10**10, what="price 88563 came straight back"),
        finding("notice", 7, check="moves", group="consistency", first_us=START_US + 2 * 10**10, what="moved by 3.1 % in a minute"),
    ]  # fmt: skip
    slo = Slo("0.9999", 1_200_000, 317_801, "0.735165", "2648.34", met=False)
    made = report(
        *found, verdict="holes", slo=slo, figures=figures(names_of(products)), from_us=START_US,
        to_us=START_US + 1440 * MINUTE_US, made_us=START_US + 1500 * MINUTE_US,
    )  # fmt: skip
    passed = [
        replace(NOT_RUN, name=name, state="passed", why="", question="Is it so?") for name in ("sessions", "books")
    ]
    return replace(made, checks=(*made.checks, *passed, NOT_RUN), **changes)


def hostile() -> Report:
    """Every text that a lake can choose is one of HOSTILE."""
    made = rich()
    attacks = [
        finding("damage", i, check="trades", product_id=text, session=text, what=text) for i, text in enumerate(HOSTILE)
    ]
    checks = [replace(NOT_RUN, name=text, why=text, question=text, thresholds={text: text}) for text in HOSTILE]
    (trades, *others) = made.checks
    trades = replace(trades, findings=tuple(attacks))
    return replace(
        made,
        lake=HOSTILE[0],
        engine=HOSTILE[1],
        verdict="damaged",
        checks=(trades, *others, *checks),
        figures=figures(HOSTILE),
    )
