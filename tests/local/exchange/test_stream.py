from collections.abc import Iterator
from dataclasses import dataclass

from local.exchange.stream import Stream
from local.exchange.tick import Tick


@dataclass
class FakeSource:
    due: list[int]
    endless: bool = False
    product_ids: tuple[str, ...] = ()

    def ticks(self) -> Iterator[Tick]:
        for at in self.due:
            yield Tick(at, "ticker", None, str(at).encode())


def take_all(stream: Stream, now_us: int) -> list[int]:
    return [tick.due_us for tick in iter(lambda: stream.take(now_us), None)]


def test_a_recording_runs_from_its_start_at_its_own_pace() -> None:
    stream = Stream(FakeSource([1000, 1500, 3000]), speed=1.0, opened_us=0)
    assert not stream.has_started
    stream.start(50_000)
    assert [1000] == take_all(stream, 50_000)
    assert 50_500 == stream.next_due_us()
    assert [1500] == take_all(stream, 51_999)
    assert 2999 == stream.market_us(51_999)
    assert not stream.is_over
    assert [3000] == take_all(stream, 52_000)
    assert 0 == stream.next_due_us()
    assert stream.is_over


def test_twice_the_speed_is_half_the_wait() -> None:
    stream = Stream(FakeSource([1000, 3000]), speed=2.0, opened_us=0)
    stream.start(0)
    stream.take(0)
    assert 1000 == stream.next_due_us()


def test_at_full_speed_everything_is_due_and_the_clock_is_the_recordings() -> None:
    stream = Stream(FakeSource([1000, 3000]), speed=None, opened_us=0)
    stream.start(5)
    assert [1000, 3000] == take_all(stream, 5)
    assert 3000 == stream.market_us(5)


def test_a_step_back_is_due_at_once_and_keeps_its_place() -> None:
    stream = Stream(FakeSource([1000, 2000, 1900, 2100]), speed=1.0, opened_us=0)
    stream.start(0)
    assert [1000, 2000, 1900] == take_all(stream, 1000)


def test_a_market_runs_from_its_opening_on_the_real_clock() -> None:
    stream = Stream(FakeSource([90, 110], endless=True), speed=1.0, opened_us=100)
    assert stream.has_started
    assert [90] == take_all(stream, 100)
    assert 110 == stream.next_due_us()
    assert 105 == stream.market_us(105)


def test_an_empty_recording_is_over_at_once() -> None:
    stream = Stream(FakeSource([]), speed=1.0, opened_us=0)
    stream.start(0)
    assert [] == take_all(stream, 0)
    assert stream.is_over
