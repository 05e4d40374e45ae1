"""The checks of infra/queries/audit/consistency: a clean market passes them all, each fault is found by its own, and the figures are exact."""

from __future__ import annotations

import gzip
import json
import math
import random
import re
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from infra import AUDIT_QUERIES
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.dialect import is_exact_quotient, is_instant
from sql.glue import read_table
from tests.local.lake.trades import HOUR, put, ticker, us

if TYPE_CHECKING:
    from pathlib import Path

    from audit_lambda.findings import Finding

Row = dict[str, Any]
CHECKS = {check.name: check for check in load_checks() if check.group == "consistency"}
PRODUCTS = {"BTC-USD": (86_000_00, 2, 0.8), "SHIB-USD": (4_680, 8, 1.5), "DAI-USD": (1_0000, 4, 5.0)}
SPAN_S = 900
START_US = us(HOUR)
BOOK = ("best_bid", "best_ask", "best_bid_size", "best_ask_size")


def decimal(units: int, places: int) -> str:
    return format(Decimal(units).scaleb(-places), "f")


def market(product: str, *, seed: int = 7) -> list[Row]:
    """A product's quarter of an hour as Coinbase tells it: prices inside the book, volume restated every 90 seconds."""
    units, places, mean_gap_s = PRODUCTS[product]
    rng = random.Random(f"{product}:{seed}")
    rows: list[Row] = []
    at_us, volume, restated = START_US, 12_000 * 10**8, 0
    trade_id, sequence = 900_000, 5_000_000
    while True:
        at_us += round(rng.expovariate(1 / mean_gap_s) * 1_000_000) if rng.random() < 0.7 else 0
        if at_us >= START_US + SPAN_S * 1_000_000:
            return rows
        trade_id, sequence = trade_id + 1, sequence + rng.randrange(2, 100)
        units = max(1_000, units + (rng.randrange(-3, 4) if rng.random() < 0.4 else 0))
        size = rng.randrange(1, 3 * 10**8)
        volume += size
        if (at_us - START_US + 31_000_000) // 90_000_000 != restated:
            restated = (at_us - START_US + 31_000_000) // 90_000_000
            volume -= rng.randrange(-(10**9), 10**10)
        rows.append(
            ticker(
                trade_id,
                (at_us - START_US) / 1_000_000,
                product_id=product,
                event_time_us=at_us,
                receive_time_us=at_us + rng.randrange(-20_000, 80_000),
                sequence=sequence,
                price=decimal(units, places),
                last_size=decimal(size, 8),
                taker_side=rng.choice(("buy", "sell")),
                best_bid=decimal(units - rng.randrange(3), places),
                best_bid_size=decimal(rng.randrange(1, 10**9), 8),
                best_ask=decimal(units + 1 + rng.randrange(3), places),
                best_ask_size=decimal(rng.randrange(1, 10**9), 8),
                open_24h=decimal(units, places),
                high_24h=decimal(units * 2, places),
                low_24h=decimal(units // 2, places),
                volume_24h=decimal(volume, 8),
                volume_30d="99999999",
            )
        )


CLEAN = {product: market(product) for product in PRODUCTS}


def copy_of_clean() -> dict[str, list[Row]]:
    return {product: [dict(row) for row in rows] for product, rows in CLEAN.items()}


def write(root: Path, rows: dict[str, list[Row]]) -> None:
    put(root, "ticklake-1", [row for of_product in rows.values() for row in of_product])


def ask(engine: LakeEngine, name: str, **values: str) -> list[Finding]:
    rows = engine.ask(plan_check(CHECKS[name], values)).rows
    return decode_findings(name, "consistency", [row[: len(FINDING_COLUMNS)] for row in rows])


def find(root: Path, name: str, **values: str) -> list[Finding]:
    with open_lake(root) as lake:
        return ask(LakeEngine(lake), name, **values)


def find_all(root: Path, **values: str) -> dict[str, list[Finding]]:
    """What each check found, where it found anything."""
    with open_lake(root) as lake:
        found = {name: ask(LakeEngine(lake), name, **values) for name in CHECKS}
    return {name: findings for name, findings in found.items() if findings}


def ids(findings: list[Finding]) -> list[tuple[str, str | None, int | None, int | None]]:
    return sorted((f.severity, f.product_id, f.first_id, f.last_id) for f in findings)


# What each file keeps to


@pytest.fixture(params=sorted(CHECKS))
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def test_each_file_is_a_check() -> None:
    assert sorted(CHECKS) == sorted(path.stem for path in (AUDIT_QUERIES / "consistency").glob("*.sql"))


@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_it_is_one_statement_that_comes_back_the_same_from_its_own_dialect(name: str, dialect: str) -> None:
    (statement,) = sqlglot.parse(CHECKS[name].query.sql, read=dialect)
    assert statement is not None
    again = sqlglot.parse_one(statement.sql(dialect, comments=False), read=dialect)
    assert statement.sql(dialect, comments=False) == again.sql(dialect, comments=False)
    assert not list(statement.find_all(exp.Command))


def test_line_one_is_the_question_and_parameters_are_declared_where_they_are_used(name: str) -> None:
    query = CHECKS[name].query
    assert re.fullmatch(r"[A-Z][^?]*\?", query.question)
    used = {placeholder.name for placeholder in sqlglot.parse_one(query.sql, read="athena").find_all(exp.Placeholder)}
    assert used == {parameter.placeholder for parameter in query.parameters}
    assert max(map(len, query.sql.splitlines())) <= 150


def test_a_division_is_one_of_doubles_or_exact(name: str) -> None:
    for division in sqlglot.parse_one(CHECKS[name].query.sql, read="athena").find_all(exp.Div):
        assert division.parent is not None
        doubles = [cast for cast in division.find_all(exp.Cast) if cast.to.this == exp.DType.DOUBLE]
        steps = [column for column in division.find_all(exp.Column) if column.name == "step"]  # a double already
        assert is_exact_quotient(division.parent) or is_instant(division.parent) or doubles or steps


def test_every_column_is_one_that_its_table_has_and_no_other_could_be_meant(name: str) -> None:
    table = read_table("delivered")
    schema: dict[str, object] = {"processed": {c.name: c.type for c in (*table.columns, *table.partitions)}}
    qualify(plan_check(CHECKS[name], {}), dialect="athena", schema=schema, expand_alias_refs=False)


def test_an_empty_lake_is_consistent(tmp_path: Path) -> None:
    assert {} == find_all(tmp_path)


def test_a_clean_market_is_consistent(tmp_path: Path) -> None:
    write(tmp_path, CLEAN)
    assert {} == find_all(tmp_path)


def test_what_is_delivered_twice_or_healed_is_consistent_too(tmp_path: Path) -> None:
    rows = copy_of_clean()
    healed = [heal(row) for row in rows["BTC-USD"][100:140] + rows["BTC-USD"][600:601]]
    del rows["BTC-USD"][100:130]
    write(tmp_path, rows)
    put(tmp_path, "ticklake-2", rows["BTC-USD"][50:300])
    put(tmp_path, "ticklake-3", healed, kind="trade")
    assert {} == find_all(tmp_path)


@pytest.mark.slow
def test_only_the_product_and_the_span_asked_for_are_judged(tmp_path: Path) -> None:
    rows = copy_of_clean()
    break_everything(rows["BTC-USD"])
    write(tmp_path, rows)
    late = (HOUR + timedelta(seconds=SPAN_S - 200)).isoformat()
    assert {} == find_all(tmp_path, product="DAI-USD")
    assert {} == find_all(tmp_path, **{"from": late})
    assert {"backwards", "books", "clocks", "off_book", "spikes"} <= find_all(tmp_path).keys()


def heal(row: Row) -> Row:
    kept = ("product_id", "event_time_us", "trade_id", "taker_side", "session")
    return {key: row[key] for key in kept} | {
        "kind": "trade",
        "source": "rest_heal",
        "n": row["n"] + 50_000_000,
        "receive_time_us": row["event_time_us"] + 3_600_000_000,
        "price": row["price"] + "000",
        "last_size": row["last_size"],
    }


def break_everything(rows: list[Row]) -> None:
    rows[50] |= {
        "price": "1",
        "best_ask": "1",
        "best_bid": "2",
        "sequence": 3,
        "last_size": "5000",
        "receive_time_us": 1,
    }
    rows[90]["event_time_us"] -= 30_000_000


# Prices


def test_a_price_that_is_none_stops_no_check(tmp_path: Path) -> None:
    """The transform refuses it; a lake that somebody wrote to may hold it all the same."""
    rows = copy_of_clean()
    rows["BTC-USD"][50] |= {"price": "0", "best_bid": "0.0", "best_ask": "0"}
    write(tmp_path, rows)
    assert {"books": [("warning", "BTC-USD", 900_051, 900_051)]} == {
        name: ids(f) for name, f in find_all(tmp_path).items()
    }


def by_share(text: str, share: str, places: int = 2) -> str:
    return str(round(Decimal(text) * Decimal(share), places))


@pytest.mark.parametrize(("share", "away"), [("1.01", 1), ("0.8", 1), ("1.3", 3)])
def test_a_trade_that_jumps_away_and_comes_back_is_a_spike(tmp_path: Path, share: str, away: int) -> None:
    rows = copy_of_clean()
    for row in rows["BTC-USD"][200 : 200 + away]:
        row["price"] = by_share(row["price"], share)
    write(tmp_path, rows)
    first = rows["BTC-USD"][200]["trade_id"]
    assert [("warning", "BTC-USD", first, first + away - 1)] == ids(find(tmp_path, "spikes"))
    assert [] == find(tmp_path, "moves")


def test_a_crash_with_volume_is_a_move_and_no_error(tmp_path: Path) -> None:
    rows = copy_of_clean()
    for at, row in enumerate(rows["BTC-USD"][400:]):
        share = str(Decimal(1) - Decimal("0.2") * min(at, 60) / 60)  # 20 % within 60 trades, half a minute
        price = Decimal(by_share(row["price"], share))
        row.update(price=str(price), best_bid=str(price - Decimal("0.01")), best_ask=str(price + Decimal("0.01")))
    write(tmp_path, rows)
    found = find_all(tmp_path)
    assert ["moves"] == list(found)
    moves = found["moves"]
    assert {"notice"} == {finding.severity for finding in moves}
    first = rows["BTC-USD"][400]["trade_id"]
    assert all(first < (finding.first_id or 0) <= first + 200 for finding in moves)
    assert "(-" in moves[0].what


def test_a_fall_that_recovers_within_the_minute_is_a_move_as_well(tmp_path: Path) -> None:
    rows = copy_of_clean()
    for row in rows["BTC-USD"][500:512]:
        row["price"] = by_share(row["price"], "0.7")
    write(tmp_path, rows)
    [move] = find(tmp_path, "moves")
    assert ("notice", 12) == (move.severity, move.amount)
    assert "(-30.0" in move.what
    assert [] == find(tmp_path, "spikes")


def nearest_rank_median(numbers: list[float]) -> float:
    return sorted(numbers)[(len(numbers) + 1) // 2 - 1]


def spikes_in(rows: list[Row], *, mads: float, least_share: float) -> list[tuple[int, int]]:
    """A second computation, in plain Python: first and last id of each."""
    levels = [math.log(Decimal(row["price"])) for row in rows]
    steps = [b - a for a, b in pairwise(levels) if a != b]
    middle = nearest_rank_median(steps)
    mad = nearest_rank_median([abs(step - middle) for step in steps])
    found = []
    for at in range(1, len(rows)):
        step = levels[at] - levels[at - 1]
        if abs(step) <= math.log(1 + least_share) or abs(step) <= mads * mad:
            continue
        for away in (1, 2, 3):
            if at + away < len(rows) and abs(levels[at + away] - levels[at - 1]) <= abs(step) * 0.25:
                found.append((rows[at]["trade_id"], rows[at]["trade_id"] + away - 1))
                break
    return found


def test_spikes_are_exactly_those_of_a_second_computation(tmp_path: Path) -> None:
    rows, rng = copy_of_clean(), random.Random(3)
    for of_product in rows.values():
        for at in rng.sample(range(len(of_product)), len(of_product) // 20):
            price = Decimal(of_product[at]["price"])
            jumped = price * Decimal(1 + rng.choice((-1, 1)) * 10 ** rng.uniform(-5, -1))
            of_product[at]["price"] = str(jumped.quantize(price) or price)
    write(tmp_path, rows)
    counts = []
    with open_lake(tmp_path) as lake:
        for mads, least_share in (("0.5", "0.00001"), ("2", "0.0001"), ("10", "0.001"), ("30", "0.005")):
            expected = {
                (product, *pair)
                for product, of_product in rows.items()
                for pair in spikes_in(of_product, mads=float(mads), least_share=float(least_share))
            }
            found = ask(LakeEngine(lake), "spikes", mads=mads, least_share=least_share)
            assert expected == {(f.product_id, f.first_id, f.last_id) for f in found}
            counts.append(len(found))
    assert sorted(counts, reverse=True) == counts
    assert counts[-1] > 10


# Books


@pytest.mark.parametrize(
    ("bid", "ask", "severity", "state"),
    [
        ("100", "99.99", "damage", "crossed"),
        ("100.0", "100", "warning", "locked"),
        ("0", "100", "warning", "one-sided"),
    ],
)
def test_a_book_that_cannot_be_is_found_once_for_each_run(
    tmp_path: Path, bid: str, ask: str, severity: str, state: str
) -> None:
    rows = copy_of_clean()
    for row in rows["BTC-USD"][10:14] + rows["BTC-USD"][20:21]:
        row |= {"best_bid": bid, "best_ask": ask}
    write(tmp_path, rows)
    first = rows["BTC-USD"][10]["trade_id"]
    found = find(tmp_path, "books")
    assert [(severity, "BTC-USD", first, first + 3), (severity, "BTC-USD", first + 10, first + 10)] == ids(found)
    assert [4, 1] == [finding.amount for finding in found]
    assert all(f"{state} book: best bid {bid.removesuffix('.0')}, best ask {ask}" in finding.what for finding in found)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"price": "90000"}, "warning"),
        ({"price": "80000"}, "warning"),
        ({"best_ask": "85999.99", "best_bid": "85999.98", "price": "86000"}, "notice"),
        ({"high_24h": "80000"}, "warning"),
        ({"low_24h": "100000"}, "warning"),
    ],
)
def test_a_price_outside_its_own_book_or_day_is_found(tmp_path: Path, changes: Row, severity: str) -> None:
    rows = copy_of_clean()
    rows["BTC-USD"][33] |= changes
    write(tmp_path, rows)
    trade_id = rows["BTC-USD"][33]["trade_id"]
    assert [(severity, "BTC-USD", trade_id, trade_id)] == ids(find(tmp_path, "off_book"))


