from hypothesis import given
from hypothesis import strategies as st

from local.exchange.text import decode_time, encode_decimal, encode_time, pad_decimal, trim_decimal, trim_time

YEAR_2012_US = 1_325_376_000_000_000
YEAR_2100_US = 4_102_444_800_000_000


def test_a_decimal_is_written_with_exactly_its_places() -> None:
    assert "123.45" == encode_decimal(12345, 2)
    assert "0.00000005" == encode_decimal(5, 8)
    assert "-0.05" == encode_decimal(-5, 2)
    assert "70" == encode_decimal(70, 0)


def test_a_decimal_is_trimmed_only_behind_the_point() -> None:
    assert "91915" == trim_decimal("91915.00")
    assert "2762.1" == trim_decimal("2762.10")
    assert "4100" == trim_decimal("4100")


def test_a_rest_price_is_padded_to_eight_decimals() -> None:
    assert "9042.88000000" == pad_decimal("9042.88")
    assert "70.00000000" == pad_decimal("70")
    assert "0.000000011" == pad_decimal("0.000000011")


def test_an_instant_has_six_fractional_digits_on_the_websocket() -> None:
    assert "2025-11-24T17:14:48.000000Z" == encode_time(1_764_004_488_000_000)
    assert "2025-11-24T17:14:48.870548Z" == encode_time(1_764_004_488_870_548)


def test_an_instant_is_trimmed_for_rest() -> None:
    assert "2020-02-17T07:23:16.353Z" == trim_time("2020-02-17T07:23:16.353000Z")
    assert "2020-02-17T07:23:16Z" == trim_time("2020-02-17T07:23:16.000000Z")


def test_what_is_no_instant_of_coinbases_years_is_none() -> None:
    for odd in (None, 7, "", "yesterday", "2025-11-24T17:14:48", "0001-01-01T00:00:00.000000Z", "9999-01-01T00:00:00Z"):
        assert decode_time(odd) is None


@given(st.integers(YEAR_2012_US, YEAR_2100_US - 1))
def test_an_instant_survives_its_text(time_us: int) -> None:
    assert decode_time(encode_time(time_us)) == time_us


@given(st.integers(0, 10**20), st.integers(0, 12))
def test_a_decimal_survives_its_text(units: int, places: int) -> None:
    assert int(encode_decimal(units, places).replace(".", "")) == units
