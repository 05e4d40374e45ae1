"""Rows made anew: the fixed row wins, every line is accounted for, and no crash shows half of it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import pytest

from local.lake.compact import compact_hour, survey_folder
from local.lake.folder import LakeError
from local.lake.replay import (
    RawObjectDamaged,
    ReplayPlan,
    RowsUnreadable,
    list_raw_hours,
    plan_replay,
)
from local.lake.swap import Step, finish_replays, replay_hour
from local.lake.verdict import judge_line
from sql.history import plan_compaction
from sql.hours import hour_start_us
from sql.replays import kept_key, record_key
from tests.local.lake.trades import LATER, SESSION, files, put, select, ticker, ticks
from transform_lambda.decode import decode_line
from transform_lambda.row import build_row

if TYPE_CHECKING:
    from pathlib import Path

RAW_HOUR = "2026/11/23/02"


class Crashed(Exception):  # noqa: N818
    pass


def line(n: int, *, price: str = "1.50", at: str = "2026-11-23T02:10:00.000001Z", **changes: Any) -> bytes:
    frame = {"type": "ticker", "sequence": n, "product_id": "BTC-USD", "price": price, "side": "buy", "time": at}
    frame |= {"trade_id": n, "last_size": "1", **changes}
    head = {"v": 1, "session": SESSION, "n": n, "kind": "ticker", "source": "exchange_ws"}
    head |= {"receive_time": "2026-11-23T02:10:01.000000Z", "message": frame}
    return json.dumps(head, separators=(",", ":")).encode()


def row(text: bytes, **wrong: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(build_row(decode_line(text)).text)
    return made | wrong


def put_raw(root: Path, lines: list[bytes], *, hour: str = RAW_HOUR, zipped: bool = True) -> Path:
    path = root / "raw/coinbase" / hour / f"ticklake-1-{len(lines)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(each + b"\n" for each in lines)
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def plan(root: Path) -> ReplayPlan:
    ((hour, objects),) = list_raw_hours(root, from_us=0, to_us=2**62 // 1000).items()
    return plan_replay(root, hour, objects, start_us=hour_start_us(hour))


def replay(root: Path) -> ReplayPlan:
    finish_replays(root)
    planned = plan(root)
    if not planned.receipt.is_idle:
        replay_hour(root, planned, lambda _: None)
    return planned


def fill(root: Path) -> None:
    """
    Lines 1 to 8: right, wrong twice in two objects, wrong alone, never a row, refused then and now, a row that is refused today,
    set aside among rows and fine today, right in one object and wrong in another; and 1 again.
    """
    lines = [line(1), line(2), line(3), line(4), line(5, price="-1"), line(6, price="-1"), line(7), line(8), line(1)]
    put_raw(root, lines)
    good6 = row(line(6)) | {"price": "-1"}
    put(root, "a", [row(line(1)), row(line(2), price="9"), good6, row(line(8))])
    put(root, "b", [row(line(2), price="9"), row(line(8), price="9"), ticker(99, n=99)])
    put(root, "c", [row(line(3), event_time_us=None, trade_id=77)], hour="2026/11/23/05")
    refused = {"kind": "refused", "session": SESSION, "n": 7, "detail": json.dumps({"reason": "x", "line": "y"})}
    put(root, "d", [refused], kind="mixed")


AFTER = [(1, "1.50"), (2, "1.50"), (3, "1.50"), (4, "1.50"), (7, "1.50"), (8, "1.50"), (99, "86099.010")]


def rows(root: Path) -> list[tuple[Any, ...]]:
    return select(root, "SELECT n, price FROM processed WHERE kind <> 'refused' ORDER BY n, price")


def test_every_line_is_in_one_class_and_the_fixed_row_wins(tmp_path: Path) -> None:
    fill(tmp_path)
    receipt = replay(tmp_path).receipt
    assert (9, 1, 1, 4, 1, 1, 1) == (
        receipt.found,
        receipt.copies,
        receipt.unchanged,
        receipt.replaced,
        receipt.added,
        receipt.set_aside,
        receipt.refused,
    )
    assert receipt.is_balanced
    assert AFTER == rows(tmp_path)
    assert [n for n, _ in AFTER] == sorted(n for (n,) in select(tmp_path, "SELECT n FROM ticks"))
    ((reason, n, text),) = select(tmp_path, "SELECT reason, n, line FROM refusals")
    assert ("price_not_positive", 6, line(6, price="-1").decode()) == (reason, n, text)


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    fill(tmp_path)
    replay(tmp_path)
    before = files(tmp_path)
    again = replay(tmp_path).receipt
    assert again.is_idle
    assert again.is_balanced
    assert before == files(tmp_path)


def test_what_was_replaced_is_kept_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    before = {key for key in files(tmp_path) if key.startswith("processed/")}
    planned = replay(tmp_path)
    assert before == set(planned.record.replaced)
    assert {kept_key(1, key) for key in before} <= set(files(tmp_path))
    assert not before & set(files(tmp_path))


@pytest.mark.parametrize("step", get_args(Step))
def test_a_crash_after_any_step_shows_all_of_it_or_nothing(tmp_path: Path, step: Step) -> None:
    fill(tmp_path)
    before = rows(tmp_path)

    def crash(done: Step) -> None:
        if done == step:
            raise Crashed

    with pytest.raises(Crashed):
        replay_hour(tmp_path, plan(tmp_path), crash)
    assert (before if step in {"planned", "placed"} else AFTER) == rows(tmp_path)
    replay(tmp_path)
    assert AFTER == rows(tmp_path)
    assert plan(tmp_path).receipt.is_idle
    found = Counter(path.name.split("-")[0] for path in (tmp_path / "processed").rglob("*.parquet"))
    assert {"replay"} == set(found)


def test_history_that_was_made_of_wrong_rows_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path)

    def compact() -> int:
        hours = plan_compaction(survey_folder(tmp_path), now=LATER, from_us=0, to_us=2**62, even_open=False).hours
        for hour in hours:
            compact_hour(tmp_path, hour, lambda _: None)
        return len(hours)

    compact()
    replay(tmp_path)
    fixed = ticks(tmp_path)
    assert 7 == len(fixed)
    assert compact()
    assert fixed == ticks(tmp_path)
    assert 0 == compact()
    assert [(7,)] == select(tmp_path, "SELECT count(*) FROM history")


def test_a_late_row_goes_to_the_hour_it_arrived(tmp_path: Path) -> None:
    put_raw(tmp_path, [line(1, at="2026-10-01T00:00:00Z")], zipped=False)
    replay(tmp_path)
    assert [("ticker", RAW_HOUR)] == select(tmp_path, "SELECT lake_kind, lake_hour FROM processed")


def test_lines_of_any_bytes_are_accounted_for(tmp_path: Path) -> None:
    put_raw(tmp_path, [b"\xff", b"{", b"null", b'{"session":7}', line(1)])
    receipt = replay(tmp_path).receipt
    assert (5, 4, 1) == (receipt.found, receipt.refused, receipt.added)
    assert receipt.is_balanced
    assert judge_line(b"\xff")


def test_a_raw_object_that_is_cut_leaves_its_hour_as_it_is(tmp_path: Path) -> None:
    path = put_raw(tmp_path, [line(n) for n in range(99)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RawObjectDamaged, match="left as it is"):
        plan(tmp_path)
    put_raw(tmp_path, [line(1)])
    path.unlink()
    (tmp_path / "processed/coinbase/ticker/2026/11/23/02").mkdir(parents=True)
    (tmp_path / "processed/coinbase/ticker/2026/11/23/02/x.parquet").write_bytes(b"no Parquet")
    with pytest.raises(RowsUnreadable, match=r"x\.parquet"):
        plan(tmp_path)
    (tmp_path / "replay").mkdir()
    (tmp_path / record_key(1)).write_text("{")
    with pytest.raises(LakeError):
        plan(tmp_path)


def test_a_span_takes_the_hours_of_arrival_it_touches(tmp_path: Path) -> None:
    for hour in ("2026/11/23/02", "2026/11/23/03", "2026/11/23/04"):
        put_raw(tmp_path, [line(1)], hour=hour)
    third_us = hour_start_us("2026/11/23/03")
    assert ["2026/11/23/03"] == list(list_raw_hours(tmp_path, from_us=third_us, to_us=third_us + 3_600_000_000))
    assert 3 == len(list_raw_hours(tmp_path, from_us=0, to_us=2**62 // 1000))
