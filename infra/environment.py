"""
What a function of infra/upkeep.yaml is told by its environment, checked once.

Laws: a variable that is missing or wrong stops the function before it asks anything, and is named.
Refuses to know: which function it is, and what its settings mean.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, SettingsRefused
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "TICKLAKE_"
BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
DATABASE: Final = r"[a-z0-9_]{1,255}"
WORKGROUP: Final = r"[a-zA-Z0-9._-]{1,128}"


class SettingsRefused(Exception):
    """An environment that the function cannot work in."""

    def __init__(self, *, name: str, text: str | None) -> None:
        self.name = name
        problem = "is not set" if text is None else f"cannot be {text!r}"
        super().__init__(f"{name} {problem}: `ticklake deploy` sets it from infra/upkeep.yaml. Nothing was done.")


def read_environment(forms: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """
    Each setting's text, by its name.

    Shapes: `forms` has a regular expression for the whole text of each setting.
    Raises: SettingsRefused.
    """
    found = {}
    for setting, form in forms.items():
        name = _PREFIX + setting.upper()
        text = environment.get(name)
        if text is None or not re.fullmatch(form, text):
            raise SettingsRefused(name=name, text=text)
        found[setting] = text
    return found
