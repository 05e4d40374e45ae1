"""What stands around lost lines tells which trades may have been in them: every one that was, and not many more."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract import ROOT
from producer.continuity import Continuity
from producer.healing import HealReceipt
from producer.intake import Intake
from producer.intervals import IntervalSet
from producer.ledger import Ledger
from producer.line import LineEncoder
from producer.loss import Known, find_lost_trades
from producer.rest import decode_trades
from producer.segment import encode_header, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
TODAY = json.loads((ROOT / "examples/frames/ticker.today.pass.json").read_bytes())
NOW_US = 1_795_401_000_000_000


def instant(trade_id: int) -> str:
    return f"2026-11-23T02:30:00.{trade_id:06d}Z"


class Session:
    """A session's lines, as the real intake makes them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.trades: list[tuple[str, int]] = []  # by line; an id of 0 in testimony
        self.continuity = Continuity()
        self.encoder = LineEncoder(SESSION)
        self.intake = Intake(
            continuity=self.continuity, ledger=Ledger(), write=self.write, set_aside=lambda *_: None
        )  # fmt: skip
        self.last = {"A-B": 1_000, "C-D": 5_000}

    def write(self, kind: Any, source: Any, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        line = self.encoder.encode(
            n=len(self.lines), kind=kind, source=source, receive_us=receive_us, message=message, product_id=product_id
        )
        self.lines.append(line)
        parsed = json.loads(message)
        self.trades.append((product_id or parsed.get("product_id", ""), parsed.get("trade_id", 0)))
        return True

    def tick(self, product_id: str = "A-B", skip: int = 0) -> None:
        self.last[product_id] += 1 + skip
        trade_id = self.last[product_id]
        frame = {**TODAY, "product_id": product_id, "trade_id": trade_id, "time": instant(trade_id)}
        self.intake.take(json.dumps(frame).encode(), NOW_US)

    def heal(self) -> None:
        """Every open hole is filled, newest trade first."""
        for hole in self.continuity.open_holes():
            ids = [each for first, last in hole.missing for each in range(first, last + 1)]
            body = [
                {"time": instant(each), "trade_id": each, "price": "1", "size": "1", "side": "buy"}
                for each in reversed(ids)
            ]
            for each in self.intake.take_healed(hole.product_id, decode_trades(json.dumps(body).encode()), NOW_US):
                hole.missing.remove(each, each)
            self.intake.close(HealReceipt(hole, "healed", hole.expected, hole.expected, None), NOW_US)

    def known(self) -> dict[str, Known]:
        """As of its end, with a checkpoint there."""
        known = {
            name: Known(last=trade_id, last_then=trade_id, last_then_us=NOW_US)
            for name, (trade_id, _) in self.continuity.newest().items()
        }
        for hole in self.continuity.known_missing():
            known[hole.product_id].miss(hole.missing)
        return known

    def find(self, lost: Iterable[int], *, segment_lines: int = 10**6) -> dict[str, set[int]]:
        """The ids that may be lost, by product, if these lines are."""
        numbers = IntervalSet((n, n) for n in lost)
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for first in range(0, len(self.lines), segment_lines):
                paths.append(Path(folder) / f"{first:020d}.seg")
                left = range(first, min(first + segment_lines, len(self.lines)))
                records = [encode_record(self.lines[n]) for n in left if n not in numbers]
                paths[-1].write_bytes(encode_header(SESSION) + b"".join(records))
            holes = find_lost_trades(paths, numbers, self.known(), began_us=NOW_US)
        assert {"journal_damaged"} >= {hole.reason for hole in holes}
        assert all(list(hole.missing) == [(hole.first, hole.last)] for hole in holes)
        found: dict[str, set[int]] = {}
        for hole in holes:
            found.setdefault(hole.product_id, set()).update(range(hole.first, hole.last + 1))
        return found


def session(*steps: str) -> Session:
    """`a`, `c`: a tick of a product; `a5`: one after five that did not come; `heal`."""
    made = Session()
    for step in steps:
        if step == "heal":
            made.heal()
        else:
            made.tick({"a": "A-B", "c": "C-D"}[step[0]], int(step[1:] or 0))
    return made


def test_a_line_lost_between_two_ticks_is_named_exactly() -> None:
    made = session("a", "c", "a", "c", "a", "a")

    assert {"A-B": {1_003}} == made.find([4])


def test_a_lost_line_without_a_trade_names_none() -> None:
    made = session("a", "a5", "a")  # lines: tick, tick, gap, tick

    assert {} == {name: ids - {1_002, 1_003, 1_004, 1_005, 1_006} for name, ids in made.find([2]).items()}


def test_a_hole_with_its_own_gap_line_is_not_named_again() -> None:
    made = session("a", "a5", "a", "a")

    assert {"A-B": {1_008}} == made.find([3])


def test_at_the_end_the_checkpoint_says_how_far_it_went() -> None:
    assert {"A-B": {1_003, 1_004}} == session("a", "a", "a", "a").find([2, 3])


def test_at_the_beginning_at_most_as_many_as_lines_were_lost() -> None:
    assert {"A-B": {1_001, 1_002}} == session("a", "a", "a", "a").find([0, 1])


def test_a_fetched_trade_lost_between_others_is_named_though_its_hole_was_healed() -> None:
    made = session("a", "a5", "heal", "a")  # tick, tick, gap, 5 trades (1006 .. 1002), receipt, tick
    assert ("A-B", 1_004) == made.trades[5]

    assert {"A-B": {1_004}} == made.find([5])


def test_the_first_and_the_last_of_the_fetched_are_named_too() -> None:
    made = session("a", "a5", "heal", "a")

    assert {"A-B": {1_006}} == made.find([3])
    assert {"A-B": {1_002}} == made.find([7])


def test_where_no_line_of_a_product_is_left_its_newest_trades_are_named() -> None:
    assert {"C-D": {5_001}} == session("a", "a", "c", "a").find([2])


def test_a_product_that_was_silent_long_before_is_not_suspected() -> None:
    made = session("a", "a", "a", "a")
    known = {**made.known(), "C-D": Known(last=9_000, last_then=9_000, last_then_us=NOW_US - 700_000_000)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{0:020d}.seg"
        path.write_bytes(encode_header(SESSION) + b"".join(encode_record(made.lines[n]) for n in (0, 1, 3)))
        holes = find_lost_trades([path], IntervalSet([(2, 2)]), known, began_us=NOW_US)

    assert [("A-B", 1_003, 1_003)] == [(hole.product_id, hole.first, hole.last) for hole in holes]
    (hole,) = holes
    assert (1_002, instant(1_002)) == (hole.before.trade_id, hole.before.event_time)  # type: ignore[union-attr]
    assert (1_004, instant(1_004)) == (hole.after.trade_id, hole.after.event_time)  # type: ignore[union-attr]


STEPS = st.lists(st.sampled_from(["a", "a", "c", "a3", "c40", "heal"]), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, dice=st.randoms(use_true_random=False), size=st.sampled_from([3, 10, 10**6]))
def test_every_trade_of_a_lost_line_is_named_and_few_others(steps: list[str], dice: Any, size: int) -> None:
    made = session("a", "c", *steps)
    first = dice.randrange(len(made.lines))
    lost = set(range(first, min(len(made.lines), first + dice.randint(1, 6))))
    lost |= {dice.randrange(len(made.lines)) for _ in range(dice.randint(0, 2))}
    found = made.find(lost, segment_lines=size)
    gone = {trade for n, trade in enumerate(made.trades) if n in lost and trade[1]}
    left = {trade for n, trade in enumerate(made.trades) if n not in lost}

    named = {(name, trade_id) for name, ids in found.items() for trade_id in ids}
    assert set() == gone - left - named
    # Between two that are left everything is exact; at most as many beside each end of what is left, and of each hole that was filled.
    runs = 4 + 2 * len([step for step in steps if step[1:].isdigit()])
    assert len(named - gone) <= runs * len(lost) + 43 * sum(b'"kind":"gap"' in made.lines[n] for n in lost)
