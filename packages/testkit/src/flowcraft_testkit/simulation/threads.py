"""Plain ``def`` steps in threads that never run beside the loop: one hands over to the other, and waits.

A step's thread has to be a real one, since it may block on the loop (a look at the context does). But here the loop
stands still while the step runs, until it ends or asks the loop for something; and the step stands still until that is
done. So a schedule with threads is as exact as one without.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flowcraft_core.errors import StepEndedError
from flowcraft_core.threads import StepThreads

from .loop import VirtualLoop, of_thread

T = TypeVar("T")


class _GivenUp(BaseException):
    """Ends a step that nobody waits for any more."""


class _Step:
    """One call in a thread, and whose turn it is."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended: bool = False
        self.request: Callable[[], object] | None = None
        self._given_up = False
        self._turn = threading.Semaphore(0)
        self._loops_turn = threading.Semaphore(0)
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run, function), daemon=True)
        self._started = False

    def go_on(self) -> None:
        """From the loop: let the step run until it ends or asks for something."""
        if self._started:
            self._turn.release()
        else:
            self._started = True
            self._thread.start()
        self._loops_turn.acquire()

    def give_up(self) -> None:
        """From the loop: end the step where it waits."""
        self._given_up = True
        while not self.ended:
            self.go_on()

    def ask(self, request: Callable[[], object]) -> None:
        """From the step: have the loop do something, and wait until it is done."""
        self.request = request
        self._loops_turn.release()
        self._turn.acquire()
        if self._given_up:
            raise _GivenUp

    def _run(self, function: Callable[[], Any]) -> None:
        of_thread.ask = self.ask
        try:
            self.result = function()
        except BaseException as error:
            self.error = error
        self.ended = True
        self._loops_turn.release()


class HandedOverThreads(StepThreads):
    """``StepThreads`` for a ``VirtualLoop``."""

    async def run(self, function: Callable[[], T], began: Callable[[], None] | None = None) -> T:
        """Run a function in a thread while the loop stands still."""
        if began is not None:
            began()
        return await hand_over(function)


async def hand_over(function: Callable[[], T]) -> T:
    """Run a function in a thread while the loop stands still, but for what the function asks of it.

    Raises:
        StepEndedError: It raised what is no ordinary exception; those are raised as they are.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    step = _Step(function)
    step.go_on()
    while not step.ended:
        assert step.request is not None
        task = loop.newest_of(step.request)
        try:
            if task is not None:
                await asyncio.wait([task])
        except asyncio.CancelledError:
            step.give_up()
            raise
        step.go_on()
    if step.error is not None:
        raise StepEndedError.of(step.error)
    return cast(T, step.result)
