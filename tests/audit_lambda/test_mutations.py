"""
What each check finds: a whole lake, one change, and exactly the findings that it must make.

Expected findings are computed from the change itself, in Python, not from SQL. A mutation names the checks that must find it, each with all
that it finds beyond what it finds in the untouched lake: (severity, product, session, first id, last id, amount).
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from audit_lambda.objects import Pace
from audit_lambda.spans import Span
from audit_lambda.stock import keep_stock, take_stock
from local.lake.folder import open_lake
from local.lake.store import FolderStore
from producer.line import encode_instant
from sql.dialect import to_duckdb
from sql.hours import EPOCH, HOUR_US
from tests.audit_lambda.whole import (
    DOWN,
    DROPPED_AAA,
    DROPPED_BBB,
    END_S,
    FIRST,
    NOW,
    PRODUCTS,
    REFUSED_CCC,
    SECOND,
    at,
    build,
    put_raw,
    put_rows,
    refuse,
    trade_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from audit_lambda.findings import Finding
    from audit_lambda.stock import Stock

Row = dict[str, Any]
Found = tuple[str, str | None, str | None, int | None, int | None, int]
Expected = dict[str, set[Found]]

SQL: Final = {check.name: check for check in load_checks() if check.group in {"completeness", "conservation"}}
INTEGRITY: Final = ("readable", "unchanged", "present", "foreign")
NOW_US: Final = (NOW - EPOCH) // timedelta(microseconds=1)
# Objects of the lake, by the time of day in seconds at which their five minutes began.
LATE: Final = "11700"  # 03:15, an hour that is not compacted
# What the integrity checks find: one object.
OBJECT: Final[Found] = ("damage", None, None, None, None, 1)


@cache
def plan(name: str) -> str:
    """The check in DuckDB's words: parsed once, not for every mutation."""
    return to_duckdb(plan_check(SQL[name], {"now": NOW.isoformat()}))


def find(root: Path, names: Iterable[str]) -> dict[str, set[Found]]:
    """What these checks find in the lake."""
    named = set(names)
    findings: dict[str, Iterable[Finding]] = {}
    if not named.isdisjoint(INTEGRITY):
        findings |= {each.name: each.findings for each in look_at_objects(root).results if each.name in named}
    if named & SQL.keys():
        with open_lake(root) as lake:
            lake.judge_errors()
            for name in named & SQL.keys():
                rows = lake.connection.execute(plan(name)).fetchall()
                findings[name] = decode_findings(name, SQL[name].group, [row[: len(FINDING_COLUMNS)] for row in rows])
    return {
        name: {(f.severity, f.product_id, f.session, f.first_id, f.last_id, f.amount) for f in some}
        for name, some in findings.items()
    }


def look_at_objects(root: Path) -> Stock:
    return take_stock(
        FolderStore(root),
        Span("asked", 0, NOW_US),
        reach="whole",
        now_us=NOW_US,
        expiry_days={},
        pace=Pace(),
        on_progress=lambda _: None,
    )


