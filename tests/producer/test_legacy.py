from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from producer.journal import Journal
from producer.legacy import Legacy, inherit, look_at_legacy, session_folders
from tests.producer.test_journal import FIRST, FOURTH, SECOND, THIRD, append, crash

if TYPE_CHECKING:
    from pathlib import Path


def test_sessions_with_only_refused_lines_are_not_ours(tmp_path: Path) -> None:
    append(Journal(tmp_path, FIRST), 1)
    (tmp_path / "01AAAAAAAAAAAAAAAAAAAAAAAA").mkdir()
    (tmp_path / "01AAAAAAAAAAAAAAAAAAAAAAAA" / "refused.ndjson").write_text("{}\n")

    assert [FIRST] == [folder.name for folder in session_folders(tmp_path)]


@pytest.mark.parametrize("lines", [0, 2])
def test_a_session_killed_before_its_first_checkpoint_makes_nobody_forget_those_before_it(
    tmp_path: Path, lines: int
) -> None:
    journal = Journal(tmp_path, FIRST)
    append(journal, 3)
    journal.checkpoint({"last": 3})
    append(journal, 1)
    crash(journal)
    killed = Journal(tmp_path, SECOND)
    append(killed, lines)
    crash(killed)
    assert {"last": 3} == look_at_legacy(tmp_path).memory
    third = Journal(tmp_path, THIRD)
    memory, since = third.inherited()

    assert {"last": 3} == memory
    assert [(FIRST, 3), *((SECOND, n) for n in range(lines))] == [
        (orjson.loads(entry.line)["session"], entry.n) for entry in since
    ]
    third.checkpoint(memory)  # which writes down what it knows of the others, too
    crash(third)
    assert {"last": 3} == Journal(tmp_path, FOURTH).inherited()[0]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_clock_that_was_set_back_makes_nobody_forget_the_session_after_it(tmp_path: Path, *, remembers: bool) -> None:
    before = Journal(tmp_path, THIRD)
    append(before, 2)
    before.checkpoint({"last": 2})
    crash(before)
    after = Journal(tmp_path, SECOND)  # a lesser name, though it came later
    append(after, 3)
    if remembers:
        after.checkpoint({"last": 5})
        append(after, 1)
    crash(after)

    memory, since = Journal(tmp_path, FIRST).inherited()
    found = [(orjson.loads(entry.line)["session"], entry.n) for entry in since]

    if remembers:
        assert ({"last": 5}, [(SECOND, 3)]) == (memory, found)
    else:
        assert ({"last": 2}, [(SECOND, 0), (SECOND, 1), (SECOND, 2)]) == (memory, found)


def test_a_journal_of_a_version_that_did_not_say_who_heard_whom_is_inherited_by_name(tmp_path: Path) -> None:
    for session, last in ((FIRST, 1), (SECOND, 2)):
        journal = Journal(tmp_path, session)
        append(journal, 1)
        journal.checkpoint({"last": last})
        crash(journal)
        path = tmp_path / session / "checkpoint.json"
        path.write_bytes(orjson.dumps({k: v for k, v in orjson.loads(path.read_bytes()).items() if k != "heard"}))

    memory, since = Journal(tmp_path, THIRD).inherited()

    assert ({"last": 2}, []) == (memory, list(since))


def test_what_sessions_left_can_be_seen_without_owning_the_journal(tmp_path: Path) -> None:
    assert Legacy(0, {}, ()) == look_at_legacy(tmp_path / "nowhere")
    journal = Journal(tmp_path, FIRST)
    append(journal, 1)
    journal.checkpoint({"known": 1})
    append(journal, 1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    legacy = look_at_legacy(tmp_path)

    assert (2, {"known": 1}, [1]) == (legacy.pending, legacy.memory, [entry.n for entry in legacy.since])
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    journal.close()


def test_nothing_left_is_nothing_to_inherit() -> None:
    memory, since = inherit([])

    assert ({}, []) == (memory, list(since))
