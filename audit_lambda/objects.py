"""
Is every object of a lake readable to its end, still what it was when it was first seen, and still there?

SQL does not see an object that is gone, and reads a broken one with an error that stops at the first. So the objects themselves are looked
at: those of the audited hours are read to their last byte, all of them are compared with the inventory that the last audit left.
Laws: an inventory keeps what was first seen, so damage is said in every audit until somebody accepts it; an object may only go for a reason
that is known (expired, replaced by a replay, another generation of its hour); what was not read is said, never taken for good.
Refuses to know: S3 and folders (a Store does), SQL, what Parquet's pages hold (a Store may).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from audit_lambda.findings import Finding
from audit_lambda.report import CheckResult
from sql.glue import read_table
from sql.hours import HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

# Where the Glue table `objects` reads it.
INVENTORY_KEY: Final = read_table("objects").prefix + "objects.jsonl.gz"
# What a lake may not lose. Their keys name an hour.
PREFIXES: Final = tuple(read_table(name).prefix for name in ("raw", "processed", "errors", "history", "compacted"))
_HOUR: Final = re.compile(r"/(\d{4}/\d{2}/\d{2}/\d{2})/[^/]+$")
_DAY_US: Final = 24 * HOUR_US
_HISTORY: Final = read_table("history").prefix
_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_TAIL_BYTES: Final = 8  # a Parquet file ends in the footer's length (4 bytes, little-endian) and PAR1
_MOST_NAMED: Final = 1_000

QUESTIONS: Final = {
    "readable": "Can every object of these hours be read to its end?",
    "unchanged": "Is every object what it was when it was first seen?",
    "present": "Is every object still there that an earlier audit saw?",
}


class ObjectUnreadable(Exception):  # noqa: N818  # named for what happened, as in the design: FeedLost
    """An object that cannot be read to its end; `why` is a clause."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)


