"""One object's key, bytes and headers."""

from __future__ import annotations

from random import Random

import pytest

from local.firehose.buffers import Sealed
from local.firehose.effects import Put
from local.firehose.guesses import Guesses
from local.firehose.works import PartitionKeys, WorkMaker
from tests.local.firehose.conftest import NOON_MS, plain_stream


def test_an_error_prefix_that_says_nothing_follows_the_data_prefix() -> None:
    config = plain_stream(target=plain_stream().target.__class__("lake", "legacy", "", plain_stream().target.hints))
    maker = WorkMaker(config, guesses=Guesses(), random=Random(0))
    work = maker.errors(Sealed([b"{}\n"], 3, NOON_MS), "processing-failed", work_id=1, now_ms=0)
    assert work.key.startswith("legacyprocessing-failed/2026/11/23/12/s-1-2026-11-23-12-00-00-")
    effect = work.effect()
    assert isinstance(effect, Put)
    assert ("errors", "lake", [b"{}\n"], "UNCOMPRESSED", "") == (
        effect.kind,
        effect.bucket,
        effect.parts,
        effect.compression,
        effect.content_encoding,
    )


def test_a_stream_without_a_backup_makes_none() -> None:
    maker = WorkMaker(plain_stream(), guesses=Guesses(), random=Random(0))
    with pytest.raises(AssertionError, match="only a stream with a backup"):
        maker.backup(Sealed([b"x"], 1, 0), work_id=1, now_ms=0)


def test_a_partitions_keys_show_as_a_path() -> None:
    assert "ticker/2026" == str(PartitionKeys((("kind", "ticker"),), (("year", "2026"),)))
