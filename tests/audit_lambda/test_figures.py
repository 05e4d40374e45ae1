"""The figures of infra/queries/audit/figures: what each says of lakes written here, and that no answer grows with the span."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from audit_lambda.checks import load_figures
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.dialect import is_exact_quotient
from sql.glue import read_table
from sql.questions import plan_query
from tests.local.lake.trades import HOUR, SESSION, put, ticker, us

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sql.questions import Query

Row = dict[str, Any]
FIGURES: Final = {query.name: query for query in load_figures()}
MINUTE_S: Final = 60
SPAN: Final = {"from": "2026-11-23T02:00", "to": "2026-11-23T02:10"}


def instant(seconds: float) -> str:
    return f"2026-11-23T{2 + int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{seconds % 60:09.6f}Z"


@dataclass
class Made:
    """A lake being written: trades and testimony of one product unless said otherwise."""

    root: Path
    product: str = "BTC-USD"
    first_n: int = 0
    trades: list[Row] = field(default_factory=list)
    coverage: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)

    def trade(self, trade_id: int, seconds: float, **changes: Any) -> None:
        own = {"product_id": self.product, "n": self.first_n + len(self.trades)}
        self.trades.append(ticker(trade_id, seconds, **(own | changes)))

    def watched(
        self, minutes: range, *, ticks: dict[int, int] | None = None, whole: bool = True, **changes: Any
    ) -> None:
        for minute in minutes:
            here = [r for r in self.trades if r["event_time_us"] // 60_000_000 == us(HOUR) // 60_000_000 + minute]
            detail = {
                "product_id": self.product,
                "minute": instant(minute * MINUTE_S),
                "ticks": (ticks or {}).get(minute, len(here)),
                "first_trade_id": None,
                "last_trade_id": None,
                "longest_silence_ms": 0,
                "watched_ms": {"exchange_ws": 60_000},
                "heartbeats": 60,
                "whole": whole,
            }
            self.coverage.append(self._testimony("coverage", minute * MINUTE_S + 62, detail, 5_000 + minute) | changes)

    def gap(
        self, first: int, last: int, status: str, before: float, after: float | None, *, receive_s: float = 599
    ) -> None:
        detail = {
            "product_id": self.product,
            "reason": "disconnected",
            "status": status,
            "first_missing_trade_id": first,
            "last_missing_trade_id": last,
            "missing": last - first + 1,
            "before": {"trade_id": first - 1, "event_time": instant(before)},
            "after": None if after is None else {"trade_id": last + 1, "event_time": instant(after)},
        }
        self.gaps.append(self._testimony("gap", receive_s, detail, 9_000 + len(self.gaps)))

    def _testimony(self, kind: str, seconds: float, detail: Row, n: int) -> Row:
        at_us = us(HOUR) + int(seconds * 1e6)
        return {
            "kind": kind, "product_id": self.product, "event_time_us": at_us, "receive_time_us": at_us, "source": "producer",
            "session": SESSION, "n": self.first_n + n, "detail": json.dumps(detail),
        }  # fmt: skip

    def ask(self, name: str, **values: str) -> list[Row]:
        for kind, rows in (("ticker", self.trades), ("coverage", self.coverage), ("gap", self.gaps)):
            if rows:
                put(self.root, "a", rows, kind=kind)
        with open_lake(self.root) as lake:
            answer = LakeEngine(lake).ask(plan_query(FIGURES[name], values))
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def states(self, **values: str) -> str:
        (row,) = self.ask("minutes", **(SPAN | values))
        assert len(row["states"]) == row["cells"]
        states: str = row["states"]
        return states


@pytest.fixture
def lake(tmp_path: Path) -> Made:
    return Made(tmp_path)


# minutes: each case is a product of one lake, which is asked once.


def levels(lake: Made) -> None:
    counts = [1, 2, 3, 9, 10, 29, 30, 99, 100, 299]
    for minute, count in enumerate(counts):
        for i in range(count):
            lake.trade(sum(counts[:minute]) + i, minute * MINUTE_S + i / 10)
    lake.watched(range(10))


def quiet_and_partly(lake: Made) -> None:
    lake.trade(1, 5)
    lake.watched(range(3))
    lake.watched(range(3, 5), whole=False)


def backfilled(lake: Made) -> None:
    lake.trade(1, 65, kind="trade", source="rest_backfill")
    lake.watched(range(3, 10))


def hole(lake: Made) -> None:
    lake.trade(1, 61)
    lake.trade(5, 250)
    lake.trade(6, 305)
    lake.watched(range(1, 3))
    lake.watched(range(4, 10))


def two_holes(lake: Made) -> None:
    for trade_id, seconds in ((1, 61), (2, 62), (4, 62.5), (5, 70), (9, 190), (10, 250)):
        lake.trade(trade_id, seconds)
    lake.watched(range(10))


def healed(lake: Made) -> None:
    lake.trade(1, 5)
    lake.trade(2, 65, kind="trade", source="rest_heal")
    lake.trade(3, 125)
    lake.gap(2, 2, "healed", 5, 125)
    lake.watched(range(10), ticks={1: 0})


def lost(lake: Made) -> None:
    lake.trade(1, 5)
    lake.watched(range(10), ticks={0: 1, 4: 1})


def hole_that_leaves(lake: Made) -> None:
    lake.trade(1, 125)
    lake.gap(2, 7, "unhealed", 125, 900, receive_s=901)
    lake.watched(range(3))


def hole_that_comes_in(lake: Made) -> None:
    lake.trade(8, 125)
    lake.gap(2, 7, "open", -60, 125)
    lake.watched(range(2, 10))


def hole_that_was_healed(lake: Made) -> None:
    lake.trade(1, 125)
    lake.gap(2, 7, "open", 125, 900, receive_s=901)
    lake.gap(2, 7, "healed", 125, 900, receive_s=905)
    lake.watched(range(10))


def trades_all_at_once(lake: Made) -> None:
    for i in range(100):
        lake.trade(i, i)
    lake.trade(100, 9 * MINUTE_S)
    lake.watched(range(10))


CASES: Final[dict[str, tuple[Callable[[Made], None], str]]] = {
    "LEVELS-USD": (levels, "1122334455"),
    "PARTLY-USD": (quiet_and_partly, "1qqppnnnnn"),
    "BACKFILLED-USD": (backfilled, "ntnqqqqqqq"),
    "HOLE-USD": (hole, "noooo1qqqq"),
    "TWO-USD": (two_holes, "qooo1qqqqq"),
    "HEALED-USD": (healed, "1h1qqqqqqq"),
    "LOST-USD": (lost, "1qqqxqqqqq"),
    "LEAVES-USD": (hole_that_leaves, "qqoooooooo"),
    "COMES-USD": (hole_that_comes_in, "oooqqqqqqq"),
    "THERE-USD": (hole_that_was_healed, "qq1qqqqqqq"),
    "HALTED-USD": (trades_all_at_once, "44zzzzzzz1"),
    "NEVER-USD": (lambda lake: lake.watched(range(10)), "qqqqqqqqqq"),
}


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    whole = Made(tmp_path_factory.mktemp("cases"))
    for place, (product, (write, _)) in enumerate(CASES.items()):
        case = Made(whole.root, product, 10_000 * (place + 1))
        write(case)
        whole.trades += case.trades
        whole.coverage += case.coverage
        whole.gaps += case.gaps
    return {row["product_id"]: row["states"] for row in whole.ask("minutes", **SPAN, halted="5m")}


@pytest.mark.parametrize("product", CASES)
def test_each_minute_is_what_became_of_it(product: str, strips: dict[str, str]) -> None:
    assert CASES[product][1] == strips[product]


def test_what_came_a_moment_ago_is_neither_lost_nor_a_hole_yet(lake: Made) -> None:
    lake.trade(1, 5)
    lake.trade(9, 485)
    lake.watched(range(10), ticks={8: 2})
    assert "1qqqqqqq1q" == lake.states(now="2026-11-23T02:20")
    assert "oooooooo" + "xq" == lake.states(now="2026-11-23T02:40")


@pytest.mark.parametrize("values", [{"halted": "8m"}, {"halted_trades": "71"}])
def test_what_is_no_halt_by_the_thresholds_is_quiet(lake: Made, values: dict[str, str]) -> None:
    trades_all_at_once(lake)
    assert "44qqqqqqq1" == lake.states(**values)


def test_several_minutes_in_a_cell_show_their_worst(lake: Made) -> None:
    lake.trade(1, 5)
    lake.trade(3, 305)
    lake.watched(range(4))
    lake.watched(range(4, 10), ticks={9: 1})
    (row,) = lake.ask("minutes", **SPAN, cells="5")
    assert (5, 120_000_000, "oooqx") == (row["cells"], row["cell_us"], row["states"])


def test_a_cell_is_watched_whole_where_each_of_its_minutes_is(lake: Made) -> None:
    lake.trade(1, 5)
    lake.watched(range(3))
    lake.watched(range(4, 10))
    assert "1pqqq" == lake.states(cells="5")


def test_the_answer_is_bounded_whatever_the_span(lake: Made) -> None:
    lake.trade(1, 5)
    lake.watched(range(3))
    (row,) = lake.ask("minutes", **{"from": "2020-01-01", "to": "2026-12-01"})
    assert row["cells"] == len(row["states"]) <= 1440


def test_from_the_beginning_it_begins_and_ends_with_what_is_known(lake: Made) -> None:
    lake.trade(1, 125)
    lake.watched(range(2, 5))
    (row,) = lake.ask("minutes")
    assert (us(HOUR) + 120_000_000, "1qq") == (row["start_us"], row["states"])


def test_a_short_time_that_nobody_watched_any_more_is_seen(lake: Made) -> None:
    lake.watched(range(5))
    assert "qqqqqnnn" == lake.states(**{"from": "1970-01-01", "to": "2026-11-23T02:08"})


def test_one_product_is_one_row_and_the_bad_ones_come_first(lake: Made) -> None:
    lake.trade(1, 5)
    lake.trade(1, 5, product_id="ETH-USD")
    lake.trade(9, 65, product_id="ETH-USD")
    rows = lake.ask("minutes", **SPAN)
    assert [("ETH-USD", 2), ("BTC-USD", 2)] == [(row["product_id"], row["products_in_all"]) for row in rows]
    assert ["BTC-USD"] == [row["product_id"] for row in lake.ask("minutes", **SPAN, product="BTC-USD")]
    assert 1 == len(lake.ask("minutes", **SPAN, products="1"))


# The same letters, found in plain Python.

RANDOM_MINUTES: Final = 30
WORST_FIRST: Final = "xohtnpz987654321q"


def letters_of(made: Made) -> list[str]:
    """Each minute's letter, as the words of minutes.sql say it."""
    trades = sorted((r["trade_id"], (r["event_time_us"] - us(HOUR)) // 60_000_000, r["kind"]) for r in made.trades)
    said = {(r["event_time_us"] - us(HOUR)) // 60_000_000 - 1: json.loads(r["detail"]) for r in made.coverage}
    holes = [(near, far) for (a, near, _), (b, far, _) in pairwise(trades) if b > a + 1]
    here = [[kind for _, at, kind in trades if at == minute] for minute in range(RANDOM_MINUTES)]
    still = [
        minute in said and said[minute]["whole"] and not said[minute]["ticks"] and not here[minute]
        for minute in range(RANDOM_MINUTES)
    ]
    pace = sum(len(here[minute]) for minute in said) / max(1, len(said))

    def letter(minute: int) -> str:
        first = next((m + 1 for m in range(minute, -1, -1) if not still[m]), 0)
        last = next((m for m in range(minute, RANDOM_MINUTES) if not still[m]), RANDOM_MINUTES)
        found = {
            "x": minute in said and said[minute]["ticks"] > len(here[minute]),
            "o": any(near <= minute <= far for near, far in holes),
            "h": "trade" in here[minute],
            "t": minute not in said and bool(here[minute]),
            "n": minute not in said,
            "p": minute in said and not said[minute]["whole"],
            "z": still[minute] and last - first >= 5 and (last - first) * pace >= 20,
        }
        count = len(here[minute])
        level = "q" if not count else str(max(i for i, least in enumerate((0, 1, 3, 10, 30)) if count >= least))
        return next((name for name, holds in found.items() if holds), level)

    return [letter(minute) for minute in range(RANDOM_MINUTES)]


def random_lake(root: Path, number: int) -> Made:
    made, rng, trade_id = Made(root, f"R{number}-USD", 10_000 * (number + 1)), Random(number), 100
    minute = 0
    while minute < RANDOM_MINUTES:
        length = rng.randint(1, 9)
        share = rng.choice((0, 0, 2, 11))
        mood = rng.choice(("watched", "watched", "partly", "nobody", "lost"))
        for each in range(minute, min(RANDOM_MINUTES, minute + length)):
            for i in range(rng.randint(share // 3, share)):
                trade_id += 1 if rng.random() < 0.98 else 3
                made.trade(trade_id, each * MINUTE_S + i * 5, kind="trade" if rng.random() < 0.05 else "ticker")
            if mood != "nobody":
                ticks = {each: 99} if mood == "lost" and rng.random() < 0.3 else None
                made.watched(range(each, each + 1), ticks=ticks, whole=mood != "partly")
        minute += length
    return made


@pytest.mark.parametrize("cells", [RANDOM_MINUTES, 10])
def test_the_map_says_what_plain_python_finds(tmp_path: Path, cells: int) -> None:
    whole, expected = Made(tmp_path), {}
    for number in range(60):
        made = random_lake(tmp_path, number)
        whole.trades += made.trades
        whole.coverage += made.coverage
        if made.trades or made.coverage:
            letters, width = letters_of(made), RANDOM_MINUTES // cells
            groups = [letters[i : i + width] for i in range(0, RANDOM_MINUTES, width)]
            expected[made.product] = "".join(
                min(group, key=WORST_FIRST.index) if width == 1 else worst_of(group) for group in groups
            )
    rows = whole.ask("minutes", **{"from": SPAN["from"], "to": "2026-11-23T02:30", "cells": str(cells)})
    found = {row["product_id"]: row["states"] for row in rows}
    if cells == RANDOM_MINUTES:
        assert set("xohtnpzq123") <= set("".join(expected.values())), "every state occurs"
    else:
        found = {product: re.sub("[1-9]", "w", states) for product, states in found.items()}
    assert expected == found


def worst_of(group: list[str]) -> str:
    """Of several minutes: what is wrong with any; partly where some of them nobody watched; how busy is another test's."""
    bad = [letter for letter in group if letter in "xoh"]
    if bad:
        return min(bad, key=WORST_FIRST.index)
    if set(group) <= {"n", "t"}:
        return min(group, key=WORST_FIRST.index)
    if {"n", "t", "p"} & set(group):
        return "p"
    return "z" if "z" in group else "w" if set(group) != {"q"} else "q"


# prices


def test_a_price_list_has_an_interval_each_and_exact_prices(lake: Made) -> None:
    for trade_id, seconds, price in ((1, 0, "10.50"), (2, 3, "11"), (3, 4, "0.000000000000000001"), (4, 11, "9.0")):
        lake.trade(trade_id, seconds, price=price)
    (row,) = lake.ask("prices")
    assert {
        "product_id": "BTC-USD",
        "start_us": us(HOUR),
        "width_us": 5_000_000,
        "points": 2,
        "places": "0,2",
        "lows": "0.000000000000000001,9",
        "highs": "11,9",
        "closes": "0.000000000000000001,9",
    } == row


def test_a_round_price_keeps_its_zeros(lake: Made) -> None:
    lake.trade(1, 0, price="90000")
    assert "90000" == lake.ask("prices")[0]["closes"]


def test_a_long_span_has_no_more_points_than_asked_for(lake: Made) -> None:
    for i in range(600):
        lake.trade(i, i)
    (row,) = lake.ask("prices", points="40")
    assert 40 == row["points"] == len(row["places"].split(",")) == len(row["closes"].split(","))


def test_many_products_share_the_points(lake: Made) -> None:
    for i in range(600):
        for product in ("A-USD", "B-USD", "C-USD", "D-USD"):
            lake.trade(i, i, product_id=product, n=i * 4)
    rows = lake.ask("prices", points_in_all="40")
    assert [10, 10, 10, 10] == [row["points"] for row in rows]


# products, latency, refusals


def test_a_product_counts_what_it_holds_what_was_healed_and_what_is_missing(lake: Made) -> None:
    lake.trade(1, 0, price="10", last_size="1.5")
    lake.trade(2, 1, price="12", last_size="0.25", kind="trade", source="rest_heal")
    lake.trade(5, 2, price="8", last_size="1", kind="trade", source="rest_backfill")
    lake.trade(6, 3, price="9", last_size="1")
    (row,) = lake.ask("products")
    assert (4, 1, 1, 2) == tuple(row[name] for name in ("trades", "healed", "backfilled", "missing"))
    assert (10, 12, 8, 9) == tuple(row[name] for name in ("open", "high", "low", "close"))
    assert (1, 6, us(HOUR), us(HOUR) + 3_000_000) == tuple(
        row[name] for name in ("first_trade_id", "last_trade_id", "first_us", "last_us")
    )


def test_the_busiest_products_are_named_and_all_are_counted(lake: Made) -> None:
    for i in range(6):
        lake.trade(i, i, product_id=("A-USD", "A-USD", "A-USD", "B-USD", "B-USD", "C-USD")[i])
    rows = lake.ask("products", products="2")
    assert [("A-USD", 3), ("B-USD", 3)] == [(row["product_id"], row["products_in_all"]) for row in rows]


def test_latency_is_by_source_and_by_nearest_rank(lake: Made) -> None:
    for i in range(100):
        lake.trade(i, i, receive_time_us=us(HOUR) + i * 1_000_000 + (i + 1) * 1000)
    lake.trade(200, 200, source="exchange_rest", receive_time_us=us(HOUR) + 200_000_000 - 5)
    lake.trade(201, 201, kind="trade", source="rest_heal", receive_time_us=us(HOUR) + 900_000_000)
    stream, polled = lake.ask("latency")
    assert ("exchange_ws", 100, 50.0, 90.0, 99.0, 100.0, 0) == tuple(stream.values())
    assert ("exchange_rest", 1, -0.005, 1) == (
        polled["source"], polled["ticks"], polled["p50_ms"], polled["ahead_of_exchange"],
    )  # fmt: skip


def test_refusals_are_counted_by_reason_and_show_the_head_of_a_line(lake: Made) -> None:
    def refused(n: int, reason: str) -> Row:
        detail = json.dumps({"reason": reason, "detail": "", "line": f"{n} " + "x" * 1000})
        return {"kind": "refused", "receive_time_us": us(HOUR), "session": SESSION, "n": n, "detail": detail}

    rows = [refused(1, "line_invalid"), refused(2, "line_invalid"), refused(3, "line_not_json")]
    put(lake.root, "a", rows, kind="mixed")
    first, second = lake.ask("refusals")
    assert ("line_invalid", 2, 3) == (first["reason"], first["lines"], first["lines_in_all"])
    assert ("1 " + "x" * 298, "2026/11/23/02") == (first["example"], first["last_hour"])
    assert ("line_not_json", 1) == (second["reason"], second["lines"])
    assert ["line_invalid"] == [row["reason"] for row in lake.ask("refusals", reasons="1")]


# Every file.


@pytest.fixture(params=sorted(FIGURES))
def figure(request: pytest.FixtureRequest) -> Query:
    return FIGURES[request.param]


def test_there_is_a_figure_for_each_part_of_the_page() -> None:
    assert ["latency", "minutes", "prices", "products", "refusals"] == sorted(FIGURES)


def test_a_figure_is_a_question_with_its_parameters(figure: Query) -> None:
    assert re.fullmatch(r"[A-Z][^?]*\?", figure.question)
    used = {node.name for node in sqlglot.parse_one(figure.sql, read="athena").find_all(exp.Placeholder)}
    assert used == {parameter.placeholder for parameter in figure.parameters}
    assert {"from", "to"} <= {parameter.name for parameter in figure.parameters}


def test_an_empty_lake_has_no_figures(lake: Made) -> None:
    with open_lake(lake.root) as opened:
        engine = LakeEngine(opened)
        assert [] == [row for figure in FIGURES.values() for row in engine.ask(plan_query(figure, SPAN)).rows]


def test_every_column_is_one_that_its_table_has(figure: Query) -> None:
    schema: dict[str, object] = {}
    for name in ("delivered", "errors", "history", "compacted"):
        table = read_table(name)
        schema[name] = {column.name: column.type for column in (*table.columns, *table.partitions)}
    schema["uncompacted"] = schema["processed"] = schema["delivered"]
    qualify(plan_query(figure, {}), dialect="athena", schema=schema, expand_alias_refs=False)


def test_a_division_is_of_doubles_or_exact(figure: Query) -> None:
    for division in sqlglot.parse_one(figure.sql, read="athena").find_all(exp.Div):
        doubles = [cast for cast in division.find_all(exp.Cast) if cast.to.this == exp.DType.DOUBLE]
        instants = division.find_ancestor(exp.Mul) and division.find_ancestor(exp.Add)
        assert division.parent is not None
        assert doubles or instants or is_exact_quotient(division.parent), division.sql("athena")


def test_it_comes_back_the_same_from_its_own_dialect(figure: Query) -> None:
    for dialect in ("athena", "trino"):
        text = sqlglot.parse_one(figure.sql, read=dialect).sql(dialect, comments=False)
        assert text == sqlglot.parse_one(text, read=dialect).sql(dialect, comments=False)


def test_integers_are_integers_of_athena(lake: Made) -> None:
    lake.trade(1, 5)
    lake.watched(range(2))
    lake.ask("products")
    with open_lake(lake.root) as opened:
        engine = LakeEngine(opened)
        types = [name for figure in FIGURES.values() for name in engine.ask(plan_query(figure, {})).types]
    assert {"bigint", "varchar", "double", "decimal(38,18)"} == set(types)
