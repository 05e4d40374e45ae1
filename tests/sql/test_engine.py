from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sql.engine import EngineFailed, encode_cell


@pytest.mark.parametrize(
    ("cell", "encoded"),
    [
        (Decimal("0.000000000000000001"), "0.000000000000000001"),
        (Decimal("87000.100000000000000000"), "87000.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-18"), "0"),
        (Decimal("-0.50"), "-0.5"),
        (datetime.fromisoformat("2026-11-23T02:30:19.123"), "2026-11-23T02:30:19.123000Z"),
        (datetime(2026, 11, 23, 2, 30, tzinfo=UTC), "2026-11-23T02:30:00.000000Z"),
        (date(2026, 11, 23), "2026-11-23"),
        (9007199254740993, 9007199254740993),
        (True, True),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("", ""),
        (None, None),
        ([1, None], [1, None]),
    ],
)
def test_a_cell_is_exact_and_json_has_a_word_for_it(cell: Any, encoded: Any) -> None:
    assert (encoded, type(encoded)) == (encode_cell(cell), type(encode_cell(cell)))


def test_a_failure_is_one_sentence_and_what_to_do() -> None:
    failed = EngineFailed(engine="Athena", why="the bucket is gone.", advice="Look for it.")
    assert "Athena could not answer: the bucket is gone. Look for it." == str(failed)
    assert "DuckDB could not answer: it cannot." == str(EngineFailed(engine="DuckDB", why="it cannot"))
