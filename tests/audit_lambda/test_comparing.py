"""What changed and what is gone without leave, a day's objects beside what was first seen of them."""

from __future__ import annotations

import pytest

from audit_lambda.comparing import Leave, find_changed, find_gone, next_inventory
from audit_lambda.inventory import Seen
from audit_lambda.reading import Stored
from sql.history import ManifestDamaged, history_key, manifest_key
from sql.replays import Replays, placed_key
from tests.audit_lambda.stored import HISTORY, HOUR, MANIFEST, NOW_US, OLD, RAW, ROWS

SEEN = Seen(size_bytes=5, tag="t", sha256="aa")


def listed(*keys: str, size_bytes: int = 5, tag: str = "t") -> dict[str, Stored]:
    return {key: Stored(key=key, size_bytes=size_bytes, tag=tag) for key in keys}


def gone(*keys: str, left: tuple[str, ...] = (), leave: Leave | None = None) -> list[str]:
    return find_gone(dict.fromkeys(keys, SEEN), listed(*left), now_us=NOW_US, leave=leave or Leave())


@pytest.mark.parametrize(
    ("now", "digest", "said"),
    [
        (listed(RAW), "", None),
        (listed(RAW), "aa", None),
        (listed(RAW, tag="u"), "aa", None),
        (listed(RAW, size_bytes=6), "aa", "had 5 bytes and has 6"),
        (listed(RAW), "bb", "has other content than when it was first read (SHA-256 bb, was aa)"),
        (listed(RAW, tag="u"), "", "was written again (ETag u, was t)"),
        ({}, "", None),
    ],
)
def test_a_change_is_one_of_length_content_or_tag(now: dict[str, Stored], digest: str, said: str | None) -> None:
    found = list(find_changed({RAW: SEEN}, now, {RAW: digest} if digest else {}))
    assert ([] if said is None else [(RAW, f"{RAW} {said}")]) == found


def test_a_manifest_may_change_and_what_it_was_is_forgotten() -> None:
    now = listed(MANIFEST, size_bytes=9, tag="u")
    assert [] == list(find_changed({MANIFEST: SEEN}, now, {}))
    assert {MANIFEST: Seen(9, "u", "")} == next_inventory({MANIFEST: SEEN}, now, {}, gone=[])


def test_what_was_first_seen_is_kept_while_it_is_so_no_more() -> None:
    now = listed(RAW, size_bytes=6) | listed(OLD, tag="u")
    kept = next_inventory({RAW: SEEN, OLD: Seen(5, "t", ""), ROWS: SEEN}, now, {RAW: "bb", OLD: "cc"}, gone=[ROWS])
    assert {RAW: SEEN, OLD: Seen(5, "t", ""), ROWS: SEEN} == kept


def test_what_expired_may_go_and_not_before() -> None:
    assert [] == gone(OLD, leave=Leave(expiry_days={"raw": 30}))
    assert [OLD] == gone(OLD, leave=Leave(expiry_days={"raw": 90, "errors": 1}))


def test_a_generation_may_go_for_another_and_a_part_not_for_its_own() -> None:
    first, second = (history_key(HOUR, "aaa", part=part) for part in (0, 1))
    other = history_key(HOUR, "bbb")
    assert [] == gone(first, second, left=(other,))
    assert [second] == gone(first, second, left=(first,))
    assert [HISTORY, manifest_key(HOUR)] == gone(HISTORY, manifest_key(HOUR))
    assert [HISTORY] == gone(HISTORY, left=(history_key("2026/11/23/03", "bbb"),))


def test_what_a_replay_replaced_or_left_without_effect_may_go() -> None:
    placed = placed_key(f"processed/coinbase/ticker/{HOUR}", "0123456789abcdef", 0)
    assert [ROWS] == gone(ROWS, placed)
    assert [ROWS, placed] == gone(ROWS, placed, leave=Leave(replays=lambda: Replays(placed=frozenset({placed}))))
    assert [] == gone(ROWS, leave=Leave(replays=lambda: Replays(replaced=frozenset({ROWS}))))


def test_replays_are_asked_for_only_where_rows_are_gone() -> None:
    def ask() -> Replays:
        raise ManifestDamaged(key="replay/00000001.json", why="asked")

    assert [RAW] == gone(RAW, left=(ROWS,), leave=Leave(replays=ask))
    with pytest.raises(ManifestDamaged):
        gone(ROWS, leave=Leave(replays=ask))
