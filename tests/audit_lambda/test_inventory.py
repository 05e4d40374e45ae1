"""Inventories: as they were kept, whole or refused in a sentence, and small."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from audit_lambda.inventory import (
    FOLDER,
    LOOKED_KEY,
    UNDIVIDED_KEY,
    InventoryDamaged,
    Look,
    Seen,
    decode_inventory,
    decode_looks,
    divide_inventory,
    encode_inventory,
    encode_looks,
    inventory_key,
)
from tests.audit_lambda.stored import DAY, OLD, OLD_DAY, RAW, ROWS

SEEN = Seen(size_bytes=1, tag='a"b', sha256="")
KEY = inventory_key(DAY)


def test_an_inventory_comes_back_as_it_was_kept() -> None:
    inventory = {"raw/x": SEEN, "raw/ä\n": Seen(size_bytes=2, tag="", sha256="00")}
    assert inventory == decode_inventory(KEY, encode_inventory(inventory))
    assert encode_inventory(inventory) == encode_inventory(dict(reversed(inventory.items())))
    assert {} == decode_inventory(KEY, encode_inventory({}))


def test_a_days_inventory_lies_where_the_table_reads_and_when_it_was_looked_at_does_not() -> None:
    assert "reports/coinbase/inventory/2026-11-23.jsonl.gz" == KEY
    assert UNDIVIDED_KEY.startswith(FOLDER)
    assert "reports/coinbase/looked.json" == LOOKED_KEY


def test_an_inventory_is_kept_and_read_line_by_line() -> None:
    digest = "0" * 64
    inventory = {f"raw/coinbase/{n:040}": Seen(size_bytes=n, tag=digest[:32], sha256=digest) for n in range(5_000)}
    text_bytes = 5_000 * 200
    tracemalloc.start()
    try:
        stored = encode_inventory(inventory)
        assert tracemalloc.get_traced_memory()[1] < text_bytes
    finally:
        tracemalloc.stop()
    assert inventory == decode_inventory(KEY, stored)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"x",
        gzip.compress(b"x\n", mtime=0),
        gzip.compress(b"{}\n", mtime=0),
        gzip.compress(b"[]\n", mtime=0),
        gzip.compress(b'{"key": 5, "size_bytes": 1, "tag": "", "sha256": ""}\n', mtime=0),
        gzip.compress(b'{"key": "raw/x", "size_bytes": "1", "tag": "", "sha256": ""}\n', mtime=0),
        gzip.compress(b'{"key": "raw/x", "size_bytes": true, "tag": "", "sha256": ""}\n', mtime=0),
        gzip.compress(b"{}\n", mtime=0)[:-5],
    ],
)
def test_an_inventory_that_cannot_be_read_is_a_sentence(stored: bytes) -> None:
    with pytest.raises(InventoryDamaged, match=r"inventory/2026-11-23\.jsonl\.gz cannot be read .* Restore it"):
        decode_inventory(KEY, stored)


def test_when_days_were_looked_at_comes_back_as_it_was_kept() -> None:
    looks = {"2026/11/23": Look(3, 1_370, 0), "2024/02/29": Look(1, 0, 2)}
    assert looks == decode_looks(encode_looks(looks))
    assert encode_looks(looks) == encode_looks(dict(reversed(looks.items())))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 2, "days": {}}',
        b'{"format": 1, "days": []}',
        b'{"format": 1, "days": {"2026/11/23": {}}}',
        b'{"format": 1, "days": {"2026/11/23": {"looked_us": "1", "object_count": 1, "found_count": 0}}}',
    ],
)
def test_a_list_of_looks_that_cannot_be_read_is_a_sentence(stored: bytes) -> None:
    with pytest.raises(InventoryDamaged, match=r"looked\.json cannot be read"):
        decode_looks(stored)


def test_an_undivided_inventory_is_divided_by_days() -> None:
    whole = {RAW: SEEN, ROWS: SEEN, OLD: SEEN, "raw/coinbase/2026/13/40/99/x.gz": SEEN}
    assert {DAY: {RAW: SEEN, ROWS: SEEN}, OLD_DAY: {OLD: SEEN}} == divide_inventory(whole)
