"""Instants on the command line."""

from __future__ import annotations

import click
import pytest

from cli.spans import decode_span


def test_what_is_not_said_is_everything() -> None:
    first_us, end_us = decode_span(None, None)
    assert 0 == first_us
    assert end_us > 2**62 // 1000


def test_an_instant_is_read_as_in_a_query() -> None:
    assert (1_795_399_200_000_000, 1_795_399_260_000_001) == decode_span("2026-11-23T02", "2026-11-23T02:01:00.000001Z")


@pytest.mark.parametrize("to", ["2026-11-23T02", "2026-11-22"])
def test_a_span_without_an_instant_in_it_is_a_usage_error(to: str) -> None:
    with pytest.raises(click.UsageError, match="--from has to be before --to"):
        decode_span("2026-11-23T02", to)


@pytest.mark.parametrize("text", ["", "yesterday", "1969-12-31"])
def test_a_wrong_one_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.UsageError, match="cannot be the value of from"):
        decode_span(text, None)
