"""
What the function is told by its environment, checked once; the only reader of it.

Laws: a setting that is missing or wrong stops the function before it asks anything, and is named.
Refuses to know: who sets them (infra/upkeep.yaml).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "TICKLAKE_"
_FORMS: Final[Mapping[str, str]] = {
    "database": r"[a-z0-9_]{1,255}",
    "workgroup": r"[a-zA-Z0-9._-]{1,128}",
    "lake_bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "topic_arn": r"arn:[a-z-]+:sns:[a-z0-9-]*:[0-9]{12}:[a-zA-Z0-9_.-]{1,256}",
    "candles_url": r"|https?://[a-zA-Z0-9.-]{1,253}(:[0-9]{1,5})?",
}


class SettingsRefused(Exception):  # noqa: N818  # named for what happened, as in the design
    """An environment that the function cannot work in."""

    def __init__(self, *, name: str, text: str | None) -> None:
        self.name = name
        problem = "is not set" if text is None else f"cannot be {text!r}"
        super().__init__(f"{name} {problem}: `ticklake deploy` sets it from infra/upkeep.yaml.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which lake is asked, who is told, and whose candles it is compared with (empty: nobody's)."""

    database: str
    workgroup: str
    lake_bucket: str
    topic_arn: str
    candles_url: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """
    The settings in TICKLAKE_DATABASE and so on.

    Raises: SettingsRefused.
    """
    found = {}
    for field in fields(Settings):
        name = environment_name(field.name)
        text = environment.get(name)
        if text is None or not re.fullmatch(_FORMS[field.name], text):
            raise SettingsRefused(name=name, text=text)
        found[field.name] = text
    return Settings(**found)


def environment_name(field: str) -> str:
    """The variable of a setting: TICKLAKE_DATABASE for `database`."""
    return _PREFIX + field.upper()