class Mutable:
    """A copy of the whole lake, and ways to change it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def objects(self, kind: str, name: str = "*") -> list[Path]:
        return sorted(self.root.glob(f"processed/coinbase/{kind}/**/{name}.parquet"))

    def object(self, kind: str, name: str) -> Path:
        (path,) = self.objects(kind, name)
        return path

    def rows(self, kind: str = "*", name: str = "*") -> list[Row]:
        return [row for path in self.objects(kind, name) for row in pq.read_table(path, partitioning=None).to_pylist()]

    def edit(self, wanted: Callable[[Row], bool], change: Callable[[Row], Row | None], kind: str = "*") -> list[Row]:
        """Change (None: delete) every row that is wanted; the rows as they were."""
        changed: list[Row] = []
        for path in self.objects(kind):
            rows = pq.read_table(path, partitioning=None).to_pylist()
            here = [row for row in rows if wanted(row)]
            if here:
                changed += [dict(row) for row in here]
                after = [change(dict(row)) if wanted(row) else row for row in rows]
                put_rows(path, [row for row in after if row is not None])
        assert changed
        return changed

    def edit_raw(self, wanted: Callable[[bytes], bool], change: Callable[[bytes], bytes | None]) -> int:
        count = 0
        for path in self.raw():
            lines = gzip.decompress(path.read_bytes()).splitlines()
            here = sum(map(wanted, lines))
            count += here
            if here:
                after = [change(line) if wanted(line) else line for line in lines]
                put_raw(path, [line for line in after if line is not None])
        assert count
        return count

    def error_object(self) -> Path:
        (path,) = (path for path in self.root.glob("errors/coinbase/**/*") if path.is_file())
        return path

    def raw(self) -> list[Path]:
        return sorted(self.root.glob("raw/coinbase/**/*.gz"))

    def edit_both(self, wanted: Callable[[Row], bool], old: str, new: str) -> Row:
        """Change the testimony of one row and of its line alike: nothing but what it says is wrong then."""
        (row,) = self.edit(wanted, lambda row: row | {"detail": row["detail"].replace(old, new)})
        assert old in row["detail"]
        self.edit_raw(names(row), lambda line: line.replace(old.encode(), new.encode()))
        return row

    def history(self, change: Callable[[pa.Table], pa.Table]) -> None:
        (path,) = self.root.glob("history/coinbase/**/*.parquet")
        pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def names(row: Row) -> Callable[[bytes], bool]:
    head = f'{{"v":1,"session":"{row["session"]}","n":{row["n"]},'.encode()
    return lambda line: line.startswith(head)


def is_(**facts: Any) -> Callable[[Row], bool]:
    return lambda row: all(row[name] == value for name, value in facts.items())


def tick(product_id: str, seconds: int, session: str = SECOND) -> Callable[[Row], bool]:
    return is_(kind="ticker", product_id=product_id, trade_id=trade_id(product_id, seconds), session=session)


def delete(_: Row) -> None:
    return None


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    ordered = sorted(numbers)
    cuts = [0, *(at for at, (one, two) in enumerate(pairwise(ordered), start=1) if two != one + 1), len(ordered)]
    return [(ordered[first], ordered[end - 1]) for first, end in pairwise(cuts)]


def lost(rows: Iterable[Row]) -> set[Found]:
    """What `sessions` finds where these rows are gone."""
    by_session = defaultdict(set)
    for row in rows:
        by_session[row["session"]].add(row["n"])
    return {
        ("damage", None, session, first, last, last - first + 1)
        for session, numbers in by_session.items()
        for first, last in runs(numbers)
    }


def by_hour(rows: Iterable[Row], severity: str = "damage") -> set[Found]:
    """What `lines` finds: by session and hour of receipt."""
    hours = defaultdict(list)
    for row in rows:
        hours[row["session"], row["receive_time_us"] // HOUR_US].append(row["n"])
    return {(severity, None, session, min(ns), max(ns), len(ns)) for (session, _), ns in hours.items()}


def unnamed(rows: Iterable[Row]) -> set[Found]:
    """What `trades` finds where these rows' trades are gone."""
    by_product = defaultdict(set)
    for row in rows:
        if row["kind"] in {"ticker", "trade"}:
            by_product[row["product_id"]].add(row["trade_id"])
    return {
        ("damage", product_id, None, first, last, last - first + 1)
        for product_id, ids in by_product.items()
        for first, last in runs(ids)
    }


def one_by_one(rows: Iterable[Row]) -> set[Found]:
    """What `contents` finds where these rows differ from their lines."""
    return {("damage", row["product_id"], row["session"], row["n"], row["n"], 1) for row in rows}


def accounts(lake: Mutable, rows: Iterable[Row]) -> set[Found]:
    """What `ledgers` finds where these rows are gone (or, as many, too many)."""
    closings = {session: closing(lake, session)["n"] for session in (FIRST, SECOND)}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        counts[row["session"], row["kind"]] += 1
    return {("damage", None, session, 0, closings[session], count) for (session, _), count in counts.items()}


def closing(lake: Mutable, session: str) -> Row:
    (row,) = [r for r in lake.rows("session") if r["session"] == session and '"closed"' in r["detail"]]
    return row


def minute_of(row: Row) -> int:
    return int(row["event_time_us"]) // 60_000_000


def coverages(lake: Mutable) -> dict[tuple[str, str, int], Row]:
    return {(row["session"], row["product_id"], minute_of(row)): row for row in lake.rows("coverage")}


def unseen(lake: Mutable, rows: Iterable[Row]) -> set[Found]:
    """What `testimony` finds where these tickers are gone: their minutes' lines count more than there is."""
    counts: dict[tuple[str, str, int], int] = defaultdict(int)
    for row in rows:
        if row["kind"] == "ticker":
            counts[row["session"], row["product_id"], minute_of(row)] += 1
    found = set[Found]()
    for key, count in counts.items():
        said = json.loads(coverages(lake)[key]["detail"])
        found.add(("damage", key[1], key[0], said["first_trade_id"], said["last_trade_id"], count))
    return found


# The mutations, each with what must find it


