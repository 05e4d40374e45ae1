from __future__ import annotations

import asyncio
import json
import random
import selectors
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.delivery import WRITE_DOWN_S, Delivery
from producer.errors import (
    AnswerMismatch,
    DeliveryAmbiguous,
    DeliveryFailed,
    DeliveryRefused,
    DeliveryThrottled,
    DeliveryUnreachable,
    JournalFull,
)
from producer.intervals import IntervalSet
from producer.journal import Journal
from producer.ledger import Ledger
from producer.line import LineEncoder, n_of, session_of
from producer.pacing import Pace
from producer.session_log import SessionLog
from producer.settlement import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from producer.packing import Pack
    from producer.segment import Entry

T = TypeVar("T")

SESSIONS = [f"01JDB3M7Q8RSTVWXYZ0123456{number}" for number in range(9)]
SLOW = PutAnswer(None, "ServiceUnavailableException", "Slow down.")
BROKEN = PutAnswer(None, "InternalFailure", "?")
NEVER = PutAnswer(None, "ValidationException", "no")

# Answers to a whole call, by index: what each record is told.
PATTERNS: dict[str, Callable[[int, int], PutAnswer | None]] = {
    "ok": lambda _at, _count: None,
    "first": lambda at, _count: SLOW if at == 0 else None,
    "last": lambda at, count: SLOW if at == count - 1 else None,
    "alternating": lambda at, _count: SLOW if at % 2 else None,
    "all": lambda _at, _count: SLOW,
    "broken": lambda at, _count: BROKEN if at % 3 == 1 else None,
    "first never": lambda at, _count: NEVER if at == 0 else None,
    "last never": lambda at, count: NEVER if at == count - 1 else None,
    "never": lambda _at, _count: NEVER,
    "permanent beside transient": lambda at, _count: (None, NEVER, SLOW)[at % 3],
}
ERRORS: dict[str, Callable[[], Exception]] = {
    "throttled": lambda: DeliveryThrottled(code="ThrottlingException", message="too fast"),
    "refused": lambda: DeliveryRefused(code="AccessDeniedException", message="no", advice="Give it."),
    "unreachable": lambda: DeliveryUnreachable(code="EndpointConnectionError", message="no route"),
    "ambiguous": lambda: DeliveryAmbiguous(code="ReadTimeoutError", message="silence"),
    "stored, then ambiguous": lambda: DeliveryAmbiguous(code="ReadTimeoutError", message="silence"),
    "mismatch": lambda: AnswerMismatch(sent=2, answered=1),
}


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once whenever there is nothing to do but wait."""

    def __init__(self) -> None:
        self._now = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                assert timeout is not None, "everything waits for ever"
                loop._now += timeout
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self._now


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(coroutine)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, in virtual time."""
    while not condition():  # noqa: ASYNC110 - the condition has no event
        await asyncio.sleep(0.05)


class FakeFirehose:
    """Answers as the script says, then accepts everything; remembers who was told what."""

    def __init__(self, script: Iterable[str] = (), *, poison: bytes | None = None) -> None:
        self.script = list(script)
        self.poison = poison
        self.calls: list[list[Pack]] = []
        self.times: list[float] = []
        self.accepted: list[Pack] = []
        self.stored: list[Pack] = []
        self.ambiguous: set[Pack] = set()

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        self.calls.append(list(packs))
        self.times.append(asyncio.get_running_loop().time())
        step = self.script.pop(0) if self.script else "ok"
        if step in ERRORS:
            if "ambiguous" in step or step == "mismatch":
                self.ambiguous |= set(packs)
            if step == "stored, then ambiguous":
                self.stored += packs
            error = ERRORS[step]()
            raise error
        if self.poison is not None and any(self.poison in pack.content for pack in packs):
            raise DeliveryRefused(code="InvalidArgumentException", message="one of them is bad")
        return [self._answer(pack, PATTERNS[step](at, len(packs))) for at, pack in enumerate(packs)]

    def _answer(self, pack: Pack, refusal: PutAnswer | None) -> PutAnswer:
        if refusal is not None:
            return refusal
        self.accepted.append(pack)
        self.stored.append(pack)
        return PutAnswer(f"id {len(self.accepted)}")


