from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from producer.calling import call_in_thread, wait_any


def test_a_calls_result_and_its_error_come_back() -> None:
    async def scenario() -> tuple[int | None, int]:
        result = await call_in_thread(lambda: 3, asyncio.Event())
        with pytest.raises(ZeroDivisionError):
            await call_in_thread(lambda: 1 // 0, asyncio.Event())
        return result, threading.active_count()

    assert 3 == asyncio.run(scenario())[0]


def test_the_loop_goes_on_while_a_call_is_out() -> None:
    async def scenario() -> list[str]:
        order: list[str] = []
        release = threading.Event()

        def call() -> None:
            assert release.wait(10)
            order.append("call")

        calling = asyncio.create_task(call_in_thread(call, asyncio.Event()))
        await asyncio.sleep(0)
        order.append("loop")
        release.set()
        await calling
        return order

    assert ["loop", "call"] == asyncio.run(scenario())


def test_stop_leaves_a_call_to_itself_and_its_late_error_harms_nobody() -> None:
    async def scenario() -> object:
        stop, release, late = asyncio.Event(), threading.Event(), threading.Event()

        def call() -> int:
            release.wait(10)
            late.set()
            raise ZeroDivisionError

        calling = asyncio.create_task(call_in_thread(call, stop))
        await asyncio.sleep(0)
        stop.set()
        answer = await calling
        release.set()
        await asyncio.to_thread(late.wait, 10)
        return answer

    assert asyncio.run(scenario()) is None


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    script = """
import asyncio, threading
from producer.calling import call_in_thread
async def main():
    stop = asyncio.Event()
    calling = asyncio.create_task(call_in_thread(threading.Event().wait, stop))
    await asyncio.sleep(0)
    stop.set()
    print(await calling)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert ("None\n", "") == (done.stdout, done.stderr)


def test_an_answer_after_the_loop_is_gone_is_dropped_in_silence() -> None:
    release, finished = threading.Event(), threading.Event()

    def call() -> int:
        release.wait(10)
        finished.set()
        return 1

    async def scenario() -> None:
        stop = asyncio.Event()
        stop.set()
        assert await call_in_thread(call, stop) is None

    asyncio.run(scenario())
    release.set()
    assert finished.wait(10)


def test_waiting_ends_with_the_first_event_or_the_time() -> None:
    async def scenario() -> bool:
        never, soon = asyncio.Event(), asyncio.Event()
        asyncio.get_running_loop().call_soon(soon.set)
        await wait_any(3600.0, never, soon)
        await wait_any(0.0, never)
        return soon.is_set()

    assert asyncio.run(scenario())