def an_object_of_ticks_is_gone(lake: Mutable) -> Expected:
    gone = lake.rows("ticker", LATE)
    lake.object("ticker", LATE).unlink()
    return {
        "sessions": lost(gone),
        "lines": by_hour(gone),
        "trades": unnamed(gone),
        "testimony": unseen(lake, gone),
        "ledgers": accounts(lake, gone),
    }


def an_object_of_compacted_ticks_is_gone(lake: Mutable) -> Expected:
    gone = lake.rows("ticker", "10500")
    lake.object("ticker", "10500").unlink()
    products: set[Found] = {
        ("damage", p, None, min(ids), max(ids), len(ids))
        for p in PRODUCTS
        if (ids := [row["trade_id"] for row in gone if row["product_id"] == p])
    }
    return {"sessions": lost(gone), "lines": by_hour(gone), "history": products, "trades": set()}


def an_object_of_coverage_is_gone(lake: Mutable) -> Expected:
    gone = lake.rows("coverage", LATE)
    lake.object("coverage", LATE).unlink()
    minutes = {minute_of(row) for row in gone}
    unwatched: set[Found] = {("warning", p, None, None, None, len(minutes)) for p in PRODUCTS}
    return {"sessions": lost(gone), "lines": by_hour(gone), "ledgers": accounts(lake, gone), "minutes": unwatched}


def a_whole_hour_of_rows_is_gone(lake: Mutable) -> Expected:
    paths = list(lake.root.glob("processed/coinbase/*/2025/03/03/03/*"))
    gone = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    for path in paths:
        path.unlink()
    # Gap lines are dated by the far side of their hole: that of hour 02 alone is left.
    return {"lines": by_hour(gone)}


def a_row_is_gone(lake: Mutable) -> Expected:
    gone = lake.edit(tick("AAA-USD", 1_500), delete)
    return {
        "sessions": lost(gone),
        "lines": by_hour(gone),
        "trades": unnamed(gone),
        "testimony": unseen(lake, gone),
        "ledgers": accounts(lake, gone),
    }


def a_compacted_row_is_gone(lake: Mutable) -> Expected:
    gone = lake.edit(tick("AAA-USD", 300, FIRST), delete)
    (row,) = gone
    not_delivered: set[Found] = {("damage", "AAA-USD", None, row["trade_id"], row["trade_id"], 1)}
    return {"sessions": lost(gone), "lines": by_hour(gone), "history": not_delivered, "trades": set()}


def the_first_row_of_a_session_is_gone(lake: Mutable) -> Expected:
    gone = lake.edit(is_(session=SECOND, n=0), delete)
    return {"sessions": lost(gone), "lines": by_hour(gone), "ledgers": accounts(lake, gone)}


def a_minute_of_a_product_is_gone(lake: Mutable) -> Expected:
    minute = at(1_500) // 60_000_000
    gone = lake.edit(
        lambda row: row["kind"] == "ticker" and row["product_id"] == "BBB-USD" and minute_of(row) == minute, delete
    )
    # Three trades right before were a hole already, named by their own gap line.
    return {"sessions": lost(gone), "lines": by_hour(gone), "trades": unnamed(gone), "testimony": unseen(lake, gone)}


def the_closing_is_gone(lake: Mutable) -> Expected:
    last = closing(lake, SECOND)["n"]
    gone = lake.edit(is_(session=SECOND, n=last), delete)
    return {"sessions": {("notice", None, SECOND, last - 1, last - 1, 1)}, "lines": by_hour(gone)}


def the_last_ten_minutes_never_were(lake: Mutable) -> Expected:
    """A session that was killed there: all that can be said is that it did not close."""
    end_us = at(END_S - 600)
    lake.edit(lambda row: row["session"] == SECOND and row["receive_time_us"] >= end_us, delete)
    lake.edit_raw(
        lambda line: json.loads(line)["receive_time"] >= encode_instant(end_us) and SECOND.encode() in line,
        lambda _: None,
    )
    lake.error_object().unlink()
    last = max(row["n"] for row in lake.rows() if row["session"] == SECOND)
    return {"sessions": {("notice", None, SECOND, last, last, 1)}, "lines": set()}


def a_raw_object_is_gone(lake: Mutable) -> Expected:
    (path,) = [path for path in lake.raw() if path.stem == LATE]
    texts = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    path.unlink()
    ns = [text["n"] for text in texts]
    return {"lines": {("damage", None, SECOND, min(ns), max(ns), len(ns))}, "sessions": set(), "contents": set()}


