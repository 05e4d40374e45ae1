"""The one switch that shortens a stream's buffering."""

from __future__ import annotations

from dataclasses import replace

from local.firehose.config import MIB, BufferHints, S3Target, shorten
from tests.local.firehose.conftest import plain_stream, transforming_stream


def test_every_interval_is_capped_and_said() -> None:
    backup = S3Target("lake", "raw/", "", BufferHints(MIB, 300))
    short, changed = shorten(transforming_stream(backup=backup), 5)
    assert short.transform is not None
    assert short.backup is not None
    assert (5, 5, 5) == (
        short.transform.hints.interval_s,
        short.target.hints.interval_s,
        short.backup.hints.interval_s,
    )
    assert [
        "s: the transform buffer waits 5 s instead of 10 s",
        "s: the lake buffer waits 5 s instead of 60 s",
        "s: the backup buffer waits 5 s instead of 300 s",
    ] == [str(change) for change in changed]


def test_a_shorter_interval_and_everything_else_stay() -> None:
    config = plain_stream()
    assert (config, ()) == shorten(config, 900)
    short, _ = shorten(config, 1)
    assert config == replace(short, target=replace(short.target, hints=config.target.hints))