class Bench:
    """A journal, a fake Firehose and a delivery between them, in virtual time."""

    def __init__(self, path: Path, firehose: FakeFirehose, *, session: str = SESSIONS[-1], **options: Any) -> None:
        self.journal = Journal(path, session, fsync="never", **options)
        self.firehose = firehose
        self.encoder = LineEncoder(session)
        self.ledger = Ledger()
        self.told: list[tuple[int, int]] = []
        self.refusals: list[tuple[str, list[int], list[bytes]]] = []
        self.out: asyncio.Event | None = None  # while set to an event, calls stay out until it is set
        self.delivery = Delivery(
            self.journal,
            firehose,
            ledger=self.ledger,
            pace=Pace(random.Random(7)),
            linger_s=5.0,
            remember=lambda: {"x": 1},
            tell_losses=self.tell_losses,
            tell_refused=self.tell_refused,
            clock=asyncio.get_running_loop().time,
            call=self.call,
        )
        self.running: asyncio.Task[None] | None = None

    async def call(self, call: Callable[[], list[PutAnswer]], stop: asyncio.Event) -> list[PutAnswer] | None:
        await asyncio.sleep(0.02)
        if self.out is not None:
            _, waiting = await asyncio.wait(
                {asyncio.ensure_future(self.out.wait()), asyncio.ensure_future(stop.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            )
            for each in waiting:
                each.cancel()
            if stop.is_set():
                return None
        return call()

    async def tell_losses(self, damaged: SessionLog, _: asyncio.Event) -> None:
        self.told += damaged.losses.ranges
        damaged.losses = IntervalSet()

    def tell_refused(self, session: str, entries: Sequence[Entry], beside: Iterable[bytes]) -> None:
        written_down = SessionLog(self.journal.path / session).settled  # as a crash here would leave it
        assert not any(entry.n in written_down for entry in entries)
        self.refusals.append((session, [entry.n for entry in entries], list(beside)))

    def append(self, count: int, *, filler: int = 500) -> None:
        for _ in range(count):
            self.append_one(b'{"x":"%b"}' % (b"a" * filler))

    def append_one(self, message: bytes) -> None:
        n = self.journal.next_n
        self.journal.append(self.encoder.encode(n=n, kind="ticker", source="simulated", receive_us=n, message=message))

    async def drained(self, *, within_s: float = 3600.0) -> bool:
        if self.running is None:
            self.running = asyncio.create_task(self.delivery.run())
        return await self.delivery.drain(asyncio.get_running_loop().time() + within_s)

    async def close(self) -> None:
        self.delivery.stop()
        if self.running is not None:
            await self.running
        self.delivery.write_down()
        self.journal.close()

    def accepted_n(self) -> list[int]:
        return [n for pack in self.firehose.accepted for n in range(pack.first_n, pack.last_n + 1)]


def leave_behind(path: Path, session: str, count: int, *, filler: int = 500) -> None:
    """What a dead process left."""
    journal = Journal(path, session, fsync="never")
    encoder = LineEncoder(session)
    for n in range(count):
        message = b'{"x":"%b"}' % (b"o" * filler)
        journal.append(encoder.encode(n=n, kind="ticker", source="simulated", receive_us=n, message=message))
    journal.close()


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_only_what_was_refused_is_sent_again(tmp_path: Path, pattern: str) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose([pattern]))
        bench.append(3000)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    live = bench.journal.live
    assert 6 <= len(bench.firehose.calls[0])
    assert all(1 == times for times in Counter(bench.accepted_n()).values())
    assert (3000, 0) == (live.delivered + sum(live.refused.values()), live.pending)
    if pattern in {"permanent beside transient", "first never", "last never"}:
        refused = [json.loads(each)["n"] for each in (live.path / "refused.ndjson").read_text().splitlines()]
        assert sorted(set(range(3000)) - set(bench.accepted_n())) == refused
        assert {"firehose_ValidationException": len(refused)} == live.refused
    else:
        assert list(range(3000)) == sorted(bench.accepted_n())


@pytest.mark.parametrize("error", sorted(ERRORS))
def test_a_call_that_fails_as_a_whole_is_made_again_after_a_wait(tmp_path: Path, error: str) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose([error] * 5))
        bench.append(100)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    waits = [after - before for before, after in zip(bench.firehose.times, bench.firehose.times[1:], strict=False)]
    assert list(range(100)) == bench.accepted_n()
    assert all(wait >= 0.05 for wait in waits[:5])
    ambiguous = 500 if "ambiguous" in error or error == "mismatch" else 0
    assert ambiguous == bench.ledger.ambiguous_lines
    assert 5 == sum(bench.ledger.calls_failed.values())


