"""
What can be set, once: each field with its meaning, unit and environment variable, checked when it is made.

Laws: frozen; a wrong value stops the program at start, with a sentence; the command line and TICKLAKE_… variables are
made from these fields, so that neither can say something the other does not. AWS's own variables (endpoint, region,
credentials) are read by boto3 and stand nowhere here.
Refuses to know: what the settings are used for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from producer.errors import SettingsError
from producer.journal import MAX_BYTES, Fsync
from producer.products import is_pattern, parse_shard

_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # CreateDeliveryStream, API reference


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


_JOURNAL: Final = Path("journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The producer's settings. Raises: SettingsError."""

    products: tuple[str, ...] = _option(
        ("BTC-USD", "ETH-USD", "SOL-USD"), "Products, separated by commas; also *-USD, BTC-* or all."
    )
    ws_url: str = _option("wss://ws-feed.exchange.coinbase.com", "The exchange's websocket.")
    rest_url: str = _option("https://api.exchange.coinbase.com", "The exchange's REST root.")
    shard: str = _option("1/1", "Which share of the products is ours, such as 2/4; add producers without moving most.")
    products_per_connection: int = _option(100, "How many products share one websocket.")
    products_per_message: int = _option(50, "How many products one subscribe message names.")
    stream: str = _option("ticklake", "Name (not ARN) of the Firehose delivery stream.")
    journal: Path = _option(Path("journal"), "Folder of the journal; one process at a time.")
    journal_max_bytes: int = _option(
        MAX_BYTES, "How large the journal may grow before new lines are refused, in bytes."
    )
    fsync: Fsync = _option("interval", "When lines are flushed to the disk itself: never, interval (1 s) or always.")
    linger_s: float = _option(
        5.0, "How long a line may wait for its pack to fill, in seconds: more is cheaper and later."
    )
    drain_s: float = _option(25.0, "How long a shutdown may take to deliver what is pending, in seconds.")
    quota_records_per_s: int = _option(
        100_000, "The stream's quota of records (our packs) a second; only metrics are held against it."
    )
    quota_requests_per_s: int = _option(1_000, "The stream's quota of requests a second, likewise.")
    quota_bytes_per_s: int = _option(
        1024 * 1024, "The stream's quota of bytes a second, likewise; the defaults are AWS's in most regions."
    )
    connect_timeout_s: float = _option(10.0, "How long a connection may take to open, in seconds.")
    stall_s: float = _option(15.0, "After how many seconds without any frame the connection counts as dead.")
    fallback_after_s: float = _option(10.0, "After how many seconds without a websocket products are polled over REST.")
    heal_back_h: float = _option(24.0, "How far back missing trades are fetched, in hours before the newest.")
    spot_every_s: float = _option(
        0.0, "How often each product's v2 spot price is asked for, in seconds, such as 300; 0 is never."
    )
    spot_url: str = _option("https://api.coinbase.com", "Where spot prices are asked for: the root of /v2/prices.")
    simulated: bool = _option(False, "Mark every row as simulated; for a feed that is not Coinbase's.")

    def __post_init__(self) -> None:
        checks = (
            ("products", bool(self.products), "name at least one product, such as BTC-USD"),
            (
                "ws_url",
                urlsplit(self.ws_url).scheme in {"ws", "wss"},
                "it has to begin with wss:// (or ws://, on loopback)",
            ),
            ("rest_url", urlsplit(self.rest_url).scheme in {"http", "https"}, "it has to begin with https://"),
            ("stream", bool(_STREAM_NAME.fullmatch(self.stream)), "1 to 64 letters, digits, dots, hyphens; not an ARN"),
            ("fsync", self.fsync in get_args(Fsync), f"choose one of {', '.join(get_args(Fsync))}"),
            (
                "journal_max_bytes",
                self.journal_max_bytes >= 1024 * 1024,
                "at least 1 MiB, or a single frame may not fit",
            ),
            ("linger_s", 0 <= self.linger_s <= 900, "0 to 900 seconds"),  # noqa: PLR2004
            ("drain_s", self.drain_s >= 0, "not negative"),
            ("quota_records_per_s", self.quota_records_per_s > 0, "more than 0"),
            ("quota_requests_per_s", self.quota_requests_per_s > 0, "more than 0"),
            ("quota_bytes_per_s", self.quota_bytes_per_s > 0, "more than 0"),
            ("connect_timeout_s", self.connect_timeout_s > 0, "more than 0"),
            ("products_per_connection", self.products_per_connection > 0, "at least 1"),
            ("products_per_message", self.products_per_message > 0, "at least 1"),
            ("fallback_after_s", self.fallback_after_s > 0, "more than 0"),
            ("heal_back_h", self.heal_back_h >= 0, "not negative"),
            ("stall_s", self.stall_s >= 2, "at least 2: heartbeats come once a second"),  # noqa: PLR2004
            (
                "spot_every_s",
                self.spot_every_s == 0 or 1 <= self.spot_every_s <= 86_400,  # noqa: PLR2004
                "0 (never), or 1 to 86400 seconds",
            ),
            ("spot_url", self._is_spot_safe(), "it has to begin with https:// (or http://, on this machine)"),
            (
                "spot_url",
                self._is_spot_of_the_feed(),
                "simulated and real prices never share a lake: name the root that belongs to the feed",
            ),
        )
        for name, good, why in checks:
            if not good:
                raise SettingsError(name=name, value=getattr(self, name), why=why)
        for product in self.products:
            if not is_pattern(product):
                raise SettingsError(
                    name="products", value=product, why="a product looks like BTC-USD, several like *-USD"
                )
        parse_shard(self.shard)

    def _is_spot_safe(self) -> bool:
        """Whether nobody on the way can change a price."""
        scheme = urlsplit(self.spot_url).scheme
        return scheme == "https" or (scheme == "http" and _is_here(self.spot_url))

    def _is_spot_of_the_feed(self) -> bool:
        """Whether spot prices come from the feed's world: rows of the simulated exchange never lie beside Coinbase's."""
        if not self.spot_every_s:
            return True
        if self.simulated:
            return not _is_coinbase(self.spot_url)
        return not (_is_coinbase(self.ws_url) and _is_here(self.spot_url))


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_coinbase(url: str) -> bool:
    return f".{urlsplit(url).hostname}".rstrip(".").endswith(".coinbase.com")


def environment_name(name: str) -> str:
    """The variable that sets a field: linger_s -> TICKLAKE_LINGER_S."""
    return f"TICKLAKE_{name.upper()}"


def help_texts() -> dict[str, str]:
    """Each field's help text, in order."""
    return {each.name: each.metadata["help"] for each in fields(Settings)}


def split_products(text: str) -> tuple[str, ...]:
    """Product ids out of "BTC-USD, eth-usd": upper case, in order, each once."""
    return tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
