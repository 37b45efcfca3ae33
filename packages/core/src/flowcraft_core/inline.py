"""Runs plain ``def`` steps where they are called, in the event loop's own thread: so that a debugger can be used there.

In threads, a debugger's prompt comes from the side, beside everything else that goes on, and ``python -m pdb`` sees
nothing of what happens in them. Here a step has the program's main thread, if the event loop runs in it, and all else
stands still as long as the step does.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .errors import StepEndedError
from .threads import StepThreads

T = TypeVar("T")


class InlineThreads(StepThreads):
    """No threads at all: one step at a time, in the thread of who awaits it."""

    async def run(self, function: Callable[[], T], began: Callable[[], None] | None = None) -> T:
        """Call a function here and now, in a copy of the caller's context variables.

        As in a thread, no event loop is running for it: it may begin one of its own.

        Raises:
            StepEndedError: The function raised what is no ordinary exception; that is its cause.
            Exception: Whatever else the function raised.
        """
        if began is not None:
            began()
        context = contextvars.copy_context()
        try:
            with _no_loop():
                return context.run(function)
        except BaseException as error:
            ended = StepEndedError.of(error)
            if ended is error:
                raise
            raise ended from error


@contextmanager
def _no_loop() -> Iterator[None]:
    """Without the event loop of this thread, by the functions that asyncio has for those who extend it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # steps run in the engine's tasks
    asyncio._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        asyncio._enter_task(loop, task)
