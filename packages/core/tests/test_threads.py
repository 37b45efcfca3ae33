"""Threads for plain steps: bounded, reused, and never in the way of the exit."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from flowcraft_core import StepEndedError
from flowcraft_core.threads import StepThreads


async def test_results_and_errors_come_back() -> None:
    threads = StepThreads()
    assert await threads.run(lambda: 3) == 3

    def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        await threads.run(fail)
    for error in (StopIteration(), SystemExit(3), KeyboardInterrupt()):

        def leave(error: BaseException = error) -> None:
            raise error

        with pytest.raises(StepEndedError, match=type(error).__name__) as raised:
            await threads.run(leave)
        assert raised.value.__cause__ is error


async def test_no_more_run_at_once_than_the_limit_and_threads_are_used_again() -> None:
    threads = StepThreads(limit=3)
    together = threading.Barrier(3)

    def meet() -> str:
        together.wait(30)
        return threading.current_thread().name + str(threading.get_ident())

    names = await asyncio.gather(*(threads.run(meet) for _ in range(9)))
    assert len(set(names)) == 3


async def test_a_given_up_step_leaves_its_place_to_others() -> None:
    threads = StepThreads(limit=1)
    release, started = threading.Event(), threading.Event()

    def stuck() -> None:
        started.set()
        release.wait(30)

    stuck_call = asyncio.ensure_future(threads.run(stuck))
    await asyncio.to_thread(started.wait, 30)
    waiting = asyncio.ensure_future(threads.run(lambda: "ran"))
    stuck_call.cancel()
    assert await waiting == "ran"
    assert threads.abandoned == 1
    release.set()
    while threads.abandoned:  # noqa: ASYNC110 - the thread that ends has nothing to set in this loop
        await asyncio.sleep(0)
    assert await threads.run(lambda: 1) == 1


async def test_a_step_that_has_not_begun_can_be_given_up() -> None:
    threads = StepThreads(limit=1)
    release, started, ran = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait(30)

    first = asyncio.ensure_future(threads.run(hold))
    await asyncio.to_thread(started.wait, 30)
    second = asyncio.ensure_future(threads.run(ran.set))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):  # asked for is not yet given up: the loop carries it out
        await second
    release.set()
    await first
    await threads.run(lambda: None)
    assert not ran.is_set()
    assert threads.abandoned == 0


async def test_it_is_said_now_and_then_that_steps_wait_for_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    threads = StepThreads(limit=1)
    release = threading.Event()
    calls = [asyncio.ensure_future(threads.run(lambda: release.wait(30))) for _ in range(4)]
    await asyncio.sleep(0)
    assert threads.waiting >= 3
    assert [record.getMessage() for record in caplog.records] == ["1 plain steps wait for one of max_threads=1 threads"]
    release.set()
    await asyncio.gather(*calls)
    assert threads.waiting == 0


async def test_idle_threads_end() -> None:
    threads = StepThreads(idle_seconds=0.001)
    ident = await threads.run(threading.get_ident)
    while any(thread.ident == ident for thread in threading.enumerate()):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    assert await threads.run(lambda: 1) == 1


def test_a_loop_that_closed_meanwhile_is_no_error() -> None:
    threads = StepThreads()
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(30)
        ended.set()

    async def give_up() -> None:
        running = asyncio.ensure_future(threads.run(slow))
        while not begun.is_set():  # noqa: ASYNC110 - a thread is waited for
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(give_up())
    release.set()
    assert ended.wait(30)
    assert asyncio.run(threads.run(lambda: 2)) == 2