def a_raw_line_is_gone(lake: Mutable) -> Expected:
    (row,) = [row for row in lake.rows("ticker") if tick("CCC-USD", 1_502)(row)]
    lake.edit_raw(names(row), lambda _: None)
    return {"lines": by_hour([row]), "sessions": set()}


def an_error_object_is_gone(lake: Mutable) -> Expected:
    path = lake.error_object()
    lines = [json.loads(base64.b64decode(json.loads(each)["rawData"])) for each in path.read_text().splitlines()]
    path.unlink()
    gone = [{**line, "receive_time_us": at(1_802)} for line in lines]
    # The trade in one of them stays named, by its gap line.
    return {
        "sessions": lost(gone),
        "lines": by_hour(gone),
        "ledgers": accounts(lake, gone),
        "present": {OBJECT},
        "trades": set(),
    }


def _is_open_hole(row: Row) -> bool:
    return is_(kind="gap", product_id="BBB-USD", trade_id=DROPPED_BBB[0])(row)


def a_gap_row_is_gone(lake: Mutable) -> Expected:
    gone = lake.edit(_is_open_hole, delete)
    nobody_names: set[Found] = {("damage", "BBB-USD", None, DROPPED_BBB[0], DROPPED_BBB[-1], 3)}
    return {"trades": nobody_names, "sessions": lost(gone), "lines": by_hour(gone), "ledgers": accounts(lake, gone)}


def a_gap_says_healed_and_is_not(lake: Mutable) -> Expected:
    lake.edit_both(_is_open_hole, '"status":"open"', '"status":"healed"')
    return {"trades": {("damage", "BBB-USD", None, DROPPED_BBB[0], DROPPED_BBB[-1], 3)}, "contents": set()}


def a_gap_names_too_few(lake: Mutable) -> Expected:
    last = DROPPED_BBB[-1]
    lake.edit_both(_is_open_hole, f'"last_missing_trade_id":{last}', f'"last_missing_trade_id":{last - 1}')
    return {
        "trades": {("hole", "BBB-USD", None, DROPPED_BBB[0], last - 1, 2), ("damage", "BBB-USD", None, last, last, 1)}
    }


def a_healed_trade_is_gone(lake: Mutable) -> Expected:
    number = DROPPED_AAA[2]
    gone = lake.edit(is_(kind="trade", trade_id=number), delete)
    # Hour 02 is compacted and still has it: what is missing is the row.
    return {"sessions": lost(gone), "lines": by_hour(gone), "history": {("damage", "AAA-USD", None, number, number, 1)}}


def a_healed_trade_of_an_open_hour_is_gone(lake: Mutable) -> Expected:
    number = DOWN["BBB-USD"][20]
    gone = lake.edit(is_(kind="trade", trade_id=number), delete)
    first, last = DOWN["BBB-USD"][10], DOWN["BBB-USD"][-1]
    return {
        "trades": {("damage", "BBB-USD", None, number, number, 1), ("healed", "BBB-USD", None, first, last, 19)},
        "sessions": lost(gone),
    }


def an_object_is_delivered_twice(lake: Mutable) -> Expected:
    rows = lake.rows("ticker", LATE)
    path = lake.object("ticker", LATE)
    shutil.copy(path, path.with_name("twice.parquet"))
    return {"lines": by_hour(rows, "notice"), "contents": set(), "sessions": set(), "trades": set(), "testimony": set()}


def a_raw_object_is_there_twice(lake: Mutable) -> Expected:
    (path,) = [path for path in lake.raw() if path.stem == LATE]
    shutil.copy(path, path.with_name("twice.gz"))
    return {name: set() for name in SQL}


def a_row_is_there_twice_and_differs(lake: Mutable) -> Expected:
    (row,) = [row for row in lake.rows("ticker", LATE) if tick("AAA-USD", 1_530)(row)]
    put_rows(lake.object("ticker", LATE).with_name("other.parquet"), [row | {"price": "1.00"}])
    return {"contents": one_by_one([row]), "lines": by_hour([row], "notice")}


def two_prices_are_swapped(lake: Mutable) -> Expected:
    one, two = (next(r for r in lake.rows("ticker") if tick("AAA-USD", s)(r)) for s in (1_500, 1_503))
    prices = {one["n"]: two["price"], two["n"]: one["price"]}
    changed = lake.edit(
        lambda row: row["session"] == SECOND and row["n"] in prices, lambda row: row | {"price": prices[row["n"]]}
    )
    return {"contents": one_by_one(changed), "unchanged": {OBJECT}, "sessions": set(), "lines": set()}


