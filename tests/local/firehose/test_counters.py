"""The books add up, or say that they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.local.firehose.conftest import plain_stream

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Rig


def test_a_snapshot_balances_only_if_every_line_and_backup_record_is_accounted_for(rig: type[Rig]) -> None:
    stream = rig(plain_stream()).put(b"a", b"b")
    snapshot = stream.engine.snapshot(stream.now_ms)
    assert snapshot.is_balanced
    assert not replace(snapshot, lines_pending=1).is_balanced
    assert not replace(snapshot, lines_lost=1).is_balanced
    assert not replace(snapshot, backup_records=1).is_balanced
    assert replace(snapshot, backup_records=1, backup_records_lost=1).is_balanced
