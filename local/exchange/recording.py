"""
A recording, read lazily in order: frames as they were sent, from a .jsonl(.gz) file or from a lake's raw/ folder.

Laws: a frame leaves exactly as it stands in the file, also one that is no JSON or no UTF-8; memory does not grow with
the recording; what is not of a served channel is skipped and counted. A line of our own contract (a lake's raw/ holds
those) is opened by cutting its message out, byte for byte.
Refuses to know: subscribers, speed, the clock.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, Literal, cast

import orjson

from local.exchange.errors import RecordingUnreadable
from local.exchange.text import decode_time
from local.exchange.tick import Channel, Side, Tick, Trade

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

GZIP_MAGIC: Final = b"\x1f\x8b"
# A contract line opens so, and its message is its last key: the frame lies between this mark and the closing brace.
LINE_OPENS: Final = b'{"v":1,"session":"'
MESSAGE_OPENS: Final = b',"message":'
FRAME_SOURCES: Final = frozenset({"exchange_ws", "simulated"})  # the lines whose message is a websocket frame
# What REST's pages, candles and the trades of holes can be computed from; any other text is sent as it is, and remembered by nobody.
_PLAIN_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,18})?", re.ASCII)
CHANNELS: Final[dict[str, Channel]] = {"ticker": "ticker", "match": "matches", "last_match": "matches"}


@dataclass(frozen=True, slots=True)
class Survey:
    """What a whole recording holds, from one pass over it; `tickers` counts those among the frames that name a product."""

    products: dict[str, int]
    frame_count: int
    skipped: dict[str, int]
    tickers: dict[str, int]


@dataclass(slots=True)
class Recording:
    """
    A recording that was found to exist and to hold at least one line.

    Shapes: `products` None means all; frames that name no product always pass. `skipped` counts what this reading
    passed over so far, by type.
    """

    path: Path
    products: frozenset[str] | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    surveyed: Survey | None = None

    @property
    def endless(self) -> Literal[False]:
        """A recording ends."""
        return False

    @property
    def product_ids(self) -> tuple[str, ...]:
        """Every product with a frame in the recording, in order of appearance; reads all of it the first time."""
        return tuple(self.survey().products)

    def survey(self) -> Survey:
        """
        What the recording holds; reads all of it the first time.

        Raises: RecordingUnreadable if it breaks off anywhere.
        """
        if self.surveyed is None:
            products: Counter[str] = Counter()
            tickers: Counter[str] = Counter()
            reading = Recording(self.path, self.products)
            frame_count = 0
            for tick in reading.ticks():
                frame_count += 1
                if tick.product_id is not None:
                    products[tick.product_id] += 1
                    tickers[tick.product_id] += tick.channel == "ticker"
            self.surveyed = Survey(dict(products), frame_count, dict(reading.skipped), dict(+tickers))
        return self.surveyed

    def ticks(self) -> Iterator[Tick]:
        """
        Every frame, verbatim, in the recording's order.

        Raises: RecordingUnreadable where the recording breaks off.
        """
        due_us = 0
        for line in read_lines(self.path):
            frame = cut_message(line, self.skipped)
            if frame is None:
                continue
            tick = decode_tick(frame, due_us)
            if isinstance(tick, str):
                self.skipped[tick] += 1
            elif self.products is None or tick.product_id is None or tick.product_id in self.products:
                due_us = tick.due_us
                yield tick


def open_recording(path: Path, products: Collection[str] | None = None) -> Recording:
    """
    A recording ready to be replayed, only `products` if they are given.

    Raises: RecordingUnreadable if it is missing, empty or not readable.
    """
    if next(read_lines(path), None) is None:
        raise RecordingUnreadable(path, "it holds no line")
    return Recording(path, frozenset(products) if products is not None else None)


def read_lines(path: Path) -> Iterator[bytes]:
    """
    The lines of a file, or of every object below a folder in the order of their names, without their newlines.

    Shapes: empty lines are no frames and are passed over.
    Raises: RecordingUnreadable.
    """
    for part in list_parts(path):
        count = 0
        try:
            with open_part(part) as lines:
                for count, line in enumerate(lines, 1):  # noqa: B007  # the count is said when reading fails
                    if text := line.removesuffix(b"\n"):
                        yield text
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingUnreadable(part, f"it cannot be read ({error})", after_lines=count) from error


def list_parts(path: Path) -> list[Path]:
    """
    The files of a recording. In a lake's folder the names carry the hour and the moment of delivery, so they sort.

    Raises: RecordingUnreadable if there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RecordingUnreadable(path, "there is no such file or folder")
    below = path / "raw" if (path / "raw").is_dir() else path
    parts = sorted(part for part in below.rglob("*") if part.is_file() and not part.name.startswith("."))
    if not parts:
        raise RecordingUnreadable(path, "the folder holds no file")
    return parts