def test_a_book_that_was_asked_for_is_not_the_trades(tmp_path: Path) -> None:
    rows = copy_of_clean()
    rows["BTC-USD"][33] |= {"best_ask": "80000", "best_bid": "79999", "sequence": None, "source": "exchange_rest"}
    write(tmp_path, rows)
    assert [] == find(tmp_path, "off_book")


def test_a_feed_that_stands_still_is_stale(tmp_path: Path) -> None:
    rows = copy_of_clean()
    stuck = {field: rows["BTC-USD"][300][field] for field in ("price", *BOOK)}
    for row in rows["BTC-USD"][300:400]:
        row.update(stuck)
    for row in rows["BTC-USD"][700:740]:
        row["price"] = stuck["price"]
    write(tmp_path, rows)
    first = rows["BTC-USD"][300]["trade_id"]
    found = find(tmp_path, "stale")
    assert [("warning", "BTC-USD", first, first + 99)] == ids(found)
    assert 100 == found[0].amount
    assert [] == find(tmp_path, "stale", least_ticks="101")
    assert [] == find(tmp_path, "stale", least="5m")


# Clocks and numbers


def test_time_that_runs_against_the_ids_names_the_two_trades(tmp_path: Path) -> None:
    rows = copy_of_clean()
    rows["BTC-USD"][300]["event_time_us"] -= 3_600_000_000 // 60
    rows["BTC-USD"][600]["event_time_us"] += 3_600_000_000 // 60
    rows["BTC-USD"][601]["event_time_us"] -= 500_000
    write(tmp_path, rows)
    back, ahead = rows["BTC-USD"][300]["trade_id"], rows["BTC-USD"][600]["trade_id"]
    assert [("warning", "BTC-USD", back - 1, back), ("warning", "BTC-USD", ahead, ahead + 1)] == ids(
        find(tmp_path, "backwards")
    )


