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
        ("spot_every_s", 0.5),
        ("spot_every_s", -300.0),
        ("spot_every_s", float("nan")),
        ("spot_every_s", float("inf")),
        ("spot_url", "http://api.coinbase.com"),
        ("spot_url", "api.coinbase.com"),
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


def test_spot_prices_are_not_asked_for_unless_somebody_says_how_often() -> None:
    assert 0 == Settings().spot_every_s
    assert 300 == Settings(spot_every_s=300.0).spot_every_s


@pytest.mark.parametrize(
    "spot_url", ["https://api.coinbase.com", "https://api.coinbase.com.", "https://coinbase.com/x"]
)
def test_real_spot_prices_never_come_beside_simulated_trades(spot_url: str) -> None:
    here = {"ws_url": "ws://127.0.0.1:8765", "rest_url": "http://127.0.0.1:8766"}
    with pytest.raises(SettingsError, match=r"^spot_url=.* never share a lake"):
        Settings(simulated=True, spot_every_s=300.0, spot_url=spot_url, **here)  # type: ignore[arg-type]
    assert Settings(simulated=True, spot_url=spot_url, **here)  # type: ignore[arg-type]  # nobody asks for them
    assert Settings(simulated=True, spot_every_s=300.0, spot_url="http://127.0.0.1:8766", **here)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_simulated_spot_prices_never_come_beside_real_trades(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^spot_url=.* never share a lake"):
        Settings(spot_every_s=300.0, spot_url=f"http://{host}:8766")
