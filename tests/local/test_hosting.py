from __future__ import annotations

import asyncio
import threading

import pytest

from local.hosting import HostedLoop


async def where() -> str:
    return threading.current_thread().name


def test_coroutines_run_in_the_loops_own_thread() -> None:
    with HostedLoop("somewhere else") as loop:
        assert "somewhere else" == loop.call(where())
    assert "somewhere else" not in {thread.name for thread in threading.enumerate()}


def test_what_a_coroutine_raises_is_raised_where_it_was_called() -> None:
    async def fail() -> None:
        raise KeyError("inside")

    with HostedLoop("loop") as loop, pytest.raises(KeyError, match="inside"):
        loop.call(fail())


def test_leaving_cancels_what_still_runs() -> None:
    ended = threading.Event()

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with HostedLoop("loop") as loop:
        future = loop.submit(wait_for_ever())
        loop.call(where())

    assert ended.is_set()
    assert future.cancelled()
