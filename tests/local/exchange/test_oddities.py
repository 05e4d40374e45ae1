import json

import pytest

from local.exchange.oddities import ALTERATIONS, Oddities, alter_frame

FRAME = (
    b'{"type":"ticker","sequence":5,"product_id":"BTC-USD","price":"86468.04","side":"buy",'
    b'"time":"2025-11-24T15:08:18.223332Z","trade_id":910348374,"last_size":"0.02454085"}'
)
SECOND_US = 1_000_000


def test_a_malformed_size_as_it_was_seen() -> None:
    assert "0.-10000" == json.loads(alter_frame(FRAME, "size"))["last_size"]


def test_the_year_one_as_it_was_seen() -> None:
    assert "0001-01-01T00:00:00.000000Z" == json.loads(alter_frame(FRAME, "zero_time"))["time"]


def test_other_fields_are_left_alone() -> None:
    assert json.loads(FRAME) | {"last_size": "0.-10000"} == json.loads(alter_frame(FRAME, "size"))


def test_values_and_types_can_be_wrong() -> None:
    assert "-86468.04" == json.loads(alter_frame(FRAME, "negative_price"))["price"]
    assert "910348374" == json.loads(alter_frame(FRAME, "wrong_type"))["trade_id"]


def test_a_cut_frame_is_no_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(alter_frame(FRAME, "cut"))


def test_a_frame_can_be_no_utf8() -> None:
    with pytest.raises(UnicodeDecodeError):
        alter_frame(FRAME, "not_utf8").decode()


def test_a_huge_frame_is_json_above_two_megabytes() -> None:
    huge = alter_frame(FRAME, "huge")
    assert len(huge) > 2_000_000
    assert 910348374 == json.loads(huge)["trade_id"]


def test_every_alteration_changes_the_frame() -> None:
    assert all(alter_frame(FRAME, how) != FRAME for how in ALTERATIONS)


def test_the_first_odd_frame_is_due_after_ten_seconds_and_the_next_much_later() -> None:
    oddities = Oddities(seed=1, start_us=0)
    assert oddities.take(10 * SECOND_US - 1) is None
    assert oddities.take(10 * SECOND_US) in ("size", "zero_time")
    assert oddities.take(10 * SECOND_US) is None


def test_odd_frames_come_about_once_in_five_minutes() -> None:
    oddities = Oddities(seed=1, start_us=0)
    taken = sum(oddities.take(second * SECOND_US) is not None for second in range(100 * 300))
    assert 70 < taken < 130
