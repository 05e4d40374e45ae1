"""
The live view: a table that redraws on a terminal, one plain line now and then elsewhere.

Laws: reads counters, changes nothing; what the exchange sent reaches the terminal only through rich's Text, so that no byte of it
is taken for a control sequence or markup.
Refuses to know: how the numbers come about.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType
    from rich.live import Live

    from local.firehose.buffers import BufferFill
    from local.firehose.counters import EngineSnapshot
    from producer.pipeline import Producer

_RATE_OVER_S: Final = 10.0


class Rates:
    """Ticks a second per product over the last few seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def update(self, now: float, ticks: dict[str, int]) -> dict[str, float]:
        """The rates as of now. Clock: monotonic seconds."""
        self._seen.append((now, ticks))
        while len(self._seen) > 1 and now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        then, before = self._seen[0]
        over = now - then
        return {name: (count - before.get(name, 0)) / over if over else 0.0 for name, count in ticks.items()}


class PlainView:
    """One line every few seconds on standard output."""

    interval_s = 5.0

    def __init__(self, producer: Producer, engine: Callable[[], EngineSnapshot] | None = None) -> None:
        self._producer = producer
        self._engine = engine
        self._rates = Rates()

    def show(self) -> None:
        """Print where things stand."""
        ledger = self._producer.ledger
        rates = self._rates.update(time.monotonic(), {name: view.ticks for name, view in ledger.products.items()})
        prices = " ".join(
            f"{name} {_safe(view.price)} ({rates[name]:.1f}/s)" for name, view in sorted(ledger.products.items())
        )
        parts = [
            f"feed {_safe(self._producer.sources.state)}",
            prices or "no ticks yet",
            f"journal pending {self._producer.journal.pending:,}",
            f"sent {ledger.packs_delivered:,} packs, {ledger.bytes_delivered:,} bytes",
        ]
        if self._engine is not None:
            engine = self._engine()
            parts.append(
                f"{engine.lines_delivered:,} rows, {engine.lines_in_errors:,} refused, {engine.lines_pending:,} buffered"
            )
        if self._producer.delivery.trouble:
            parts.append(f"TROUBLE: {self._producer.delivery.trouble}")
        click.echo(" | ".join(parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class LiveView:
    """A table that redraws in place; needs the library rich and a terminal."""

    interval_s = 0.25

    def __init__(self, producer: Producer, engine: Callable[[], EngineSnapshot] | None, console: Console) -> None:
        from rich.live import Live  # noqa: PLC0415 - a server without a terminal needs no rich

        self._producer = producer
        self._engine = engine
        self._rates = Rates()
        self._live: Live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self) -> None:
        """Redraw."""
        self._live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415 - as above

        return Group(self._products(), self._road())

    def _products(self) -> RenderableType:
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        ledger = self._producer.ledger
        rates = self._rates.update(time.monotonic(), {name: view.ticks for name, view in ledger.products.items()})
        table = Table(box=None, pad_edge=False)
        for heading in ("product", "last price", "ticks/s", "ticks", "holes"):
            table.add_column(heading, justify="left" if heading == "product" else "right")
        for name, view in sorted(ledger.products.items())[:40]:
            cells = (name, _safe(view.price), f"{rates[name]:.1f}", f"{view.ticks:,}", f"{view.holes:,}")
            table.add_row(*(Text(cell) for cell in cells))
        return table

    def _road(self) -> RenderableType:
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        table = Table(box=None, pad_edge=False, show_header=False)
        for name, text in self._facts():
            table.add_row(Text(name, style="dim"), Text(text))
        return table

    def _facts(self) -> list[tuple[str, str]]:
        producer, ledger = self._producer, self._producer.ledger
        facts = [
            ("feed", _safe(producer.sources.state)),
            ("journal", f"{producer.journal.pending:,} lines pending, {producer.journal.fill:.1%} full"),
            ("sent", f"{ledger.packs_delivered:,} packs, {ledger.bytes_delivered:,} bytes, {ledger.calls:,} calls"),
        ]
        if self._engine is not None:
            facts += _engine_facts(self._engine())
        if producer.delivery.trouble:
            facts.append(("trouble", _safe(producer.delivery.trouble)))
        return facts


def _engine_facts(engine: EngineSnapshot) -> list[tuple[str, str]]:
    facts = [
        (
            "lake",
            f"{engine.lines_delivered:,} rows, {engine.lines_in_errors:,} refused, {engine.objects_delivered:,} objects",
        ),
    ]
    facts += [("buffer", _fill(fill, engine.at_ms)) for fill in engine.buffers[:6]]
    return facts


def _fill(fill: BufferFill, at_ms: int) -> str:
    """One buffer of the engine: how full, and when it is due."""
    share = min(fill.held_bytes / fill.bound_bytes, 1.0) if fill.bound_bytes else 0.0
    bar = "█" * round(share * 20)
    name = f"{fill.buffer} {fill.of}".strip()[-44:]
    due_s = max(0.0, (fill.due_ms - at_ms) / 1000)
    return f"{name:<44} {bar:<20} {fill.held_bytes / 1024:,.0f} KiB, due in {due_s:.0f} s"


def _safe(text: str) -> str:
    """Printable characters only: a price is the exchange's text, and this is a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)[:200]


def choose_view(
    producer: Producer, engine: Callable[[], EngineSnapshot] | None, console: Console | None
) -> PlainView | LiveView:
    """The live view on a terminal, plain lines elsewhere."""
    if console is not None and console.is_terminal:
        return LiveView(producer, engine, console)
    return PlainView(producer, engine)