@pytest.mark.parametrize("step", [0, -5, -1_000_000])
def test_a_sequence_that_runs_against_the_ids_is_found_past_healed_trades(tmp_path: Path, step: int) -> None:
    rows = copy_of_clean()
    rows["BTC-USD"][300]["sequence"] = rows["BTC-USD"][298]["sequence"] + step
    healed = heal(rows["BTC-USD"].pop(299))
    write(tmp_path, rows)
    put(tmp_path, "ticklake-2", [healed], kind="trade")
    [finding] = find(tmp_path, "backwards")
    assert (healed["trade_id"] - 1, healed["trade_id"] + 1) == (finding.first_id, finding.last_id)
    assert "sequence" in finding.what


def test_ticks_received_before_they_happened_are_found(tmp_path: Path) -> None:
    rows = copy_of_clean()
    for row in rows["BTC-USD"][300:303]:
        row["receive_time_us"] = row["event_time_us"] - 1_500_000
    write(tmp_path, rows)
    first = rows["BTC-USD"][300]["trade_id"]
    found = find(tmp_path, "clocks")
    assert 3 == sum(finding.amount for finding in found)
    assert {"warning"} == {finding.severity for finding in found}
    assert (first, first + 2) == (min(f.first_id or 0 for f in found), max(f.last_id or 0 for f in found))


