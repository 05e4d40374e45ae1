"""The rules of history: which hours count, which are to be compacted, which keys are believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sql.compaction import HourPlan
from sql.history import (
    GRACE,
    CompactionPlan,
    Manifest,
    ManifestDamaged,
    Survey,
    decode_manifest,
    encode_manifest,
    history_key,
    hour_of_key,
    judge_hours,
    kind_of,
    manifest_key,
    plan_compaction,
)
from sql.hours import hour_start_us

if TYPE_CHECKING:
    from collections.abc import Mapping

TWO, THREE = "2026/11/23/02", "2026/11/23/03"
ROWS = history_key(TWO, "ab12")
OF_TWO = Manifest(TWO, hour_start_us(TWO), "ab12", 3, (ROWS,), {"a": (TWO,), "b": (TWO, THREE)})
CLOSED = datetime(2026, 11, 23, 3, tzinfo=UTC) + GRACE


def judge(
    hours: Mapping[str, tuple[str, ...]], *, replaced: frozenset[str] = frozenset(), there: tuple[str, ...] = (ROWS,)
) -> tuple[list[str], list[str], list[str]]:
    """Hours served, reopened and frozen."""
    survey = judge_hours([OF_TWO], hours, replaced=replaced, is_there=there.__contains__)
    return [m.event_hour for m in survey.served], list(survey.reopened), list(survey.frozen)


def plan(hours: Mapping[str, tuple[str, ...]], *, now: datetime, even_open: bool = False) -> CompactionPlan:
    survey = Survey(served=(), reopened=(), frozen=(), hours=hours)
    return plan_compaction(survey, now=now, from_us=0, to_us=2**62, even_open=even_open)


AS_MADE = {"a": (TWO,), "b": (TWO, THREE)}


def test_an_hour_is_served_while_its_inputs_are_what_lies_near_it() -> None:
    assert ([TWO], [], []) == judge(AS_MADE)
    assert ([TWO], [], []) == judge(AS_MADE | {"c": (THREE,), "d": ()})


def test_a_late_object_reopens_its_hour() -> None:
    assert ([], [TWO], []) == judge(AS_MADE | {"c": (TWO,)})


def test_a_replaced_input_reopens_its_hour() -> None:
    assert ([], [TWO], []) == judge({"b": (TWO,)}, replaced=frozenset({"a"}))


def test_an_hour_whose_inputs_are_gone_is_served_whatever_arrives() -> None:
    assert ([TWO], [], []) == judge({"b": (TWO,)})
    assert ([TWO], [], [TWO]) == judge({"b": (TWO,), "c": (TWO,)})


def test_an_hour_whose_history_is_gone_is_made_anew_from_its_inputs_or_not_at_all() -> None:
    assert ([], [TWO], []) == judge(AS_MADE, there=())
    with pytest.raises(ManifestDamaged, match="not there"):
        judge({"b": (TWO,)}, there=())


def test_closed_hours_are_planned_oldest_first_each_with_all_objects_near_it() -> None:
    made = plan(AS_MADE | {"c": ("unknown",)}, now=CLOSED)
    assert (HourPlan(event_hour=TWO, start_us=hour_start_us(TWO), inputs=AS_MADE),) == made.hours
    assert (THREE,) == made.open_hours
    assert () == plan(AS_MADE, now=CLOSED - timedelta(microseconds=1)).hours
    assert [TWO, THREE] == [hour.event_hour for hour in plan(AS_MADE, now=CLOSED, even_open=True).hours]


def test_an_hour_that_a_replay_left_without_a_trade_is_planned_to_say_so() -> None:
    survey = judge_hours([OF_TWO], {"b": ()}, replaced=frozenset({"a"}), is_there={ROWS}.__contains__)
    (hour,) = plan_compaction(survey, now=CLOSED, from_us=0, to_us=2**62, even_open=False).hours
    assert HourPlan(event_hour=TWO, start_us=hour_start_us(TWO), inputs={}) == hour


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert OF_TWO == decode_manifest(manifest_key(TWO), encode_manifest(OF_TWO))


@pytest.mark.parametrize("trades", [0, 3])
def test_a_manifest_of_before_they_named_their_objects_names_one_if_it_has_trades(trades: int) -> None:
    record = encode_manifest(OF_TWO) | {"trades": trades}
    del record["objects"]
    assert ((ROWS,) if trades else ()) == decode_manifest(manifest_key(TWO), record).objects


@pytest.mark.parametrize(
    "change",
    [
        {"event_hour": THREE},
        {"generation": "../x"},
        {"objects": [history_key(THREE, "ab12")]},
        {"objects": ["processed/coinbase/ticker/2026/11/23/02/a.parquet"]},
        {"inputs": None},
        {"trades": "many"},
    ],
)
def test_a_manifest_that_says_another_thing_is_not_believed(change: dict[str, object]) -> None:
    with pytest.raises(ManifestDamaged, match="cannot be believed"):
        decode_manifest(manifest_key(TWO), encode_manifest(OF_TWO) | change)


def test_keys_say_their_hour_and_kind() -> None:
    assert "history/coinbase/2026/11/23/02/history-ab12.parquet" == ROWS
    assert "history/coinbase/2026/11/23/02/history-ab12-1.parquet" == history_key(TWO, "ab12", part=1)
    assert TWO == hour_of_key("history", ROWS)
    assert None is hour_of_key("history", "history/coinbase/2026/11/23/x/history-ab12.parquet")
    assert "mixed" == kind_of("processed/coinbase/mixed/2026/11/23/02/a.parquet")
