from __future__ import annotations

import base64
import contextlib
import json
import traceback
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.credentials import ApiKey, check_way, decode_api_key
from producer.errors import SettingsError

KEY = "0123456789abcdef0123456789abcdef"
SECRET = base64.b64encode(b"not a secret: a test vector").decode()
PASSPHRASE = "open sesame"
GIVEN = {"key": KEY, "secret": SECRET, "passphrase": PASSPHRASE}
AT_US = 1_763_956_800_999_999


def test_a_subscribe_is_signed_as_documented() -> None:
    # printf '1763956800GET/users/self/verify' | openssl dgst -sha256 -hmac 'not a secret: a test vector' -binary | base64
    assert {
        "signature": "Us/cYycEsG2MoSjDhDUGbnL7UNK8Bt+kEd6QCMgZYZw=",
        "key": KEY,
        "passphrase": PASSPHRASE,
        "timestamp": "1763956800",
    } == decode_api_key(json.dumps(GIVEN)).sign(AT_US)


def test_another_second_has_another_signature() -> None:
    key = decode_api_key(json.dumps(GIVEN))
    assert key.sign(AT_US)["signature"] != key.sign(AT_US + 1_000_000)["signature"]


def test_further_fields_of_a_secret_are_left_alone() -> None:
    assert decode_api_key(json.dumps(GIVEN)) == decode_api_key(json.dumps({**GIVEN, "note": 1}).encode())


def test_no_text_made_of_a_key_shows_it() -> None:
    key = decode_api_key(json.dumps(GIVEN))
    for text in (repr(key), str(key), f"{key}", f"{[key]!r}", f"{key!a}"):
        assert_hidden(text)
    with pytest.raises(FrozenInstanceError) as frozen:
        key.key = "x"  # type: ignore[misc]
    assert_hidden(str(frozen.value))


def assert_hidden(text: str) -> None:
    for part in (KEY, SECRET, PASSPHRASE, "not a secret"):
        assert part not in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{KEY}:{SECRET}:{PASSPHRASE}", 'it has to be a JSON object with "key", "secret", "passphrase"'),
        (json.dumps(GIVEN)[:-1], "it has to be a JSON object"),
        (json.dumps([KEY, SECRET, PASSPHRASE]), "it has to be a JSON object"),
        ("", "it has to be a JSON object"),
        (b"\xff" + json.dumps(GIVEN).encode(), "it has to be a JSON object"),
        (json.dumps({"key": KEY, "secret": SECRET}), 'it lacks "passphrase"'),
        (json.dumps({**GIVEN, "key": "", "secret": 7}), 'it lacks "key", "secret"'),
        (json.dumps({**GIVEN, "secret": f"{SECRET}!"}), 'its "secret" is not base64'),
        (json.dumps({**GIVEN, "secret": "é" + SECRET}), 'its "secret" is not base64'),
        (json.dumps({KEY: PASSPHRASE, PASSPHRASE: SECRET}), 'it lacks "key", "secret", "passphrase"'),
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str | bytes, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        decode_api_key(text, name="TICKLAKE_API_KEY_FILE")
    assert str(refused.value).startswith(f"TICKLAKE_API_KEY_FILE=(not shown) cannot work: {why}")
    assert_hidden("".join(traceback.format_exception(refused.value)) + repr(refused.value) + repr(refused.value.args))
    assert None is refused.value.__cause__ is refused.value.__context__, "a parser's error carries the whole document"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))


@given(st.dictionaries(st.sampled_from(["key", "secret", "passphrase", "more"]), JSON))
def test_any_object_is_a_key_or_a_settings_error(given_fields: dict[str, Any]) -> None:
    with contextlib.suppress(SettingsError):
        assert isinstance(decode_api_key(json.dumps(given_fields)), ApiKey)


@pytest.mark.parametrize(
    "url", ["wss://ws-feed.exchange.coinbase.com", "ws://127.0.0.1:8765", "ws://[::1]:1", "ws://localhost"]
)
def test_a_key_travels_inside_tls_or_on_this_machine(url: str) -> None:
    check_way(url)


@pytest.mark.parametrize(
    "url", ["ws://ws-feed.exchange.coinbase.com", "ws://127.0.0.1.example.com", "ws://localhost@example.com"]
)
def test_a_key_does_not_travel_in_the_open(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^ws_url=.* cannot work: with an API key it has to begin with wss://"):
        check_way(url)