def a_digit_of_a_healed_price_is_flipped(lake: Mutable) -> Expected:
    changed = lake.edit(is_(kind="trade", trade_id=DOWN["AAA-USD"][3]), lambda row: row | {"price": "101.01"})
    return {"contents": one_by_one(changed)}


def a_digit_of_a_line_is_flipped(lake: Mutable) -> Expected:
    (row,) = [row for row in lake.rows("ticker") if tick("CCC-USD", 1_502)(row)]
    lake.edit_raw(names(row), lambda line: line.replace(b'"last_size":"0.', b'"last_size":"1.'))
    return {"contents": one_by_one([row]), "lines": set()}


def a_bid_is_another(lake: Mutable) -> Expected:
    return {"contents": one_by_one(lake.edit(tick("BBB-USD", 1_600), lambda row: row | {"best_bid": "98.99"}))}


def a_taker_is_the_maker(lake: Mutable) -> Expected:
    other = {"buy": "sell", "sell": "buy"}
    changed = lake.edit(tick("BBB-USD", 1_600), lambda row: row | {"taker_side": other[row["taker_side"]]})
    return {"contents": one_by_one(changed)}


def a_receive_time_is_another(lake: Mutable) -> Expected:
    changed = lake.edit(tick("BBB-USD", 1_600), lambda row: row | {"receive_time_us": row["receive_time_us"] + 1})
    return {"contents": one_by_one(changed)}


def times_are_shifted_by_an_hour(lake: Mutable) -> Expected:
    shifted = lake.edit(
        lambda row: (
            row["session"] == SECOND and at(1_500) <= row["receive_time_us"] < at(1_800) and row["kind"] == "ticker"
        ),
        lambda row: row | {"event_time_us": row["event_time_us"] - HOUR_US},
    )
    return {"contents": one_by_one(shifted), "testimony": unseen(lake, shifted), "lines": set(), "sessions": set()}


def a_trade_has_another_id(lake: Mutable) -> Expected:
    last = trade_id("AAA-USD", END_S - 3)
    changed = lake.edit(tick("AAA-USD", 1_500), lambda row: row | {"trade_id": last + 101})
    beyond: Found = ("damage", "AAA-USD", None, last + 1, last + 100, 100)
    return {"contents": one_by_one(changed), "trades": unnamed(changed) | {beyond}, "testimony": unseen(lake, changed)}


def a_trade_is_another_products(lake: Mutable) -> Expected:
    changed = lake.edit(tick("AAA-USD", 1_500), lambda row: row | {"product_id": "AAB-USD"})
    return {"contents": one_by_one(changed), "trades": unnamed(changed)}


def a_line_has_another_number(lake: Mutable) -> Expected:
    end = closing(lake, SECOND)["n"]
    (row,) = lake.edit(tick("AAA-USD", 1_500), lambda row: row | {"n": end + 11})
    beyond: Found = ("damage", None, SECOND, end + 1, end + 10, 10)
    return {
        "sessions": lost([row]) | {beyond},
        "lines": by_hour([row]) | by_hour([row | {"n": end + 11}]),
        "ledgers": accounts(lake, [row]),
    }


def the_rest_of_a_session_is_renumbered(lake: Mutable) -> Expected:
    end, last = closing(lake, SECOND), max(row["n"] for row in lake.rows() if row["session"] == SECOND)
    assert end["n"] == last
    lake.edit(lambda row: row["session"] == SECOND and row["n"] >= last - 1, lambda row: row | {"n": row["n"] + 1})
    (moved,) = [row for row in lake.rows() if row["session"] == SECOND and row["n"] == last]
    return {
        "sessions": {("damage", None, SECOND, last - 1, last - 1, 1)},
        "lines": {("damage", None, SECOND, last - 1, last - 1, 1), ("damage", None, SECOND, last + 1, last + 1, 1)},
        "ledgers": {("damage", None, SECOND, 0, last + 1, 1)},
        "contents": one_by_one([moved]),
    }


def a_row_that_nobody_sent(lake: Mutable) -> Expected:
    (row,) = [row for row in lake.rows("ticker") if tick("AAA-USD", 1_500)(row)]
    stranger = row | {"session": FIRST[:-1] + "Z", "n": 0}
    put_rows(lake.object("ticker", LATE).with_name("stranger.parquet"), [stranger])
    return {"lines": by_hour([stranger]), "sessions": {("notice", None, stranger["session"], 0, 0, 1)}}


