"""The check `trades` where words about one hole differ: the latest decides, what came and is gone is damage, and every reason is said."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from audit_lambda.checks import load_checks, plan_check
from audit_lambda.findings import FINDING_COLUMNS, decode_findings
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from tests.local.lake.trades import EPOCH, HOUR, put, us

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIRST, SECOND = (f"01JDB3M8ZK4Q6W7X8Y9ABCDEF{letter}" for letter in "GH")
START_US: Final = us(HOUR)
SECOND_US: Final = 1_000_000
LATER: Final = HOUR + timedelta(days=1)
CHECK: Final = next(check for check in load_checks() if check.name == "trades")
PRODUCT: Final = "AAA-USD"
Found = tuple[str, int | None, int | None, str]


def instant(at_s: float) -> str:
    return (EPOCH + timedelta(microseconds=START_US + int(at_s * SECOND_US))).isoformat().replace("+00:00", "Z")


def trades(root: Path, ids: Iterable[int], *, name: str = "one") -> None:
    """Trade 10 happened in second 10, and was received then."""
    rows = [
        {
            "kind": "ticker", "product_id": PRODUCT, "trade_id": each, "event_time_us": START_US + each * SECOND_US,
            "receive_time_us": START_US + each * SECOND_US, "session": FIRST, "n": each, "source": "exchange_ws", "price": "1", "last_size": "1",
        }
        for each in ids
    ]  # fmt: skip
    put(root, name, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One gap line: of which session, when, about which ids, and what it says."""

    at_s: float
    first: int
    last: int
    status: str = "open"
    reason: str = "disconnected"
    session: str = FIRST
    still: tuple[tuple[int, int], ...] | None = None
    knows_near_side: bool = True


def say(root: Path, *words: Word) -> None:
    rows: list[dict[str, Any]] = []
    for number, word in enumerate(words):
        detail: dict[str, Any] = {
            "product_id": PRODUCT, "reason": word.reason, "status": word.status, "missing": word.last - word.first + 1,
            "first_missing_trade_id": word.first, "last_missing_trade_id": word.last,
            "before": {"trade_id": word.first - 1, "event_time": instant(word.first - 1) if word.knows_near_side else None},
            "after": {"trade_id": word.last + 1, "event_time": instant(word.last + 1)},
        }  # fmt: skip
        if word.still is not None:
            detail["still_missing"] = word.still
        at_us = START_US + int(word.at_s * SECOND_US)
        rows.append(
            {
                "kind": "gap", "product_id": PRODUCT, "event_time_us": at_us, "receive_time_us": at_us, "session": word.session,
                "n": 1_000 + number, "source": "producer", "detail": json.dumps(detail),
            }
        )  # fmt: skip
    put(root, "words", rows, kind="gap")


def refuse(root: Path, kind: str, *trade_ids: int, **message: str) -> None:
    path = root / "errors/coinbase/processing-failed/2026/11/23/02/one"
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for trade_id in trade_ids:
            told = {"message": {"trade_id": trade_id, **message}, "product_id": PRODUCT, "receive_time": instant(100)}
            line = {"v": 1, "session": SECOND, "n": 7, "kind": kind, **told}
            envelope = {"rawData": base64.b64encode(json.dumps(line).encode()).decode(), "errorCode": "Lambda.X"}
            file.write(json.dumps(envelope) + "\n")


def find(root: Path, *, now_s: float | None = None) -> list[Found]:
    now = LATER if now_s is None else HOUR + timedelta(seconds=now_s)
    with open_lake(root) as lake:
        rows = LakeEngine(lake).ask(plan_check(CHECK, {"now": now.isoformat()})).rows
    found = decode_findings("trades", "completeness", [row[: len(FINDING_COLUMNS)] for row in rows])
    return sorted(
        ((f.severity, f.first_id, f.last_id, f.what) for f in found), key=lambda each: (each[1] or 0, each[0])
    )


def test_overlapping_holes_of_two_producers_have_their_own_reasons(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(60, 70)])
    say(
        tmp_path,
        Word(at_s=60, first=10, last=59, reason="disconnected"),
        Word(at_s=60, first=20, last=29, reason="stalled", session=SECOND),
    )
    assert [
        ("hole", 10, 19, "trades missing: disconnected (open)"),
        ("hole", 20, 29, "trades missing: disconnected and stalled (open)"),
        ("hole", 30, 59, "trades missing: disconnected (open)"),
    ] == find(tmp_path)


def test_holes_that_reach_into_each_other_share_what_both_name(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(60, 70)])
    say(
        tmp_path,
        Word(at_s=60, first=10, last=39, reason="disconnected"),
        Word(at_s=61, first=30, last=59, reason="stalled", session=SECOND, status="unhealed"),
    )
    assert [
        ("hole", 10, 29, "trades missing: disconnected (open)"),
        ("hole", 30, 39, "trades missing: disconnected and stalled (unhealed)"),
        ("hole", 40, 59, "trades missing: stalled (unhealed)"),
    ] == find(tmp_path)


def test_one_reason_of_two_producers_is_said_once_and_one_hole_is_one_finding(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(20, 30)])
    say(tmp_path, Word(at_s=20, first=10, last=19), Word(at_s=21, first=10, last=19, session=SECOND))
    assert [("hole", 10, 19, "trades missing: disconnected (open)")] == find(tmp_path)


def test_what_came_is_not_a_reason_for_what_is_missing(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), 10, 11, *range(20, 30)])
    say(
        tmp_path,
        Word(at_s=20, first=10, last=11, status="healed", reason="stalled"),
        Word(at_s=21, first=10, last=19, session=SECOND, status="partly_healed", still=((12, 19),)),
    )
    assert [
        ("healed", 10, 11, "trades that were missing and are there: disconnected and stalled"),
        ("hole", 12, 19, "trades missing: disconnected (partly_healed)"),
    ] == find(tmp_path)


