"""
What earlier audits saw of a lake's objects: one inventory for each day of the lake, and one list of when each day was looked at.

    reports/coinbase/inventory/2026-11-23.jsonl.gz      every object of that day, as it was first seen (the Glue table `objects`)
    reports/coinbase/looked.json                        each day: when, how many objects, how many findings
Laws: an inventory keeps what was first seen, so damage is said whenever the day is looked at, until somebody accepts it; a day's bytes follow
from its objects alone. A day holds some thousand objects, whatever the age of the lake: so much is read and written at a time.
Refuses to know: where these are kept, what an audit makes of them.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost
from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit_lambda.places import day_of_key
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the Glue table `objects` reads; nothing but inventories may lie there.
FOLDER: Final = read_table("objects").prefix
LOOKED_KEY: Final = FOLDER.removesuffix("inventory/") + "looked.json"
# All days in one object, as checkouts before this form kept them. It is read once, and then left empty: nothing else may be deleted here.
UNDIVIDED_KEY: Final = f"{FOLDER}objects.jsonl.gz"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was first seen. `sha256` in hexadecimal, empty until it has been read."""

    size_bytes: int
    tag: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Look:
    """When a day's objects were last looked at, how many there were, and how much was found. Clock: the audit's `now`."""

    looked_us: int
    object_count: int
    found_count: int


Inventory = dict[str, Seen]
# By day, as keys write it: 2026/11/23.
Looks = dict[str, Look]


class InventoryDamaged(Exception):
    """What earlier audits left cannot be read."""

    def __init__(self, *, key: str, why: str) -> None:
        self.key, self.why = key, why
        super().__init__(
            f"{key} cannot be read ({why}). Restore it from an earlier version, or remove it: then this audit begins a new one, "
            "and what changed or vanished before is no longer noticed."
        )


def inventory_key(day: str) -> str:
    """Where a day's inventory is kept."""
    return f"{FOLDER}{day.replace('/', '-')}.jsonl.gz"


def encode_inventory(inventory: Mapping[str, Seen]) -> bytes:
    """An inventory as it is kept: gzipped JSON lines in the order of keys; the same inventory, the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        for key in sorted(inventory):
            seen = inventory[key]
            record = {"key": key, "size_bytes": seen.size_bytes, "tag": seen.tag, "sha256": seen.sha256}
            stream.write(json.dumps(record).encode() + b"\n")
    return packed.getvalue()


def decode_inventory(key: str, stored: bytes) -> Inventory:
    """
    An inventory as it was kept at this key.

    Raises: InventoryDamaged.
    """
    if not stored:
        raise InventoryDamaged(key=key, why="it is empty")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as stream:
            return {_text(record["key"]): _decode_seen(record) for record in map(json.loads, stream)}
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InventoryDamaged(key=key, why=str(error)) from error


def _decode_seen(record: Mapping[str, object]) -> Seen:
    return Seen(size_bytes=_whole(record["size_bytes"]), tag=_text(record["tag"]), sha256=_text(record["sha256"]))


def encode_looks(looks: Mapping[str, Look]) -> bytes:
    """When each day was looked at, as it is kept."""
    days = {
        day: {"looked_us": look.looked_us, "object_count": look.object_count, "found_count": look.found_count}
        for day, look in sorted(looks.items())
    }
    return json.dumps({"format": FORMAT, "days": days}).encode() + b"\n"


def decode_looks(stored: bytes) -> Looks:
    """
    When each day was looked at, as it was kept.

    Raises: InventoryDamaged.
    """
    try:
        kept = json.loads(stored)
        if kept["format"] == FORMAT:
            return {
                _text(day): Look(*(_whole(look[name]) for name in ("looked_us", "object_count", "found_count")))
                for day, look in kept["days"].items()
            }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InventoryDamaged(key=LOOKED_KEY, why=str(error)) from error
    raise InventoryDamaged(key=LOOKED_KEY, why=f"it is of format {kept['format']!r}, and this version reads {FORMAT}")


def divide_inventory(inventory: Inventory) -> dict[str, Inventory]:
    """An undivided inventory by days; keys that no table has are not taken over."""
    days: dict[str, Inventory] = {}
    for key, seen in inventory.items():
        day = day_of_key(key)
        if day is not None:
            days.setdefault(day, {})[key] = seen
    return days


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is where text should be")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a length or a count is {value!r}")
    return value
