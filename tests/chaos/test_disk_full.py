"""The journal's disk is full, then freed by delivery: the process lives, what was missed is named, and it goes on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from producer.legacy import session_folders
from producer.survey import look_over
from tests.chaos.conftest import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.conftest import Stage


@pytest.fixture
def small_disk(stage: Stage) -> Iterator[None]:
    """The stage's journal on a file system of 4 MiB, where this machine lets us make one."""
    stage.journal.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(stage.journal)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system here")
    yield
    subprocess.run(["umount", "--lazy", str(stage.journal)], check=True)


def written(stage: Stage) -> int:
    (session,) = session_folders(stage.journal)
    return look_over(session).next_n


def fills_up_and_recovers(stage: Stage, *args: object) -> None:
    stage.faults("busy")
    producer = stage.produce(*args)
    producer.says("takes no more lines")
    stage.wait_for_frames(200)  # which it has no room for
    assert producer.is_running
    full_at = written(stage)
    stage.faults()
    wait_for("new lines", lambda: written(stage) > full_at + 500)
    producer.terminate()

    assert 0 == producer.wait(), producer.text
    assert "no room" in producer.text
    stage.count_lines()
    lake = stage.read_lake()
    stage.check(lake)
    assert "journal_full" in lake.reasons, producer.text


@pytest.mark.parametrize("stage", [300.0], indirect=True)
def test_at_the_journals_own_bound(stage: Stage) -> None:
    fills_up_and_recovers(stage, "--journal-max-bytes", 1024 * 1024)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [600.0], indirect=True)
@pytest.mark.usefixtures("small_disk")
def test_at_the_end_of_a_small_disk(stage: Stage) -> None:
    fills_up_and_recovers(stage)
