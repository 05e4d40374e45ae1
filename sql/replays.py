"""
Which objects under processed/ count: the rules of replays, for a lake in a folder and for one in S3.

A replay (local/lake/replay.py) places new objects beside those it replaces, then puts its record, `replay/<number>.json`: JSON lines, the first
its own, then one for each object, `{"key": …, "counts": true}` if it was placed and false if it was replaced. That one put swaps all of
them; on Athena the view `processed` reads the same lines (infra/replay/processed.sql).
Laws: an object counts or not by what records say, never by how far a replay got; records are numbered without a hole, so that of two
replays at once one gets the number and the other is told; a record is believed whole or not at all.
Refuses to know: rows, files, S3, engines, the clock.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from infra import REPLAY
from sql.glue import read_table
from sql.history import ManifestDamaged
from sql.questions import decode_query, plan_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RECORDS: Final = "replay/"
# Where what was replaced is kept, under the record's number and its own key.
REPLACED: Final = "replaced/"
_RECORD: Final = re.compile(r"replay/(\d{8})\.json")
_PLACED: Final = re.compile(r"(?:.*/)?replay-[0-9a-f]{16}-\d+\.parquet")


@dataclass(frozen=True, slots=True)
class Record:
    """
    One replay that took effect.

    Shapes: `id` stands in the names of the objects it placed; `receipt` says what became of the lines; `placed` and `replaced` are keys.
    """

    number: int
    id: str
    receipt: Mapping[str, Any]
    placed: tuple[str, ...]
    replaced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replays:
    """Every replay that took effect: its objects, and those that it put them in the place of. `next_number` is the next record's."""

    placed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    next_number: int = 1


def gather(records: Iterable[Record]) -> Replays:
    """
    What these records say together.

    Raises: ManifestDamaged where a number is missing: what that replay replaced would count again.
    """
    found = sorted(records, key=lambda record: record.number)
    for expected, record in enumerate(found, start=1):
        if record.number != expected:
            raise ManifestDamaged(key=record_key(expected), why="it is not there, and later ones are")
    return Replays(
        placed=frozenset(key for record in found for key in record.placed),
        replaced=frozenset(key for record in found for key in record.replaced),
        next_number=len(found) + 1,
    )


def counts(key: str, replays: Replays) -> bool:
    """Whether an object of `delivered` counts: Parquet, not replaced by a replay, and not of a replay that never took effect."""
    if not key.endswith(".parquet") or key in replays.replaced:
        return False
    return key in replays.placed or not is_placed(key)


def is_placed(key: str) -> bool:
    """Whether a replay wrote this object, by its name."""
    return _PLACED.fullmatch(key) is not None


def placed_key(folder: str, replay_id: str, position: int) -> str:
    """The key of one of a replay's objects. Shapes: `folder` is a partition's, without a slash at its end."""
    return f"{folder}/replay-{replay_id}-{position}.parquet"


def record_key(number: int) -> str:
    """The key of the record of this number."""
    return f"{RECORDS}{number:08d}.json"


def is_record(key: str) -> bool:
    """Whether a key is a record's."""
    return _RECORD.fullmatch(key) is not None


def kept_key(number: int, key: str) -> str:
    """Where an object that this replay replaced is kept."""
    return f"{REPLACED}{number:08d}/{key}"


def encode_record(record: Record) -> bytes:
    """A record as it is stored."""
    lines: list[dict[str, Any]] = [{"replay": record.id, "receipt": dict(record.receipt)}]
    lines += [{"key": key, "counts": True} for key in record.placed]
    lines += [{"key": key, "counts": False} for key in record.replaced]
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


def decode_record(key: str, stored: bytes) -> Record:
    """
    The record at this key.

    Raises: ManifestDamaged.
    """
    match = _RECORD.fullmatch(key)
    if match is None:
        raise ManifestDamaged(key=key, why="it is not named like a replay's record")
    try:
        own, *lines = map(json.loads, stored.splitlines())
        objects = [(_believe(line["key"]), line["counts"] is True) for line in lines]
        return Record(
            number=int(match[1]),
            id=str(own["replay"]),
            receipt=dict(own["receipt"]),
            placed=tuple(name for name, is_new in objects if is_new),
            replaced=tuple(name for name, is_new in objects if not is_new),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestDamaged(key=key, why=f"{type(error).__name__}: {error}") from error


def _believe(key: object) -> str:
    if isinstance(key, str) and re.match(read_table("delivered").key_pattern, key):
        return key
    raise ValueError(f"{key!r} is no object of processed/")


def plan_holding(sessions: Mapping[str, tuple[int, int]]) -> exp.Query:
    """
    The SELECT of which objects hold rows of these lines: object, session, and of the lines asked for the first and the last.

    Shapes: `sessions` are from a line to a line, both among them. Their bounds are asked for as well, so that of a session of months the objects of these
    hours answer, not all.
    """
    question = decode_query("holding", (REPLAY / "holding.sql").read_text(encoding="utf-8"))
    planned = plan_query(question, {})
    assert isinstance(planned, exp.Select)
    lines = [_are_of(session, *bounds) for session, bounds in sorted(sessions.items())]
    return planned.where(exp.or_(*lines))


def _are_of(session: str, first: int, last: int) -> exp.Expr:
    low, high = (
        max(-(2**63), min(n, 2**63 - 1)) for n in (first, last)
    )  # raw/ holds whatever was sent, a row's n is a bigint
    within = exp.column("n").between(exp.Literal.number(low), exp.Literal.number(high))
    return exp.and_(exp.column("session").eq(exp.Literal.string(session)), within)
