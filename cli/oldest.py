"""
The oldest hour that a lake's bucket holds something of: a pipeline that is made again has to know the rows of the one before.

Laws: a listing of one key for each place, since keys are listed in the order of their hours; a key that is none of a table's says nothing.
Refuses to know: stacks, what follows from it (infra/stacks.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from infra.cloudformation import calling
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES: Final = ("raw", "delivered", "errors", "compacted")
# Every year begins with it; what sorts before it is no hour.
_FIRST_DIGIT: Final = "2"


def find_oldest_hour(s3: Any, bucket: str) -> str | None:
    """
    The earliest hour of any table's keys, as they write it; None for a lake that is empty. `s3` is boto3's client.

    Raises: AwsRefused.
    """
    with calling(f"looking for the oldest hour in {bucket}"):
        return min((hour for name in TABLES for hour in _first_hours(s3, bucket, name)), default=None)


def _first_hours(s3: Any, bucket: str, name: str) -> Iterator[str]:
    for place in list_places(name):
        found = s3.list_objects_v2(Bucket=bucket, Prefix=place, StartAfter=place + _FIRST_DIGIT, MaxKeys=1)
        for each in found.get("Contents", ()):
            match = re.match(read_table(name).key_pattern, each["Key"])
            if match:
                yield match[match.lastindex or 0]


def list_places(name: str) -> list[str]:
    """The prefixes under which a table's keys go on with their hour: one, or one for each value of what stands before it."""
    table = read_table(name)
    first = table.partitions[0].name
    if table.parameters[f"projection.{first}.type"] != "enum":
        return [table.prefix]
    return [f"{table.prefix}{value}/" for value in table.parameters[f"projection.{first}.values"].split(",")]
