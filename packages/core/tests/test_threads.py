"""Threads for plain steps: bounded, reused, and never in the way of the exit."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial

import pytest
from flowcraft_core import StepEndedError
from flowcraft_core import threads as threads_module
from flowcraft_core.errors import TransientError
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


class _System:
    """Refuses threads for steps as long as it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.refuses, self.refused = True, 0
        start = threading.Thread.start

        def begin(thread: threading.Thread) -> None:
            if self.refuses and thread.name == "flowcraft-step":
                self.refused += 1
                raise RuntimeError("can't start new thread")
            start(thread)

        patch.setattr(threading.Thread, "start", begin)
        patch.setattr(threads_module, "_ASKED_AGAIN", 0.001)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - what is waited for has nothing to set in this loop
        await asyncio.sleep(0.001)


async def test_a_step_waits_for_a_thread_that_the_system_refuses_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    system = _System(monkeypatch)
    threads, called, before = StepThreads(idle_seconds=0.001), list[int](), set(threading.enumerate())
    calls = [asyncio.ensure_future(threads.run(partial(called.append, number))) for number in range(3)]
    await _until(lambda: system.refused > 5)
    assert (called, threads.waiting) == ([], 3)
    system.refuses = False
    await asyncio.wait_for(asyncio.gather(*calls), 30)
    await _until(lambda: set(threading.enumerate()) <= before)
    assert await asyncio.wait_for(threads.run(lambda: "later"), 30) == "later"  # nobody is taken to be idle
    assert sorted(called) == [0, 1, 2]


async def test_a_step_for_which_there_is_no_thread_in_the_end_is_never_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    system = _System(monkeypatch)
    monkeypatch.setattr(threads_module, "_ASKS", 3)
    threads, called = StepThreads(), list[str]()
    with pytest.raises(TransientError, match="can't start new thread"):
        await asyncio.wait_for(threads.run(lambda: called.append("refused")), 30)
    system.refuses = False
    await asyncio.wait_for(threads.run(lambda: called.append("ran")), 30)
    assert (called, threads.waiting) == (["ran"], 0)


async def test_a_step_waits_for_those_at_work_where_there_are_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    system = _System(monkeypatch)
    monkeypatch.setattr(threads_module, "_ASKS", 3)
    threads, begun, release = StepThreads(), threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        release.wait(30)

    system.refuses = False
    first = asyncio.ensure_future(threads.run(hold))
    await _until(begun.is_set)
    system.refuses = True
    second = asyncio.ensure_future(threads.run(lambda: "ran"))
    await _until(lambda: system.refused > 10)
    assert not second.done()
    release.set()
    assert await asyncio.wait_for(second, 30) == "ran"
    await first


async def test_a_step_gets_a_refused_thread_also_after_one_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    system = _System(monkeypatch)
    threads, begun, release = StepThreads(limit=1), threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        release.wait(30)

    system.refuses = False
    stuck = asyncio.ensure_future(threads.run(hold))
    await _until(begun.is_set)
    waiting = asyncio.ensure_future(threads.run(lambda: "ran"))
    await asyncio.sleep(0)
    system.refuses = True
    stuck.cancel()
    await _until(lambda: system.refused > 3)
    system.refuses = False
    assert await asyncio.wait_for(waiting, 30) == "ran"
    release.set()