def test_a_feed_that_lags_is_found_and_one_old_ticker_is_none(tmp_path: Path) -> None:
    rows = copy_of_clean()
    minute = [row for row in rows["BTC-USD"] if START_US + 120_000_000 <= row["event_time_us"] < START_US + 180_000_000]
    for row in [*minute, rows["BTC-USD"][0], rows["DAI-USD"][5]]:
        row["receive_time_us"] = row["event_time_us"] + 40_000_000
    write(tmp_path, rows)
    [finding] = find(tmp_path, "clocks")
    assert (minute[0]["trade_id"], minute[-1]["trade_id"], len(minute)) == (
        finding.first_id,
        finding.last_id,
        finding.amount,
    )
    assert "at least 40.000 s after" in finding.what


# Volume


def inexact(rows: list[Row]) -> int:
    return sum(
        Decimal(b["volume_24h"]) - Decimal(a["volume_24h"]) != Decimal(b["last_size"]) for a, b in pairwise(rows)
    )


def test_the_clean_market_restates_its_volume_as_coinbase_does() -> None:
    assert SPAN_S // 90 == inexact(CLEAN["BTC-USD"]) == inexact(CLEAN["SHIB-USD"])


@pytest.mark.parametrize("product", ["BTC-USD", "SHIB-USD"])
@pytest.mark.parametrize("change", ["0.00000001", "-0.00000001", "25"])
def test_a_size_that_the_volume_did_not_grow_by_is_named(tmp_path: Path, product: str, change: str) -> None:
    rows = copy_of_clean()
    row = next(
        row for row in rows[product] if row["event_time_us"] > START_US + 300_000_000 and Decimal(row["last_size"]) > 1
    )
    row["last_size"] = str(Decimal(row["last_size"]) + Decimal(change))
    write(tmp_path, rows)
    assert [("warning", product, row["trade_id"], row["trade_id"])] == ids(find(tmp_path, "volume"))


