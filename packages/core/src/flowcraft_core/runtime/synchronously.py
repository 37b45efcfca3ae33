"""Runs for code that is not async: in this thread, or in one beside it where an event loop is running here."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from ..threads import lent

T = TypeVar("T")

# How long a thread that was interrupted while it was being started is given to begin, seconds.
_BEGINS_WITHIN = 10.0
# An interrupt that came just before a wait, or was told to another thread, does not end it, and is seen after it: so a
# wait is many short ones, of so many seconds each.
_LOOKS_EVERY = 0.5


def has_loop() -> bool:
    """Whether an event loop is running in this thread, as in a notebook or in an async step."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_here(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, in this thread; a step's thread counts no more meanwhile."""
    with lent():
        return asyncio.run(coroutine)


def answer_of(other: Future[T]) -> T:
    """What another thread comes to; an interrupt here ends the wait for it, in half a second at most."""
    while wait([other], _LOOKS_EVERY).not_done:
        pass
    return other.result()


def run_beside(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop and a thread of its own, and wait for it; an interrupt here cancels it there."""
    answer: Future[T] = Future()
    began = threading.Event()
    task: asyncio.Task[Any] | None = None

    async def main() -> T:
        nonlocal task
        task = asyncio.current_task()
        began.set()
        return await coroutine

    def live() -> None:
        try:
            answer.set_result(asyncio.run(main()))
        except BaseException as error:
            answer.set_exception(error)
        finally:
            began.set()

    # A daemon: a second interrupt may leave it behind, and is then to end the program.
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(live,), name="flowcraft-run-sync", daemon=True
    )
    try:
        thread.start()  # in which an interrupt may come, too
        return answer_of(answer)
    finally:
        if not answer.done():
            began.wait(_BEGINS_WITHIN)
            if task is not None:
                with contextlib.suppress(RuntimeError):  # it has ended just now, and its loop is closed
                    task.get_loop().call_soon_threadsafe(task.cancel)
        while thread.is_alive():
            thread.join(_LOOKS_EVERY)
