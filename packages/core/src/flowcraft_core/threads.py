"""Runs plain ``def`` steps in daemon threads, so that one that never returns cannot hold up the exit.

The standard executor joins its threads when the interpreter exits, and counts a stuck thread as busy for ever. Here a
step that was given up (timed out, or its run ended) leaves the count at once; its thread ends when the step does.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from .errors import StepEndedError, TransientError
from .logging.catalogue import STEPS_WAIT
from .logging.journal import Journal
from .settings import number, whole

T = TypeVar("T")

# How often it is said that steps wait for a thread, seconds.
_SAID_EVERY = 60.0

# After how long the system is asked again for a thread that it has refused, seconds; and how often, as long as no other
# thread lives that would come to the step in the end.
_ASKED_AGAIN = 0.2
_ASKS = 50


class _Here(threading.local):
    """What differs from thread to thread.

    Attributes:
        lend: In a step's thread: gives its place to others for a while.
    """

    lend: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


_here = _Here()
_all: weakref.WeakSet[StepThreads] = weakref.WeakSet()
_awaited: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Call, None]] = weakref.WeakKeyDictionary()


class _Call:
    __slots__ = (
        "abandoned",
        "asks",
        "began",
        "context",
        "finished",
        "function",
        "future",
        "lent",
        "loop",
        "refused",
        "since",
    )

    def __init__(
        self, function: Callable[[], Any], began: Callable[[], None] | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.function = function
        self.began = began
        self.loop = loop
        self.future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        self.context = contextvars.copy_context()
        self.abandoned = False
        self.finished = False
        self.lent = False
        self.refused: RuntimeError | None = None
        self.asks = 0
        self.since = time.monotonic()


class StepThreads:
    """A bounded set of daemon threads; threads start when they are needed and end when they are idle for a while."""

    def __init__(self, limit: int = 32, idle_seconds: float = 5.0) -> None:
        """Start no thread yet.

        Args:
            limit: How many steps run at once; further ones wait.
            idle_seconds: How long a thread waits for another step before it ends.

        Raises:
            ConfigurationError: A setting cannot mean anything.
        """
        self._limit = whole("max_threads", limit, least=1)
        self._idle_seconds = number("idle_seconds", idle_seconds, least=0)
        self._said = float("-inf")
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """Without any thread; also in a forked child, in which those of its parent do not exist."""
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._busy = 0
        self._idle = 0
        self._abandoned = 0

    def others(self) -> StepThreads:
        """As many other threads."""
        return StepThreads(self._limit, self._idle_seconds)

    @property
    def abandoned(self) -> int:
        """How many given-up steps are still running in their threads."""
        return self._abandoned

    @property
    def waiting(self) -> int:
        """How many steps wait for a thread."""
        return len(self._calls)

    async def run(self, function: Callable[[], T], began: Callable[[], None] | None = None) -> T:
        """Run a function in a thread, in a copy of the caller's context variables.

        When the caller is cancelled, the function is given up: its thread goes on, and counts no more.

        Args:
            function: The function.
            began: Called in the event loop once the function has a thread and begins.

        Raises:
            StepEndedError: The function raised what is no ordinary exception; that is its cause.
            TransientError: The system has refused a thread for a while; the function is not called.
            Exception: Whatever else the function raised.
        """
        call = _Call(function, began, asyncio.get_running_loop())
        with self._changed:
            self._calls.append(call)
            self._start_or_wake()
            waiting = len(self._calls) - self._idle
        if waiting > 0:
            self._say_that_steps_wait(waiting)
        awaited = _awaited.setdefault(call.loop, {})
        awaited[call] = None
        try:
            result, error = await call.future
        except asyncio.CancelledError:
            self._give_up(call)
            raise
        finally:
            del awaited[call]
        if error is not None:
            raise StepEndedError.of(error)
        return result  # type: ignore[no-any-return]

    def _say_that_steps_wait(self, number_of: int) -> None:
        now = time.monotonic()
        if now - self._said >= _SAID_EVERY:
            self._said = now
            Journal().tell(STEPS_WAIT, steps=number_of, threads=self._limit)

    def _start_or_wake(self) -> None:
        if self._idle >= len(self._calls):
            self._changed.notify()
        elif self._busy + self._idle < self._limit:
            self._idle += 1
            try:
                threading.Thread(target=self._work, name="flowcraft-step", daemon=True).start()
            except RuntimeError as error:
                self._idle -= 1
                self._ask_again_for_all(error)

    def _ask_again_for_all(self, refused: RuntimeError) -> None:
        """Have those who wait ask again, each in its own event loop: the system may have a thread in a moment."""
        for call in self._calls:
            if call.refused is None:
                call.refused = refused
                with contextlib.suppress(RuntimeError):  # its loop was closed meanwhile
                    call.loop.call_soon_threadsafe(self._ask_again_later, call)

    def _ask_again_later(self, call: _Call) -> None:
        call.loop.call_later(_ASKED_AGAIN, self._ask_again, call)

    def _ask_again(self, call: _Call) -> None:
        with self._changed:
            if call not in self._calls:
                return  # it has begun, or was given up
            self._start_or_wake()
            call.asks = 0 if self._busy + self._idle else call.asks + 1
            if is_too_often := call.asks >= _ASKS:
                self._calls.remove(call)
        if not is_too_often:
            self._ask_again_later(call)
        elif not call.future.done():
            error = TransientError(f"no thread can be started for plain steps: {call.refused}")
            error.__cause__ = call.refused
            call.future.set_result((None, error))

    def _give_up(self, call: _Call) -> None:
        with self._changed:
            if call.finished:
                return
            call.abandoned = True
            if call in self._calls:
                self._calls.remove(call)
            else:
                self._abandoned += 1
                if not call.lent:
                    self._make_room()

    def _make_room(self) -> None:
        self._busy -= 1
        if self._calls:
            self._start_or_wake()

    @contextlib.contextmanager
    def _lend(self, call: _Call) -> Iterator[None]:
        with self._changed:
            call.lent = True
            if not call.abandoned:
                self._make_room()
        try:
            yield
        finally:
            with self._changed:
                call.lent = False
                if not call.abandoned:
                    self._busy += 1  # at once, though it may be one too many for a while: it was begun long ago

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
            _here.lend = partial(self._lend, call)
            try:
                if call.began is not None:
                    self._tell(call, call.began)
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
                crowded = self._busy + self._idle > self._limit
                if crowded:
                    self._idle -= 1
            # As a result: what is no ordinary exception would stop the event loop instead of the step.
            self._tell(call, partial(call.future.set_result, (result, error)))
            del call, result, error
            if crowded:
                return

    @staticmethod
    def _tell(call: _Call, callback: Callable[[], object]) -> None:
        def tell() -> None:
            if not call.future.done():
                callback()

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits for the answer any more
            call.loop.call_soon_threadsafe(tell)


def awaited_for(loop: asyncio.AbstractEventLoop) -> float | None:
    """For how long the newest step in a thread is awaited in an event loop; to be asked there.

    For a clock that passes by itself as soon as its event loop has nothing to do, which cannot see threads.

    Returns:
        Seconds, of the machine's clock; None if no step in a thread is awaited.
    """
    newest = next(reversed(_awaited.get(loop, {})), None)
    return None if newest is None else time.monotonic() - newest.since


def lent() -> contextlib.AbstractContextManager[None]:
    """Give this thread's place to another step for a while, if it is a step's: it waits for a run of its own.

    A run inside a step may need threads for its steps. If those that wait for such runs counted, as many of them as
    there may be threads would wait for ever.
    """
    return _here.lend()


def _begin_anew() -> None:
    for threads in _all:
        threads._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
