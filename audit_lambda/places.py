"""
What may lie where in a lake: which table and hour a key belongs to, under which prefixes a day lies, and what nobody of ours wrote.

Laws: a key is the lake's where it fits its Glue table's template, its hour is one, and its name is as ours are; everything else is foreign,
and said. What no engine reads (hidden names, a folder's marker) is a notice, what one may read as rows is a warning; neither is a loss.
Refuses to know: stores, inventories, what objects hold.
Source: Amazon Athena user guide, "Considerations and limitations": names that begin with an underscore or a dot are hidden.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final, Protocol

from sql.glue import read_table
from sql.hours import hour_start_us, lake_hour
from sql.replays import RECORDS, REPLACED, is_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit_lambda.findings import Severity
    from sql.glue import GlueTable

# What a lake may not lose. The last partition of each is the hour.
TABLES: Final = tuple(read_table(name) for name in ("raw", "delivered", "errors", "history", "compacted"))
DAY_US: Final = 86_400_000_000
_DAY: Final = (r"\d{4}", r"\d{2}", r"\d{2}")
# Names under a table's partitions; any other is nobody's of ours. Firehose names error objects without an ending.
_NAMES: Final = {
    "raw": r"[^._].*\.gz",
    "delivered": r"[^._].*\.parquet",
    "errors": r"[^._].*",
    "history": r"history-([0-9a-z]+)(-\d+)?\.parquet",
    "compacted": r"manifest\.json",
}
# What else lies in a lake's bucket (reports, redriven lines), and in a lake's folder at home (the rest).
_OURS: Final = frozenset({RECORDS, REPLACED, "reports/", "redrive/", "journal/", "logs/", ".incoming/"})
_OUR_FILES: Final = frozenset({"lake.json", ".compacting"})
# Of an operating system, by its exact name; hidden ones (.DS_Store, _SUCCESS) are known by their first character.
_OF_A_SYSTEM: Final = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object of the lake belongs. `generation` is history's, else empty. Units: microseconds since the epoch."""

    table: str
    start_us: int
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A key, or all keys under a folder's (it ends in a slash), that nobody of ours wrote."""

    key: str
    severity: Severity
    what: str


# A day's objects are asked of several times; a day holds some thousand.
@lru_cache(maxsize=8_192)
def find_place(key: str) -> Place | None:
    """The table and hour of a key; None for a foreign one."""
    for table in TABLES:
        match = re.match(table.key_pattern, key)
        named = re.fullmatch(_NAMES[table.name], key.rpartition("/")[2])
        if match and named:
            try:
                start_us = hour_start_us(match[len(table.partitions)])
            except ValueError:  # 2026/13/40/99
                return None
            return Place(table.name, start_us, named[1] if named.re.groups else "")
    return None


def judge_foreign(key: str) -> Foreign | None:
    """What to say of a key that has no place; None where it may lie there."""
    name = key.rstrip("/").rpartition("/")[2]
    if find_place(key) or is_record(key) or key in _OUR_FILES or ("/" in key and _top(key) in _OURS - {RECORDS}):
        return None
    if key.endswith("/"):
        return Foreign(key, "notice", f"{key} is a folder's marker, which ticklake does not write; no engine reads it")
    if name.startswith((".", "_")) or name.lower() in _OF_A_SYSTEM:
        return Foreign(key, "notice", f"{key} is no object of the lake: a hidden file or a program's mark")
    read = " and queries may take it for rows" if any(key.startswith(table.prefix) for table in TABLES) else ""
    return Foreign(key, "warning", f"{key} is nothing that ticklake wrote{read}: move it out of the lake")


def _top(key: str) -> str:
    return key.split("/", 1)[0] + "/"


def day_of(at_us: int) -> str:
    """The day of an instant, as keys write it: `2026/11/23`."""
    return lake_hour(at_us)[:10]


def day_of_key(key: str) -> str | None:
    """The day that a key of the lake lies in; None for a foreign one."""
    place = find_place(key)
    return None if place is None else day_of(place.start_us)


def prefixes_of_day(day: str) -> list[str]:
    """Every prefix under which objects of this day may lie."""
    return [f"{root}{day}/" for root in ROOTS]


def _roots(table: GlueTable) -> Iterator[str]:
    """A table's prefixes up to the hour: one for each kind that its template names."""
    template = table.parameters["storage.location.template"].split("/", 3)[3]
    names = re.findall(r"\$\{([a-z_]+)\}", template)[:-1]
    choices = [table.parameters[f"projection.{name}.values"].split(",") for name in names]
    for chosen in product(*choices):
        root = template
        for name, value in zip(names, chosen, strict=True):
            root = root.replace(f"${{{name}}}", value)
        yield root[: root.index("${")]


ROOTS: Final = tuple(root for table in TABLES for root in _roots(table))


class Tree(Protocol):
    """A store, folder by folder."""

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        """The folders (with their slash) and the objects right under a prefix, as whole keys."""


@dataclass(slots=True)
class Survey:
    """Which days a lake has folders of, and what lies where no day's objects do."""

    days: set[str]
    foreign: list[Foreign]


def survey(tree: Tree) -> Survey:
    """What is found by walking the folders down to the days; what lies in a day is for those who list it."""
    found = Survey(days=set(), foreign=[])
    ways = [(*map(re.escape, root.rstrip("/").split("/")), *_DAY) for root in ROOTS]
    _walk(tree, "", ways, found)
    keys = tree.list_level(RECORDS)[1]
    found.foreign += [foreign for key in keys if (foreign := judge_foreign(key))]
    return found


def _walk(tree: Tree, prefix: str, ways: list[tuple[str, ...]], found: Survey) -> None:
    folders, keys = tree.list_level(prefix)
    found.foreign += [foreign for key in keys if (foreign := judge_foreign(key))]
    for folder in folders:
        name = folder[len(prefix) : -1]
        on = [way[1:] for way in ways if re.fullmatch(way[0], name)]
        if on and not on[0]:
            found.days.add("/".join(folder.split("/")[-4:-1]))
        elif on:
            _walk(tree, folder, on, found)
        elif not (prefix == "" and folder in _OURS):
            found.foreign.append(_foreign_folder(folder, name))


def _foreign_folder(folder: str, name: str) -> Foreign:
    if name.startswith((".", "_")):
        return Foreign(folder, "notice", f"{folder} is no folder of the lake: a hidden one")
    return Foreign(
        folder, "warning", f"{folder} is no folder that ticklake wrote: move it, and all in it, out of the lake"
    )
