"""
What Athena does not document, or what only its users report: one field each, so that a test can take the other side.

Laws: a default here is a guess; docs/athena.md gives the reason of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Guesses:
    """The open guesses, each with the default it runs by."""

    # Where INSERT puts the rows of a projected partition: Hive's own `column=value` folder, or where the table's template says.
    insert_location: Literal["hive", "template"] = "hive"
    # Whether the rows of an INSERT are written in the order of its SELECT (Trino drops an ORDER BY there).
    insert_keeps_order: bool = False
    # Whether Parquet timestamps are written as INT96, as Trino does for Hive tables.
    insert_int96: bool = True
    # How many partitions one INSERT may write.
    insert_partitions_limit: int = 100