def open_part(part: Path) -> IO[bytes]:
    """One file opened for reading its lines, unpacked if it is gzip by its first bytes (its name may not say so)."""
    plain = part.open("rb")
    packed = plain.read(2) == GZIP_MAGIC
    plain.seek(0)
    if not packed:
        return plain
    plain.close()
    return cast("IO[bytes]", gzip.open(part, "rb"))


def cut_message(line: bytes, skipped: Counter[str]) -> bytes | None:
    """
    The frame a line holds: the line itself, or the message of a contract line; None if that is no websocket frame.

    Shapes: testimony, REST bodies and unreadable frames are counted under their kind and source.
    """
    if not line.startswith(LINE_OPENS):
        return line
    at = line.find(MESSAGE_OPENS)
    if at < 0 or not line.endswith(b"}"):
        return line
    try:
        envelope: dict[str, Any] = orjson.loads(line[:at] + b"}")
    except orjson.JSONDecodeError:
        return line
    if envelope.get("source") not in FRAME_SOURCES or "product_id" in envelope:
        skipped[f"{envelope.get('kind')} of {envelope.get('source')}"] += 1
        return None
    return line[at + len(MESSAGE_OPENS) : -1]


def decode_tick(frame: bytes, before_us: int) -> Tick | str:
    """
    A recorded frame as a tick; its type, as text, where that is of no channel we serve.

    Shapes: a frame that is no JSON object with a type goes to every ticker subscriber, as it came.
    Clock: due by the frame's own time; by the time before it where it tells none that is sane.
    """
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return Tick(before_us, "ticker", None, frame)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return Tick(before_us, "ticker", None, frame)
    channel = CHANNELS.get(message["type"])
    if channel is None:
        return str(message["type"])
    product_id = message.get("product_id")
    due_us = decode_time(message.get("time"))
    return Tick(
        due_us=before_us if due_us is None else due_us,
        channel=channel,
        product_id=product_id if isinstance(product_id, str) else None,
        frame=frame,
        sequence=_count(message.get("sequence")),
        trade_id=_count(message.get("trade_id")),
        trade=_decode_trade(message, channel) if due_us is not None else None,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _decode_trade(message: dict[str, Any], channel: Channel) -> Trade | None:
    """The trade a frame tells, if it tells all of it; a match names the maker's side, a ticker the taker's."""
    trade_id, price, side = _count(message.get("trade_id")), message.get("price"), message.get("side")
    size = message.get("last_size" if channel == "ticker" else "size")
    if not trade_id or side not in ("buy", "sell") or not all(map(_is_plain_decimal, (price, size))):
        return None
    assert isinstance(price, str)
    assert isinstance(size, str)
    taker: Side = side if channel == "ticker" else ("sell" if side == "buy" else "buy")
    return Trade(trade_id, price, size, message["time"], taker)


def _is_plain_decimal(text: object) -> bool:
    return isinstance(text, str) and _PLAIN_DECIMAL.fullmatch(text) is not None
