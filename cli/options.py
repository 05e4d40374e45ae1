"""
The producer's settings as command-line options, made from the fields of producer.settings.Settings.

Laws: no option and no variable exists here that is not a field there; a wrong value is a usage error (exit code 2).
Refuses to know: what a setting does.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from producer.errors import SettingsError
from producer.journal import Fsync
from producer.settings import Settings, environment_name, split_products

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def settings_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds an option for every setting but those named."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(fields(Settings)):
            if each.name not in without:
                function = _option(each.name, each.default, each.metadata["help"])(function)
        return function

    return decorate


def _option(name: str, default: Any, help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = f"--{name.replace('_', '-')}"
    common: dict[str, Any] = {"envvar": environment_name(name), "show_envvar": True, "help": help_text}
    if isinstance(default, bool):
        return click.option(flag, name, is_flag=True, default=default, **common)
    if isinstance(default, tuple):
        text = ",".join(default)
        return click.option(flag, name, default=text, show_default=True, metavar="A,B,…", **common)
    if name == "fsync":
        return click.option(
            flag, name, type=click.Choice(get_args(Fsync)), default=default, show_default=True, **common
        )
    if isinstance(default, Path):
        path = click.Path(path_type=Path, file_okay=False)
        return click.option(flag, name, type=path, default=default, show_default=True, **common)
    return click.option(flag, name, type=type(default), default=default, show_default=True, **common)


def make_settings(values: dict[str, Any]) -> Settings:
    """
    Settings from options' values; products may be text.

    Raises: click.UsageError with the setting's own sentence.
    """
    products = values.get("products", ())
    try:
        return Settings(**{**values, "products": split_products(products) if isinstance(products, str) else products})
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from wrong
