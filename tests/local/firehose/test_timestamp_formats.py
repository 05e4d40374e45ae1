"""The Hive JSON SerDe's timestamp formats."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from local.firehose.timestamp_formats import strptime_pattern, timestamp_reader

_NOON = datetime(2026, 11, 23, 12, 0, 0)  # noqa: DTZ001 -- a Hive timestamp has no zone


@pytest.mark.parametrize(
    ("formats", "value"),
    [
        ((), "2026-11-23 12:00:00"),
        (("millis",), 1_795_435_200_000),
        (("millis",), "1795435200000"),
        (("dd/MM/yyyy HH:mm",), "23/11/2026 12:00"),
        (("yyyy-MM-dd'T'HH:mm:ssZ",), "2026-11-23T14:00:00+0200"),
        (("dd.MM.yy", "yyyyMMdd 'at' HH"), "20261123 at 12"),
    ],
)
def test_a_value_is_read_by_the_first_format_that_fits(formats: tuple[str, ...], value: Any) -> None:
    assert _NOON == timestamp_reader(formats)(value)


@pytest.mark.parametrize("value", ["soon", None, True, [1]])
def test_a_value_that_no_format_reads_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="no timestamp"):
        timestamp_reader(("millis", "yyyy"))(value)


def test_a_letter_without_a_counterpart_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="uses G"):
        strptime_pattern("yyyy G")
    assert "100%%" == strptime_pattern("100%")
