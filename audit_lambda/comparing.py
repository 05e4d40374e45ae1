"""
One day's objects as they are listed, beside what earlier audits saw of them: what changed, what is gone without leave, what to keep.

Laws: an object may only go for a reason that is known (expired, replaced by a replay or of one that never took effect, another generation of
its hour); what was first seen stays in the inventory while it is not so any more.
Refuses to know: stores, days, severities.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audit_lambda.inventory import Seen
from audit_lambda.places import DAY_US, find_place
from sql.replays import Replays, counts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from audit_lambda.inventory import Inventory
    from audit_lambda.reading import Stored


@dataclass(frozen=True, slots=True)
class Leave:
    """
    For what an object may be gone.

    `replays`: those that took effect; asked only where rows are gone, for reading them takes a call each. `expiry_days`: by a prefix's first
    folder (`raw`), after how many days the lifecycle removes its objects.
    """

    replays: Callable[[], Replays] = Replays
    expiry_days: Mapping[str, int] = field(default_factory=dict)


def find_changed(
    before: Mapping[str, Seen], listed: Mapping[str, Stored], digests: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Each key whose object is not what it was when it was first seen, and in what."""
    for key, seen in before.items():
        if key not in listed or _is_manifest(key):
            continue
        now, sha256 = listed[key], digests.get(key, "")
        if now.size_bytes != seen.size_bytes:
            yield key, f"{key} had {seen.size_bytes} bytes and has {now.size_bytes}"
        elif sha256 and seen.sha256 and sha256 != seen.sha256:
            yield key, f"{key} has other content than when it was first read (SHA-256 {sha256}, was {seen.sha256})"
        elif not (sha256 and seen.sha256) and now.tag != seen.tag:
            yield key, f"{key} was written again (ETag {now.tag}, was {seen.tag})"


def find_gone(before: Mapping[str, Seen], listed: Mapping[str, Stored], *, now_us: int, leave: Leave) -> list[str]:
    """
    The keys that are not there any more, and had no leave to go.

    Raises: what `leave.replays` raises.
    """
    generations = {(key.rsplit("/", 1)[0], place.generation) for key in listed if (place := find_place(key))}
    missing = [
        key
        for key in before
        if key not in listed and not _has_expired(key, now_us, leave.expiry_days) and not _is_followed(key, generations)
    ]
    if not any(_is_of(key, "delivered") for key in missing):
        return missing
    replays = leave.replays()
    return [key for key in missing if not _is_of(key, "delivered") or counts(key, replays)]


def next_inventory(
    before: Mapping[str, Seen], listed: Mapping[str, Stored], digests: Mapping[str, str], *, gone: Collection[str]
) -> Inventory:
    """What the next audit is to compare with."""
    inventory = {key: before[key] for key in gone}
    for key, stored in listed.items():
        seen = before.get(key)
        if seen is None or _is_manifest(key):
            inventory[key] = Seen(size_bytes=stored.size_bytes, tag=stored.tag, sha256=digests.get(key, ""))
        else:
            unlike = stored.size_bytes != seen.size_bytes or stored.tag != seen.tag
            sha256 = seen.sha256 or ("" if unlike else digests.get(key, ""))
            inventory[key] = Seen(size_bytes=seen.size_bytes, tag=seen.tag, sha256=sha256)
    return inventory


def _is_manifest(key: str) -> bool:
    """It is replaced whenever its hour is compacted anew."""
    return _is_of(key, "compacted")


def _is_of(key: str, table: str) -> bool:
    place = find_place(key)
    return place is not None and place.table == table


def _is_followed(key: str, generations: Collection[tuple[str, str]]) -> bool:
    """Whether another generation of its hour of history is there; a part of its own generation is none."""
    place, hour = find_place(key), key.rsplit("/", 1)[0]
    if place is None or not place.generation:
        return False
    return any(folder == hour and other != place.generation for folder, other in generations)


def _has_expired(key: str, now_us: int, expiry_days: Mapping[str, int]) -> bool:
    days, place = expiry_days.get(key.split("/", 1)[0]), find_place(key)
    return days is not None and place is not None and place.start_us + days * DAY_US <= now_us
