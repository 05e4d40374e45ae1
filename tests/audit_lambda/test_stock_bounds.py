"""What looking at the objects takes where a lake is three years old: calls and memory, counted; docs/audit.md has the figures."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from typing import TYPE_CHECKING, Final

import pytest

from audit_lambda.inventory import LOOKED_KEY, Look, Seen, decode_looks, encode_inventory, encode_looks, inventory_key
from audit_lambda.objects import Pace
from audit_lambda.places import DAY_US, ROOTS, day_of
from audit_lambda.reading import Stored
from audit_lambda.rounds import PERIOD_DAYS
from audit_lambda.spans import Span
from audit_lambda.stock import keep_stock, take_stock
from sql.hours import HOUR_US, hour_start_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit_lambda.rounds import Reach

NOW_US: Final = hour_start_us("2026/11/23/02")
CONTENT: Final = gzip.compress(b"{}\n", mtime=0)
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()
# An object each 15 minutes of each kind and of raw/, refusals among them, and history: half a million a year.
A_DAY: Final = 1_370
DAYS: Final = 3 * 365


class Made:
    """A store of so many days, whose listings are made as they are asked for, and the calls that S3 would have been asked."""

    def __init__(self, days: int, objects_a_day: int) -> None:
        self.days = {day_of(NOW_US - n * DAY_US) for n in range(days)}
        self._each = objects_a_day
        self._records: dict[str, bytes] = {}
        self.calls = self.puts = 0

    def _keys(self, day: str) -> Iterator[str]:
        return (f"raw/coinbase/{day}/{n % 24:02}/stream-1-{n:08}.gz" for n in range(self._each))

    def fill(self) -> None:
        """What audits until yesterday have left."""
        for day in self.days:
            seen = {
                key: Seen(len(CONTENT), hashlib.md5(key.encode()).hexdigest(), DIGEST) for key in self._keys(day)
            }  # as S3's ETag
            self._records[inventory_key(day)] = encode_inventory(seen)
        looks = {
            day: Look(NOW_US - (n % PERIOD_DAYS) * DAY_US, self._each, 0) for n, day in enumerate(sorted(self.days))
        }
        self._records[LOOKED_KEY] = encode_looks(looks)
        self.calls = self.puts = 0

    def list_objects(self, prefix: str) -> Iterator[Stored]:
        day = prefix[-11:-1]
        if not prefix.startswith("raw/") or day not in self.days:
            self.calls += 1
            return
        self.calls += -(-self._each // 1_000)
        for key in self._keys(day):
            yield Stored(key, len(CONTENT), hashlib.md5(key.encode()).hexdigest())

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        self.calls += 1
        keys = [f"{root}{day}/" for root in ROOTS for day in self.days]
        return sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if key.startswith(prefix)}), []

    def read_chunks(self, _: str) -> Iterator[bytes]:
        self.calls += 1
        yield CONTENT

    def inspect(self, _: str) -> None:
        """Nothing."""

    def read_record(self, key: str) -> bytes | None:
        self.calls += 1
        return self._records.get(key)

    def put_record(self, key: str, content: bytes) -> None:
        self.puts += 1
        self._records[key] = content


def audit(store: Made, span: Span, reach: Reach) -> None:
    stock = take_stock(
        store,
        span,
        reach=reach,
        now_us=NOW_US,
        expiry_days={},
        pace=Pace(may_read=lambda: False),
        on_progress=lambda _: None,
    )
    assert {0} == {result.found_count for result in stock.results}
    keep_stock(store, stock)


HOURLY: Final = Span("hourly", NOW_US - 3 * HOUR_US, NOW_US)
DAILY: Final = Span("daily", NOW_US - 26 * HOUR_US, NOW_US - 2 * HOUR_US)


def test_an_hourly_audit_asks_the_same_of_a_young_lake_and_of_an_old_one() -> None:
    counts = []
    for days in (10, 400):
        store = Made(days, 20)
        store.fill()
        audit(store, HOURLY, "near")
        counts.append((store.calls, store.puts))
    # Three days under thirteen prefixes, three inventories, when each was looked at (twice), the older form of the inventory.
    assert [(3 * 13 + 3 + 3, 1)] * 2 == counts


@pytest.mark.slow
def test_three_years_of_a_lake_are_held_a_day_at_a_time() -> None:
    store = Made(DAYS, A_DAY)
    store.fill()
    tracemalloc.start()
    try:
        audit(store, HOURLY, "near")
        hourly = (store.calls, tracemalloc.get_traced_memory()[1])
        store.calls = 0
        tracemalloc.reset_peak()
        audit(store, DAILY, "round")
        daily = (store.calls, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert hourly[0] < 100
    assert daily[0] < 1_500
    assert max(hourly[1], daily[1]) < 30_000_000
    looks = decode_looks(store.read_record(LOOKED_KEY) or b"")
    assert 8 + -(-(DAYS - 8) // PERIOD_DAYS) <= sum(look.looked_us == NOW_US for look in looks.values())
