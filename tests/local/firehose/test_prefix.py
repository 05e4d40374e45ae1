"""Prefix expressions, taken apart and evaluated."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.prefix import (
    Occasion,
    Part,
    error_prefix,
    evaluate_prefix,
    object_prefix,
    parse_prefix,
    partition_keys,
)
from tests.local.firehose.conftest import NOON_MS

_ODD_MS = 1_773_015_123_456  # 2026-03-09T00:12:03.456Z


def _evaluate(prefix: str, occasion: Occasion | None = None, seed: int = 0) -> str:
    return evaluate_prefix(prefix, occasion or Occasion(arrival_ms=_ODD_MS), Random(seed))


@pytest.mark.parametrize(
    ("prefix", "evaluated"),
    [
        ("", ""),
        ("plain/", "plain/"),
        ("!{timestamp:yyyy/MM/dd/HH}/", "2026/03/09/00/"),
        ("a/!{timestamp:'year='yyyy'/month='MM}/b", "a/year=2026/month=03/b"),
        ("!{timestamp:yyyy}-!{timestamp:mm}", "2026-12"),
        ("!{firehose:error-output-type}/", "processing-failed/"),
        ("not an expression: {timestamp:yyyy} ! $", "not an expression: {timestamp:yyyy} ! $"),
    ],
)
def test_a_prefix_is_evaluated(prefix: str, evaluated: str) -> None:
    assert evaluated == _evaluate(prefix, Occasion(arrival_ms=_ODD_MS, error_output_type="processing-failed"))


def test_partition_keys_are_filled_in_by_their_source() -> None:
    occasion = Occasion(arrival_ms=0, lambda_keys={"k": "lambda"}, query_keys={"k": "query"})
    assert "lambda/query" == _evaluate("!{partitionKeyFromLambda:k}/!{partitionKeyFromQuery:k}", occasion)


def test_a_time_zone_moves_every_field() -> None:
    occasion = Occasion(arrival_ms=_ODD_MS, time_zone="America/New_York")
    assert "2026/03/08/20" == _evaluate("!{timestamp:yyyy/MM/dd/HH}", occasion)


def test_random_strings_have_eleven_letters_and_are_fresh_each_time() -> None:
    first, second = _evaluate("!{firehose:random-string}/!{firehose:random-string}").split("/")
    assert re.fullmatch(r"[0-9A-Za-z]{11}", first)
    assert first != second
    assert _evaluate("!{firehose:random-string}", seed=1) != first


@pytest.mark.parametrize(
    ("prefix", "whole"),
    [
        ("", "2026/11/23/12/"),
        ("legacy", "legacy2026/11/23/12/"),
        ("legacy/", "legacy/2026/11/23/12/"),
        ("!{timestamp:yyyy}/", "2026/"),
        ("x/!{firehose:random-string}/", "x/"),
    ],
)
def test_the_default_time_is_appended_only_where_there_is_no_expression(prefix: str, whole: str) -> None:
    assert _evaluate(object_prefix(prefix), Occasion(arrival_ms=NOON_MS)).startswith(whole)


def test_the_other_reading_of_the_append_rule_can_be_chosen() -> None:
    prefix = object_prefix("x/!{firehose:random-string}/", unless="timestamp")
    assert _evaluate(prefix, Occasion(arrival_ms=NOON_MS)).endswith("/2026/11/23/12/")


@pytest.mark.parametrize(
    ("errors", "evaluated"),
    [
        ("", "d/processing-failed/2026/11/23/12/"),
        ("e/", "e/processing-failed/2026/11/23/12/"),
        ("e/!{firehose:error-output-type}/", "e/processing-failed/"),
    ],
)
def test_an_error_prefix_that_says_nothing_is_made_up(errors: str, evaluated: str) -> None:
    occasion = Occasion(arrival_ms=NOON_MS, error_output_type="processing-failed")
    assert evaluated == _evaluate(error_prefix(errors, "d/"), occasion)


def test_each_partition_key_is_asked_for_once_in_order() -> None:
    prefix = "!{partitionKeyFromLambda:b}/!{partitionKeyFromQuery:a}/!{partitionKeyFromLambda:b}/"
    assert (Part("partitionKeyFromLambda", "b"), Part("partitionKeyFromQuery", "a")) == partition_keys(prefix)


_literals = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="{}!"), max_size=8)
_expressions = st.sampled_from(["!{timestamp:yyyy/MM}", "!{firehose:random-string}", "!{timestamp:'{x'HH}"])


@given(st.lists(st.one_of(_literals, _expressions), max_size=8))
def test_parsing_loses_nothing(pieces: list[str]) -> None:
    prefix = "".join(pieces)
    written = "".join(
        part.value if part.namespace == "literal" else f"!{{{part.namespace}:{part.value}}}"
        for part in parse_prefix(prefix)
    )
    assert prefix == written


@given(_literals, st.integers(0, 4_000_000_000_000))
def test_literal_text_comes_out_as_it_is(literal: str, arrival_ms: int) -> None:
    assert literal == _evaluate(literal, Occasion(arrival_ms=arrival_ms))


@given(st.integers(0, 4_000_000_000_000))
def test_one_instant_serves_every_timestamp_of_a_prefix(arrival_ms: int) -> None:
    once, twice = _evaluate("!{timestamp:DDDHHmmss}/!{timestamp:DDDHHmmss}", Occasion(arrival_ms=arrival_ms)).split("/")
    assert once == twice
