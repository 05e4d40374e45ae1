"""
One stream as it is hosted: its configuration, its thread, its quota, its tags.

Laws: the only mutable thing that calls share; touched on the server's loop alone, but for the runner, which has its own lock.
Refuses to know: what a call is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.firehose.config import StreamConfig
    from local.firehose.quota import Quota
    from local.firehose.runner import StreamRunner


@dataclass(slots=True)
class HostedStream:
    """A stream that is being served."""

    config: StreamConfig
    runner: StreamRunner
    quota: Quota | None
    created_ms: int
    tags: dict[str, str]
    updated_ms: int | None = None
