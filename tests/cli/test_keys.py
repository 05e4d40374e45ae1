from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from cli.keys import read_api_key
from cli.main import main
from producer.credentials import FILE_VARIABLE, TEXT_VARIABLE, decode_api_key

if TYPE_CHECKING:
    from pathlib import Path

WSS = "wss://ws-feed.exchange.coinbase.com"
TEXT = json.dumps({"key": "key-1", "secret": "aHVzaA==", "passphrase": "open sesame"})


def test_without_a_variable_there_is_no_key() -> None:
    assert None is read_api_key({"AWS_REGION": "us-east-1"}, ws_url="ws://example.com")


def test_a_key_is_read_from_the_variable_or_from_the_file_that_the_other_one_names(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(TEXT + "\n")
    assert decode_api_key(TEXT) == read_api_key({TEXT_VARIABLE: TEXT}, ws_url=WSS)
    assert decode_api_key(TEXT) == read_api_key({FILE_VARIABLE: str(tmp_path / "key.json")}, ws_url=WSS)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({TEXT_VARIABLE: ""}, "TICKLAKE_API_KEY=(not shown) cannot work: it has to be a JSON object"),
        ({FILE_VARIABLE: ""}, "TICKLAKE_API_KEY_FILE=(not shown) cannot work: the file that it names cannot be read"),
        ({FILE_VARIABLE: TEXT}, "TICKLAKE_API_KEY_FILE=(not shown) cannot work: the file that it names cannot be read"),
        ({FILE_VARIABLE: TEXT + "\0"}, "the file that it names cannot be read (no file can have that name)"),
        ({FILE_VARIABLE: "/nowhere", TEXT_VARIABLE: TEXT}, "TICKLAKE_API_KEY_FILE is set as well"),
        ({TEXT_VARIABLE: TEXT[:-1]}, "it has to be a JSON object"),
    ],
)
def test_what_is_set_and_cannot_be_used_is_a_usage_error_that_shows_nothing(environ: dict[str, str], why: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        read_api_key(environ, ws_url=WSS)
    assert why in str(refused.value)
    assert "sesame" not in "".join(traceback.format_exception(refused.value))


def test_a_file_that_holds_no_key_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_bytes(b"\xff open sesame")
    with pytest.raises(click.UsageError, match=r"TICKLAKE_API_KEY_FILE=\(not shown\)") as refused:
        read_api_key({FILE_VARIABLE: str(tmp_path / "key.json")}, ws_url=WSS)
    assert "sesame" not in "".join(traceback.format_exception(refused.value))


def test_a_key_that_would_travel_in_the_open_is_refused() -> None:
    with pytest.raises(click.UsageError, match="begin with wss://"):
        read_api_key({TEXT_VARIABLE: TEXT}, ws_url="ws://example.com")


@pytest.mark.parametrize("command", ["run", "local"])
def test_help_shows_no_key_and_no_option_takes_one(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"], env={TEXT_VARIABLE: TEXT, FILE_VARIABLE: "/etc/sesame"})
    assert 0 == shown.exit_code
    assert "sesame" not in shown.output
    assert "--api-key" not in shown.output


def test_a_key_that_cannot_be_read_stops_the_start_as_a_wrong_setting() -> None:
    refused = CliRunner().invoke(main, ["run"], env={TEXT_VARIABLE: TEXT[:-1]})
    assert 2 == refused.exit_code
    assert "TICKLAKE_API_KEY=(not shown) cannot work" in refused.output
    assert "sesame" not in refused.output
