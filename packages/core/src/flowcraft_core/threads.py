"""Runs plain ``def`` steps in daemon threads, so that one that never returns cannot hold up the exit.

The standard executor joins its threads when the interpreter exits, and counts a stuck thread as busy for ever. Here a
step that was given up (timed out, or its run ended) leaves the count at once; its thread ends when the step does.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _Call:
    __slots__ = ("abandoned", "context", "finished", "function", "future", "loop")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.context = contextvars.copy_context()
        self.abandoned = False
        self.finished = False


class StepThreads:
    """A bounded set of daemon threads; threads start when they are needed and end when they are idle for a while."""

    def __init__(self, limit: int = 32, idle_seconds: float = 5.0) -> None:
        """Start no thread yet.

        Args:
            limit: How many steps run at once; further ones wait.
            idle_seconds: How long a thread waits for another step before it ends.
        """
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._busy = 0
        self._idle = 0
        self._abandoned = 0

    @property
    def abandoned(self) -> int:
        """How many given-up steps are still running in their threads."""
        return self._abandoned

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread, in a copy of the caller's context variables.

        When the caller is cancelled, the function is given up: its thread goes on, and counts no more.
        """
        call = _Call(function, asyncio.get_running_loop())
        with self._changed:
            self._calls.append(call)
            self._start_or_wake()
        try:
            result: T = await call.future
            return result
        except asyncio.CancelledError:
            self._give_up(call)
            raise

    def _start_or_wake(self) -> None:
        if self._idle >= len(self._calls):
            self._changed.notify()
        elif self._busy + self._idle < self._limit:
            self._idle += 1
            threading.Thread(target=self._work, name="flowcraft-step", daemon=True).start()

    def _give_up(self, call: _Call) -> None:
        with self._changed:
            if call.finished:
                return
            call.abandoned = True
            if call in self._calls:
                self._calls.remove(call)
            else:
                self._busy -= 1
                self._abandoned += 1
                if self._calls:
                    self._start_or_wake()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._calls:
                    if not self._changed.wait(self._idle_seconds) and not self._calls:
                        self._idle -= 1
                        return
                call = self._calls.popleft()
                self._idle -= 1
                self._busy += 1
            result, error = None, None
            try:
                result = call.context.run(call.function)
            except BaseException as raised:  # a step's SystemExit must reach its node, not end this thread silently
                error = raised
            with self._changed:
                if call.abandoned:
                    self._abandoned -= 1
                    return  # its place was given away
                call.finished = True
                self._busy -= 1
                self._idle += 1
            self._answer(call, result, error)
            del call, result, error

    @staticmethod
    def _answer(call: _Call, result: Any, error: BaseException | None) -> None:
        def settle() -> None:
            if call.future.done():
                return
            if error is None:
                call.future.set_result(result)
            elif isinstance(error, (StopIteration, asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
                # A future cannot carry the first, and the others would stop the event loop instead of the step.
                wrapped = RuntimeError(f"the step raised {type(error).__name__}: {error}")
                wrapped.__cause__ = error
                call.future.set_exception(wrapped)
            else:
                call.future.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits for the answer any more
            call.loop.call_soon_threadsafe(settle)
