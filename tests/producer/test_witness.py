"""Lost lines become testimony: their numbers, and the trades that may have been in them, which are healed like any others."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import orjson

from contract import load_schema
from contract.validation import validate
from producer.continuity import Continuity, Edge, Hole
from producer.intake import Intake
from producer.intervals import IntervalSet
from producer.journal import Journal
from producer.ledger import Ledger
from producer.refusal import REFUSED
from producer.session_log import SessionLog
from producer.witness import GIVEN_UP, Witness
from tests.audit_lambda.whole import rest_trade, ticker, trade_id
from tests.producer.test_loss import NOW_US, SESSION, Session, session
from tests.producer.test_refusal import SAID_US, entry

if TYPE_CHECKING:
    from pathlib import Path

    from producer.segment import Entry

NEXT = "01JDB3M7Q8RSTVWXYZ01234569"
ABOUT: dict[str, object] = {"feed": "wss://example.com", "products": ["A-B"]}


class Later:
    """The next session: an intake that keeps what it writes, if there is room."""

    def __init__(self, before: Session, *, has_room: bool = True) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.has_room = has_room
        self.intake = Intake(
            continuity=Continuity.from_memory(before.continuity.to_memory()),
            ledger=Ledger(),
            write=self.write,
            set_aside=lambda *_: None,
        )
        self.witness = Witness(self.intake, NEXT)

    def write(self, kind: Any, source: Any, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        assert ("producer", None) == (source, product_id)
        assert receive_us == NOW_US or (kind, receive_us) == ("gap", SAID_US)
        if self.has_room:
            self.lines.append((kind, orjson.loads(message)))
            validate(f"testimony/{kind}", self.lines[-1][1], reason="message_invalid", name="message")
        return self.has_room

    def tell(self, log: SessionLog, *, stopped: bool = False) -> None:
        async def tell() -> None:
            stop = asyncio.Event()
            if stopped:
                stop.set()
            await self.witness.tell(log, stop, about=ABOUT, clock=lambda: NOW_US)

        asyncio.run(tell())


def damaged(tmp_path: Path, made: Session, *lost: int) -> SessionLog:
    """Its journal, with a checkpoint at its end, after the disk has lost lines and all was read."""
    journal = Journal(tmp_path, SESSION)
    for line in made.lines:
        journal.append(line)
    journal.checkpoint({"continuity": made.continuity.to_memory()})
    journal.close()
    (path,) = journal.live.segments()
    records = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(b"?\n" if at - 1 in lost else record for at, record in enumerate(records)))
    log = SessionLog(tmp_path / SESSION)
    log.recover()
    while log.read(10**6):
        pass
    return log


def test_lost_numbers_and_trades_are_named_and_the_trades_are_to_be_healed(tmp_path: Path) -> None:
    made = session("a", "a", "a", "a", "a")
    log = damaged(tmp_path, made, 2, 3)
    later = Later(made)
    later.tell(log)
    (lost, gap) = later.lines

    assert ("session", {"event": "lines_lost", "of_session": SESSION, "lost": [[2, 3]], "why": "journal_damaged", **ABOUT}) == lost  # fmt: skip
    assert ("gap", "journal_damaged", "open", 1_003, 1_004) == (
        gap[0],
        *(gap[1][name] for name in ("reason", "status", "first_missing_trade_id", "last_missing_trade_id")),
    )
    assert [(1_003, 1_004)] == [(hole.first, hole.last) for hole in later.intake.continuity.open_holes()]
    assert not log.losses


def test_what_is_found_piece_by_piece_is_named_once(tmp_path: Path) -> None:
    made = session("a", "a", "a", "a", "a")
    log = damaged(tmp_path, made, 2)
    later = Later(made)
    later.tell(log)
    log.losses.add(2, 2)
    later.tell(log)

    assert ["session", "gap", "session"] == [kind for kind, _ in later.lines]


def test_a_hole_that_inheriting_found_by_itself_is_not_named_again(tmp_path: Path) -> None:
    made = session("a", "a", "a", "a", "a")
    log = damaged(tmp_path, made, 2)
    later = Later(made)
    found = Hole("A-B", 1_003, 1_003, Edge(1_002, None), Edge(1_004, None), "journal_damaged", IntervalSet([(1_003, 1_003)]))  # fmt: skip
    assert later.intake.continuity.adopt(found)
    later.tell(log)

    assert ["session"] == [kind for kind, _ in later.lines]
    assert [found] == later.intake.continuity.open_holes()


def test_without_room_the_testimony_survives_a_restart(tmp_path: Path) -> None:
    made = session("a", "a", "a", "a")
    log = damaged(tmp_path, made, 2)
    full = Later(made, has_room=False)
    full.tell(log)
    remembered = orjson.loads(orjson.dumps(full.intake.unwritten))
    later = Later(made)
    later.intake.inherit_unwritten(remembered)

    assert ([], ["session", "gap"]) == (full.lines, [kind for kind, _ in later.lines])


def test_stopped_in_between_they_are_told_by_the_next_session(tmp_path: Path) -> None:
    made = session("a", "a", "a", "a")
    log = damaged(tmp_path, made, 2)
    later = Later(made)
    os.mkfifo(tmp_path / SESSION / "00000000000000000099.seg")  # a disk that does not answer
    later.tell(log, stopped=True)
    log.checkpoint()

    assert [] == later.lines
    assert [(2, 2)] == SessionLog(tmp_path / SESSION).losses.ranges
    assert log.segments()


def test_many_ranges_go_into_several_lines(tmp_path: Path) -> None:
    made = session(*(["a"] * 10))
    log = damaged(tmp_path, made, 2)
    log.losses = IntervalSet((n, n) for n in range(0, 4_400, 2))
    later = Later(made)
    later.tell(log)
    most = load_schema("testimony/session")["properties"]["lost"]["maxItems"]

    assert [most, most, 200] == [len(message["lost"]) for kind, message in later.lines if kind == "session"]


def refuse(later: Later, *entries: Entry) -> None:
    later.witness.tell_refused(SESSION, entries, [], about=ABOUT, receive_us=NOW_US)


def statuses(later: Later) -> list[tuple[str, int, int]]:
    return [
        (each["status"], each["first_missing_trade_id"], each["last_missing_trade_id"])
        for kind, each in later.lines
        if kind == "gap"
    ]


def test_refused_lines_are_named_by_number_and_trade_and_are_to_be_healed() -> None:
    later = Later(Session())
    refuse(later, entry(7, "ticker", ticker("AAA-USD", 30)), entry(8, "ticker", ticker("AAA-USD", 33)))
    first = trade_id("AAA-USD", 30)
    lost, gap = later.lines

    assert {"event": "lines_lost", "of_session": SESSION, "lost": [[7, 8]], "why": "refused_by_firehose", **ABOUT} == lost[1]  # fmt: skip
    assert ("refused_by_firehose", 2) == (gap[1]["reason"], gap[1]["missing"])
    assert [("open", first, first + 1)] == statuses(later)
    assert [(first, first + 1)] == [(hole.first, hole.last) for hole in later.intake.continuity.open_holes()]


def test_a_trade_that_is_refused_again_is_named_and_not_fetched_a_third_time() -> None:
    later = Later(Session())
    number = trade_id("AAA-USD", 30)
    refuse(later, entry(7, "ticker", ticker("AAA-USD", 30)))
    (hole,) = later.intake.continuity.open_holes()
    hole.missing.remove(number, number)
    later.intake.continuity.close(hole)
    refuse(later, entry(9, "trade", rest_trade("AAA-USD", number).raw, "AAA-USD"))

    assert ["open", "open", "unhealed"] == [status for status, _, _ in statuses(later)]
    assert GIVEN_UP == later.lines[-1][1]["why"]
    assert [] == later.intake.continuity.open_holes()
    assert [number] == [each.first for each in later.intake.continuity.known_missing()]


def test_a_hole_that_refused_lines_had_filled_is_open_again() -> None:
    later = Later(Session())
    number = trade_id("AAA-USD", 30)
    hole = Hole("AAA-USD", number, number + 1, None, None, "stalled", IntervalSet([(number + 1, number + 1)]))
    assert later.intake.continuity.adopt(hole)
    refuse(later, entry(9, "trade", rest_trade("AAA-USD", number).raw, "AAA-USD"))

    assert [(number, number + 1)] == hole.missing.ranges
    assert 2 == hole.expected


def test_refused_testimony_is_said_again_at_its_own_time() -> None:
    later = Later(Session())
    refuse(later, entry(7, "ticker", ticker("AAA-USD", 30)))
    (kind, gap) = later.lines.pop()
    refuse(later, entry(8, "gap", gap), entry(9, "session", later.lines.pop()[1]))

    assert [[7, 9]] == later.lines[0][1]["lost"]
    assert [("session", REFUSED), (kind, REFUSED)] == [(kind, each.get("why", each.get("reason"))) for kind, each in later.lines]  # fmt: skip
    assert gap == later.lines[-1][1]


def test_without_room_what_is_to_be_said_of_refusals_survives_a_restart() -> None:
    full = Later(Session(), has_room=False)
    refuse(full, entry(7, "ticker", ticker("AAA-USD", 30)))
    later = Later(Session())
    later.intake.inherit_unwritten(orjson.loads(orjson.dumps(full.intake.unwritten)))

    assert ["session", "gap"] == [kind for kind, _ in later.lines]
