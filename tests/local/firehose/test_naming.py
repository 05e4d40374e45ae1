"""Objects' names and headers."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from local.firehose.naming import content_encoding, extension_for, object_name, random_uuid


def _name(**changes: object) -> str:
    given = {
        "stream": "a.b-c",
        "version": 3,
        "arrival_ms": 1_795_435_200_999,
        "time_zone": "UTC",
        "extension": ".gz",
        "random": Random(0),
    }
    return object_name(**{**given, **changes})  # type: ignore[arg-type]  # a test's shorthand


def test_a_name_has_stream_version_arrival_uuid_and_extension() -> None:
    assert re.fullmatch(r"a\.b-c-3-2026-11-23-12-00-00-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz", _name())
    assert _name(time_zone="Asia/Tokyo").startswith("a.b-c-3-2026-11-23-21-00-00-")


@given(st.integers(0))
def test_uuids_are_version_4(seed: int) -> None:
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", random_uuid(Random(seed))
    )


def test_parquet_has_its_own_extension_and_the_encoding_seen() -> None:
    assert ".parquet" == extension_for(compression="UNCOMPRESSED", given="", converted_to="parquet")
    assert "hadoop-snappy" == content_encoding(compression="UNCOMPRESSED", converted_to="parquet")


def test_a_given_extension_wins() -> None:
    assert ".x" == extension_for(compression="GZIP", given=".x", converted_to=None)
