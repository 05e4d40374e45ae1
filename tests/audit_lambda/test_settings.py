from __future__ import annotations

import pytest

from audit_lambda.settings import Settings, read_settings
from infra.environment import SettingsRefused

GOOD = {
    "TICKLAKE_DATABASE": "ticklake",
    "TICKLAKE_WORKGROUP": "ticklake-pipeline",
    "TICKLAKE_LAKE_BUCKET": "lake",
    "TICKLAKE_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:topic",
    "TICKLAKE_CANDLES_URL": "https://api.exchange.coinbase.com",
}


def test_settings_come_from_the_environment() -> None:
    assert Settings(
        database="ticklake",
        workgroup="ticklake-pipeline",
        lake_bucket="lake",
        topic_arn="arn:aws:sns:us-east-1:000000000000:topic",
        candles_url="https://api.exchange.coinbase.com",
    ) == read_settings(GOOD | {"PATH": "/bin"})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_one_that_is_missing_or_wrong_is_named(name: str) -> None:
    with pytest.raises(SettingsRefused, match=f"{name} is not set"):
        read_settings({key: text for key, text in GOOD.items() if key != name})
    with pytest.raises(SettingsRefused, match=f"{name} cannot be 'no; such'"):
        read_settings(GOOD | {name: "no; such"})


def test_there_need_be_no_candles() -> None:
    assert "" == read_settings(GOOD | {"TICKLAKE_CANDLES_URL": ""}).candles_url