@pytest.mark.parametrize("session", [FIRST, SECOND])
def test_what_was_healed_and_is_gone_is_damage_though_an_older_gap_line_names_it(tmp_path: Path, session: str) -> None:
    trades(tmp_path, [*range(1, 10), *range(20, 30)])
    say(
        tmp_path,
        Word(at_s=20, first=12, last=15),
        Word(at_s=21, first=10, last=19, status="healed", session=session),
    )
    found = find(tmp_path)
    assert {("damage", "trades missing, though a gap line (disconnected, healed) says that they came")} == {
        (severity, what) for severity, _, _, what in found
    }
    assert list(range(10, 20)) == [each for _, a, b, _ in found for each in range(a or 0, (b or 0) + 1)]


def test_a_later_word_that_says_it_is_missing_makes_it_a_named_hole(tmp_path: Path) -> None:
    """Lines that had been counted were lost with the producer's disk: the next session says so."""
    trades(tmp_path, [*range(1, 10), *range(20, 30)])
    say(
        tmp_path,
        Word(at_s=21, first=10, last=19, status="healed"),
        Word(at_s=90, first=8, last=21, reason="journal_damaged", session=SECOND),
    )
    assert [
        ("healed", 8, 21, "trades that were missing and are there: journal_damaged"),
        ("hole", 10, 19, "trades missing: journal_damaged (open)"),
    ] == find(tmp_path)


def test_so_it_does_beyond_what_is_there_though_it_does_not_know_when_that_was(tmp_path: Path) -> None:
    trades(tmp_path, range(10, 30))
    words = [
        Word(at_s=21, first=8, last=9, status="healed"),
        Word(at_s=90, first=5, last=9, status="unhealed", reason="refused_by_firehose", knows_near_side=False),
    ]
    say(tmp_path, *words)

    assert [("hole", 8, 9, "trades missing: refused_by_firehose (unhealed)")] == find(tmp_path)


def test_what_was_healed_and_is_gone_is_damage_though_the_first_ticker_was_refused(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(11, 30)])
    refuse(tmp_path, "ticker", 10)
    say(tmp_path, Word(at_s=11, first=10, last=10, reason="refused_frame", status="healed"))
    assert [("damage", 10, 10)] == [found[:3] for found in find(tmp_path)]


def test_what_was_fetched_and_then_refused_is_named_by_the_refusal(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(11, 30)])
    refuse(tmp_path, "trade", 10)
    say(tmp_path, Word(at_s=11, first=10, last=10, status="healed"))
    ((severity, _, _, what),) = find(tmp_path)
    assert "hole" == severity
    assert what.startswith(
        "trades missing: they were fetched, as a gap line says (disconnected, healed), and the lines that brought them were refused, "
    )


@pytest.mark.parametrize("there", [[], range(1, 10), range(12, 20)])
def test_what_only_a_refused_line_names_is_a_hole_also_beyond_what_is_there(
    tmp_path: Path, there: Iterable[int]
) -> None:
    trades(tmp_path, there)
    refuse(tmp_path, "ticker", 10, 11, 0, 9_223_372_036_854_775_807)
    assert [("hole", 10, 11, "trades missing: their lines were refused, line_invalid")] == find(tmp_path)
    assert [] == find(tmp_path, now_s=100)  # it may still be fetched


def test_a_refused_copy_of_a_trade_that_is_there_and_one_of_before_what_is_read_prove_nothing(tmp_path: Path) -> None:
    trades(tmp_path, range(10, 20))
    refuse(tmp_path, "ticker", 5, 12, time="2026-11-01T00:00:00Z")
    with open_lake(tmp_path) as lake:
        values = {"now": LATER.isoformat(), "from": HOUR.isoformat()}
        assert [] == LakeEngine(lake).ask(plan_check(CHECK, values)).rows


def test_what_is_said_to_have_come_may_still_be_on_its_way(tmp_path: Path) -> None:
    """A hole of hours ago is healed now: its receipt lands before its trades, which wait in another buffer."""
    trades(tmp_path, [*range(1, 10), *range(20, 30)])
    say(
        tmp_path, Word(at_s=20, first=10, last=19), Word(at_s=7_000, first=10, last=19, status="healed", session=SECOND)
    )
    assert [("hole", 10, 19, "trades missing: disconnected (open)")] == find(tmp_path, now_s=7_100)
    assert [("damage", 10, 19)] == [found[:3] for found in find(tmp_path, now_s=7_000 + 1_201)]


def test_a_hole_that_was_healed_by_its_own_session_is_not_unnamed_meanwhile(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), *range(20, 30)])
    say(tmp_path, Word(at_s=20, first=10, last=19), Word(at_s=25, first=10, last=19, status="healed"))
    assert [("hole", 10, 19, "trades missing: disconnected (open)")] == find(tmp_path, now_s=1_223)


def test_a_receipt_in_several_lines_is_one_word(tmp_path: Path) -> None:
    trades(tmp_path, [*range(1, 10), 13, 15, *range(20, 30)])
    word = Word(at_s=20, first=10, last=19, status="partly_healed", still=((10, 12), (14, 14)))
    say(tmp_path, word, replace(word, still=((16, 19),)))
    assert [("healed", 13, 15), ("hole", 10, 12), ("hole", 14, 14), ("hole", 16, 19)] == sorted(
        found[:3] for found in find(tmp_path)
    )
