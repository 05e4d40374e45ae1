"""What goes into a buffer comes out once, in order, within its bound."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from local.firehose.buffers import Buffer, Sealed
from local.firehose.config import BufferHints

_BOUND = 50


def _fill(lengths: list[int]) -> list[Sealed[int]]:
    """Every sealed buffer that entries of these lengths make, the last one included."""
    buffer: Buffer[int] = Buffer(BufferHints(_BOUND, 60))
    sealed = []
    for index, length in enumerate(lengths):
        made = buffer.add(index, entry_bytes=length, arrival_ms=1000 + index, now_ms=1000 + index)
        if made is not None:
            sealed.append(made)
    return [*sealed, buffer.seal()] if len(buffer) else sealed


@given(st.lists(st.integers(0, 2 * _BOUND), max_size=60))
def test_every_entry_comes_out_once_in_order_and_no_buffer_is_over_its_bound(lengths: list[int]) -> None:
    sealed = _fill(lengths)
    assert list(range(len(lengths))) == [entry for made in sealed for entry in made.entries]
    for made in sealed:
        assert sum(lengths[entry] for entry in made.entries) == made.held_bytes
        assert made.held_bytes <= _BOUND or len(made.entries) == 1
        assert 1000 + made.entries[0] == made.oldest_arrival_ms


@given(st.lists(st.integers(1, _BOUND), min_size=2, max_size=60))
def test_a_buffer_is_sealed_only_when_the_next_entry_does_not_fit(lengths: list[int]) -> None:
    sealed = _fill(lengths)
    for made, following in pairwise(sealed):
        assert made.held_bytes + lengths[following.entries[0]] > _BOUND


def test_a_buffer_is_due_after_its_interval_and_at_once_when_full() -> None:
    buffer: Buffer[str] = Buffer(BufferHints(_BOUND, 60))
    assert buffer.due_ms() is None
    buffer.add("a", entry_bytes=1, arrival_ms=5, now_ms=1000)
    assert 61_000 == buffer.due_ms()
    buffer.add("b", entry_bytes=_BOUND - 1, arrival_ms=3, now_ms=2000)
    assert 1000 == buffer.due_ms()
    assert 3 == buffer.oldest_arrival_ms()
    buffer.seal()
    assert buffer.oldest_arrival_ms() is None


def test_a_fill_says_how_full_a_buffer_is() -> None:
    buffer: Buffer[str] = Buffer(BufferHints(_BOUND, 60))
    buffer.add("a", entry_bytes=7, arrival_ms=0, now_ms=0)
    fill = buffer.fill("lake", "ticker")
    assert ("lake", "ticker", 7, _BOUND, 60_000) == (
        fill.buffer,
        fill.of,
        fill.held_bytes,
        fill.bound_bytes,
        fill.due_ms,
    )
