"""
What a lake's data costs on AWS, from the lake's own figures and the price list in infra/prices.yaml.

Firehose's bill follows the sizes of packs, and no object of the lake says where a pack ended. So packs are made again from the lines in raw/:
a session's lines in order, cut where the producer would have to cut. A producer that waited less has smaller packs, and a bigger bill.
Laws: amounts are exact decimals of stated prices; what is estimated says so; nothing is rounded before it is shown.
Refuses to know: terminals, AWS's APIs.
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import orjson

from local.lake.folder import LakeMissing
from local.lake.objects import find_objects, starts_as_gzip
from sql.glue import read_table, read_template
from sql.prices import GB, QUERY_MINIMUM_BYTES, TB, Item, load_prices, price_item
from sql.questions import decode_instant_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BILLED_STEP_BYTES: Final = 5_120  # Firehose rounds each record up to this (Firehose pricing)
MONTH_S: Final = 730 * 3600
_TABLES: Final = ("processed", "raw", "errors", "history", "compacted")


@dataclass(frozen=True, slots=True)
class Packing:
    """How the producer makes packs: how full one may be, and how long its first line waits."""

    max_lines: int
    max_bytes: int
    linger_us: int


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What went into Firehose, as raw/ has it.

    Units: `useful_bytes` of lines with their newlines; `billed_bytes` in the estimated packs, `billed_singly_bytes` one record a line.
    """

    lines: int
    useful_bytes: int
    packs: int
    billed_bytes: int
    billed_singly_bytes: int
    minutes: int  # in which anything was received
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Objects and bytes, by table."""

    objects: dict[str, int]
    sizes_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Bill:
    """What this lake's data cost to take in (`once`), what keeping it costs a month, and what one full scan costs."""

    once: tuple[Item, ...]
    monthly: tuple[Item, ...]
    scan: Item
    singly: tuple[Item, ...]

    @property
    def total(self) -> Decimal:
        """Taking it in."""
        return sum((item.cost for item in self.once), Decimal(0))

    @property
    def total_singly(self) -> Decimal:
        """Taking it in, had each line been a record of its own."""
        return sum((item.cost for item in self.singly), Decimal(0))


def measure_sent(root: Path, packing: Packing) -> Sent:
    """
    What raw/ says was sent.

    Raises: LakeMissing.
    """
    if not root.is_dir():
        raise LakeMissing(path=root)
    table = read_table("raw")
    objects = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
    return count_sent((line for path in objects for line in _read_lines(path)), packing)


def _read_lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") if starts_as_gzip(path) else path.open("rb") as opened:
        yield from opened


@dataclass(slots=True)
class _Pack:
    lines: int
    size_bytes: int
    first_us: int


