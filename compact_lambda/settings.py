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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.environment import BUCKET, DATABASE, WORKGROUP, read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMS: Final = {"lake_bucket": BUCKET, "work_bucket": BUCKET, "database": DATABASE, "workgroup": WORKGROUP}


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
    return Settings(**read_environment(_FORMS, environment))