def test_two_sizes_exchanged_are_both_named(tmp_path: Path) -> None:
    rows = copy_of_clean()
    some = [row for row in rows["BTC-USD"] if 310 < (row["event_time_us"] - START_US) / 1_000_000 < 330]
    some[2]["last_size"], some[9]["last_size"] = some[9]["last_size"], some[2]["last_size"]
    write(tmp_path, rows)
    assert [some[2]["trade_id"], some[9]["trade_id"]] == [f.first_id for f in find(tmp_path, "volume")]


def test_a_healed_trades_size_is_compared_together_with_the_next(tmp_path: Path) -> None:
    rows = copy_of_clean()
    at = next(n for n, row in enumerate(rows["BTC-USD"]) if row["event_time_us"] > START_US + 300_000_000)
    healed = heal(rows["BTC-USD"].pop(at)) | {"last_size": "77"}
    write(tmp_path, rows)
    put(tmp_path, "ticklake-2", [healed], kind="trade")
    [finding] = find(tmp_path, "volume")
    assert (healed["trade_id"], healed["trade_id"] + 1, 2) == (finding.first_id, finding.last_id, finding.amount)


def test_a_volume_that_flows_out_evenly_may_fall_short_and_never_exceed(tmp_path: Path) -> None:
    """As a simulated market's does."""
    rows = copy_of_clean()
    volume = Decimal(50_000)
    for row in rows["BTC-USD"]:
        volume += Decimal(row["last_size"]) - Decimal("0.00000123")
        row["volume_24h"] = format(volume, "f")
    rows["BTC-USD"][200]["last_size"] = "0.00000001"
    rows["BTC-USD"][300]["last_size"] = "9999"
    write(tmp_path, rows)
    trade_id = rows["BTC-USD"][200]["trade_id"]
    assert [("warning", "BTC-USD", trade_id, trade_id)] == ids(find(tmp_path, "volume"))


