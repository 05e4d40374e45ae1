from __future__ import annotations

from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.options import make_settings, settings_options
from producer.settings import Settings, environment_name


@click.command()
@settings_options()
def show(**values: Any) -> None:
    click.echo(repr(make_settings(values)))


def test_every_setting_is_an_option_with_its_variable_and_default() -> None:
    text = CliRunner().invoke(show, ["--help"], terminal_width=300).output

    for each in fields(Settings):
        assert f"--{each.name.replace('_', '-')}" in text
        assert environment_name(each.name) in text
        assert each.metadata["help"].split()[0] in text


def test_without_options_the_settings_are_the_defaults() -> None:
    assert f"{Settings()!r}\n" == CliRunner().invoke(show, []).output


def test_an_option_wins_over_its_variable_and_the_variable_over_the_default() -> None:
    runner = CliRunner(env={"TICKLAKE_STREAM": "from-variable", "TICKLAKE_LINGER_S": "2.5"})

    assert "stream='from-variable'" in runner.invoke(show, []).output
    assert "linger_s=2.5" in runner.invoke(show, []).output
    assert "stream='from-option'" in runner.invoke(show, ["--stream", "from-option"]).output


@pytest.mark.parametrize("args", [["--stream", "a b"], ["--linger-s", "soon"], ["--products", ""], ["--shard", "5/4"]])
def test_a_wrong_value_is_a_usage_error(args: list[str]) -> None:
    result = CliRunner().invoke(show, args)

    assert 2 == result.exit_code
    assert "Traceback" not in result.output


def test_products_are_upper_cased() -> None:
    assert "products=('BTC-USD', '*-EUR')" in CliRunner().invoke(show, ["--products", "btc-usd,*-eur"]).output