def count_sent(lines: Iterable[bytes], packing: Packing) -> Sent:
    """The figures of lines, each with its newline, in the order of raw/; a line that is none of ours is a pack of its own."""
    counts: Counter[str] = Counter()
    minutes: set[int] = set()
    open_packs: dict[str, _Pack] = {}
    first_us, last_us = 2**63, 0

    def close(pack: _Pack) -> None:
        counts["packs"] += 1
        counts["billed"] += billed_bytes(pack.size_bytes)

    for line in lines:
        session, received_us = _read_head(line, last_us)
        counts["lines"] += 1
        counts["useful"] += len(line)
        counts["singly"] += billed_bytes(len(line))
        minutes.add(received_us // 60_000_000)
        first_us, last_us = min(first_us, received_us), max(last_us, received_us)
        pack = open_packs.get(session)
        if pack is not None and (
            pack.lines == packing.max_lines
            or pack.size_bytes + len(line) > packing.max_bytes
            or received_us - pack.first_us >= packing.linger_us
        ):
            close(pack)
            pack = None
        if pack is None:
            pack = open_packs[session] = _Pack(0, 0, received_us)
        pack.lines += 1
        pack.size_bytes += len(line)
    for pack in open_packs.values():
        close(pack)
    return Sent(
        lines=counts["lines"],
        useful_bytes=counts["useful"],
        packs=counts["packs"],
        billed_bytes=counts["billed"],
        billed_singly_bytes=counts["singly"],
        minutes=len(minutes),
        first_us=first_us if counts["lines"] else 0,
        last_us=last_us,
    )


def billed_bytes(size_bytes: int) -> int:
    """What Firehose bills for a record of this size."""
    return -(-size_bytes // BILLED_STEP_BYTES) * BILLED_STEP_BYTES


def _read_head(line: bytes, last_us: int) -> tuple[str, int]:
    try:
        envelope = orjson.loads(line)
        session, received = str(envelope["session"]), decode_instant_us(str(envelope["receive_time"]))
    except (ValueError, KeyError, TypeError):
        return "", last_us
    return session, last_us if received is None else received


def measure_stored(root: Path) -> Stored:
    """Objects and their bytes on this disk, by table; S3 would hold the same."""
    objects: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for name in _TABLES:
        table = read_table("delivered" if name == "processed" else name)
        found = find_objects(root, prefix=table.prefix, pattern=table.key_pattern)
        objects[name], sizes[name] = len(found), sum(path.stat().st_size for path in found)
    return Stored(objects=objects, sizes_bytes=sizes)


def plan_bill(sent: Sent, stored: Stored) -> Bill:
    """The bill of a lake. Lambda's calls are as the template's buffer makes them: full, or as old as they may get."""
    put_count = sum(stored.objects.values())
    kept_bytes = sum(stored.sizes_bytes.values())
    # A question about all trades reads history and the rows; never all columns, so this is the most it can be.
    scan_bytes = stored.sizes_bytes["history"] or stored.sizes_bytes["processed"]
    kms_requests = put_count * _assumed("kms_requests_per_object")
    storing = (
        price_item("S3 PUT requests", put_count, "objects", "s3_put"),
        price_item("KMS requests", kms_requests, "requests", "kms_request"),
    )
    return Bill(
        once=(*_taking_in(sent.billed_bytes, sent, stored), *storing),
        singly=(*_taking_in(sent.billed_singly_bytes, sent, stored), *storing),
        monthly=(
            price_item("S3 storage", Decimal(kept_bytes) / GB, "GB-months", "s3_gb_month"),
            price_item("KMS key", 1, "keys", "kms_key_month"),
        ),
        scan=price_item(
            "Athena, all trades once", Decimal(max(scan_bytes, QUERY_MINIMUM_BYTES)) / TB, "TB", "athena_tb"
        ),
    )


def _taking_in(ingested_bytes: int, sent: Sent, stored: Stored) -> tuple[Item, ...]:
    ingested = Decimal(ingested_bytes) / GB
    calls = max(-(-sent.useful_bytes // _transform_buffer_bytes()), sent.minutes)
    seconds = sent.lines * _assumed("transform_us_per_line") / 1_000_000
    return (
        price_item("Firehose ingest", ingested, "GB", "firehose_ingest_gb"),
        price_item("Firehose conversion", ingested, "GB", "firehose_conversion_gb"),
        price_item("Firehose partitioning", ingested, "GB", "firehose_partitioning_gb"),
        price_item("Firehose partitioning", stored.objects["processed"], "objects", "firehose_partitioning_object"),
        price_item("Lambda requests", calls, "calls", "lambda_request"),
        price_item("Lambda time", seconds * _transform_memory_mb() / 1024, "GB-seconds", "lambda_gb_second"),
    )


def _assumed(name: str) -> Decimal:
    return Decimal(load_prices()["assumptions"][name]["value"])


def _transform_buffer_bytes() -> int:
    stream = read_template()["Resources"]["Stream"]["Properties"]["ExtendedS3DestinationConfiguration"]
    for processor in stream["ProcessingConfiguration"]["Processors"]:
        for parameter in processor["Parameters"]:
            if parameter["ParameterName"] == "BufferSizeInMBs":
                return int(float(parameter["ParameterValue"]) * 2**20)
    raise LookupError("the template's transform has no BufferSizeInMBs")


def _transform_memory_mb() -> int:
    return int(read_template()["Resources"]["Transform"]["Properties"]["MemorySize"])
