"""
What the function is told by its environment, checked once; the only reader of it.

    TICKLAKE_LAKE_BUCKET    the bucket that holds the lake
    TICKLAKE_WORK_BUCKET    the bucket of query results; hours are written aside there, under results/compacting/
    TICKLAKE_DATABASE       the Glue database
    TICKLAKE_WORKGROUP      the Athena workgroup

Laws: a setting that is missing or wrong stops the function before it asks anything, and is named.
Refuses to know: who sets them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_FORMS: Final[Mapping[str, str]] = {
    "lake_bucket": _BUCKET,
    "work_bucket": _BUCKET,
    "database": r"[a-z0-9_]{1,255}",
    "workgroup": r"[a-zA-Z0-9._-]{1,128}",
}


class SettingsRefused(Exception):  # noqa: N818  # named for what happened, as in the design
    """An environment that the function cannot work in."""

    def __init__(self, *, name: str, text: str | None) -> None:
        self.name = name
        problem = "is not set" if text is None else f"cannot be {text!r}"
        super().__init__(f"{name} {problem}: `ticklake deploy` sets it. Nothing was compacted.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which lake is compacted, where its hours are written aside, and who is asked."""

    lake_bucket: str
    work_bucket: str
    database: str
    workgroup: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """
    The settings in TICKLAKE_LAKE_BUCKET and so on.

    Raises: SettingsRefused.
    """
    found = {}
    for field in fields(Settings):
        name = "TICKLAKE_" + field.name.upper()
        text = environment.get(name)
        if text is None or not re.fullmatch(_FORMS[field.name], text):
            raise SettingsRefused(name=name, text=text)
        found[field.name] = text
    return Settings(**found)