def test_trouble_is_said_once_and_is_over_when_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["refused"] * 8))
        bench.append(10)
        running = bench.running = asyncio.create_task(bench.delivery.run())
        await until(lambda: bool(bench.firehose.calls and bench.delivery.trouble))
        assert "Give it." in bench.delivery.trouble
        assert await bench.drained()
        assert not running.done()
        await bench.close()
        return bench

    bench = run(scenario())
    assert "" == bench.delivery.trouble
    said = [record for record in caplog.records if "AccessDenied" in record.getMessage()]
    assert 1 == len(said)


def test_throttled_packs_go_first_and_are_topped_up_with_fresh_ones(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["alternating"]))
        bench.append(3000)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    first, second = bench.firehose.calls[:2]
    refused = first[1::2]
    sent_again = second[: len(refused)]
    assert refused[: len(sent_again)] == sent_again
    assert 3 == len(refused)
    assert second[len(sent_again) :] == [] or second[-1].first_n > first[-1].first_n


def test_throttling_shrinks_calls_and_they_recover(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["all"] * 4))
        bench.append(20_000)
        assert await bench.drained()
        await bench.close()
        return bench

    sizes = [sum(len(pack.content) for pack in call) for call in run(scenario()).firehose.calls]
    assert sizes[0] > 2 * sizes[1] > 2 * sizes[3]
    assert max(sizes[6:]) > 2 * sizes[4]


def test_a_poison_pack_is_found_alone_and_the_others_are_delivered(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(poison=b"POISON"))
        bench.append(1500)
        bench.append_one(b'{"x":"POISON"}')
        bench.append(1500)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    live = bench.journal.live
    (reason,) = live.refused
    refused = [json.loads(each) for each in (live.path / "refused.ndjson").read_text().splitlines()]
    assert "firehose_InvalidArgumentException" == reason
    assert 1500 in [each["n"] for each in refused]
    ((session, told, _),) = bench.refusals
    assert (SESSIONS[-1], [each["n"] for each in refused]) == (session, told)
    assert 500 >= live.refused[reason]  # one pack, not the call
    assert 3001 == live.delivered + live.refused[reason]
    assert bench.firehose.times[-1] < 10.0


def test_a_service_that_refuses_every_content_does_not_empty_the_journal(tmp_path: Path) -> None:
    async def scenario() -> tuple[Bench, int]:
        bench = Bench(tmp_path, FakeFirehose(poison=b'"x"'))
        bench.append(3000)
        assert not await bench.drained(within_s=600.0)
        assert (3000, {}) == (bench.journal.pending, bench.journal.live.refused)
        calls = len(bench.firehose.calls)
        bench.firehose.poison = None
        assert await bench.drained()
        await bench.close()
        return bench, calls

    bench, calls = run(scenario())
    assert calls < 300  # in ten minutes: it waits
    assert list(range(3000)) == sorted(bench.accepted_n())


def test_a_service_that_refuses_every_record_by_its_index_does_not_empty_the_journal(tmp_path: Path) -> None:
    async def scenario() -> tuple[Bench, int]:
        bench = Bench(tmp_path, FakeFirehose(["never"] * 10_000))
        bench.append(1400)
        assert not await bench.drained(within_s=600.0)
        assert (1400, {}) == (bench.journal.pending, bench.journal.live.refused)
        assert "ValidationException" in bench.delivery.trouble
        calls = len(bench.firehose.calls)
        bench.firehose.script = []
        assert await bench.drained()
        await bench.close()
        return bench, calls

    bench, calls = run(scenario())
    assert calls < 300  # in ten minutes: it waits
    assert list(range(1400)) == bench.accepted_n()
    assert [] == bench.refusals


