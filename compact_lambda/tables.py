"""
From which hour on Athena's tables know rows, as Glue's catalog says it.

Laws: what cannot be told bounds nothing; an hour that the tables do not know after all fails its check, and is named.
Refuses to know: who set it (infra/pipeline.yaml, LakeFirstHour), what follows from it.
Source: Amazon Athena user guide, "Set up partition projection": a query of hours outside a projection's range answers with no rows.
"""

from __future__ import annotations

import re
from typing import Any, Final

TABLE: Final = "history"
RANGE: Final = "projection.event_hour.range"
_FIRST: Final = re.compile(r"\d{4}/\d{2}/\d{2}/\d{2}(?=,)")


def read_first_hour(glue: Any, *, database: str) -> str:
    """
    The first hour of history that the catalog lets Athena see; empty where it names none. `glue` is boto3's client.

    Raises: botocore's errors, also where there is no such table.
    """
    table = glue.get_table(DatabaseName=database, Name=TABLE)["Table"]
    return decode_first_hour(table.get("Parameters", {}).get(RANGE, ""))


def decode_first_hour(text: str) -> str:
    """The first hour of a projection's range (`2026/11/22/00,NOW+1HOURS`); empty where it is not an hour as keys write it."""
    match = _FIRST.match(text)
    return match[0] if match else ""
