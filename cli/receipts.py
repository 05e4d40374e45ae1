"""
The receipt: what became of every line, as lines of text whose numbers balance.

Laws: pure text out of counts; it says by how much it does not balance, if it does not.
Refuses to know: who reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.firehose.counters import EngineSnapshot
    from producer.ledger import Receipt


def describe_producer(receipt: Receipt) -> Iterator[str]:
    """The producer's side: frames to packs."""
    ledger = receipt.ledger
    yield f"session {receipt.session}"
    yield f"  frames     {sum(ledger.frames.values()):,} ({_counts(ledger.frames)})"
    refused = sum(receipt.refused.values())
    yield (
        f"  lines      {receipt.written:,} = {receipt.delivered:,} delivered + {receipt.pending:,} pending"
        f" + {refused:,} refused" + (f" ({_counts(receipt.refused)})" if refused else "") + _verdict(receipt.unbalanced)
    )
    yield f"  by kind    {_counts(ledger.lines)}"
    if ledger.lines_not_written:
        yield f"  no room    {ledger.lines_not_written:,} lines were not written: the journal was full; they are gaps"
    useful = ledger.bytes_delivered
    share = f", billed as {ledger.bytes_billed / useful:.3f} times that" if useful else ""
    yield f"  packs      {ledger.packs_delivered:,} in {ledger.calls:,} calls, {useful:,} bytes{share}"
    if ledger.packs_throttled or ledger.calls_failed:
        yield f"  again      {ledger.packs_throttled:,} packs throttled; calls failed: {_counts(ledger.calls_failed) or 'none'}"
    if ledger.ambiguous_lines:
        yield f"  ambiguous  {ledger.ambiguous_lines:,} lines were in calls without an answer: each may be there twice"
    if ledger.backlog_delivered or receipt.backlog_pending:
        yield f"  earlier    {ledger.backlog_delivered:,} lines of earlier sessions delivered, {receipt.backlog_pending:,} pending"
    if ledger.reconnects:
        yield f"  reconnects {_counts(ledger.reconnects)}"
    if ledger.spot_prices or ledger.spot_failed or ledger.spot_missed:
        failed = f"; requests without one: {_counts(ledger.spot_failed)}" if ledger.spot_failed else ""
        yield f"  spots      {ledger.spot_prices:,} spot prices, {ledger.spot_missed:,} due and missed{failed}"
    views = ledger.products.values()
    holes, healed, missing = (sum(getattr(view, name) for view in views) for name in ("holes", "healed", "missing"))
    yield f"  holes      {holes:,} in trade ids, each named in a gap row; {healed:,} trades healed, {missing:,} still missing"


def describe_engine(snapshot: EngineSnapshot, refused: Mapping[str, int]) -> Iterator[str]:
    """The delivery engine's side: packs to rows."""
    yield f"stream {snapshot.stream}"
    yield f"  packs      {snapshot.records_accepted:,} accepted, {snapshot.bytes_accepted:,} bytes"
    off = snapshot.lines_accepted - (
        snapshot.lines_delivered
        + snapshot.lines_in_errors
        + snapshot.lines_dropped
        + snapshot.lines_lost
        + snapshot.lines_pending
    )
    rest = "".join(
        f" + {count:,} {name}"
        for name, count in (
            ("dropped", snapshot.lines_dropped),
            ("lost", snapshot.lines_lost),
            ("pending", snapshot.lines_pending),
        )
        if count
    )
    yield (
        f"  accepted   {snapshot.lines_accepted:,} lines = {snapshot.lines_delivered:,} rows"
        f" + {snapshot.lines_in_errors:,} errors{rest}{_verdict(off)}"
    )
    if snapshot.lines_in_errors:
        yield f"  errors     {_counts(snapshot.errors_by_code)}; refused by reason: {_counts(refused) or 'none'}"
    yield (
        f"  objects    {snapshot.objects_delivered:,} processed, {snapshot.backup_objects:,} raw,"
        f" {snapshot.error_objects:,} errors"
    )
    if not is_stored(snapshot):
        yield (
            f"  NOT STORED {snapshot.lines_pending + snapshot.lines_lost:,} lines as rows or errors, and"
            f" {snapshot.backup_records_pending + snapshot.backup_records_lost:,} packs of raw/: the lake did not take them, and this stream held"
            " them in memory only. Make room there; `ticklake backfill` fetches its trades"
        )


def is_stored(snapshot: EngineSnapshot) -> bool:
    """Whether everything that was accepted is in the lake; asked when the stream has ended."""
    lines = snapshot.lines_pending + snapshot.lines_lost
    return not (lines or snapshot.backup_records_pending or snapshot.backup_records_lost)


def _verdict(off_by: int) -> str:
    return "   balanced" if off_by == 0 else f"   NOT BALANCED: off by {off_by:,}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda each: -each[1]) if count)
