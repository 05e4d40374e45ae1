"""A part of a lake, or a lake that is being filled: nothing is invented at the edges, and nothing falls between two audits."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from producer.continuity import Continuity
from sql.hours import EPOCH, lake_hour
from tests.audit_lambda.whole import (
    BEGIN,
    CHUNK_US,
    DROPPED_AAA,
    END_S,
    FIRST,
    FIRST_ENDS_S,
    NOW,
    PRODUCTS,
    SECOND,
    SECOND_BEGINS_S,
    Producer,
    at,
    build,
    deliver,
    put_raw,
    rest_trade,
    session_at,
    ticker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from audit_lambda.findings import Finding

CHECKS = {check.name: check for check in load_checks() if check.group in {"completeness", "conservation"}}
# The cuts lie within a hole that was healed and within the time that nobody ran.
CUTS = (0, 426, (FIRST_ENDS_S + SECOND_BEGINS_S) // 2, END_S + 1)


def instant(at_us: int) -> str:
    return (EPOCH + timedelta(microseconds=at_us)).isoformat()


def find(
    root: Path, names: Iterable[str], values: Mapping[str, str] = MappingProxyType({}), *, now: datetime = NOW
) -> list[Finding]:
    findings: list[Finding] = []
    with open_lake(root) as lake:
        engine = LakeEngine(lake)
        for name in names:
            check = CHECKS[name]
            rows = engine.ask(plan_check(check, {"now": now.isoformat(), **values})).rows
            findings += decode_findings(name, check.group, [row[: len(FINDING_COLUMNS)] for row in rows])
    return findings


def damage(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "damage"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bounds") / "lake"
    build(root)
    return root


@pytest.mark.parametrize("names", [("trades",), pytest.param(tuple(CHECKS), marks=pytest.mark.slow)])
def test_parts_of_a_lake_have_its_holes_once_each_and_invent_none(whole: Path, names: tuple[str, ...]) -> None:
    parts: list[Finding] = []
    for begin, end in pairwise(CUTS):
        parts += find(whole, names, {"from": instant(at(begin)), "to": instant(at(end))})
    assert [] == damage(parts)
    assert sorted((f.what, f.first_id) for f in find(whole, ["trades"])) == sorted(
        (f.what, f.first_id) for f in parts if f.check == "trades"
    )


@pytest.mark.slow
@pytest.mark.parametrize("cut", [-1, 0, 1])
def test_what_is_missing_at_the_edge_of_two_parts_is_found_in_one_of_them(
    whole: Path, tmp_path: Path, cut: int
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(whole, lake)
    (path,) = lake.glob("processed/coinbase/ticker/2025/03/03/03/11700.parquet")
    path.unlink()  # received from 03:15 to 03:20
    edge = instant(at(1_800) + cut * 1_000_000)
    spans = ({"from": instant(at(0)), "to": edge}, {"from": edge, "to": instant(at(END_S + 1))})
    found = [damage(find(lake, ["sessions", "trades"], span)) for span in spans]
    every = {(f.check, f.product_id, f.first_id, f.amount) for f in damage(find(lake, ["sessions", "trades"]))}
    assert every == {(f.check, f.product_id, f.first_id, f.amount) for some in found for f in some}
    assert len(every) == sum(map(len, found))


def test_lines_on_their_way_are_not_missing_until_they_have_had_time(tmp_path: Path) -> None:
    """Ticks of the last minutes wait in Firehose's buffer, while testimony of the same minutes has come through."""
    producer = Producer(FIRST, Continuity())
    producer.open(0)
    for seconds in range(1, 600):
        producer.second(seconds, ticker(PRODUCTS[seconds % 3], seconds))
    held_us = at(480)
    lines = [line for receive_us, line in producer.lines if receive_us < held_us or b'"kind":"ticker"' not in line]
    deliver(tmp_path, "one", lines, at(600))
    raw = tmp_path / "raw/coinbase" / lake_hour(at(600)) / "one.gz"
    put_raw(raw, [line for _, line in producer.lines])
    names = ["sessions", "trades", "testimony", "lines", "ledgers"]
    now = BEGIN + timedelta(seconds=601)
    assert [] == damage(find(tmp_path, names, now=now))
    assert {"sessions", "testimony", "lines"} == {
        f.check for f in damage(find(tmp_path, names, now=now + timedelta(minutes=21)))
    }


