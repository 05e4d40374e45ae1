"""
The engine's books: every counter, once, and the snapshot that must add up.

Laws: lines_accepted = lines_delivered + lines_in_errors + lines_dropped + lines_lost + lines_pending, where pending is counted by walking
the buffers, not by subtraction. A whole pack that was not divided is one line here and may be several rows.
Units: records are what clients put (packs); lines are what de-aggregation made of them; rows are JSON documents in stored objects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.firehose.buffers import BufferFill


@dataclass(slots=True)
class Counters:
    """What has happened so far, counted where it happens."""

    records_accepted: int = 0
    bytes_accepted: int = 0
    records_refused: int = 0
    records_undivided: int = 0
    lines_accepted: int = 0
    invocations: int = 0
    invocations_failed: int = 0
    lines_dropped: int = 0
    lines_delivered: int = 0
    rows_delivered: int = 0
    objects_delivered: int = 0
    bytes_delivered: int = 0
    lines_in_errors: int = 0
    error_objects: int = 0
    lines_lost: int = 0
    backup_records: int = 0
    backup_bytes: int = 0
    backup_objects: int = 0
    backup_records_lost: int = 0
    store_failures: int = 0
    errors_by_code: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """
    One stream's books at one instant.

    Units: `bytes_accepted` before base64; `bytes_delivered` and `backup_bytes` before compression, for rows as they came from the
    transform; `lag_ms` is the age of the oldest record that is not delivered yet.
    """

    stream: str
    at_ms: int
    records_accepted: int
    bytes_accepted: int
    records_refused: int
    records_undivided: int
    lines_accepted: int
    invocations: int
    invocations_failed: int
    lines_dropped: int
    lines_delivered: int
    rows_delivered: int
    objects_delivered: int
    bytes_delivered: int
    lines_in_errors: int
    error_objects: int
    lines_lost: int
    backup_records: int
    backup_bytes: int
    backup_objects: int
    backup_records_lost: int
    store_failures: int
    errors_by_code: Mapping[str, int]
    lines_pending: int
    backup_records_pending: int
    lag_ms: int
    buffers: tuple[BufferFill, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every accepted line and every backed-up record is accounted for."""
        lines = self.lines_delivered + self.lines_in_errors + self.lines_dropped + self.lines_lost + self.lines_pending
        backup = self.backup_records + self.backup_records_pending + self.backup_records_lost
        return lines == self.lines_accepted and backup in {0, self.records_accepted}
