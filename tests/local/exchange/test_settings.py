import pytest

from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.settings import Settings


@pytest.mark.parametrize("speed", [0, -1.0, float("nan")])
def test_a_speed_must_be_above_zero(speed: float) -> None:
    with pytest.raises(ExchangeSettingsWrong, match="not above zero"):
        Settings(speed=speed)


def test_full_speed_is_none() -> None:
    assert Settings(speed=None).speed is None


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_hole_trades_lies_between_none_and_all(share: float) -> None:
    with pytest.raises(ExchangeSettingsWrong, match="no share"):
        Settings(hole_trades=share)