@pytest.mark.slow
def test_a_trade_of_long_ago_is_a_line_of_its_session_all_the_same(whole: Path, tmp_path: Path) -> None:
    """A healed row lies in the hour it happened, which a part of the lake may not read: raw/ has its line."""
    lake = tmp_path / "lake"
    shutil.copytree(whole, lake)
    producer = Producer(session_at(at(SECOND_BEGINS_S + 1)), Continuity())
    producer.open(SECOND_BEGINS_S + 1)
    old = rest_trade("AAA-USD", 900)._replace(event_time="2025-01-02T03:04:05.000006Z")
    body = old.raw.replace(rest_trade("AAA-USD", 900).event_time.encode(), old.event_time.encode())
    producer.intake.take_healed("AAA-USD", [old._replace(raw=body)], at(1_300), source="rest_backfill")
    producer.close(1_400)
    deliver(lake, "backfill", [line for _, line in producer.lines], at(1_499))
    assert (lake / "processed/coinbase/trade/2025/01/02/03/backfill.parquet").exists()
    span = {"from": instant(at(1_100)), "to": instant(at(END_S + 1))}
    names = ["sessions", "lines", "contents"]
    assert [] == damage(find(lake, names, span))
    # Where the hours read reach that far, the row itself is looked for.
    (lake / "processed/coinbase/trade/2025/01/02/03/backfill.parquet").unlink()
    assert {"sessions", "lines"} == {f.check for f in damage(find(lake, names))}


def test_where_raw_was_deleted_by_age_it_is_a_notice_and_only_there(whole: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(whole, lake)
    shutil.rmtree(lake / "raw/coinbase/2025/03/03/02")
    later = NOW + timedelta(days=31)
    assert ["rows or refusals whose lines are not in raw/"] == [f.what for f in damage(find(lake, ["lines"]))]
    (gone,) = [f for f in find(lake, ["lines"], now=later) if "raw/" in f.what]
    assert ("notice", "rows or refusals whose lines raw/ does not keep any more") == (gone.severity, gone.what)


def test_what_came_late_for_a_compacted_hour_waits_for_the_next_compaction(whole: Path) -> None:
    """On Athena an hour is answered from history until it is compacted anew (at home a late object reopens it): a row that came meanwhile."""
    received_us = (NOW - EPOCH) // timedelta(microseconds=1)
    late = f"trade_id = 999999, session = '{SECOND}', n = 999999, receive_time_us = {received_us}"
    with open_lake(whole) as lake:
        rows = lake.connection.sql("SELECT * FROM processed").to_arrow_table()
        lake.connection.register("delivered_rows", rows)
        lake.connection.execute(
            "CREATE TABLE late AS SELECT * FROM delivered_rows WHERE trade_id = 1050 AND kind = 'ticker' LIMIT 1"
        )
        lake.connection.execute(f"UPDATE late SET {late}")
        lake.connection.execute("CREATE OR REPLACE VIEW processed AS FROM delivered_rows UNION ALL FROM late")
        found = {
            hours: [
                (row[0], row[5], row[8])
                for row in LakeEngine(lake)
                .ask(plan_check(CHECKS["history"], {"now": (NOW + timedelta(hours=hours)).isoformat()}))
                .rows
            ]
            for hours in (1, 3)
        }
    assert {1: [], 3: [("damage", 999_999, "trades that rows have and history has not")]} == found


@pytest.mark.slow
def test_a_pack_that_was_not_divided_is_found_in_mixed(tmp_path: Path) -> None:
    """Its rows lie in the partition `mixed` of the hour of arrival, and its bad line is a row of kind refused."""
    producer = Producer(SECOND, Continuity())
    producer.open(SECOND_BEGINS_S)
    for seconds in range(SECOND_BEGINS_S, SECOND_BEGINS_S + 300):
        changes = {"price": "-1.00"} if seconds == SECOND_BEGINS_S + 30 else {}
        producer.second(seconds, ticker(PRODUCTS[seconds % 3], seconds, **changes))
    producer.close(SECOND_BEGINS_S + 300)
    lines = [line for _, line in producer.lines]
    deliver(tmp_path, "one", [b"\n".join(lines)], at(SECOND_BEGINS_S) + CHUNK_US + 1_000_000)
    put_raw(next(tmp_path.glob("raw/coinbase/**/*.gz")), lines)
    assert ["mixed"] == [path.name for path in (tmp_path / "processed/coinbase").iterdir()]
    found = find(tmp_path, CHECKS)
    assert [] == damage(found)
    assert [("hole", "trades missing: refused_frame (open)")] == [
        (f.severity, f.what) for f in found if f.check == "trades"
    ]


def test_a_product_alone_is_judged_alone(whole: Path) -> None:
    found = find(whole, ["trades"], {"product": "AAA-USD"})
    assert {DROPPED_AAA[0], 1_370} == {finding.first_id for finding in found}