def test_a_pack_refused_alone_is_refused_for_good_once_others_are_accepted(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["never", "first never"]))
        bench.append(3)
        assert not await bench.drained(within_s=0.03)
        bench.append(2)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    ((session, told, beside),) = bench.refusals
    assert (SESSIONS[-1], [0, 1, 2], []) == (session, told, beside)
    assert [3, 4] == bench.accepted_n()
    assert {"firehose_ValidationException": 3} == bench.journal.live.refused


def test_a_refused_pack_is_told_with_the_tickers_before_it(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["ok", "last never"]))
        for trade_id in (1, 2):
            bench.append_one(b'{"product_id":"A-B","trade_id":%d}' % trade_id)
        assert await bench.drained()
        bench.append(500)
        bench.append_one(b'{"product_id":"A-B","trade_id":3}')
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    ((_, told, beside),) = bench.refusals
    assert [502] == told[-1:]
    assert 2 in [json.loads(line)["message"].get("trade_id") for line in beside]


def test_a_line_too_long_for_a_record_is_set_aside_and_the_rest_goes(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose())
        bench.append(3)
        bench.append_one(b'{"x":"%b"}' % (b"a" * 1_030_000))
        bench.append(3)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    assert [0, 1, 2, 4, 5, 6] == bench.accepted_n()
    assert {"line_too_long": 1} == bench.journal.live.refused
    kept = json.loads((bench.journal.live.path / "refused.ndjson").read_text())
    assert 3 == json.loads(kept["text"])["n"]
    assert [(SESSIONS[-1], [3], [])] == bench.refusals


def test_lines_wait_for_linger_and_not_longer(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose())
        bench.running = asyncio.create_task(bench.delivery.run())
        bench.append(5)
        await until(lambda: bool(bench.firehose.calls))
        await bench.close()
        return bench

    assert 5.0 <= run(scenario()).firehose.times[0] <= 5.6


def test_sessions_left_behind_are_drained_and_removed_while_live_lines_go_on(tmp_path: Path) -> None:
    for session in SESSIONS[:3]:
        leave_behind(tmp_path, session, 12_000)

    async def scenario() -> tuple[Bench, list[float]]:
        bench = Bench(tmp_path, FakeFirehose())
        loop = asyncio.get_running_loop()
        bench.running = asyncio.create_task(bench.delivery.run())
        lags = []
        while bench.journal.backlog_pending:
            written_at, before = loop.time(), bench.journal.next_n
            bench.append(20)
            await until(lambda first=before: first in bench.accepted_n()[-2000:])  # type: ignore[misc]  # bound now
            lags.append(loop.time() - written_at)
        assert await bench.drained()
        await bench.close()
        return bench, lags

    bench, lags = run(scenario())
    assert all(lag <= 6.0 for lag in lags)  # linger is 5 s
    assert 36_000 == bench.ledger.backlog_delivered
    by_session = {session: [] for session in SESSIONS[:3]}  # type: dict[str, list[int]]
    for pack in bench.firehose.accepted:
        by_session.setdefault(pack.session, []).append(pack.first_n)
    assert all(firsts == sorted(firsts) for firsts in by_session.values())
    assert not any((tmp_path / session).exists() for session in SESSIONS[:3])


