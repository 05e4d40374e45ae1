"""One record divided, or not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.config import DeAggregation
from local.firehose.deaggregation import SUB_RECORD_LIMIT, deaggregate, split_documents

_LINES = DeAggregation(kind="DELIMITED", delimiter=b"\n")
_JSON = DeAggregation(kind="JSON")


@pytest.mark.parametrize(
    ("record", "pieces"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"\n\na\n\nb", [b"a", b"b"]),
        (b"", [b""]),
        (b"\n", [b"\n"]),
        (b"x\n" * SUB_RECORD_LIMIT, [b"x"] * SUB_RECORD_LIMIT),
        (b"x\n" * (SUB_RECORD_LIMIT + 1), [b"x\n" * (SUB_RECORD_LIMIT + 1)]),
    ],
)
def test_a_delimiter_divides_and_is_stripped(record: bytes, pieces: list[bytes]) -> None:
    assert pieces == deaggregate(record, _LINES)


def test_a_delimiter_may_have_several_bytes() -> None:
    assert [b"a", b"b", b"#"] == deaggregate(b"a##b###", DeAggregation(kind="DELIMITED", delimiter=b"##"))


@pytest.mark.parametrize(
    ("record", "pieces"),
    [
        (b'{"a":1}{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'{"a":1}\n {"a":"}{"}', [b'{"a":1}', b'{"a":"}{"}']),
        (b'{"a":1}{"a":', [b'{"a":1}{"a":']),
        (b"\xff", [b"\xff"]),
        (b"  ", [b"  "]),
        (b"[" * 100_000, [b"[" * 100_000]),
    ],
)
def test_json_documents_are_found_wherever_they_end(record: bytes, pieces: list[bytes]) -> None:
    assert pieces == deaggregate(record, _JSON)


def test_without_the_processor_a_record_stays_whole() -> None:
    assert [b"a\nb"] == deaggregate(b"a\nb", None)


@given(st.lists(st.binary(min_size=1).filter(lambda piece: b"\n" not in piece), min_size=1, max_size=30))
def test_lines_come_back_as_they_were(lines: list[bytes]) -> None:
    assert lines == deaggregate(b"\n".join(lines), _LINES)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3), min_size=1, max_size=4))
def test_documents_come_back_as_they_were(documents: list[dict[str, object]]) -> None:
    found = split_documents("".join(json.dumps(document) for document in documents))
    assert found is not None
    assert documents == [json.loads(text) for text in found]