def test_a_hole_says_nothing_about_volume(tmp_path: Path) -> None:
    rows = copy_of_clean()
    del rows["BTC-USD"][400:420]
    write(tmp_path, rows)
    assert [] == find(tmp_path, "volume")


# Copies and sources


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": "86000.02"}, "price 86000.01 or 86000.02"),
        ({"last_size": "0.3"}, "size 0.25 or 0.3"),
        ({"taker_side": "sell"}, "taker buy or sell"),
        ({"event_time_us": START_US + 3_000_000}, "times 2.000 s apart"),
    ],
)
def test_two_copies_that_disagree_are_damage(tmp_path: Path, changes: Row, says: str) -> None:
    row = ticker(7, 1, price="86000.01", last_size="0.25")
    put(tmp_path, "ticklake-1", [row, ticker(8, 2)])
    put(tmp_path, "ticklake-2", [row | {"session": "01KAR2M9Q4T8W6X0Y5Z7B3C1DG"} | changes])
    [finding] = find(tmp_path, "copies")
    assert ("damage", 7, 7, 2) == (finding.severity, finding.first_id, finding.last_id, finding.amount)
    assert f"2 copies of one trade disagree: {says}" == finding.what


def test_copies_may_differ_in_what_is_no_part_of_the_trade(tmp_path: Path) -> None:
    row = ticker(7, 1, price="86000.01", last_size="0.25", volume_24h="5")
    again = row | {"volume_24h": "6", "n": 9, "receive_time_us": 5}
    put(tmp_path, "ticklake-1", [row, again, heal(row), row | {"source": "exchange_rest", "taker_side": None, "n": 10}])
    assert [] == find(tmp_path, "copies")


def test_two_sources_that_disagree_within_a_minute_are_found(tmp_path: Path) -> None:
    rows = [ticker(n, n, price="100.5") for n in range(1, 50)]
    spot = {
        key: value
        for key, value in rows[0].items()
        if key not in {"trade_id", "sequence", "last_size", "taker_side", "event_time_us"}
    }
    spots = [
        spot
        | {
            "kind": "spot",
            "source": "spot_rest",
            "n": 1_000 + n,
            "price": price,
            "receive_time_us": START_US + n * 60_000_000,
        }
        for n, price in enumerate(("100.9", "90"))
    ]
    put(tmp_path, "ticklake-1", [*rows, ticker(90, 70, price="100")])
    put(tmp_path, "ticklake-2", spots, kind="spot")
    [finding] = find(tmp_path, "sources")
    assert ("warning", 90, 90, 2) == (finding.severity, finding.first_id, finding.last_id, finding.amount)
    assert "spot_rest says at most 90 and exchange_ws at least 100 (11.11 % apart)" in finding.what


# What was recorded


@pytest.mark.parametrize(
    "recording",
    [
        "ticker_quiet_hour_2025-11-25T04.jsonl.gz",
        "ticker_2021_illiquid.jsonl",
        pytest.param("ticker_2025-11-24.jsonl.gz", marks=pytest.mark.slow),
    ],
)
def test_recorded_traffic_is_consistent(tmp_path: Path, recorded: Path, recording: str) -> None:
    path = recorded / "exchange" / recording
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [row_of(n, json.loads(line)) for n, line in enumerate(text.splitlines())]
    put(tmp_path, "ticklake-1", rows, hour="2025/11/24/15")
    assert {} == find_all(tmp_path)


def row_of(n: int, message: Row) -> Row:
    at_us = us(HOUR.fromisoformat(message["time"]))
    given = {key: text for key, text in message.items() if key not in {"type", "side", "time"}}
    return given | {
        "kind": "ticker", "taker_side": message["side"], "event_time_us": at_us, "receive_time_us": at_us + 30_000, "n": n,
        "session": "01KAR2M9Q4T8W6X0Y5Z7B3C1DF", "source": "exchange_ws",
    }  # fmt: skip