def test_a_busy_session_does_not_starve_what_was_left_behind_even_throttled(tmp_path: Path) -> None:
    leave_behind(tmp_path, SESSIONS[0], 3000)

    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["all"] * 12))
        bench.append(20_000)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    sessions = [pack.session for pack in bench.firehose.accepted]
    assert SESSIONS[0] in sessions[: len(sessions) // 4]
    assert SESSIONS[-1] in sessions[: len(sessions) // 4]


def test_a_session_that_cannot_be_read_blocks_no_other(tmp_path: Path) -> None:
    leave_behind(tmp_path, SESSIONS[0], 50)
    leave_behind(tmp_path, SESSIONS[1], 50)

    class Unreadable:
        """What a disk with a bad sector does."""

        def read(self, _max_bytes: int) -> list[Any]:
            raise OSError(5, "Input/output error")

    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose())
        broken: Any = bench.journal.backlog[0]
        broken.read = Unreadable().read
        bench.append(50)
        assert not await bench.drained(within_s=30.0)
        await bench.close()
        return bench

    bench = run(scenario())
    assert 50 == bench.journal.backlog_pending
    assert {SESSIONS[1]: 50, SESSIONS[-1]: 50} == Counter(
        pack.session for pack in bench.firehose.accepted for _ in range(pack.line_count)
    )


def test_drain_is_back_at_its_deadline_though_a_call_is_out(tmp_path: Path) -> None:
    async def scenario() -> tuple[Bench, float]:
        bench = Bench(tmp_path, FakeFirehose())
        bench.out = asyncio.Event()
        bench.append(10)
        assert not await bench.drained(within_s=25.0)
        took_s = asyncio.get_running_loop().time()
        await bench.close()
        return bench, took_s

    bench, took_s = run(scenario())
    assert 25.0 <= took_s <= 25.1
    assert (10, 10) == (bench.journal.pending, bench.ledger.ambiguous_lines)


def test_a_call_that_is_out_when_delivery_is_cancelled_is_ambiguous(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose())
        bench.out = asyncio.Event()
        bench.append(10)
        assert not await bench.drained(within_s=1.0)
        assert bench.running is not None
        bench.running.cancel()
        await asyncio.gather(bench.running, return_exceptions=True)
        bench.running = None
        await bench.close()
        return bench

    assert 10 == run(scenario()).ledger.ambiguous_lines


def test_drain_does_not_wait_out_a_back_off(tmp_path: Path) -> None:
    async def scenario() -> float:
        bench = Bench(tmp_path, FakeFirehose(["refused"] * 12))
        bench.append(10)
        bench.running = asyncio.create_task(bench.delivery.run())
        loop = asyncio.get_running_loop()
        await until(lambda: not bench.firehose.script)
        asked_at = loop.time()
        assert await bench.drained(within_s=25.0)
        await bench.close()
        return loop.time() - asked_at

    assert run(scenario()) < 1.0


def test_drain_gives_up_when_delivery_itself_has_ended(tmp_path: Path) -> None:
    class Faulty(FakeFirehose):
        def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
            raise ZeroDivisionError(packs)

    async def scenario() -> float:
        bench = Bench(tmp_path, Faulty())
        bench.append(10)
        assert not await bench.drained(within_s=25.0)
        took_s = asyncio.get_running_loop().time()
        assert bench.running is not None
        with pytest.raises(ZeroDivisionError):
            await bench.running
        bench.running = None
        await bench.close()
        return took_s

    assert run(scenario()) < 1.0


def test_an_outage_writes_down_what_to_remember_now_and_then(tmp_path: Path) -> None:
    async def scenario() -> int:
        bench = Bench(tmp_path, FakeFirehose(["unreachable"] * 1000))
        bench.append(10)
        bench.running = asyncio.create_task(bench.delivery.run())
        await asyncio.sleep(3 * WRITE_DOWN_S)
        remembered: int = json.loads((bench.journal.live.path / "checkpoint.json").read_text())["memory_n"]
        await bench.close()
        return remembered

    assert 10 == run(scenario())


def test_no_room_for_a_checkpoint_or_a_refused_line_is_trouble_and_not_the_end(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose(["permanent beside transient"]))
        checkpoint = bench.journal.live.path / "checkpoint.json.new"
        refused = bench.journal.live.path / "refused.ndjson"
        full = _Full(bench)
        full.begin()
        bench.append(3000)
        assert await bench.drained()
        assert {} == bench.journal.live.refused
        assert "no room" in bench.delivery.trouble
        full.end()
        await bench.close()
        assert not checkpoint.exists()
        assert not refused.exists()  # the second time Firehose took them
        return bench

    bench = run(scenario())
    assert list(range(3000)) == sorted(bench.accepted_n())
    assert 3000 == bench.journal.live.delivered


class _Full:
    """A disk without room for checkpoints and notes, while it lasts."""

    def __init__(self, bench: Bench) -> None:
        self.live: Any = bench.journal.live
        self.before = (self.live.checkpoint, self.live.aside.keep)

    def begin(self) -> None:
        self.live.checkpoint = self.live.aside.keep = self.refuse

    def refuse(self, *_: object) -> int:
        raise JournalFull(path=self.live.path, why="no room")

    def end(self) -> None:
        self.live.checkpoint, self.live.aside.keep = self.before


def test_the_oldest_pending_line_is_the_oldest_sessions_first(tmp_path: Path) -> None:
    leave_behind(tmp_path, SESSIONS[0], 10)

    async def scenario() -> list[bytes | None]:
        bench = Bench(tmp_path, FakeFirehose())
        bench.out = asyncio.Event()
        seen = [bench.delivery.oldest_pending()]
        bench.append(10)
        assert not await bench.drained(within_s=1.0)
        seen.append(bench.delivery.oldest_pending())
        bench.out.set()
        assert await bench.drained()
        seen.append(bench.delivery.oldest_pending())
        await bench.close()
        return seen

    before, during, after = run(scenario())
    assert (None, None) == (before, after)
    assert during is not None
    assert (SESSIONS[0], 0) == (session_of(during), n_of(during))


def test_calls_count_against_the_quota(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        bench = Bench(tmp_path, FakeFirehose())
        bench.append(1000)
        assert await bench.drained()
        await bench.close()
        return bench

    bench = run(scenario())
    sent = sum(len(pack.content) for pack in bench.firehose.accepted)
    assert (len(bench.firehose.accepted), len(bench.firehose.calls), sent) == (
        bench.ledger.quota.peak.records,
        bench.ledger.quota.peak.requests,
        bench.ledger.quota.peak.sent_bytes,
    )


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(st.sampled_from([*PATTERNS, *ERRORS]), max_size=25),
    batches=st.lists(st.tuples(st.integers(1, 700), st.sampled_from([10, 500, 3000])), min_size=1, max_size=4),
    behind=st.integers(0, 900),
)
def test_no_sequence_of_answers_breaks_conservation_or_order(
    script: list[str], batches: list[tuple[int, int]], behind: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if behind:
            leave_behind(path, SESSIONS[0], behind)
        bench, written = run(_answered(path, script, batches))
        firehose, live = bench.firehose, bench.journal.live

        assert written == live.written == live.delivered + sum(live.refused.values()) + live.pending
        assert 0 == live.pending + bench.journal.backlog_pending
        first_told = {}  # type: dict[Pack, int]
        accepted = Counter(firehose.accepted)
        for at, call in enumerate(firehose.calls):
            for pack in call:
                first_told.setdefault(pack, at)
        # Nothing that was accepted by index is sent again.
        assert all(1 == times for times in accepted.values())
        # A copy exists only of what was in a call without an answer.
        assert {pack for pack, times in Counter(firehose.stored).items() if times > 1} <= firehose.ambiguous
        # First deliveries keep a session's order, packs never overlap, and every line is in one.
        for session in {pack.session for pack in first_told}:
            firsts = [pack for pack in first_told if pack.session == session]
            assert [n for pack in firsts for n in range(pack.first_n, pack.last_n + 1)] == list(
                range(behind if session == SESSIONS[0] else written)
            )


async def _answered(path: Path, script: list[str], batches: list[tuple[int, int]]) -> tuple[Bench, int]:
    bench = Bench(path, FakeFirehose(script))
    bench.running = asyncio.create_task(bench.delivery.run())
    for count, filler in batches:
        bench.append(count, filler=filler)
        await asyncio.sleep(3.0)
    assert await bench.drained()
    await bench.close()
    return bench, sum(count for count, _ in batches)


def test_every_error_of_the_script_is_one_that_delivery_meets() -> None:
    assert all(isinstance(make(), (DeliveryFailed, AnswerMismatch)) for make in ERRORS.values())


def test_lines_lost_to_damage_are_told_before_their_session_is_forgotten(tmp_path: Path) -> None:
    async def scenario() -> Bench:
        leave_behind(tmp_path, SESSIONS[0], 10)
        (path,) = (tmp_path / SESSIONS[0]).glob("*.seg")
        records = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(records[:4]) + b"?\n" + b"".join(records[6:]))
        bench = Bench(tmp_path, FakeFirehose())
        assert await bench.drained()
        bench.delivery.write_down()
        await bench.close()
        return bench

    bench = run(scenario())
    assert [(3, 4)] == bench.told
    assert [] == bench.journal.backlog
