from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from producer.errors import SettingsError
from producer.settings import Settings, environment_name, help_texts, split_products


def test_the_defaults_work() -> None:
    settings = Settings()

    assert "wss://ws-feed.exchange.coinbase.com" == settings.ws_url
    assert not settings.simulated


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("products", ()),
        ("products", ("btc-usd",)),
        ("products", ("BTC",)),
        ("products", ("BTC-USD'; DROP",)),
        ("ws_url", "https://example.com"),
        ("rest_url", "wss://example.com"),
        ("stream", "arn:aws:firehose:us-east-1:1:deliverystream/x"),
        ("stream", 'x"y'),
        ("stream", ""),
        ("stream", "x" * 65),
        ("fsync", "sometimes"),
        ("journal_max_bytes", 1000),
        ("linger_s", -1.0),
        ("linger_s", 901.0),
        ("drain_s", -1.0),
        ("connect_timeout_s", 0.0),
        ("stall_s", 1.0),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}=.* cannot work: .+"):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_every_setting_has_a_variable_and_a_help_text() -> None:
    assert "TICKLAKE_LINGER_S" == environment_name("linger_s")
    assert {each.name for each in fields(Settings)} == set(help_texts())
    assert all(text.endswith(".") for text in help_texts().values())


def test_products_are_split_upper_case_and_each_once() -> None:
    assert ("BTC-USD", "1INCH-USD") == split_products(" btc-usd,,1inch-USD, BTC-USD ")
    assert () == split_products(" , ")


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().journal = Path("elsewhere")  # type: ignore[misc]
