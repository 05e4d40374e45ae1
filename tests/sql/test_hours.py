"""Hours of keys: their text and their instant are each other's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sql.hours import HOUR_US, hour_start_us, lake_hour


def test_an_hour_is_written_in_utc() -> None:
    assert "2026/11/23/02" == lake_hour(1_795_401_019_071_000)


@given(st.integers(min_value=0, max_value=2**52))
def test_an_instant_lies_in_its_hour(instant_us: int) -> None:
    assert 0 <= instant_us - hour_start_us(lake_hour(instant_us)) < HOUR_US


@given(st.integers(min_value=0, max_value=2**52), st.integers(min_value=0, max_value=2**52))
def test_the_order_of_text_is_the_order_of_time(one_us: int, other_us: int) -> None:
    assert (lake_hour(one_us) <= lake_hour(other_us)) == (one_us // HOUR_US <= other_us // HOUR_US)
