"""
Where a local run's ticks come from, and which lake they belong in.

Laws: Coinbase is taken only if a websocket to it opens; simulated rows and Coinbase's never share a folder; what was chosen is said.
Refuses to know: how a feed is served or read.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import click

from local.exchange.errors import RecordingUnreadable
from local.exchange.market import LastTrade
from local.exchange.recording import open_recording
from local.lake.answers import run_query
from local.lake.folder import claim_lake, open_lake, sibling_for
from producer.feed import why_unreachable
from producer.products import is_product
from sql.questions import query_from_sql

_PROBE_S: Final = 5.0
_SAID: Final = 6  # kinds of frames that are named


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """Where ticks come from, and which kind of lake they belong in."""

    feed: Literal["coinbase", "simulated"] | Path
    content: Literal["coinbase", "simulated"]


def plan_feed(feed: str, ws_url: str) -> FeedPlan:
    """The feed that `--feed` asks for; `auto` tries Coinbase for a few seconds."""
    if feed == "simulated":
        return FeedPlan("simulated", "simulated")
    if feed == "coinbase":
        return FeedPlan("coinbase", "coinbase")
    if feed != "auto":
        return FeedPlan(Path(feed), "simulated")
    tls = ssl.create_default_context() if ws_url.startswith("wss:") else None
    why = asyncio.run(why_unreachable(ws_url, timeout_s=_PROBE_S, tls=tls))
    if why is None:
        return FeedPlan("coinbase", "coinbase")
    click.echo(
        f"{ws_url} cannot be reached from here ({why}). Using the simulated exchange instead: its rows are marked as simulated"
        " and go to a lake of their own. (--feed coinbase insists on Coinbase.)"
    )
    return FeedPlan("simulated", "simulated")


def claim_folder(lake: Path, plan: FeedPlan) -> Path:
    """The folder to use, marked for its kind; another one beside it if this one holds the other kind."""
    wanted = sibling_for(lake, plan.content)
    if wanted != lake:
        click.echo(f"{lake}/ holds rows of the other kind; {plan.content} rows go to {wanted}/.")
    wanted.mkdir(parents=True, exist_ok=True)
    claim_lake(wanted, plan.content, now=datetime.now(UTC))
    return wanted


def read_last_trades(lake: Path) -> dict[str, LastTrade]:
    """
    The last trade of each product that the lake holds: a simulated market goes on from there, since an exchange that began its trade ids anew
    would contradict what it said before.

    Raises: LakeError.
    """
    last = (
        "SELECT product_id, max(trade_id), coalesce(max(sequence), 0), max(event_time_us) FROM processed"
        " WHERE kind IN ('ticker', 'trade') AND trade_id IS NOT NULL GROUP BY product_id"
    )
    with open_lake(lake) as opened:
        rows = run_query(opened, query_from_sql(last), {}).rows
    return {product_id: LastTrade(*numbers) for product_id, *numbers in rows}


def recorded_products(path: Path) -> tuple[str, ...]:
    """
    The products whose recorded tickers can be replayed, in order of appearance; what of the recording is passed over is said.

    Raises: RecordingUnreadable; also where it holds no ticker, since nothing would ever come of it.
    """
    survey = open_recording(path).survey()
    served = tuple(product_id for product_id in survey.tickers if is_product(product_id))
    named = [f"{count:,} of type {kind!r:.40}" for kind, count in sorted(survey.skipped.items())]
    named += [
        f"{n:,} of {each!r:.80}, which is no product's name"
        for each, n in survey.products.items()
        if not is_product(each)
    ]
    named += [
        f"{n:,} matches of {each}"
        for each, count in survey.products.items()
        if is_product(each) and (n := count - survey.tickers.get(each, 0))
    ]
    if not served:
        unnamed = survey.frame_count - sum(survey.products.values())
        found = ", ".join([*named[:_SAID], *([f"{unnamed:,} that name no type and product"] if unnamed else [])])
        raise RecordingUnreadable(
            path,
            f"none of its frames is a ticker of Coinbase Exchange (there are {found or 'none'}; Advanced Trade's format is not read)",
        )
    if named:
        more = f", and {len(named) - _SAID} kinds more" if len(named) > _SAID else ""
        click.echo(f"Of {path} only tickers are replayed. Passed over: {', '.join(named[:_SAID])}{more}.")
    return served


def decode_speed(text: str) -> float | None:
    """
    How many times real time; None for as fast as it is taken.

    Raises: click.UsageError.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.UsageError(f"--speed {text!r} cannot work: say a number above 0, or max.")
    return speed