def _coverage(lake: Mutable, product_id: str, seconds: int) -> Row:
    return coverages(lake)[SECOND, product_id, at(seconds) // 60_000_000]


def a_coverage_row_counts_more(lake: Mutable) -> Expected:
    line = _coverage(lake, "CCC-USD", 1_500)
    changed = lake.edit(
        is_(session=SECOND, n=line["n"]),
        lambda row: row | {"detail": row["detail"].replace('"ticks":20', '"ticks":25')},
    )
    said = json.loads(line["detail"])
    short: Found = ("damage", "CCC-USD", SECOND, said["first_trade_id"], said["last_trade_id"], 5)
    return {"contents": one_by_one(changed), "testimony": {short}}


def a_coverage_line_counted_less(lake: Mutable) -> Expected:
    line = _coverage(lake, "CCC-USD", 1_500)
    said = json.loads(line["detail"])
    lake.edit_both(is_(session=SECOND, n=line["n"]), '"ticks":20', '"ticks":19')
    return {"testimony": {("warning", "CCC-USD", SECOND, said["first_trade_id"], said["last_trade_id"], 1)}}


def a_coverage_line_names_another_last(lake: Mutable) -> Expected:
    line = _coverage(lake, "CCC-USD", 1_500)
    said = json.loads(line["detail"])
    first, last = said["first_trade_id"], said["last_trade_id"]
    lake.edit_both(is_(session=SECOND, n=line["n"]), f'"last_trade_id":{last}', f'"last_trade_id":{last + 40}')
    return {"testimony": {("damage", "CCC-USD", SECOND, first, last + 40, 1)}, "contents": set()}


def the_market_was_halted(lake: Mutable) -> Expected:
    for seconds in range(1_500, 1_860, 60):
        said = json.loads(_coverage(lake, "AAA-USD", seconds)["detail"])
        lake.edit_both(
            is_(session=SECOND, n=_coverage(lake, "AAA-USD", seconds)["n"]), f'"ticks":{said["ticks"]}', '"ticks":0'
        )
    return {"minutes": {("notice", "AAA-USD", None, None, None, 6)}}


def a_minute_was_quiet(lake: Mutable) -> Expected:
    lake.edit_both(is_(session=SECOND, n=_coverage(lake, "AAA-USD", 1_500)["n"]), '"ticks":20', '"ticks":0')
    return {"minutes": {("notice", "AAA-USD", None, None, None, 1)}}


def polling_was_slow(lake: Mutable) -> Expected:
    line = _coverage(lake, "BBB-USD", 1_620)
    lake.edit_both(is_(session=SECOND, n=line["n"]), '"exchange_ws":60000', '"exchange_rest":20000')
    return {"polls": {("warning", "BBB-USD", SECOND, line["n"], line["n"], 40_000)}}


def a_spot_price_was_not_polled(lake: Mutable) -> Expected:
    rows = [
        {
            "kind": "spot",
            "product_id": "BTC-USD",
            "source": "spot_rest",
            "price": "1.00",
            "session": FIRST,
            "n": n,
            "receive_time_us": at(300 * step),
        }
        for n, step in ((90_001, 1), (90_002, 2), (90_003, 5))
    ]
    put_rows(lake.root / "processed/coinbase/spot/2025/03/03/03/spot.parquet", rows)
    return {"polls": {("warning", "BTC-USD", FIRST, 90_002, 90_003, 2)}}


def a_ledger_counts_one_more(lake: Mutable) -> Expected:
    end = closing(lake, SECOND)
    ticks = json.loads(end["detail"])["by_kind"]["ticker"]
    lake.edit_both(is_(session=SECOND, n=end["n"]), f'"ticker":{ticks},', f'"ticker":{ticks + 1},')
    return {"ledgers": {("damage", None, SECOND, 0, end["n"], 1)}, "contents": set()}


def a_ledger_has_another_sum(lake: Mutable) -> Expected:
    end = closing(lake, SECOND)
    lake.edit_both(is_(session=SECOND, n=end["n"]), f'"lines":{end["n"]}', f'"lines":{end["n"] + 7}')
    return {"ledgers": {("damage", None, SECOND, 0, end["n"], 7)}}


def firehose_refused_a_line_for_good(lake: Mutable) -> Expected:
    """Its line never arrived, and the closing line says that one was refused: a hole, with its reason."""
    end = closing(lake, SECOND)
    (gone,) = lake.edit(tick("AAA-USD", 1_500), delete)
    lake.edit_raw(names(gone), lambda _: None)
    lake.edit_both(is_(session=SECOND, n=end["n"]), f'"delivered":{end["n"]}', f'"delivered":{end["n"] - 1}')
    return {
        "sessions": {("hole", None, SECOND, gone["n"], gone["n"], 1)},
        "ledgers": {("hole", None, SECOND, 0, end["n"], 1)},
        "lines": set(),
    }


def a_good_line_was_refused(lake: Mutable) -> Expected:
    """The transform's answer was full: the trade is missing, no gap line names it, and its refusal does."""
    (gone,) = lake.edit(tick("AAA-USD", 1_500), delete)
    (line,) = [
        line for raw in lake.raw() for line in gzip.decompress(raw.read_bytes()).splitlines() if names(gone)(line)
    ]
    path = lake.root / "errors/coinbase/processing-failed/2025/03/03/03/full"
    path.write_bytes(refuse([line], at(1_600))[0] + b"\n")
    return {
        "trades": {("hole", "AAA-USD", None, gone["trade_id"], gone["trade_id"], 1)},
        "sessions": set(),
        "lines": set(),
        "testimony": set(),
        "ledgers": set(),
    }


def history_lost_trades(lake: Mutable) -> Expected:
    lake.history(
        lambda table: table.filter(pa.array([id_ not in {1_050, 1_060} for id_ in table["trade_id"].to_pylist()]))
    )
    return {"history": {("damage", "AAA-USD", None, 1_050, 1_060, 2)}}


def history_has_a_trade_twice(lake: Mutable) -> Expected:
    lake.history(lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    return {"history": {("damage", "AAA-USD", None, 1_001, 1_001, 1)}}


def prices_of_history_are_swapped(lake: Mutable) -> Expected:
    def swap(table: pa.Table) -> pa.Table:
        prices = table["price"].to_pylist()
        prices[4], prices[5] = prices[5], prices[4]
        place = table.column_names.index("price")
        return table.set_column(place, "price", pa.array(prices, table["price"].type))

    lake.history(swap)
    return {"history": {("damage", "AAA-USD", None, 1_005, 1_006, 2)}}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(bytes(content))


def a_byte_of_a_raw_object_is_flipped(lake: Mutable) -> Expected:
    _flip(next(path for path in lake.raw() if path.stem == LATE))
    return {"readable": {OBJECT}}


def a_raw_object_is_cut(lake: Mutable) -> Expected:
    path = next(path for path in lake.raw() if path.stem == LATE)
    path.write_bytes(path.read_bytes()[:-9])
    return {"readable": {OBJECT}}


def a_parquet_object_has_no_end(lake: Mutable) -> Expected:
    path = lake.object("coverage", LATE)
    path.write_bytes(path.read_bytes()[:-30])
    return {"readable": {OBJECT}}


def a_foreign_parquet_object_lies_among_ours(lake: Mutable) -> Expected:
    pq.write_table(pa.table({"when": [1, 2]}), lake.object("coverage", LATE).with_name("export.parquet"))
    return {"readable": {OBJECT}, "present": set(), "foreign": set()}


def a_stray_file_lies_among_ours(lake: Mutable) -> Expected:
    lake.object("coverage", LATE).with_name("notes.txt").write_text("mine")
    return {"foreign": {("warning", *OBJECT[1:])}, "readable": set()}


# Each mutation, and the checks that must find it.
MUTATIONS: Final[dict[Callable[[Mutable], Expected], str]] = {
    an_object_of_ticks_is_gone: "sessions lines trades testimony ledgers",
    an_object_of_compacted_ticks_is_gone: "sessions lines history",
    an_object_of_coverage_is_gone: "sessions lines ledgers minutes",
    a_whole_hour_of_rows_is_gone: "lines",
    a_row_is_gone: "sessions lines trades testimony ledgers",
    a_compacted_row_is_gone: "sessions lines history",
    the_first_row_of_a_session_is_gone: "sessions lines ledgers",
    a_minute_of_a_product_is_gone: "sessions lines trades testimony",
    the_closing_is_gone: "sessions lines",
    the_last_ten_minutes_never_were: "sessions",
    a_raw_object_is_gone: "lines",
    a_raw_line_is_gone: "lines",
    an_error_object_is_gone: "sessions lines ledgers present",
    a_gap_row_is_gone: "trades sessions lines ledgers",
    a_gap_says_healed_and_is_not: "trades",
    a_gap_names_too_few: "trades",
    a_healed_trade_is_gone: "sessions lines history",
    a_healed_trade_of_an_open_hour_is_gone: "trades sessions",
    an_object_is_delivered_twice: "lines",
    a_raw_object_is_there_twice: "",
    a_row_is_there_twice_and_differs: "contents lines",
    two_prices_are_swapped: "contents unchanged",
    a_digit_of_a_healed_price_is_flipped: "contents",
    a_digit_of_a_line_is_flipped: "contents",
    a_bid_is_another: "contents",
    a_taker_is_the_maker: "contents",
    a_receive_time_is_another: "contents",
    times_are_shifted_by_an_hour: "contents testimony",
    a_trade_has_another_id: "contents trades testimony",
    a_trade_is_another_products: "contents trades",
    a_line_has_another_number: "sessions lines ledgers",
    the_rest_of_a_session_is_renumbered: "sessions lines ledgers contents",
    a_row_that_nobody_sent: "lines sessions",
    a_coverage_row_counts_more: "contents testimony",
    a_coverage_line_counted_less: "testimony",
    a_coverage_line_names_another_last: "testimony",
    the_market_was_halted: "minutes",
    a_minute_was_quiet: "minutes",
    polling_was_slow: "polls",
    a_spot_price_was_not_polled: "polls",
    a_ledger_counts_one_more: "ledgers",
    a_ledger_has_another_sum: "ledgers",
    firehose_refused_a_line_for_good: "sessions ledgers",
    a_good_line_was_refused: "trades",
    history_lost_trades: "history",
    history_has_a_trade_twice: "history",
    prices_of_history_are_swapped: "history",
    a_byte_of_a_raw_object_is_flipped: "readable",
    a_raw_object_is_cut: "readable",
    a_parquet_object_has_no_end: "readable",
    a_foreign_parquet_object_lies_among_ours: "readable",
    a_stray_file_lies_among_ours: "foreign",
}


@dataclass(frozen=True)
class Whole:
    root: Path
    found: Mapping[str, set[Found]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    root = tmp_path_factory.mktemp("whole") / "lake"
    build(root)
    keep_stock(FolderStore(root), look_at_objects(root))
    return Whole(root, find(root, (*SQL, *INTEGRITY)))


def _quick() -> set[Callable[[Mutable], Expected]]:
    """The first mutation that fires each check, and the one that none may mind: the others are run by `make chaos`."""
    firsts = {check: mutation for mutation, checks in reversed(MUTATIONS.items()) for check in checks.split() or [""]}
    return set(firsts.values()) | {two_prices_are_swapped, times_are_shifted_by_an_hour, a_minute_of_a_product_is_gone}


@pytest.mark.parametrize(
    "mutation",
    [each if each in _quick() else pytest.param(each, marks=pytest.mark.slow) for each in MUTATIONS],
    ids=lambda mutation: mutation.__name__,
)
def test_a_change_is_found_by_the_right_checks_with_the_right_rows(
    mutation: Callable[[Mutable], Expected], whole: Whole, tmp_path: Path
) -> None:
    root = tmp_path / "lake"
    shutil.copytree(whole.root, root)
    expected = mutation(Mutable(root))
    assert set(MUTATIONS[mutation].split()) == {name for name, found in expected.items() if found}
    found = find(root, expected)
    assert expected == {name: found[name] - whole.found[name] for name in expected}


def test_every_check_is_fired_by_a_mutation() -> None:
    assert {*SQL, *INTEGRITY} == {name for names in MUTATIONS.values() for name in names.split()}


def test_the_untouched_lake_has_its_holes_and_nothing_else(whole: Whole) -> None:
    """What is missing is named; what was missing is there; one pack came twice; one minute nobody ran."""
    down = {p: (ids[0], ids[-1]) for p, ids in DOWN.items()}
    assert {
        ("hole", "CCC-USD", None, *down["CCC-USD"], 30),
        ("hole", "BBB-USD", None, down["BBB-USD"][0], down["BBB-USD"][0] + 9, 10),
        ("hole", "BBB-USD", None, DROPPED_BBB[0], DROPPED_BBB[-1], 3),
        ("hole", "CCC-USD", None, REFUSED_CCC, REFUSED_CCC, 1),
        ("healed", "AAA-USD", None, *down["AAA-USD"], 30),
        ("healed", "BBB-USD", None, down["BBB-USD"][0] + 10, down["BBB-USD"][-1], 20),
        ("healed", "AAA-USD", None, DROPPED_AAA[0], DROPPED_AAA[-1], 5),
    } == whole.found["trades"]
    assert {("warning", p, None, None, None, 1) for p in PRODUCTS} == whole.found["minutes"]
    assert {("notice", None, FIRST, 10, 14, 5)} == whole.found["lines"]
    silent = whole.found.keys() - {"trades", "minutes", "lines"}
    assert {name: set() for name in silent} == {name: whole.found[name] for name in silent}
