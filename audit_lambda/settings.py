"""
What the function is told by its environment, checked once; the only reader of it.

Laws: a setting that is missing or wrong stops the function before it asks anything, and is named.
Refuses to know: who sets them (infra/upkeep.yaml).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.environment import BUCKET, DATABASE, WORKGROUP, read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMS: Final = {
    "database": DATABASE,
    "workgroup": WORKGROUP,
    "lake_bucket": BUCKET,
    "topic_arn": r"arn:[a-z-]+:sns:[a-z0-9-]*:[0-9]{12}:[a-zA-Z0-9_.-]{1,256}",
    "candles_url": r"|https?://[a-zA-Z0-9.-]{1,253}(:[0-9]{1,5})?",
}


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
    return Settings(**read_environment(_FORMS, environment))
