"""The part of jq that partition keys need."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from local.firehose.errors import SettingRefused
from local.firehose.extraction import extract_keys, parse_query

_RECORD = {
    "id": 7,
    "name": "Ab",
    "ok": True,
    "none": None,
    "empty": "",
    "when": 1_795_435_200,
    "deep": {"a b": [10, {"c": "x"}]},
}


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("{id: .id}", {"id": "7"}),
        ('{"a": .name, b:.ok}', {"a": "Ab", "b": "true"}),
        ('{d: .deep["a b"][1].c}', {"d": "x"}),
        ('{d: .deep."a b"[0]}', {"d": "10"}),
        ('{y: (.when | strftime("%Y")), h: .when|strftime("%H")}', {"y": "2026", "h": "12"}),
        ("{n: .name | ascii_downcase, N: (.name|ascii_upcase), i: .id|tostring}", {"n": "ab", "N": "AB", "i": "7"}),
    ],
)
def test_keys_are_found(query: str, keys: dict[str, str]) -> None:
    assert keys == extract_keys(orjson.dumps(_RECORD), parse_query(query))


@pytest.mark.parametrize(
    "query",
    [
        "{k: .none}",
        "{k: .empty}",
        "{k: .nobody.at.all}",
        "{k: .deep}",
        "{k: .name[0]}",
        "{k: .deep.x[3]}",
        '{k: .name | strftime("%Y")}',
        "{k: .id | ascii_upcase}",
    ],
)
def test_a_key_that_is_missing_null_empty_or_no_scalar_is_not_found(query: str) -> None:
    assert extract_keys(orjson.dumps(_RECORD), parse_query(query)) is None


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"7", b"null", b"\xff"])
def test_a_record_of_another_shape_has_no_keys(body: bytes) -> None:
    assert extract_keys(body, parse_query("{k: .k}")) is None


@pytest.mark.parametrize(
    "query",
    [
        "",
        ".k",
        "{}",
        "{k}",
        "{k: }",
        "{k: .}",
        "{k: .a | length}",
        "{k: .a, }x",
        "{k: .a + .b}",
        "{k: $ENV.PATH}",
        "{k: input}",
    ],
)
def test_more_of_jq_is_refused_when_the_stream_is_made(query: str) -> None:
    with pytest.raises(SettingRefused, match="more of jq than this engine knows"):
        parse_query(query)


@pytest.mark.parametrize("when", [1e300, -1e300, float("inf"), True, "text"])
def test_an_instant_that_is_none_costs_its_record_only(when: Any) -> None:
    body = orjson.dumps({"when": when})
    assert extract_keys(body, parse_query('{k: .when | strftime("%Y")}')) is None
