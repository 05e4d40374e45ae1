"""Java's date patterns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.instants import REFUSED_LETTERS, format_instant, has_open_quote, unusable_letters

_MOMENT = datetime(2026, 3, 9, 15, 4, 5, 678_901, tzinfo=UTC)  # a Monday, day 68, ISO week 11
_INDIA = timezone(timedelta(hours=5, minutes=30), "IST")


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2026-03-09 15:04:05"),
        ("yy/M/d/H/m/s", "26/3/9/15/4/5"),
        ("uuuu YYYY", "2026 2026"),
        ("MMM MMMM MMMMM LL", "Mar March M 03"),
        ("D DDD", "68 068"),
        ("E EEE EEEE e c", "Mon Mon Monday 1 1"),
        ("w ww W F", "11 11 3 2"),
        ("Q QQ QQQ q", "1 01 Q1 1"),
        ("h hh K k a", "3 03 3 15 PM"),
        ("S SSS SSSSSS SSSSSSSSS", "6 678 678901 678901000"),
        ("A n N", "54245678 678901000 54245678901000"),
        ("X x Z z XXX", "Z +00 +0000 UTC Z"),
        ("G GGGG", "AD Anno Domini"),
        ("'year='yyyy''MM", "year=2026'03"),
        ("yyyy'T'HH'h'", "2026T15h"),
        ("", ""),
        ("/-_:.", "/-_:."),
    ],
)
def test_a_pattern_is_written_as_java_writes_it(pattern: str, written: str) -> None:
    assert written == format_instant(pattern, _MOMENT)


def test_an_offset_is_written_in_its_zone() -> None:
    moment = _MOMENT.astimezone(_INDIA)
    assert "20:34 +0530 +05:30 +0530 IST" == format_instant("HH:mm X XXX Z z", moment)
    assert "-0800" == format_instant("Z", _MOMENT.astimezone(timezone(timedelta(hours=-8))))


def test_midnight_has_its_own_hours() -> None:
    assert "12 24 0 AM" == format_instant("h k K a", _MOMENT.replace(hour=0))


@pytest.mark.parametrize("letter", sorted(REFUSED_LETTERS))
def test_letters_that_aws_refuses_cannot_be_used_unquoted(letter: str) -> None:
    assert letter == unusable_letters(f"yyyy{letter}")
    assert "" == unusable_letters(f"yyyy'{letter}'")


def test_a_quote_must_be_closed() -> None:
    assert has_open_quote("yyyy'oops")
    assert not has_open_quote("yyyy'fine'''")


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2199, 1, 1)))  # noqa: DTZ001 -- a zone is added
def test_the_patterns_in_use_agree_with_pythons_own(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    assert moment.strftime("%Y/%m/%d/%H-%M-%S %j") == format_instant("yyyy/MM/dd/HH-mm-ss DDD", moment)


@given(st.text(st.characters(blacklist_characters="'", blacklist_categories=["Cs"])))
def test_quoted_text_is_literal(text: str) -> None:
    if text:
        assert text == format_instant(f"'{text}'", _MOMENT)
