"""
Lines to packs, packs to batches.

A pack is a run of whole lines of one session, sent as one Firehose record; a batch is one PutRecordBatch call. A pack closes
when it is as full as it may be, or when its oldest line has waited for the linger time. Firehose bills each record rounded up to
5 KiB, so where there is a choice of where to cut, the cut with the least rounding is taken.

Laws: pure; lines keep their order; a pack never exceeds 500 lines or 1,024,000 bytes, a batch never 500 packs or 4 MiB,
whichever way those 4 MiB are counted. A limit that the cloud enforces is enforced here first.
Refuses to know: the journal, the clock, and what Firehose answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer.segment import Entry

# A 501st line silently switches RecordDeAggregation off (PutRecordBatch, API reference).
MAX_PACK_LINES: Final = 500
# One record, before base64 (API reference, Record.Data; Firehose quota page: 1,000 KiB).
MAX_PACK_BYTES: Final = 1_024_000
# PutRecordBatch, API reference.
MAX_BATCH_PACKS: Final = 500
# 4 MiB a call. Whether raw bytes, base64 or the whole body count is documented nowhere, so the whole body has to fit.
MAX_BATCH_BODY_BYTES: Final = 4 * 1024 * 1024
# The body around the packs: `{"DeliveryStreamName":"…64…","Records":[` once, `{"Data":"…"},` a pack, with margin.
BODY_HEAD_BYTES: Final = 256
PACK_HEAD_BYTES: Final = 16
# Billing rounds each record up to this (Firehose pricing page).
BILLED_STEP_BYTES: Final = 5_120
# How many of a pack's last lines may stay for the next one, for a better fill: the more, the smaller the rounding.
_CHOICES: Final = 16


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line on its way into a pack; `since` is when it was read from the journal (any clock, in seconds)."""

    entry: Entry
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Whole lines first_n..last_n of one session; packs are told apart by identity, not by content."""

    session: str
    first_n: int
    last_n: int
    line_count: int
    content: bytes

    @property
    def base64_bytes(self) -> int:
        """How long the content is as base64."""
        return (len(self.content) + 2) // 3 * 4

    @property
    def billed_bytes(self) -> int:
        """What Firehose bills for it."""
        return -(-len(self.content) // BILLED_STEP_BYTES) * BILLED_STEP_BYTES


@dataclass(frozen=True, slots=True)
class Plan:
    """Packs to send now, lines that can never be sent, and how many of the given lines both took."""

    packs: tuple[Pack, ...]
    oversize: tuple[Entry, ...]
    taken: int


def plan_packs(session: str, waiting: Sequence[Waiting], *, now: float, linger_s: float) -> Plan:
    """
    Close as many packs as fullness or linger demand; a linger of 0 closes everything.

    Shapes: `waiting` is in order of n. Lines not contiguous in n (settled ones in between) never share a pack.
    """
    packs: list[Pack] = []
    oversize: list[Entry] = []
    at = 0
    while at < len(waiting):
        if len(waiting[at].entry.line) >= MAX_PACK_BYTES:
            oversize.append(waiting[at].entry)
            at += 1
            continue
        run = _run_length(waiting, at)
        cut = _choose_cut(waiting, at, run, due_before=now - linger_s, closed=run.closed)
        if not cut:
            break
        packs.append(_pack(session, waiting, at, cut))
        at += cut
    return Plan(tuple(packs), tuple(oversize), at)


@dataclass(frozen=True, slots=True)
class _Run:
    """The longest run that could be one pack, its bytes after each line, and whether nothing can be added to it."""

    sizes: tuple[int, ...]
    closed: bool


def _run_length(waiting: Sequence[Waiting], at: int) -> _Run:
    sizes: list[int] = []
    total = 0
    while at + len(sizes) < len(waiting):
        entry = waiting[at + len(sizes)].entry
        total += len(entry.line) + 1
        apart = sizes and entry.n != waiting[at + len(sizes) - 1].entry.n + 1
        if apart or total > MAX_PACK_BYTES or len(sizes) == MAX_PACK_LINES:
            return _Run(tuple(sizes), closed=True)
        sizes.append(total)
    return _Run(tuple(sizes), closed=len(sizes) == MAX_PACK_LINES)


def _choose_cut(waiting: Sequence[Waiting], at: int, run: _Run, *, due_before: float, closed: bool) -> int:
    """
    How many lines of the run to send now, 0 for none: at least all that are due, and then the best fill.

    A run that is closed for being full may leave its last lines to the next pack; one that another run follows
    (a settled line in between) goes whole.
    """
    count = len(run.sizes)
    due = next((k for k in range(count) if waiting[at + k].since > due_before), count)
    if not due and not closed:
        return 0
    full = closed and (count == MAX_PACK_LINES or run.sizes[-1] > MAX_PACK_BYTES // 2)
    fewest = max(due, count - _CHOICES if full else (count if closed else due), 1)
    return min(range(fewest, count + 1), key=lambda k: (_rounding(run.sizes[k - 1]), -k))


def _rounding(size_bytes: int) -> float:
    """The share of the billed bytes that is rounding."""
    return (-size_bytes % BILLED_STEP_BYTES) / size_bytes


def _pack(session: str, waiting: Sequence[Waiting], at: int, count: int) -> Pack:
    lines = [each.entry.line for each in waiting[at : at + count]]
    return Pack(
        session=session,
        first_n=waiting[at].entry.n,
        last_n=waiting[at + count - 1].entry.n,
        line_count=count,
        content=b"\n".join(lines) + b"\n",
    )


def plan_batch(packs: Sequence[Pack], *, max_body_bytes: int = MAX_BATCH_BODY_BYTES) -> int:
    """How many of the first packs make one PutRecordBatch call; at least one, if there is any."""
    total = BODY_HEAD_BYTES
    for count, pack in enumerate(packs[:MAX_BATCH_PACKS]):
        total += pack.base64_bytes + PACK_HEAD_BYTES
        if total > max_body_bytes and count:
            return count
    return min(len(packs), MAX_BATCH_PACKS)