class ObjectUnread(Exception):  # noqa: N818  # named for what happened
    """An object that could not be read now: the store refused or broke off. It says nothing of the object. `why` is a clause."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)


class ObjectGone(ObjectUnreadable):
    """An object that was listed and is no longer there: whether it may be gone is another check's question."""

    def __init__(self) -> None:
        super().__init__(why="it went while the audit ran")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as its store lists it. `tag` changes with the content (S3's ETag); empty where the store has none."""

    key: str
    size_bytes: int
    tag: str


class Store(Protocol):
    """Where the objects are."""

    def list_objects(self, prefix: str) -> Iterable[Stored]:
        """Every object under the prefix."""

    def read_chunks(self, key: str) -> Iterator[bytes]:
        """
        The object's bytes, in pieces.

        Raises: ObjectUnreadable, also where the bytes are not those that the store's own checksum was made of; ObjectGone;
        ObjectUnread where the store does not give them now.
        """

    def inspect(self, key: str) -> None:
        """
        Whatever more this store can find out about an object whose bytes could all be read.

        Raises: ObjectUnreadable.
        """


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was first seen. `sha256` in hexadecimal, empty until it has been read."""

    size_bytes: int
    tag: str
    sha256: str


Inventory = dict[str, Seen]


@dataclass(frozen=True, slots=True)
class Leave:
    """
    For what an object may be gone.

    `replaced`: keys that a replay put others in the place of. `expiry_days`: by a prefix's first folder (`raw`), after how many days the
    lifecycle removes its objects.
    """

    replaced: Collection[str] = frozenset()
    expiry_days: Mapping[str, int] = field(default_factory=dict)


def check_objects(
    store: Store,
    *,
    before: Mapping[str, Seen] | None,
    from_us: int,
    to_us: int,
    now_us: int,
    leave: Leave,
    may_go_on: Callable[[], bool],
    on_progress: Callable[[int, int], None],
) -> tuple[list[CheckResult], Inventory]:
    """
    The group `integrity` of a report, and the inventory to keep for the next audit.

    Shapes: `before` is None where no audit has left one. `on_progress` is told how many of how many objects were read.
    Clock: objects whose key's hour lies, in part at least, in from_us..to_us are read; reading stops when `may_go_on` says no.
    """
    listed = {stored.key: stored for prefix in PREFIXES for stored in store.list_objects(prefix)}
    wanted = sorted(key for key in listed if _touches(key, from_us, to_us))
    digests: dict[str, str] = {}
    unreadable: list[Finding] = []
    refused = ""
    unread = set(wanted)
    for number, key in enumerate(wanted, 1):
        if not may_go_on():
            break
        unread.discard(key)
        try:
            digests[key] = read_to_its_end(key, store)
        except ObjectGone:
            del listed[key]
        except ObjectUnreadable as error:
            unreadable.append(_finding("readable", key, f"{key} cannot be read to its end: {error.why}"))
        except ObjectUnread as error:
            refused = refused or f"{key}: {error.why}"
            unread.add(key)
        on_progress(number, len(wanted))
    changed = list(_find_changed(before or {}, listed, digests))
    gone = _find_gone(before or {}, listed, now_us=now_us, leave=leave)
    vanished = [_finding("present", key, f"{key} is gone") for key in gone]
    results = [
        _result(
            "readable",
            unreadable,
            why=f"{len(unread)} of {len(wanted)} objects were not read: {refused or 'time was up'}" if unread else "",
        ),
        _result("unchanged", changed, why="" if before is not None else _FIRST),
        _result("present", vanished, why="" if before is not None else _FIRST),
    ]
    return results, _next_inventory(before or {}, listed, digests, gone=gone)


_FIRST: Final = "no earlier audit has left an inventory; this one does"


def read_to_its_end(key: str, store: Store) -> str:
    """
    The SHA-256 of an object that is whole, in hexadecimal.

    Raises: ObjectUnreadable: gzip whose checksum or end is wrong, Parquet without its footer, or what the store itself says.
    """
    sha256, zipped = hashlib.sha256(), _Gzip()
    head, tail, size_bytes = b"", b"", 0
    for chunk in store.read_chunks(key):
        sha256.update(chunk)
        head = head if len(head) >= len(_PARQUET) else (head + chunk)[: len(_PARQUET)]
        tail = (tail + chunk)[-_TAIL_BYTES:]
        size_bytes += len(chunk)
        if head[:2] == _GZIP:
            zipped.feed(chunk)
    if head[:2] == _GZIP:
        zipped.end()
    elif key.endswith(".gz"):
        raise ObjectUnreadable(why="it does not begin as gzip does")
    if key.endswith(".parquet"):
        _check_footer(head, tail, size_bytes)
    store.inspect(key)
    return sha256.hexdigest()


class _Gzip:
    """Members of gzip, one after the other, each with its checksum; what they hold is thrown away."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> None:
        try:
            while chunk:
                if self._member.eof:
                    self._member = zlib.decompressobj(wbits=31)
                # At most a megabyte at a time: a small object may hold a great deal.
                self._member.decompress(chunk, 1 << 20)
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise ObjectUnreadable(why=f"its gzip is damaged ({error})") from error

    def end(self) -> None:
        if not self._member.eof:
            raise ObjectUnreadable(why="its gzip is cut off")


def _check_footer(head: bytes, tail: bytes, size_bytes: int) -> None:
    footer_bytes = int.from_bytes(tail[:4], "little") if len(tail) == _TAIL_BYTES else 0
    if head != _PARQUET or tail[4:] != _PARQUET or not 0 < footer_bytes <= size_bytes - _TAIL_BYTES - len(_PARQUET):
        raise ObjectUnreadable(why="it does not begin and end as Parquet does")


def _find_changed(
    before: Mapping[str, Seen], listed: Mapping[str, Stored], digests: Mapping[str, str]
) -> Iterator[Finding]:
    for key, seen in before.items():
        if key not in listed or _is_manifest(key):
            continue
        now, sha256 = listed[key], digests.get(key, "")
        if now.size_bytes != seen.size_bytes:
            yield _finding("unchanged", key, f"{key} had {seen.size_bytes} bytes and has {now.size_bytes}")
        elif sha256 and seen.sha256 and sha256 != seen.sha256:
            yield _finding(
                "unchanged",
                key,
                f"{key} has other content than when it was first read (SHA-256 {sha256}, was {seen.sha256})",
            )
        elif not (sha256 and seen.sha256) and now.tag != seen.tag:
            yield _finding("unchanged", key, f"{key} was written again (ETag {now.tag}, was {seen.tag})")


def _find_gone(before: Mapping[str, Seen], listed: Mapping[str, Stored], *, now_us: int, leave: Leave) -> list[str]:
    hours_of_history = {key.rsplit("/", 1)[0] for key in listed if _is_generation(key)}
    return [
        key
        for key in before
        if key not in listed
        and key not in leave.replaced
        and not _has_expired(key, now_us, leave.expiry_days)
        # Another generation of the hour took its place.
        and not (_is_generation(key) and key.rsplit("/", 1)[0] in hours_of_history)
    ]


def _next_inventory(
    before: Mapping[str, Seen], listed: Mapping[str, Stored], digests: Mapping[str, str], *, gone: Collection[str]
) -> Inventory:
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


def _is_generation(key: str) -> bool:
    return key.startswith(_HISTORY) and key.endswith(".parquet")


def _is_manifest(key: str) -> bool:
    return key.endswith("/manifest.json")


def _has_expired(key: str, now_us: int, expiry_days: Mapping[str, int]) -> bool:
    days, start_us = expiry_days.get(key.split("/", 1)[0]), _start_us(key)
    return days is not None and start_us is not None and start_us + days * _DAY_US <= now_us


def _touches(key: str, from_us: int, to_us: int) -> bool:
    start_us = _start_us(key)
    return start_us is not None and start_us < to_us and start_us + HOUR_US > from_us


def _start_us(key: str) -> int | None:
    match = _HOUR.search(key)
    try:
        return hour_start_us(match[1]) if match else None
    except ValueError:  # 2026/13/40/99: an object somebody else put there
        return None


def _finding(check: str, key: str, what: str) -> Finding:
    start_us = _start_us(key)
    return Finding(
        check=check,
        group="integrity",
        severity="damage",
        product_id=None,
        session=None,
        first_us=start_us,
        last_us=None if start_us is None else start_us + HOUR_US - 1,
        first_id=None,
        last_id=None,
        amount=1,
        what=what,
    )


def _result(name: str, found: list[Finding], *, why: str) -> CheckResult:
    return CheckResult(
        name=name,
        group="integrity",
        question=QUESTIONS[name],
        thresholds={},
        state="found" if found else "not_run" if why and why != _FIRST else "passed",
        why=why,
        found_count=len(found),
        found_amount=len(found),
        findings=tuple(found[:_MOST_NAMED]),
    )


def encode_inventory(inventory: Mapping[str, Seen]) -> bytes:
    """An inventory as it is kept: gzipped JSON lines in the order of keys; the same inventory, the same bytes."""
    # Line by line, and read so as well: a year leaves more than half a million objects, and a function has little memory.
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        for key in sorted(inventory):
            seen = inventory[key]
            record = {"key": key, "size_bytes": seen.size_bytes, "tag": seen.tag, "sha256": seen.sha256}
            stream.write(json.dumps(record).encode() + b"\n")
    return packed.getvalue()


class InventoryDamaged(Exception):  # noqa: N818  # named for what happened
    """The inventory that the last audit left cannot be read."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(
            f"{INVENTORY_KEY} cannot be read ({why}). Restore it from an earlier version, or remove it: then this audit begins a new one, "
            "and what changed or vanished before is no longer noticed."
        )


def decode_inventory(stored: bytes) -> Inventory:
    """
    An inventory as it was kept.

    Raises: InventoryDamaged.
    """
    if not stored:
        raise InventoryDamaged(why="it is empty")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as stream:
            return {_text(record["key"]): _decode_seen(record) for record in map(json.loads, stream)}
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InventoryDamaged(why=str(error)) from error


def _decode_seen(record: Mapping[str, object]) -> Seen:
    size_bytes = record["size_bytes"]
    if not isinstance(size_bytes, int):
        raise TypeError(f"a length is {size_bytes!r}")
    return Seen(size_bytes=size_bytes, tag=_text(record["tag"]), sha256=_text(record["sha256"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is where text should be")
    return value
