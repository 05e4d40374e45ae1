"""
Is every object of a lake readable to its end, still what it was when it was first seen, still there, and ours?

SQL does not see an object that is gone, and reads a broken one with an error that stops at the first. So the objects themselves are looked at,
a day of the lake at a time: listed and compared with that day's inventory; those of the audited hours, and late ones that are new, are read.
Laws: what was not read or not looked at is said, never taken for good; of a day at a time is all that is held, whatever the age of the lake.
Refuses to know: which days (rounds.py), where inventories are kept (stock.py), S3 and folders, SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from audit_lambda.comparing import find_changed, find_gone, next_inventory
from audit_lambda.findings import Finding
from audit_lambda.inventory import Look
from audit_lambda.places import day_of_key, find_place, judge_foreign, prefixes_of_day
from audit_lambda.reading import ObjectGone, ObjectUnread, ObjectUnreadable, read_to_its_end
from audit_lambda.report import CheckResult
from sql.history import ManifestDamaged
from sql.hours import HOUR_US
from sql.replays import Replays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from audit_lambda.comparing import Leave
    from audit_lambda.findings import Severity
    from audit_lambda.inventory import Inventory, Seen
    from audit_lambda.places import Foreign
    from audit_lambda.reading import Store, Stored
    from audit_lambda.spans import Span

# As many findings of a check as a report names; all are counted.
_MOST_NAMED: Final = 1_000

QUESTIONS: Final = {
    "readable": "Can every object of these hours be read to its end?",
    "unchanged": "Is every object what it was when it was first seen?",
    "present": "Is every object still there that an earlier audit saw?",
    "foreign": "Is every object one that ticklake wrote?",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the objects have come: `day` is being looked at, so many objects were listed and read of all days so far."""

    day: str
    listed_count: int = 0
    read_count: int = 0
    read_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Whether there is time: to look at one more day of the span, at one more of the others, to read one more object; if not, `why_not`."""

    may_list: Callable[[], bool] = lambda: True
    may_look: Callable[[], bool] = lambda: True
    may_read: Callable[[], bool] = lambda: True
    why_not: str = "time was up"


@dataclass(slots=True)
class Pile:
    """What a check found: the first findings, and how many there were."""

    findings: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, finding: Finding) -> None:
        """Count it, and keep it while there are few."""
        self.count += 1
        if self.count <= _MOST_NAMED:
            self.findings.append(finding)


@dataclass(slots=True)
class _Unread:
    """Objects that were to be read, and those that were not, with the first reason."""

    wanted_count: int = 0
    count: int = 0
    why: str = ""


class Inspection:
    """
    Days of a lake looked at, one after the other, and what was found.

    Clock: objects whose key's hour lies, in part at least, in the span are read; `now_us` is what expiry is judged by.
    """

    def __init__(
        self,
        store: Store,
        *,
        span: Span,
        now_us: int,
        leave: Leave,
        pace: Pace,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._store, self._span, self._now_us, self._leave = store, span, now_us, leave
        self._pace, self._on_progress = pace, on_progress
        self._unread = _Unread()
        self._progress = Progress("")
        self.piles = {name: Pile() for name in QUESTIONS}
        # Days of the span that there was no time for.
        self.left: list[str] = []

    def look_at(self, day: str, before: Inventory | None, *, is_near: bool) -> tuple[Look, Inventory]:
        """
        What the next audit is to know of this day. Objects are read where the day `is_near` the span.

        Shapes: `before` is None where no audit has left the day's inventory.
        Raises: whatever the store refuses a listing with.
        """
        listed = self._list(day)
        digests = self._read(listed, before) if is_near else {}
        known = before or {}
        changed = list(find_changed(known, listed, digests))
        for key, what in changed:
            self.add("unchanged", key, what)
        gone = self._find_gone(known, listed)
        for key in gone:
            self.add("present", key, f"{key} is gone")
        look = Look(looked_us=self._now_us, object_count=len(listed) + len(gone), found_count=len(changed) + len(gone))
        return look, next_inventory(known, listed, digests, gone=gone)

    def add(self, check: str, key: str, what: str, severity: Severity = "damage") -> None:
        """A finding about one key."""
        place = find_place(key)
        start_us = None if place is None else place.start_us
        self.piles[check].add(
            Finding(
                check=check,
                group="integrity",
                severity=severity,
                product_id=None,
                session=None,
                first_us=start_us,
                last_us=None if start_us is None else start_us + HOUR_US - 1,
                first_id=None,
                last_id=None,
                amount=1,
                what=what,
            )
        )

    def add_foreign(self, foreign: Foreign) -> None:
        """A key, or a folder of them, that nobody of ours wrote."""
        self.add("foreign", foreign.key, foreign.what, foreign.severity)

    def results(self, whys: Mapping[str, str]) -> list[CheckResult]:
        """The group `integrity` of a report. Shapes: `whys` says of a check that was run what there is to know."""
        results = [_result(name, pile, why=whys.get(name, "")) for name, pile in self.piles.items()]
        unread = self._unread
        if unread.count:
            why = f"{unread.count} of {unread.wanted_count} objects were not read: {unread.why or self._pace.why_not}"
            some = unread.count < unread.wanted_count or self.piles["readable"].count
            results[0] = replace(results[0], state="partly" if some else "not_run", why=why)
        if self.left:
            why = (
                f"{len(self.left)} days from {self.left[0]} to {self.left[-1]} were not looked at: {self._pace.why_not}"
            )
            results = [replace(each, state="partly", why=f"{why}. {each.why}".strip()) for each in results]
        return results

    def _list(self, day: str) -> dict[str, Stored]:
        self._tell(day=day)
        listed = {}
        for prefix in prefixes_of_day(day):
            for stored in self._store.list_objects(prefix):
                if day_of_key(stored.key) == day:
                    listed[stored.key] = stored
                elif foreign := judge_foreign(stored.key):
                    self.add_foreign(foreign)
        self._tell(listed_count=self._progress.listed_count + len(listed))
        return listed

    def _read(self, listed: dict[str, Stored], before: Inventory | None) -> dict[str, str]:
        """Digests of the objects that are to be read and could be; what went meanwhile is listed no more."""
        wanted = sorted(key for key in listed if self._is_wanted(key, before))
        self._unread.wanted_count += len(wanted)
        digests: dict[str, str] = {}
        for place, key in enumerate(wanted):
            if not self._pace.may_read():
                self._unread.count += len(wanted) - place
                break
            try:
                digests[key] = read_to_its_end(key, self._store)
            except ObjectGone:
                del listed[key]
                continue
            except ObjectUnreadable as error:
                self.add("readable", key, f"{key} cannot be read to its end: {error.why}")
            except ObjectUnread as error:
                self._unread.count += 1
                self._unread.why = self._unread.why or f"{key}: {error.why}"
            size_bytes = self._progress.read_bytes + listed[key].size_bytes
            self._tell(read_count=self._progress.read_count + 1, read_bytes=size_bytes)
        return digests

    def _is_wanted(self, key: str, before: Inventory | None) -> bool:
        """It lies in the span; or before it and is new, where an audit has seen the others."""
        place = find_place(key)
        if place is None or place.start_us >= self._span.to_us:
            return False
        return place.start_us + HOUR_US > self._span.from_us or (before is not None and key not in before)

    def _find_gone(self, before: Mapping[str, Seen], listed: Mapping[str, Stored]) -> list[str]:
        try:
            return find_gone(before, listed, now_us=self._now_us, leave=self._leave)
        except ManifestDamaged as error:
            if not any(error.key in finding.what for finding in self.piles["readable"].findings):
                self.add(
                    "readable", error.key, f"{error.key} cannot be believed ({error.why}): what it replaced is missed"
                )
            return find_gone(before, listed, now_us=self._now_us, leave=replace(self._leave, replays=Replays))

    def _tell(self, **changes: int | str) -> None:
        self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]  # fields by their names
        self._on_progress(self._progress)


def _result(name: str, pile: Pile, *, why: str) -> CheckResult:
    return CheckResult(
        name=name,
        group="integrity",
        question=QUESTIONS[name],
        thresholds={},
        state="found" if pile.count else "passed",
        why=why,
        found_count=pile.count,
        found_amount=pile.count,
        findings=tuple(pile.findings),
    )


def unasked(why: str) -> list[CheckResult]:
    """The group `integrity` where the objects could not be looked at."""
    return [replace(_result(name, Pile(), why=why), state="not_run") for name in QUESTIONS]
